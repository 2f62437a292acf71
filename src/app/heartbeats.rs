//! The heartbeats of the configuration, as the engine knows them: their tokens are hashed here.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use crate::config::heartbeats::{HeartbeatSettings, token_fault};
use crate::engine::push::beats::{ListedHeartbeat, Token};
use crate::notify::settings::SecretRef;

/// Reads the tokens that stand in files; an error says of which heartbeat, never the token.
pub fn list(heartbeats: &[HeartbeatSettings]) -> Result<Vec<ListedHeartbeat>, Vec<String>> {
    let (mut listed, mut wrong) = (Vec::new(), Vec::new());
    let mut seen: HashMap<Token, &str> = HashMap::new();
    for HeartbeatSettings { heartbeat, token } in heartbeats {
        let name = heartbeat.name.as_str();
        match read(token) {
            Err(why) => wrong.push(format!("the heartbeat {name}: {why}")),
            Ok(token) => match seen.insert(token, name) {
                Some(other) => wrong.push(format!("the heartbeats {other} and {name} have the same token")),
                None => listed.push(ListedHeartbeat {
                    heartbeat: heartbeat.clone(),
                    token,
                }),
            },
        }
    }
    if wrong.is_empty() { Ok(listed) } else { Err(wrong) }
}

fn read(token: &SecretRef) -> Result<Token, String> {
    let text = match token {
        SecretRef::Inline(token) => token.expose().to_owned(),
        SecretRef::File(path) => std::fs::read_to_string(path)
            .map_err(|error| format!("its token_file {} cannot be read: {error}", path.display()))?,
    };
    let text = text.trim();
    match token_fault(text) {
        Some(fault) => Err(fault),
        None => Ok(Sha256::digest(text).into()),
    }
}
