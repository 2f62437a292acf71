//! Vector selectors, and the ranges and modifiers behind expressions.

use super::expr::{At, Expr, ExprKind, Modifiers, Offset, Place, Range, VectorSelector};
use super::{Parsed, Parser, Token};
use crate::domain::matcher::{MatchOp, Matcher, Selector};
use crate::domain::promql::{PromQlError, TEMPLATE};
use crate::domain::selector_parser::{is_label_name, new_matcher, take_metric};

/// The most matchers in one selector.
const MATCHERS_MAX: usize = 200;
const NAME_LABEL: &str = "__name__";
const OPS: [MatchOp; 4] = [MatchOp::Equal, MatchOp::NotEqual, MatchOp::Regex, MatchOp::NotRegex];

impl Parser<'_> {
    /// What follows a metric's name; without one the next token is the brace.
    pub(super) fn selector(&mut self, metric: Option<&str>) -> Parsed<ExprKind> {
        let start = metric.map_or_else(|| self.place().start, |_| self.end());
        let mut metric = metric.map(ToOwned::to_owned);
        let mut matchers = Vec::new();
        if self.take_sign("{") {
            self.matchers(&mut metric, &mut matchers)?;
        }
        if metric.is_none() {
            if matchers.iter().all(|matcher: &Matcher| matcher.matches("")) {
                let message =
                    "vector selector must contain at least one non-empty matcher; this one selects every series";
                return Err(PromQlError::new(start, message).with_hint("name a metric: http_requests_total{…}"));
            }
            metric = take_metric(&mut matchers);
        }
        Ok(ExprKind::Selector(Box::new(VectorSelector {
            selector: Selector { metric, matchers },
            modifiers: Modifiers::default(),
        })))
    }

    fn matchers(&mut self, metric: &mut Option<String>, matchers: &mut Vec<Matcher>) -> Parsed<()> {
        let twice = |at| PromQlError::new(at, "metric name must not be set twice");
        while !self.take_sign("}") {
            let at = self.place().start;
            let (name, is_quoted) = match self.peek().clone() {
                Token::Word(word) if is_label_name(word) => (word.to_owned(), false),
                Token::Text(text) if !text.is_empty() => (text, true),
                _ => return Err(self.unexpected("a label's name or }")),
            };
            self.advance();
            let is_metric = is_quoted && (self.is_sign(",") || self.is_sign("}"));
            if is_metric || name == NAME_LABEL {
                let has_name = metric.is_some() || (is_metric && matchers.iter().any(|known| known.name == NAME_LABEL));
                if has_name {
                    return Err(twice(at));
                }
            }
            if is_metric {
                *metric = Some(name);
            } else {
                matchers.push(self.matcher(name)?);
            }
            if matchers.len() > MATCHERS_MAX {
                return Err(PromQlError::new(at, format!("more than {MATCHERS_MAX} matchers")));
            }
            if !self.is_sign("}") {
                self.expect_sign(",", "a comma or }")?;
            }
        }
        Ok(())
    }

    fn matcher(&mut self, name: String) -> Parsed<Matcher> {
        let op = OPS.into_iter().find(|op| self.is_sign(op.symbol()));
        let Some(op) = op else {
            if self.is_sign("==") {
                let error = self.unexpected("=, !=, =~ or !~");
                return Err(error.with_hint("a label is compared with a single ="));
            }
            return Err(self.unexpected("=, !=, =~ or !~"));
        };
        self.advance();
        let place = self.place();
        let Token::Text(value) = self.peek().clone() else {
            let is_quote = self.text[place.start..].starts_with(['"', '\'', '`', '“', '”']);
            if is_quote || *self.peek() == Token::End {
                return Err(self.unexpected("a value in quotes"));
            }
            let message = format!("the value of {name} must be quoted: {name}{}\"…\"", op.symbol());
            return Err(PromQlError::new(place.start, message));
        };
        self.advance();
        new_matcher(name, op, value, place.start).map_err(|error| PromQlError::new(error.at, error.message))
    }

    /// The ranges and modifiers behind an expression.
    pub(super) fn behind(&mut self, mut expr: Expr) -> Parsed<Expr> {
        loop {
            if self.is_sign("[") {
                self.enter()?;
                expr = self.range_behind(expr)?;
            } else if self.is_word("offset") {
                let at = self.place().start;
                self.advance();
                let offset = self.offset()?;
                let modifiers = modifiers(&mut expr, at, "offset")?;
                if modifiers.offset.replace(offset).is_some() {
                    return Err(PromQlError::new(at, "offset may not be set multiple times"));
                }
            } else if self.is_sign("@") {
                let at = self.place().start;
                self.advance();
                let time = self.at_time()?;
                let modifiers = modifiers(&mut expr, at, "@")?;
                if modifiers.at.replace(time).is_some() {
                    return Err(PromQlError::new(at, "@ <timestamp> may not be set multiple times"));
                }
            } else {
                return Ok(expr);
            }
            expr.place.end = self.end();
        }
    }

    /// `[5m]` or `[1h:5m]`.
    fn range_behind(&mut self, expr: Expr) -> Parsed<Expr> {
        let bracket = self.place().start;
        self.advance();
        let range_place = self.place();
        let range = self.positive_range()?;
        let place = |end| Place {
            start: expr.place.start,
            end,
        };
        if self.take_sign(":") {
            let step = if self.is_sign("]") {
                None
            } else {
                Some(self.positive_range()?)
            };
            self.expect_sign("]", "]")?;
            return Ok(Expr {
                place: place(self.end()),
                kind: ExprKind::Subquery {
                    expr: Box::new(expr),
                    range,
                    step,
                    modifiers: Modifiers::default(),
                },
            });
        }
        self.expect_sign("]", "] or a colon")?;
        let place = place(self.end());
        match expr.kind {
            ExprKind::Selector(selector) if selector.modifiers.is_empty() => Ok(Expr {
                place,
                kind: ExprKind::Matrix {
                    selector,
                    range,
                    range_place,
                },
            }),
            ExprKind::Selector(selector) => {
                let which = if selector.modifiers.offset.is_some() {
                    "offset"
                } else {
                    "@"
                };
                let message = format!("no {which} modifiers allowed before range");
                Err(PromQlError::new(bracket, message).with_hint(format!("write the range first: x[5m] {which} …")))
            }
            _ => Err(not_a_selector(&expr, bracket)),
        }
    }

    fn positive_range(&mut self) -> Parsed<Range> {
        let at = self.place().start;
        match self.range()? {
            Range::Fixed(0) => Err(PromQlError::new(at, "duration must be greater than 0")),
            range => Ok(range),
        }
    }

    fn range(&mut self) -> Parsed<Range> {
        let at = self.place().start;
        let range = match *self.peek() {
            Token::Template => Range::Template,
            Token::Duration(0) => return Err(PromQlError::new(at, "duration must be greater than 0")),
            Token::Duration(length) => Range::Fixed(length),
            Token::Number(seconds) if (0.0..=1e12).contains(&seconds) => Range::Fixed((seconds * 1e3).round() as u64),
            Token::Number(_) => return Err(PromQlError::new(at, "duration out of range")),
            _ => {
                let error = self.unexpected("a duration such as 5m");
                let is_word = matches!(self.peek(), Token::Word(_) | Token::Sign("{"));
                return Err(if is_word {
                    error.with_hint(format!("the window is written {TEMPLATE}"))
                } else {
                    error
                });
            }
        };
        self.advance();
        Ok(range)
    }

    fn offset(&mut self) -> Parsed<Offset> {
        let is_negative = self.take_sign("-");
        if !is_negative {
            self.take_sign("+");
        }
        let by = self.range()?;
        Ok(Offset { is_negative, by })
    }

    fn at_time(&mut self) -> Parsed<At> {
        for (word, at) in [("start", At::Start), ("end", At::End)] {
            if self.take_word(word) {
                self.expect_sign("(", "()")?;
                self.expect_sign(")", ")")?;
                return Ok(at);
            }
        }
        let place = self.place();
        let is_negative = self.take_sign("-");
        if !is_negative {
            self.take_sign("+");
        }
        let time = match *self.peek() {
            Token::Number(time) => time,
            Token::Duration(length) => length as f64 / 1e3,
            _ => return Err(self.unexpected("a unix time, start() or end()")),
        };
        if time.is_nan() || time.abs() >= 9.2e15 {
            return Err(PromQlError::new(place.start, "timestamp out of bounds for @ modifier"));
        }
        self.advance();
        Ok(At::Time(if is_negative { -time } else { time }))
    }
}

fn modifiers<'e>(expr: &'e mut Expr, at: usize, which: &str) -> Parsed<&'e mut Modifiers> {
    match &mut expr.kind {
        ExprKind::Selector(selector) | ExprKind::Matrix { selector, .. } => Ok(&mut selector.modifiers),
        ExprKind::Subquery { modifiers, .. } => Ok(modifiers),
        _ => {
            let message = format!(
                "{which} modifier must be preceded by an instant vector selector or range vector selector or a subquery"
            );
            Err(PromQlError::new(at, message))
        }
    }
}

fn not_a_selector(expr: &Expr, bracket: usize) -> PromQlError {
    let error = PromQlError::new(bracket, "ranges only allowed for vector selectors");
    match &expr.kind {
        ExprKind::Call { .. } | ExprKind::Aggregate(_) => PromQlError::new(
            bracket,
            "a range behind a call is MetricsQL (VictoriaMetrics), not PromQL",
        )
        .with_hint("a subquery says the same: (…)[1h:1m]"),
        ExprKind::Number(_) => {
            error.with_hint("a range follows a metric; in `x == 0[5m]` it follows the number: x[5m] == 0")
        }
        ExprKind::Paren(_) | ExprKind::Binary { .. } => error.with_hint("a subquery needs a colon: (…)[1h:1m]"),
        _ => error,
    }
}
