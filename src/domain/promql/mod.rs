//! PromQL: parsed with positions, and understood as far as scraping can serve it.
//!
//! Source: Prometheus's `promql/parser` grammar and <https://prometheus.io/docs/prometheus/latest/querying/basics/>.

mod check;
mod display;
mod expr;
mod functions;
mod lexer;
mod parser;
mod understand;

#[cfg(test)]
mod tests;

pub use check::ValueType;
pub use expr::{
    Aggregation, At, BinaryOp, Cardinality, Expr, ExprKind, Grouping, Matching, Modifiers, Offset, Place, Range,
    VectorSelector,
};
pub use functions::{Aggregator, Function};
pub use lexer::{TEMPLATE, has_template};
pub use parser::parse;
pub use understand::{NotUnderstood, Understood, understand_ratio, understand_raw, understand_threshold};

/// Why a text is no PromQL, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PromQlError {
    /// The byte at which it went wrong.
    pub at: usize,
    /// What is wrong there.
    pub message: String,
    /// How it is likely mended.
    pub hint: Option<String>,
}

impl PromQlError {
    fn new(at: usize, message: impl Into<String>) -> Self {
        Self {
            at,
            message: message.into(),
            hint: None,
        }
    }

    fn with_hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }
}
