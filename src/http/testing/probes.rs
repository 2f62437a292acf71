//! Probes that are always good, or are refused.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;

use crate::domain::verdict::{Fault, Measure, Reason, Verdict};
use crate::engine::ports::{Admission, ProbeOnDemand, ProbeRequest, Refusal};

/// Answers by what the target is called, and remembers what it was asked for.
pub struct Probes {
    /// Who may ask.
    pub admission: Admission,
    /// What it was asked for.
    pub asked: Mutex<Vec<ProbeRequest>>,
}

impl Default for Probes {
    fn default() -> Self {
        Self {
            admission: Admission::Loopback,
            asked: Mutex::default(),
        }
    }
}

#[async_trait]
impl ProbeOnDemand for Probes {
    async fn admission(&self) -> Result<Admission, String> {
        Ok(self.admission)
    }

    async fn probe(&self, request: &ProbeRequest) -> Result<(Verdict, Duration), Refusal> {
        self.asked.lock().expect("nobody panics").push(request.clone());
        match request.target.as_str() {
            "busy" => Err(Refusal::Busy),
            "wrong" => Err(Refusal::Invalid("Unknown module \"x\"".to_owned())),
            _ => {
                let measure = Measure {
                    name: "probe_http_status_code",
                    labels: Vec::new(),
                    value: 200.0,
                };
                let verdict = Verdict {
                    measures: vec![measure],
                    ..Verdict::untried(Fault::new(Reason::Ok, ""))
                };
                Ok((verdict, request.timeout))
            }
        }
    }
}
