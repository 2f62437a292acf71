//! How files are read.

use crate::domain::window::WindowLength;

/// How files are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// OpenSLO as its SDK validates it: what is a warning otherwise is an error.
    pub strict: bool,
    /// The window of SLOs whose format has none: Sloth's `--default-slo-period`.
    pub default_period: WindowLength,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            strict: false,
            default_period: WindowLength::DAYS_30,
        }
    }
}
