//! A receiver for tests.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use nines::engine::message::{Attempt, Message};
use nines::engine::ports::{Integration, Notifier, SendOutcome};

/// A receiver that notes what it is told, and answers as it is bid.
#[derive(Default)]
pub struct Receiver {
    got: Mutex<Vec<(String, Message)>>,
    answers: Mutex<VecDeque<Answer>>,
}

/// How a receiver meets a message.
pub enum Answer {
    /// It has it, and never says so.
    Hangs,
    /// It does not take it.
    Says(SendOutcome),
}

impl Receiver {
    pub fn answer(&self, answer: Answer) {
        self.answers.lock().expect("no panic").push_back(answer);
    }

    /// What it was told since it was last asked: `trigger +SLOBurn/page`, with `-` for what has ended.
    pub fn told(&self) -> Vec<String> {
        self.take().iter().map(|(_, message)| words(message)).collect()
    }

    /// The same, with the deliveries' ids.
    pub fn take(&self) -> Vec<(String, Message)> {
        std::mem::take(&mut self.got.lock().expect("no panic"))
    }
}

pub fn words(message: &Message) -> String {
    let alerts = message.alerts.iter().map(|alert| {
        let sign = if alert.firing { '+' } else { '-' };
        format!("{sign}{}/{}", alert.labels["alertname"], alert.labels["severity"])
    });
    let words: Vec<String> = std::iter::once(message.kind.word().to_owned()).chain(alerts).collect();
    words.join(" ")
}

#[async_trait]
impl Notifier for Receiver {
    async fn send(&self, attempt: &Attempt) -> SendOutcome {
        let answer = self.answers.lock().expect("no panic").pop_front();
        let got = (attempt.delivery_id.clone(), attempt.message.clone());
        match answer {
            Some(Answer::Says(outcome)) => outcome,
            Some(Answer::Hangs) => std::future::pending().await,
            None => {
                self.got.lock().expect("no panic").push(got);
                SendOutcome::Accepted
            }
        }
    }
}

pub fn webhook(index: usize, receiver: &Arc<Receiver>) -> Integration {
    Integration {
        kind: "webhook",
        index,
        send_resolved: true,
        resend_every: None,
        notifier: Arc::clone(receiver) as _,
    }
}
