//! A resolver that says what a test wants.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;

use super::{Egress, Names};
use crate::domain::egress::EgressPolicy;

/// Gives one answer after the other, the last one again and again, whatever name is asked for.
pub struct Answers {
    answers: Vec<Vec<SocketAddr>>,
    asked: AtomicUsize,
}

impl Answers {
    /// Answers such as `["8.8.8.8", "127.0.0.1 ::1"]`; where no port is named it is the one that is asked for.
    pub fn of(answers: &[&str]) -> Arc<Self> {
        let address = |text: &str| match text.parse() {
            Ok(address) => address,
            Err(_) => SocketAddr::new(text.parse().unwrap(), 0),
        };
        Arc::new(Self {
            answers: answers
                .iter()
                .map(|answer| answer.split(' ').map(address).collect())
                .collect(),
            asked: AtomicUsize::new(0),
        })
    }

    /// A way out for which these answers are all that is known.
    pub fn egress(self: &Arc<Self>, policy: EgressPolicy) -> Egress {
        Egress::by(policy, Arc::clone(self) as Arc<dyn Names>)
    }

    /// How often somebody has asked.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Names for Answers {
    async fn lookup(&self, _: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let number = self.asked.fetch_add(1, Ordering::SeqCst);
        let mut answer = self.answers[number.min(self.answers.len() - 1)].clone();
        for address in answer.iter_mut().filter(|address| address.port() == 0) {
            address.set_port(port);
        }
        Ok(answer)
    }
}
