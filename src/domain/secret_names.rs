//! Names behind which a secret may stand.

/// Wherever they stand in a name.
const PARTS: [&str; 3] = ["token", "secret", "passw"];

/// A parameter or label of this name may hold a secret: its value is shown to nobody. `api_key`, `basic_auth`; not
/// `keyspace` or `author`.
pub fn sounds_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    let mut words = name.split(|character: char| !character.is_alphanumeric());
    PARTS.iter().any(|part| name.contains(part)) || words.any(is_secret_word)
}

fn is_secret_word(word: &str) -> bool {
    let word = word.strip_suffix('s').unwrap_or(word);
    let ends = ["key", "auth", "cred", "credential", "signature", "jwt", "pwd"]
        .iter()
        .any(|end| word.ends_with(end));
    ends || word == "sig"
        || ["authoriz", "authoris", "authent"]
            .iter()
            .any(|start| word.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_heard_in_names_and_not_in_everything() {
        let secret = "token access_token X-Api-Key apikey keys password passwd pwd jwt sig X-Amz-Signature client_secret basic_auth Authorization \
                      authentication credentials creds __meta_db_password api_token";
        for name in secret.split(' ') {
            assert!(sounds_secret(name), "{name}");
        }
        for name in "author signal design keyspace keyboard_layout region job instance authority_name credit".split(' ')
        {
            assert!(!sounds_secret(name), "{name}");
        }
    }
}
