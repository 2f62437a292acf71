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
pub use lexer::{TEMPLATE, fill_template, has_template, with_template};
pub use parser::parse;
pub use understand::{
    GROUP_LABELS_MAX, Known, NotUnderstood, Understood, result_groups, understand_ratio, understand_raw,
    understand_threshold, union,
};

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

/// The longest piece of a text in a message, in characters.
const EXCERPT_MAX: usize = 60;

/// The beginning of a text in one line, as messages show it.
pub fn excerpt(text: &str) -> String {
    let shown = |c: char| if c.is_control() { ' ' } else { c };
    let mut excerpt: String = text.trim_end().chars().take(EXCERPT_MAX).map(shown).collect();
    if text.trim_end().chars().nth(EXCERPT_MAX).is_some() {
        excerpt.push('…');
    }
    excerpt
}
