//! The `nines` binary: parses, runs, prints the chain of an error once, and chooses the exit status.

use std::process::ExitCode;

use clap::Parser;

use nines::cli::{self, Cli};

fn main() -> ExitCode {
    // One provider of cryptography for all TLS; a second installation is refused, and the first one serves.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match cli::run(Cli::parse()) {
        Ok(status) => ExitCode::from(u8::try_from(status).unwrap_or(1)),
        Err(error) => {
            eprintln!("nines: {error:#}");
            ExitCode::FAILURE
        }
    }
}
