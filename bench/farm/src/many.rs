//! Thousands of small targets: every address 127.0.x.y on one port is another one. Each remembers when it was asked, so
//! that the farm can say how evenly the scraper comes.

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;

use crate::http::Connection;

/// What is known of the visits to all targets since the last `GET /farm?reset`.
struct Visits {
    began: Instant,
    /// By target, when it was asked last, in microseconds.
    last: Vec<Option<u64>>,
    /// How far two visits were from one period apart, in microseconds.
    jitter: Vec<u32>,
    requests: u64,
    open: u64,
}

/// Serves `targets` addresses, 250 in each /24 from 127.0.1.1 on.
pub async fn serve(port: u16, targets: u64, period_ms: u64) -> std::io::Result<()> {
    let listener = tokio::net::TcpSocket::new_v4()?;
    listener.set_reuseaddr(true)?;
    listener.bind(([0, 0, 0, 0], port).into())?;
    let listener: TcpListener = listener.listen(4096)?;
    let visits = Rc::new(RefCell::new(Visits {
        began: Instant::now(),
        last: vec![None; targets as usize],
        jitter: Vec::new(),
        requests: 0,
        open: 0,
    }));
    println!("ready");
    let local = tokio::task::LocalSet::new();
    local
        .run_until(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    // Out of descriptors, most likely: whoever waits goes on waiting.
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    continue;
                };
                let visits = Rc::clone(&visits);
                let number = stream.local_addr().ok().and_then(|address| number_of(address.ip()));
                tokio::task::spawn_local(async move {
                    visits.borrow_mut().open += 1;
                    let mut connection = Connection::new(stream);
                    while let Some(request) = connection.request().await {
                        let body = if request.path.starts_with("/farm") {
                            visits.borrow_mut().report(request.path.ends_with("reset"))
                        } else {
                            let at = number.unwrap_or_default();
                            let elapsed = visits.borrow_mut().note(at, period_ms * 1000);
                            page(at, elapsed)
                        };
                        if !connection
                            .answer("text/plain; version=0.0.4; charset=utf-8", false, body.as_bytes())
                            .await
                        {
                            break;
                        }
                    }
                    visits.borrow_mut().open -= 1;
                });
            }
        })
        .await
}

/// 127.0.1.1 is target 0, 127.0.1.250 target 249, 127.0.2.1 target 250.
fn number_of(address: IpAddr) -> Option<u64> {
    let IpAddr::V4(address) = address else { return None };
    let [_, _, third, fourth] = address.octets().map(u64::from);
    Some(third.checked_sub(1)? * 250 + fourth.checked_sub(1)?)
}

impl Visits {
    fn note(&mut self, target: u64, period_us: u64) -> u64 {
        let now = self.began.elapsed().as_micros() as u64;
        self.requests += 1;
        if let Some(last) = self.last.get_mut(target as usize) {
            if let Some(before) = last.replace(now) {
                let off = (now - before).abs_diff(period_us);
                self.jitter.push(u32::try_from(off).unwrap_or(u32::MAX));
            }
        }
        now
    }

    /// As JSON: visits, targets seen, and how far visits were from one period after the one before, in milliseconds.
    fn report(&mut self, reset: bool) -> String {
        self.jitter.sort_unstable();
        let at = |share: f64| {
            let place = (self.jitter.len() as f64 * share) as usize;
            let micros = self
                .jitter
                .get(place.min(self.jitter.len().saturating_sub(1)))
                .copied()
                .unwrap_or_default();
            f64::from(micros) / 1000.0
        };
        let seen = self.last.iter().flatten().count();
        let text = format!(
            "{{\"requests\":{},\"targets\":{seen},\"connections\":{},\"intervals\":{},\"jitter_ms\":{{\"p50\":{},\"p90\":{},\"p99\":{},\"max\":{}}}}}\n",
            self.requests,
            self.open,
            self.jitter.len(),
            at(0.5),
            at(0.9),
            at(0.99),
            at(1.0)
        );
        if reset {
            self.requests = 0;
            self.jitter.clear();
        }
        text
    }
}

/// 32 series; counters follow the clock, so that a target needs no memory of its own.
fn page(target: u64, elapsed_us: u64) -> String {
    let mut text = String::with_capacity(3000);
    let events = elapsed_us / 100_000 + target;
    text.push_str("# TYPE http_requests_total counter\n");
    for route in 0..5 {
        for (code, share) in [("200", 97), ("404", 2), ("500", 1)] {
            let value = events * share / 100;
            text.push_str(&format!(
                "http_requests_total{{service=\"svc-{}\",route=\"/r{route}\",code=\"{code}\"}} {value}\n",
                target % 20
            ));
        }
    }
    text.push_str("# TYPE process_open_fds gauge\n");
    for number in 0..16 {
        text.push_str(&format!(
            "worker_busy_ratio{{worker=\"{number}\"}} 0.{}\n",
            events % 90 + 10
        ));
    }
    text.push_str("process_start_time_seconds 1700000000\n");
    text
}
