//! Targets to be scraped, for the comparisons in `bench/`.
//!
//! ```text
//! farm pages --port 9300 --targets 10 --tick-ms 2500 [--gzip]     10 targets of 40,000 series, on ports from 9300 on
//! farm many  --port 9200 --targets 10000 --period-ms 15000        127.0.x.y:9200, small pages; GET /farm says how even
//! ```
//!
//! It ends when its standard input is closed, so that it never outlives who started it.

mod http;
mod many;
mod page;
mod pages;

use std::io::Read;

fn main() -> std::io::Result<()> {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let number = |name: &str, default: u64| {
        let at = given.iter().position(|word| word == name);
        at.and_then(|at| given.get(at + 1))
            .and_then(|word| word.parse().ok())
            .unwrap_or(default)
    };
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let port = number("--port", 9300) as u16;
    match given.first().map(String::as_str) {
        Some("pages") => {
            let gzip = given.iter().any(|word| word == "--gzip");
            runtime.block_on(pages::serve(
                port,
                number("--targets", 10) as u16,
                number("--tick-ms", 2500),
                gzip,
            ))
        }
        Some("many") => runtime.block_on(many::serve(
            port,
            number("--targets", 10_000),
            number("--period-ms", 15_000),
        )),
        _ => {
            eprintln!("farm pages|many --port N --targets N [--tick-ms N] [--gzip] [--period-ms N]");
            std::process::exit(2);
        }
    }
}
