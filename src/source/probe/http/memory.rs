//! What a module keeps from probe to probe, for all of its targets.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use cel::Program;
use http::HeaderValue;

use crate::domain::egress::EgressPolicy;
use crate::domain::verdict::{Fault, Reason};
use crate::egress::Egress;
use crate::source::http::client::Clients;
use crate::source::http::oauth2::Tokens;
use crate::source::http::settings::{Auth, HttpSettings};

/// The token of `oauth2`, and expressions that were compiled.
#[derive(Debug, Default)]
pub struct Memory {
    tokens: OnceLock<Arc<Tokens>>,
    programs: Mutex<HashMap<String, Arc<Program>>>,
}

impl Memory {
    /// The value of `Authorization`; `None` without `oauth2`.
    pub(super) async fn token(
        &self,
        settings: &HttpSettings,
        policy: &EgressPolicy,
    ) -> Result<Option<HeaderValue>, Fault> {
        let Auth::OAuth2(oauth2) = &settings.auth else {
            return Ok(None);
        };
        let clients = || Arc::new(Clients::new(Egress::new(policy.clone())));
        let tokens = self
            .tokens
            .get_or_init(|| Arc::new(Tokens::new((**oauth2).clone(), clients())));
        let token = tokens.get().await;
        let token = token.map_err(|missing| Fault::new(Reason::Misconfigured, missing.detail))?;
        Ok(Some(token))
    }

    /// This token was refused.
    pub(super) async fn forget(&self, refused: &HeaderValue) {
        if let Some(tokens) = self.tokens.get() {
            tokens.forget(refused).await;
        }
    }

    /// A compiled CEL expression: those of one module, of which there are two at most.
    pub(super) fn program(&self, text: &str) -> Result<Arc<Program>, Fault> {
        let mut programs = self.programs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = programs.get(text) {
            return Ok(Arc::clone(known));
        }
        let compiled = Program::compile(text);
        let compiled = compiled.map_err(|_| Fault::new(Reason::Misconfigured, "the CEL expression cannot be read"))?;
        let compiled = Arc::new(compiled);
        programs.insert(text.to_owned(), Arc::clone(&compiled));
        Ok(compiled)
    }
}
