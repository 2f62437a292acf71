//! Expressions as sums and differences of counted events.

use super::NotUnderstood;
use crate::domain::matcher::Selector;
use crate::domain::promql::expr::{Aggregation, BinaryOp, Expr, ExprKind, Matching, Range, VectorSelector};
use crate::domain::promql::functions::{Aggregator, Function};

/// A lower bound up to this, in events per second, only keeps a division from dividing by zero.
const SMALL: f64 = 0.01;

/// How a selector's series become numbers of events.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum How {
    /// The counters themselves.
    Bare,
    /// `rate` and `irate`.
    Rate(Range),
    /// `increase`
    Increase(Range),
    /// `sum_over_time`
    SumOverTime(Range),
    /// `count_over_time`
    CountOverTime(Range),
    /// `avg_over_time`
    AverageOverTime(Range),
}

impl How {
    fn named(function: &str, range: Range) -> Option<Self> {
        match function {
            "rate" | "irate" => Some(Self::Rate(range)),
            "increase" => Some(Self::Increase(range)),
            "sum_over_time" => Some(Self::SumOverTime(range)),
            "count_over_time" => Some(Self::CountOverTime(range)),
            "avg_over_time" => Some(Self::AverageOverTime(range)),
            _ => None,
        }
    }
}

/// What an expression counts: the sum of its terms, less those that are taken away.
#[derive(Clone, Debug)]
pub(super) struct Counted {
    /// The labels that a sum keeps; `None` where nothing is summed.
    pub groups: Option<Vec<String>>,
    /// How the terms are counted.
    pub how: How,
    /// What is added.
    pub plus: Vec<Selector>,
    /// What is taken away, and how that is counted.
    pub minus: Vec<(How, Selector)>,
    /// A guard makes small values larger or leaves zeros out, which only a divisor bears.
    pub is_divisor: bool,
    /// It is averaged over series.
    pub is_average: bool,
}

type Counting = Result<Counted, NotUnderstood>;

/// What an expression counts.
pub(super) fn counted(expr: &Expr) -> Counting {
    match &expr.kind {
        ExprKind::Paren(inner) => counted(inner),
        ExprKind::Selector(selector) => single(selector, How::Bare),
        ExprKind::Matrix { .. } => Err(NotUnderstood::new("a range alone counts nothing")),
        ExprKind::Subquery { .. } => Err(NotUnderstood::new("it has a subquery")),
        ExprKind::Number(_) | ExprKind::Text(_) => Err(NotUnderstood::new("a constant counts no events")),
        ExprKind::Unary { .. } => Err(NotUnderstood::new("a sign stands before a count")),
        ExprKind::Call { function, args } => call(function, args),
        ExprKind::Aggregate(aggregation) => aggregated(aggregation),
        ExprKind::Binary {
            op,
            is_bool,
            matching,
            left,
            right,
            ..
        } => match op {
            // Zeros where something is missing are no events.
            BinaryOp::Or if is_zero(right) => counted(left),
            BinaryOp::Greater if !is_bool && number(right) == Some(0.0) => Ok(Counted {
                is_divisor: true,
                ..counted(left)?
            }),
            BinaryOp::Add | BinaryOp::Subtract => {
                let is_minus = *op == BinaryOp::Subtract;
                combined(counted(left)?, counted(right)?, is_minus, matching.as_ref())
            }
            _ => Err(NotUnderstood::new(format!(
                "`{}` between counts is no count",
                op.symbol()
            ))),
        },
    }
}

/// Whether two sides whose sums keep these labels find each other as in the written matching.
pub(super) fn fits(matching: Option<&Matching>, groups: Option<&Vec<String>>) -> bool {
    let Some(matching) = matching else {
        return true;
    };
    let is_same = |groups: &Vec<String>| {
        groups.len() == matching.labels.len() && groups.iter().all(|label| matching.labels.contains(label))
    };
    let is_one_to_one = matching.cardinality == crate::domain::promql::Cardinality::OneToOne;
    is_one_to_one
        && (if matching.is_on {
            groups.is_some_and(is_same)
        } else {
            matching.labels.is_empty()
        })
}

/// The number that an expression is.
pub(super) fn number(expr: &Expr) -> Option<f64> {
    match &expr.bare().kind {
        ExprKind::Number(number) => Some(*number),
        _ => None,
    }
}

/// The number that an expression is as a vector, or alone.
pub(super) fn constant(expr: &Expr) -> Option<f64> {
    match &expr.bare().kind {
        ExprKind::Call { function, args } if function.name == "vector" => args.first().and_then(number),
        _ => number(expr),
    }
}

/// Whether an expression is zero wherever it is anything: `vector(0)`, or something times 0.
pub(super) fn is_zero(expr: &Expr) -> bool {
    match &expr.bare().kind {
        ExprKind::Binary {
            op: BinaryOp::Multiply,
            left,
            right,
            ..
        } => [left, right].iter().any(|side| number(side) == Some(0.0)),
        _ => constant(expr) == Some(0.0),
    }
}

fn single(selector: &VectorSelector, how: How) -> Counting {
    if !selector.modifiers.is_empty() {
        return Err(NotUnderstood::new("`offset` and `@` ask for another time"));
    }
    let has_template = |name: &String| name.contains('{');
    if selector.selector.metric.as_ref().is_some_and(has_template) {
        return Err(NotUnderstood::new("it reads a series that is recorded for each window"));
    }
    Ok(Counted {
        groups: None,
        how,
        plus: vec![selector.selector.clone()],
        minus: Vec::new(),
        is_divisor: false,
        is_average: false,
    })
}

fn call(function: &Function, args: &[Expr]) -> Counting {
    let name = function.name;
    match (name, args) {
        ("clamp_min", [inner, least]) => {
            let least = number(least).filter(|least| *least <= SMALL);
            let Some(least) = least else {
                return Err(NotUnderstood::new("`clamp_min` makes events of nothing"));
            };
            let inner = counted(inner)?;
            Ok(Counted {
                is_divisor: inner.is_divisor || least > 0.0,
                ..inner
            })
        }
        (_, [range]) => match &range.bare().kind {
            ExprKind::Matrix { selector, range, .. } => match How::named(name, *range) {
                Some(how) => single(selector, how),
                None => Err(NotUnderstood::new(format!("`{name}` counts no events"))),
            },
            ExprKind::Subquery { .. } => Err(NotUnderstood::new(format!("`{name}` is asked of a subquery"))),
            _ => Err(NotUnderstood::new(format!("`{name}` is no sum of counters"))),
        },
        _ => Err(NotUnderstood::new(format!("`{name}` is no sum of counters"))),
    }
}

fn aggregated(aggregation: &Aggregation) -> Counting {
    let is_average = aggregation.op == Aggregator::Avg;
    if aggregation.op != Aggregator::Sum && !is_average {
        let name = aggregation.op.name();
        return Err(NotUnderstood::new(format!("`{name}` is no sum of counters")));
    }
    let labels = match &aggregation.grouping {
        None => Vec::new(),
        Some(grouping) if !grouping.is_without => sorted(&grouping.labels),
        Some(_) => return Err(NotUnderstood::new("`without` keeps labels that only the series know")),
    };
    let inner = counted(&aggregation.expr)?;
    if is_average && (!matches!(inner.how, How::AverageOverTime(_)) || inner.groups.is_some()) {
        return Err(NotUnderstood::new("`avg` is no sum of counters"));
    }
    if inner.is_divisor {
        return Err(NotUnderstood::new("a guard stands within a sum"));
    }
    let kept = inner.groups.as_ref();
    if let Some(lost) = kept.and_then(|kept| labels.iter().find(|label| !kept.contains(label))) {
        return Err(NotUnderstood::new(format!("the inner sum has no label `{lost}`")));
    }
    Ok(Counted {
        groups: Some(labels),
        is_average: inner.is_average || is_average,
        ..inner
    })
}

/// The sum, or difference, of two counts.
fn combined(left: Counted, right: Counted, is_minus: bool, matching: Option<&Matching>) -> Counting {
    let is_summed = left.groups.is_some() && left.groups == right.groups;
    if !is_summed || !fits(matching, left.groups.as_ref()) {
        return Err(NotUnderstood::new("series are added that need not belong together"));
    }
    if left.is_divisor || right.is_divisor {
        return Err(NotUnderstood::new("a guard stands within a sum"));
    }
    let mut sum = left;
    if is_minus && right.minus.is_empty() {
        let how = right.how;
        sum.minus.extend(right.plus.into_iter().map(|selector| (how, selector)));
    } else if !is_minus && right.how == sum.how {
        sum.plus.extend(right.plus);
        sum.minus.extend(right.minus);
    } else {
        return Err(NotUnderstood::new("counts of different kinds are added"));
    }
    Ok(sum)
}

pub(super) fn sorted(labels: &[String]) -> Vec<String> {
    let mut labels = labels.to_vec();
    labels.sort();
    labels.dedup();
    labels
}
