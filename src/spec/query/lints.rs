//! Queries that are PromQL and still not what is meant.

use super::Query;
use super::good::{self, Bucket};
use crate::domain::indicator::RatioPart;
use crate::domain::matcher::Selector;
use crate::domain::promql::{BinaryOp, Expr, ExprKind, Place, Range, TEMPLATE};
use crate::spec::codes;
use crate::spec::reader::Reader;

/// Says where `rate` and `increase` look at the same time whatever the window.
pub(super) fn fixed_ranges(reader: &mut Reader<'_>, query: &Query) {
    let mut is_asked_again = false;
    query.expr.walk(&mut |expr| {
        is_asked_again |= matches!(
            expr.kind,
            ExprKind::Subquery {
                range: Range::Template,
                ..
            }
        );
    });
    let Some(place) = first_fixed_range(&query.expr).filter(|_| !is_asked_again) else {
        return;
    };
    let written = query.text.get(place.start..place.end).unwrap_or_default();
    let message = format!("the range [{written}] is the same for every window");
    let hint = format!("write [{TEMPLATE}]");
    let span = query.place(reader, place);
    reader.report_with(&codes::FIXED_RANGE, span, message, Some(hint));
}

/// The first fixed range of `rate`, `irate` or `increase`.
pub(super) fn first_fixed_range(expr: &Expr) -> Option<Place> {
    let mut first = None;
    expr.walk(&mut |expr| {
        let ExprKind::Call { function, args } = &expr.kind else {
            return;
        };
        let is_rate = matches!(function.name, "rate" | "irate" | "increase");
        if let Some(ExprKind::Matrix {
            range: Range::Fixed(_),
            range_place,
            ..
        }) = args.first().map(|arg| &arg.bare().kind).filter(|_| is_rate)
        {
            first.get_or_insert(*range_place);
        }
    });
    first
}

/// Says where numbers of events meet events per second, in one query or between two that are divided. A query that is
/// scaled by a number may make the one of the other.
pub(super) fn mixed_units(reader: &mut Reader<'_>, queries: &[&Query]) {
    let mut first: Option<&str> = None;
    let mut found = None;
    for query in queries {
        let mut is_scaled = false;
        query.expr.walk(&mut |expr| match &expr.kind {
            ExprKind::Call { function, .. } if matches!(function.name, "rate" | "irate" | "increase") => {
                let is_count = |name: &str| name == "increase";
                let known = *first.get_or_insert(function.name);
                if is_count(known) != is_count(function.name) && found.is_none() {
                    found = Some((*query, expr.place, known, function.name));
                }
            }
            ExprKind::Binary {
                op: BinaryOp::Multiply | BinaryOp::Divide,
                left,
                right,
                ..
            } => is_scaled |= [left, right].iter().any(|side| has_no_selector(side)),
            _ => {}
        });
        if is_scaled {
            return;
        }
    }
    let Some((query, place, known, other)) = found else {
        return;
    };
    let of = |name| {
        if name == "increase" {
            "events"
        } else {
            "events per second"
        }
    };
    let message = format!("`{other}` gives {}, and `{known}` beside it {}", of(other), of(known));
    let hint = format!("write `{known}` here, too");
    let span = query.place(reader, place);
    reader.report_with(&codes::MIXED_UNITS, span, message, Some(hint));
}

fn has_no_selector(expr: &Expr) -> bool {
    let mut has_none = true;
    expr.walk(&mut |expr| has_none &= !matches!(expr.kind, ExprKind::Selector(_) | ExprKind::Matrix { .. }));
    has_none
}

/// What is odd about the query of the bad or good events.
pub(super) fn part(reader: &mut Reader<'_>, query: &Query, part_is: RatioPart) {
    comparison(reader, query);
    negative(reader, query);
    if part_is == RatioPart::Bad {
        selects_good(reader, query);
    }
}

/// A comparison at the top gives the values that were compared, and no number of events.
pub(super) fn comparison(reader: &mut Reader<'_>, query: &Query) {
    let ExprKind::Binary {
        op,
        is_bool: false,
        left,
        right,
        ..
    } = &query.expr.bare().kind
    else {
        return;
    };
    let is_zero = matches!(right.bare().kind, ExprKind::Number(number) if number == 0.0);
    let only_drops_zeros = is_zero && matches!(op, BinaryOp::Greater | BinaryOp::NotEqual | BinaryOp::GreaterOrEqual);
    if !op.is_comparison() || only_drops_zeros {
        return;
    }
    let symbol = op.symbol();
    let mut is_quantile = false;
    left.walk(&mut |expr| {
        is_quantile |= matches!(&expr.kind, ExprKind::Call { function, .. } if function.name == "histogram_quantile");
    });
    let message = format!("`{symbol}` gives the value that was compared, never a number of events");
    let hint = if is_quantile {
        "count the slow ones: the histogram's _count less its _bucket{le=\"…\"}"
    } else {
        "count events, or write the comparison as a threshold"
    };
    let span = query.place(reader, query.expr.place);
    reader.report_with(&codes::NO_COUNT, span, message, Some(hint.to_owned()));
}

/// An error query of which a selector selects successes.
fn selects_good(reader: &mut Reader<'_>, query: &Query) {
    let mut found: Option<(Place, (String, String))> = None;
    let mut takes_away = false;
    query.expr.walk(&mut |expr| match &expr.kind {
        ExprKind::Selector(selector) | ExprKind::Matrix { selector, .. } if found.is_none() => {
            found = good::reason(&selector.selector).map(|reason| (expr.place, reason));
        }
        // `total - good` and `1 - good / total` are the bad ones.
        ExprKind::Binary { op, .. } => takes_away |= *op == BinaryOp::Subtract,
        _ => {}
    });
    let Some((place, (message, hint))) = found.filter(|_| !takes_away) else {
        return;
    };
    let span = query.place(reader, place);
    reader.report_with(&codes::SELECTS_GOOD, span, message, Some(hint));
}

/// A smaller bucket less a larger one of the same histogram is never above zero.
fn negative(reader: &mut Reader<'_>, query: &Query) {
    let mut found: Option<(Place, String)> = None;
    query.expr.walk(&mut |expr| {
        let ExprKind::Binary {
            op: BinaryOp::Subtract,
            left,
            right,
            ..
        } = &expr.kind
        else {
            return;
        };
        let (Some(less), Some(more)) = (only_selector(left), only_selector(right)) else {
            return;
        };
        if let (Some(one), Some(other)) = (Bucket::of(less), Bucket::of(more))
            && one.family == other.family
            && one.bound < other.bound
            && found.is_none()
        {
            found = Some((expr.place, format!("{more} - {less}")));
        }
    });
    if let Some((place, meant)) = found {
        let message = "a bucket holds the smaller ones too, so that this is never above zero";
        let span = query.place(reader, place);
        reader.report_with(&codes::NO_COUNT, span, message, Some(format!("write it as {meant}")));
    }
}

/// The selector in an expression that has exactly one.
fn only_selector(expr: &Expr) -> Option<&Selector> {
    let mut all = Vec::new();
    expr.walk(&mut |expr| {
        if let ExprKind::Selector(selector) | ExprKind::Matrix { selector, .. } = &expr.kind {
            all.push(&selector.selector);
        }
    });
    match all.as_slice() {
        [only] => Some(only),
        _ => None,
    }
}
