//! Secrets at the moment of their use.

use super::settings::SecretRef;
use crate::secret::Secret;

/// The secret itself; a file is read anew, so that a rotated secret needs no reload. The line end that editors leave is
/// no part of it.
pub(super) async fn reveal(reference: &SecretRef) -> Result<Secret, String> {
    match reference {
        SecretRef::Inline(secret) => Ok(secret.clone()),
        SecretRef::File(path) => match tokio::fs::read_to_string(path).await {
            Ok(text) => Ok(Secret::new(text.trim_end_matches(['\r', '\n']))),
            Err(error) => Err(format!("cannot read the secret in {}: {error}", path.display())),
        },
    }
}
