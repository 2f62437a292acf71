//! By which labels the result of an expression is grouped.

use super::counted::{fits, is_zero, number, sorted};
use crate::domain::promql::expr::{Aggregation, BinaryOp, Cardinality, Expr, ExprKind, Matching};
use crate::domain::promql::functions::Aggregator;

/// Functions that leave labels alone, of vectors and of ranges.
const KEEPS: [&str; 15] = [
    "abs",
    "avg_over_time",
    "ceil",
    "clamp",
    "clamp_max",
    "clamp_min",
    "floor",
    "last_over_time",
    "max_over_time",
    "min_over_time",
    "quantile_over_time",
    "round",
    "sgn",
    "sqrt",
    "sum_over_time",
];

/// The labels that the series of the result can have, by their names, where the expression itself tells: it aggregates
/// `by` them at its top.
pub fn result_labels(expr: &Expr) -> Option<Vec<String>> {
    match &expr.kind {
        ExprKind::Paren(inner) | ExprKind::Unary { expr: inner, .. } | ExprKind::Subquery { expr: inner, .. } => {
            result_labels(inner)
        }
        ExprKind::Aggregate(aggregation) => aggregated(aggregation),
        ExprKind::Call { function, args } if function.name == "histogram_quantile" => {
            let mut labels = result_labels(args.get(1)?)?;
            labels.retain(|label| label != "le");
            Some(labels)
        }
        ExprKind::Call { function, args } if KEEPS.contains(&function.name) => args.iter().find_map(result_labels),
        ExprKind::Binary {
            op,
            matching,
            left,
            right,
            ..
        } => combined(*op, matching.as_ref(), left, right),
        _ => None,
    }
}

fn aggregated(aggregation: &Aggregation) -> Option<Vec<String>> {
    let keeps_series = matches!(
        aggregation.op,
        Aggregator::Topk | Aggregator::Bottomk | Aggregator::Limitk | Aggregator::LimitRatio | Aggregator::CountValues
    );
    match &aggregation.grouping {
        _ if keeps_series => None,
        None => Some(Vec::new()),
        Some(grouping) if !grouping.is_without => Some(sorted(&grouping.labels)),
        Some(_) => None,
    }
}

fn combined(op: BinaryOp, matching: Option<&Matching>, left: &Expr, right: &Expr) -> Option<Vec<String>> {
    if number(left).is_some() {
        return result_labels(right);
    }
    let kept = result_labels(left)?;
    if number(right).is_some() || op == BinaryOp::Or && is_zero(right) {
        return Some(kept);
    }
    // Of many series on the left each keeps its own labels.
    if matching.is_some_and(|matching| matching.cardinality == Cardinality::ManyToOne && matching.include.is_empty()) {
        return Some(kept);
    }
    let is_paired = result_labels(right)? == kept && fits(matching, Some(&kept));
    is_paired.then_some(kept)
}
