//! An example of each of the usual mistakes, and of how it is mended.

mod config;
mod foreign;
mod lints;
mod slos;

/// What gives a code, and what does not.
#[derive(Debug)]
pub struct Example {
    /// `N004`
    pub code: &'static str,
    /// A file that gives it.
    pub wrong: &'static str,
    /// The same file, mended.
    pub right: &'static str,
}

/// The example of a code, where there is one.
pub fn of(code: &str) -> Option<&'static Example> {
    all().find(|example| example.code == code)
}

/// All examples.
pub fn all() -> impl Iterator<Item = &'static Example> {
    [slos::ALL, config::ALL, lints::ALL, foreign::ALL].into_iter().flatten()
}

/// A file about which nothing is to be said.
const GOOD: &str = "\
version: nines/v1
service: shop
slos:
  - name: availability
    objective: 99.9
    window: 30d
    indicator: {total: requests_total, bad: errors_total}
";
