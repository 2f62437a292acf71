//! What queries count, where scraping can count the same.
//!
//! Nothing is guessed: an expression of which it is not certain that it counts exactly these events is not understood,
//! with a clause that says why.

mod counted;
mod groups;
mod histogram;
mod union;

use self::counted::{Counted, How, constant, counted, fits, number};
use super::expr::{BinaryOp, Expr, ExprKind};
use crate::domain::indicator::{CompareOp, IndicatorKind, RatioPart};
use crate::domain::matcher::Selector;

pub use self::union::union;

/// More labels than this make no group that a person could name.
pub const GROUP_LABELS_MAX: usize = 16;
/// The bounds of histograms: nothing can be grouped by them.
const NO_GROUPS: [&str; 1] = ["le"];
/// Gauges that are 0 or 1 by what they are.
const BOOLEANS: [&str; 2] = ["probe_success", "up"];

/// What queries count.
#[derive(Clone, Debug, PartialEq)]
pub struct Understood {
    /// What is counted.
    pub kind: IndicatorKind,
    /// The labels by which events are grouped, in the order of their names.
    pub group_by: Vec<String>,
}

/// Why queries are not understood, as a clause.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct NotUnderstood {
    why: String,
    /// Of two queries, it is the one of all events.
    pub is_total: bool,
}

impl NotUnderstood {
    fn new(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            is_total: false,
        }
    }
}

/// What is known of the metrics in queries beside their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// They are counters: the file says so.
    Counters,
    /// Nothing.
    Nothing,
}

/// What two queries count: all events, and the bad or good ones.
pub fn understand_ratio(
    total: &Expr,
    part: &Expr,
    part_is: RatioPart,
    known: Known,
) -> Result<Understood, NotUnderstood> {
    let total = counted(total).map_err(|error| NotUnderstood {
        is_total: true,
        ..error
    })?;
    ratio(total, &counted(part)?, part_is, known)
}

/// The labels by which the results of queries are grouped that are not understood; the error says by which label they
/// cannot be. Queries with different labels have no groups together.
pub fn result_groups(queries: &[&Expr]) -> Result<Vec<String>, NotUnderstood> {
    let mut labels = queries.iter().map(|query| groups::result_labels(query));
    let Some(Some(first)) = labels.next() else {
        return Ok(Vec::new());
    };
    if labels.any(|other| other.as_ref() != Some(&first)) {
        return Ok(Vec::new());
    }
    groups(first)
}

/// What a query counts that gives the share of bad or good events.
pub fn understand_raw(query: &Expr, ratio_of: RatioPart) -> Result<Understood, NotUnderstood> {
    match &query.kind {
        ExprKind::Paren(inner) => understand_raw(inner, ratio_of),
        ExprKind::Binary {
            op,
            matching,
            left,
            right,
            ..
        } => match op {
            BinaryOp::Subtract if constant(left) == Some(1.0) && matching.is_none() => {
                understand_raw(right, flipped(ratio_of))
            }
            BinaryOp::Divide => {
                let (part, total) = (counted(left)?, counted(right)?);
                if !fits(matching.as_ref(), total.groups.as_ref()) {
                    return Err(NotUnderstood::new(
                        "`on`, `ignoring` or `group_left` pairs other series than the sums",
                    ));
                }
                ratio(total, &part, ratio_of, Known::Nothing)
            }
            // What counts as no error may stand for what is missing.
            BinaryOp::Or if constant(right) == Some(harmless(ratio_of)) => understand_raw(left, ratio_of),
            _ => Err(NotUnderstood::new(format!(
                "`{}` stands where a share is expected",
                op.symbol()
            ))),
        },
        ExprKind::Call { function, args } => match (function.name, args.as_slice()) {
            ("clamp_min", [inner, bound]) if number(bound) == Some(0.0) => understand_raw(inner, ratio_of),
            ("clamp_max", [inner, bound]) if number(bound) == Some(1.0) => understand_raw(inner, ratio_of),
            ("clamp", [inner, least, most]) if (number(least), number(most)) == (Some(0.0), Some(1.0)) => {
                understand_raw(inner, ratio_of)
            }
            _ => average(&counted(query)?, ratio_of),
        },
        ExprKind::Aggregate(_) => average(&counted(query)?, ratio_of),
        _ => Err(NotUnderstood::new("it is no division of counts")),
    }
}

/// What a query counts whose value is compared: only a gauge itself.
pub fn understand_threshold(query: &Expr, op: CompareOp, value: f64) -> Result<Understood, NotUnderstood> {
    match &query.bare().kind {
        ExprKind::Selector(gauge) if gauge.modifiers.is_empty() => Ok(Understood {
            kind: IndicatorKind::Gauge {
                gauge: gauge.selector.clone(),
                op,
                value,
            },
            group_by: Vec::new(),
        }),
        _ => Err(NotUnderstood::new("a computed value is compared, not a gauge")),
    }
}

fn ratio(total: Counted, part: &Counted, part_is: RatioPart, known: Known) -> Result<Understood, NotUnderstood> {
    if total.groups != part.groups {
        return Err(NotUnderstood::new("the two sides are grouped by different labels"));
    }
    if part.is_divisor {
        return Err(NotUnderstood::new(
            "`> 0` or `clamp_min` changes how many events are bad or good",
        ));
    }
    if total.is_average || part.is_average {
        return Err(NotUnderstood::new("an average is divided"));
    }
    let are_counters = known == Known::Counters || total.plus.iter().chain(&part.plus).all(is_counter);
    let is_summed = total.groups.is_some();
    let group_by = groups(total.groups.unwrap_or_default())?;
    let Some(all) = union(&total.plus) else {
        let why = "all events are a sum of several selectors, which may select the same series";
        return Err(NotUnderstood::new(why));
    };
    if !total.minus.is_empty() {
        return Err(NotUnderstood::new("all events are a difference"));
    }
    let Some((how, selected, part_is)) = part_of(&all, total.how, part, part_is) else {
        return Err(NotUnderstood::new("the bad or good events are no single selector"));
    };
    let kind = match (total.how, how) {
        (How::CountOverTime(all_range), How::SumOverTime(range)) if all_range == range && same(&all, &selected) => {
            boolean(&all, part_is)?
        }
        (How::Rate(_) | How::Increase(_), _) if total.how == how => counters(&all, &selected, part_is),
        (How::Bare, How::Bare) if !is_summed || are_counters => counters(&all, &selected, part_is),
        (How::Rate(_) | How::Increase(_), How::Rate(_) | How::Increase(_)) => {
            return Err(NotUnderstood::new("the two sides have different ranges or functions"));
        }
        _ => return Err(NotUnderstood::new("it divides what is no counter")),
    };
    Ok(Understood { kind, group_by })
}

/// What the second query selects, how it is counted, and what that is: `total - good` counts the bad events, and the
/// other way round.
fn part_of(all: &Selector, all_how: How, part: &Counted, part_is: RatioPart) -> Option<(How, Selector, RatioPart)> {
    let added = union(&part.plus)?;
    let Some((how, _)) = part.minus.first() else {
        return Some((part.how, added, part_is));
    };
    let is_all = same(&added, all) || histogram::same_total(&added, all);
    if !is_all || part.how != all_how || part.minus.iter().any(|(other, _)| other != how) {
        return None;
    }
    let taken: Vec<Selector> = part.minus.iter().map(|(_, selector)| selector.clone()).collect();
    Some((*how, union(&taken)?, flipped(part_is)))
}

fn counters(total: &Selector, part: &Selector, part_is: RatioPart) -> IndicatorKind {
    histogram::latency(total, part, part_is).unwrap_or_else(|| IndicatorKind::Ratio {
        total: total.clone(),
        part: part.clone(),
        part_is,
    })
}

/// The mean of a gauge that is 0 or 1.
fn average(counted: &Counted, ratio_of: RatioPart) -> Result<Understood, NotUnderstood> {
    match (counted.how, counted.plus.as_slice()) {
        (How::AverageOverTime(_), [gauge])
            if counted.minus.is_empty() && (counted.groups.is_none() || counted.is_average) =>
        {
            Ok(Understood {
                kind: boolean(gauge, ratio_of)?,
                group_by: groups(counted.groups.clone().unwrap_or_default())?,
            })
        }
        _ => Err(NotUnderstood::new("it is no division of counts")),
    }
}

/// The share of time for which a gauge that is 0 or 1 is 1.
fn boolean(gauge: &Selector, part_is: RatioPart) -> Result<IndicatorKind, NotUnderstood> {
    let is_boolean = gauge.metric.as_deref().is_some_and(|name| BOOLEANS.contains(&name));
    if !is_boolean {
        return Err(NotUnderstood::new("of this gauge it is not certain that it is 0 or 1"));
    }
    if part_is == RatioPart::Bad {
        return Err(NotUnderstood::new("it would count success as bad"));
    }
    Ok(IndicatorKind::Gauge {
        gauge: gauge.clone(),
        op: CompareOp::Gte,
        value: 1.0,
    })
}

fn groups(labels: Vec<String>) -> Result<Vec<String>, NotUnderstood> {
    if let Some(label) = labels.iter().find(|label| NO_GROUPS.contains(&label.as_str())) {
        return Err(NotUnderstood::new(format!(
            "scraped events cannot be grouped by `{label}`"
        )));
    }
    if labels.len() > GROUP_LABELS_MAX {
        return Err(NotUnderstood::new(format!(
            "it is grouped by more than {GROUP_LABELS_MAX} labels"
        )));
    }
    Ok(labels)
}

/// Whether two selectors select the same, in whatever order they say it.
fn same(a: &Selector, b: &Selector) -> bool {
    a.metric == b.metric && same_matchers(a, b)
}

fn same_matchers(a: &Selector, b: &Selector) -> bool {
    a.matchers.iter().all(|matcher| b.matchers.contains(matcher))
        && b.matchers.iter().all(|matcher| a.matchers.contains(matcher))
}

/// By its name it counts.
fn is_counter(selector: &Selector) -> bool {
    let ends = |name: &str| {
        ["_total", "_count", "_bucket"]
            .iter()
            .any(|suffix| name.ends_with(suffix))
    };
    selector.metric.as_deref().is_some_and(ends)
}

fn flipped(part: RatioPart) -> RatioPart {
    match part {
        RatioPart::Bad => RatioPart::Good,
        RatioPart::Good => RatioPart::Bad,
    }
}

/// The share that means no error.
fn harmless(ratio_of: RatioPart) -> f64 {
    match ratio_of {
        RatioPart::Bad => 0.0,
        RatioPart::Good => 1.0,
    }
}
