//! Names behind which a secret may stand.

/// Words in such names.
const WORDS: [&str; 6] = ["token", "secret", "passw", "key", "auth", "cred"];

/// A parameter of this name may hold a secret: its value is shown to nobody.
pub fn sounds_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    WORDS.iter().any(|word| name.contains(word))
}
