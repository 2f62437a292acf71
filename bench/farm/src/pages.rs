//! A few targets with a very large page each.

use std::cell::RefCell;
use std::io::Write;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;

use crate::http::Connection;
use crate::page::Page;

/// The page of one target, and what was made of it at the present tick.
struct Target {
    page: Page,
    tick: u64,
    plain: Rc<Vec<u8>>,
    packed: Option<Rc<Vec<u8>>>,
}

/// Serves `targets` pages on ports from `port` on; all values change with every tick.
pub async fn serve(port: u16, targets: u16, tick_ms: u64, gzip: bool) -> std::io::Result<()> {
    let began = Instant::now();
    let local = tokio::task::LocalSet::new();
    for number in 0..targets {
        let listener = TcpListener::bind(("127.0.0.1", port + number)).await?;
        let page = Page::new(u64::from(number));
        eprintln!(
            "127.0.0.1:{} {} series, {} bytes",
            port + number,
            page.series(),
            page.text.len()
        );
        let target = Rc::new(RefCell::new(Target {
            page,
            tick: u64::MAX,
            plain: Rc::default(),
            packed: None,
        }));
        local.spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let target = Rc::clone(&target);
                tokio::task::spawn_local(async move {
                    let mut connection = Connection::new(stream);
                    while let Some(request) = connection.request().await {
                        let tick = (began.elapsed().as_millis() as u64 + u64::from(number) * 250) / tick_ms;
                        let packed = gzip && request.gzip;
                        let body = target.borrow_mut().body(tick, packed);
                        if !connection
                            .answer("text/plain; version=0.0.4; charset=utf-8", packed, &body)
                            .await
                        {
                            return;
                        }
                    }
                });
            }
        });
    }
    println!("ready");
    local.run_until(tokio::time::sleep(Duration::from_secs(6 * 3600))).await;
    Ok(())
}

impl Target {
    /// The page as it is at this tick, made when it is asked for first.
    fn body(&mut self, tick: u64, packed: bool) -> Rc<Vec<u8>> {
        if self.tick != tick {
            self.page.advance();
            (self.tick, self.plain, self.packed) = (tick, Rc::new(self.page.text.clone()), None);
        }
        if !packed {
            return Rc::clone(&self.plain);
        }
        let plain = &self.plain;
        Rc::clone(self.packed.get_or_insert_with(|| Rc::new(pack(plain))))
    }
}

/// gzip at its fastest level: what exporters' libraries use is slower for them and not for who reads it.
fn pack(text: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::with_capacity(text.len() / 8), flate2::Compression::new(1));
    // Writing to memory does not fail; if it did, an empty body would show it.
    match packer.write_all(text).and_then(|()| packer.finish()) {
        Ok(packed) => packed,
        Err(_) => Vec::new(),
    }
}
