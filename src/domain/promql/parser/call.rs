//! Calls of functions, and aggregations.

use super::expr::{Aggregation, Expr, ExprKind, Grouping};
use super::{Parsed, Parser};
use crate::domain::promql::PromQlError;
use crate::domain::promql::functions::{Aggregator, Function};

impl Parser<'_> {
    /// The arguments of the function of this name; the next token is the parenthesis.
    pub(super) fn call(&mut self, name: &str, start: usize) -> Parsed<ExprKind> {
        let Some(function) = Function::named(name) else {
            let message = format!("unknown function with name \"{name}\"");
            let error = PromQlError::new(start, message);
            return Err(match nearest(name) {
                Some(meant) => error.with_hint(format!("did you mean `{meant}`?")),
                None => error,
            });
        };
        let args = self.arguments()?;
        Ok(ExprKind::Call { function, args })
    }

    /// What follows an aggregation's name.
    pub(super) fn aggregation(&mut self, op: Aggregator, start: usize) -> Parsed<ExprKind> {
        let before = self.grouping()?;
        let mut args = self.arguments()?;
        let grouping = match before {
            Some(grouping) => Some(grouping),
            None => self.grouping()?,
        };
        let wanted = if op.param().is_some() { 2 } else { 1 };
        if args.len() != wanted {
            let message = if args.is_empty() {
                format!("no arguments for aggregate expression `{}` provided", op.name())
            } else {
                format!(
                    "wrong number of arguments for aggregate expression `{}` provided, expected {wanted}, got {}",
                    op.name(),
                    args.len()
                )
            };
            return Err(PromQlError::new(start, message));
        }
        let Some(expr) = args.pop() else {
            return Err(self.unexpected("an argument"));
        };
        Ok(ExprKind::Aggregate(Box::new(Aggregation {
            op,
            grouping,
            param: args.pop(),
            expr,
        })))
    }

    fn grouping(&mut self) -> Parsed<Option<Grouping>> {
        let is_without = self.is_word("without");
        if !is_without && !self.is_word("by") {
            return Ok(None);
        }
        self.advance();
        let labels = self.labels()?;
        Ok(Some(Grouping { is_without, labels }))
    }

    fn arguments(&mut self) -> Parsed<Vec<Expr>> {
        self.expect_sign("(", "( with the arguments")?;
        let mut args = Vec::new();
        if self.take_sign(")") {
            return Ok(args);
        }
        loop {
            args.push(self.expression(0)?);
            if self.take_sign(")") {
                return Ok(args);
            }
            self.expect_sign(",", "an operator, a comma or )")?;
            if self.is_sign(")") {
                return Err(PromQlError::new(
                    self.place().start,
                    "trailing commas not allowed in function call args",
                ));
            }
        }
    }
}

/// The function or aggregation that a misspelt name most likely means.
fn nearest(name: &str) -> Option<&'static str> {
    // Of names that are equally near, the more usual one is meant.
    const USUAL: [&str; 4] = ["rate", "sum", "increase", "max"];
    let known = || USUAL.into_iter().chain(Function::names()).chain(Aggregator::names());
    let same = known().find(|known| known.eq_ignore_ascii_case(name));
    same.or_else(|| crate::domain::suggest::suggest(name, known()))
}
