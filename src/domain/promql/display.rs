//! Expressions as canonical text, which is read back to the same expression.

use std::fmt::{self, Display, Formatter, Write};

use super::expr::{Aggregation, At, Cardinality, Expr, ExprKind, Grouping, Matching, Modifiers, Range, VectorSelector};
use super::lexer::TEMPLATE;
use crate::domain::matcher::Selector;
use crate::domain::selector_parser::is_label_name;

const UNITS: [(&str, u64); 5] = [
    ("d", 24 * 3_600_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ExprKind::Number(number) => write_number(f, *number),
            ExprKind::Text(text) => write_quoted(f, text),
            ExprKind::Selector(selector) => write_selector(f, selector, None),
            ExprKind::Matrix { selector, range, .. } => write_selector(f, selector, Some(*range)),
            ExprKind::Subquery {
                expr,
                range,
                step,
                modifiers,
            } => {
                write!(f, "{expr}[{range}:")?;
                if let Some(step) = step {
                    write!(f, "{step}")?;
                }
                write!(f, "]{modifiers}")
            }
            ExprKind::Unary { is_minus, expr } => write!(f, "{}{expr}", if *is_minus { "-" } else { "+" }),
            ExprKind::Binary {
                op,
                is_bool,
                matching,
                left,
                right,
                ..
            } => {
                write!(f, "{left} {}", op.symbol())?;
                if *is_bool {
                    f.write_str(" bool")?;
                }
                if let Some(matching) = matching {
                    write!(f, " {matching}")?;
                }
                write!(f, " {right}")
            }
            ExprKind::Call { function, args } => {
                write!(f, "{}(", function.name)?;
                for (position, arg) in args.iter().enumerate() {
                    write!(f, "{}{arg}", if position > 0 { ", " } else { "" })?;
                }
                f.write_char(')')
            }
            ExprKind::Aggregate(aggregation) => aggregation.fmt(f),
            ExprKind::Paren(inner) => write!(f, "({inner})"),
        }
    }
}

impl Display for Aggregation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.op.name())?;
        match &self.grouping {
            Some(grouping) => write!(f, " {grouping} (")?,
            None => f.write_char('(')?,
        }
        if let Some(param) = &self.param {
            write!(f, "{param}, ")?;
        }
        write!(f, "{})", self.expr)
    }
}

impl Display for Grouping {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_without { "without (" } else { "by (" })?;
        write_labels(f, &self.labels)
    }
}

impl Display for Matching {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_on { "on (" } else { "ignoring (" })?;
        write_labels(f, &self.labels)?;
        match self.cardinality {
            Cardinality::OneToOne => return Ok(()),
            Cardinality::ManyToOne => f.write_str(" group_left (")?,
            Cardinality::OneToMany => f.write_str(" group_right (")?,
        }
        write_labels(f, &self.include)
    }
}

impl Display for Modifiers {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.at {
            None => {}
            Some(At::Start) => f.write_str(" @ start()")?,
            Some(At::End) => f.write_str(" @ end()")?,
            Some(At::Time(time)) => {
                f.write_str(" @ ")?;
                write_number(f, time)?;
            }
        }
        match self.offset {
            None => Ok(()),
            Some(offset) => write!(f, " offset {}{}", if offset.is_negative { "-" } else { "" }, offset.by),
        }
    }
}

impl Display for Range {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut rest = match *self {
            Self::Template => return f.write_str(TEMPLATE),
            // Of all durations only a number without unit can be zero.
            Self::Fixed(0) => return f.write_char('0'),
            Self::Fixed(length) => length,
        };
        for (unit, length) in UNITS {
            if rest >= length {
                write!(f, "{}{unit}", rest / length)?;
                rest %= length;
            }
        }
        Ok(())
    }
}

fn write_selector(f: &mut Formatter<'_>, written: &VectorSelector, range: Option<Range>) -> fmt::Result {
    let Selector { metric, matchers } = &written.selector;
    let is_plain = |name: &&String| {
        let plain = name.replace(TEMPLATE, "_").replace(':', "_");
        is_label_name(&plain) && !is_operand_keyword(name)
    };
    let plain = metric.as_ref().filter(is_plain);
    if let Some(metric) = plain {
        f.write_str(metric)?;
    }
    let quoted = metric.as_ref().filter(|_| plain.is_none());
    if quoted.is_some() || !matchers.is_empty() {
        f.write_char('{')?;
        if let Some(metric) = quoted {
            write_quoted(f, metric)?;
        }
        for (position, matcher) in matchers.iter().enumerate() {
            if position > 0 || quoted.is_some() {
                f.write_char(',')?;
            }
            write_label(f, &matcher.name)?;
            f.write_str(matcher.op.symbol())?;
            write_quoted(f, &matcher.value)?;
        }
        f.write_char('}')?;
    }
    if let Some(range) = range {
        write!(f, "[{range}]")?;
    }
    write!(f, "{}", written.modifiers)
}

/// Words that stand for something else where an operand is expected.
pub(super) fn is_operand_keyword(name: &str) -> bool {
    const KEYWORDS: [&str; 8] = [
        "atan2",
        "bool",
        "group_left",
        "group_right",
        "ignoring",
        "inf",
        "nan",
        "on",
    ];
    KEYWORDS.iter().any(|keyword| keyword.eq_ignore_ascii_case(name))
}

fn write_labels(f: &mut Formatter<'_>, labels: &[String]) -> fmt::Result {
    for (position, label) in labels.iter().enumerate() {
        if position > 0 {
            f.write_str(", ")?;
        }
        write_label(f, label)?;
    }
    f.write_char(')')
}

fn write_label(f: &mut Formatter<'_>, label: &str) -> fmt::Result {
    if is_label_name(label) && !["inf", "nan"].iter().any(|word| word.eq_ignore_ascii_case(label)) {
        f.write_str(label)
    } else {
        write_quoted(f, label)
    }
}

fn write_quoted(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for c in text.chars() {
        match c {
            '\\' => f.write_str("\\\\")?,
            '"' => f.write_str("\\\"")?,
            '\n' => f.write_str("\\n")?,
            '\t' => f.write_str("\\t")?,
            '\r' => f.write_str("\\r")?,
            other => f.write_char(other)?,
        }
    }
    f.write_char('"')
}

fn write_number(f: &mut Formatter<'_>, number: f64) -> fmt::Result {
    let size = number.abs();
    if number.is_nan() {
        f.write_str("NaN")
    } else if number.is_infinite() {
        f.write_str(if number > 0.0 { "Inf" } else { "-Inf" })
    } else if size != 0.0 && !(1e-4..1e21).contains(&size) {
        write!(f, "{number:e}")
    } else {
        write!(f, "{number}")
    }
}
