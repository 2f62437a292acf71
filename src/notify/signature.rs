//! Standard Webhooks signatures. Source: the Standard Webhooks specification 1.0.0.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::secret::Secret;

/// The key of a webhook's signatures.
pub(super) struct SigningKey(Vec<u8>);

impl SigningKey {
    /// Reads a secret: base64, with or without `whsec_` before it. The error says nothing of its content.
    pub(super) fn parse(secret: &Secret) -> Result<Self, String> {
        let encoded = secret.expose().trim();
        let encoded = encoded.strip_prefix("whsec_").unwrap_or(encoded);
        let key = STANDARD.decode(encoded).or_else(|_| STANDARD_NO_PAD.decode(encoded));
        match key {
            Ok(key) if !key.is_empty() => Ok(Self(key)),
            _ => Err("the secret must be `whsec_` followed by base64; make one with: \
                      echo whsec_$(openssl rand -base64 32)"
                .to_owned()),
        }
    }

    /// The `webhook-signature` of one attempt.
    pub(super) fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> Result<String, String> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).map_err(|_| "the secret cannot be a key".to_owned())?;
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        Ok(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_example_has_the_published_signature() {
        let key = SigningKey::parse(&Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).expect("a key");
        let body = br#"{"test": 2432232314}"#;
        let signature = key.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(
            signature.as_deref(),
            Ok("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
        );
    }

    #[test]
    fn what_is_no_base64_is_refused_without_being_shown() {
        for secret in ["whsec_ümläut", "correct horse battery staple", "whsec_", ""] {
            let error = SigningKey::parse(&Secret::new(secret)).err().expect("refused");
            assert!(
                error.contains("base64") && !error.contains("horse"),
                "{secret}: {error}"
            );
        }
    }
}
