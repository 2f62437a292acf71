//! Prometheus's functions and aggregations: what they take and give.

use super::check::ValueType::{self, Matrix, Scalar, Text, Vector};

/// A function of PromQL.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: &'static str,
    /// The types of its arguments.
    pub args: &'static [ValueType],
    /// How the last of `args` may be repeated or left out.
    pub variadic: Variadic,
    /// What it gives.
    pub gives: ValueType,
}

/// How the last argument of a function may be repeated or left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variadic {
    /// It stands exactly once.
    No,
    /// It may stand up to so many times, or not at all.
    UpTo(usize),
    /// It may stand any number of times.
    Any,
}

impl Function {
    /// The function of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        let at = FUNCTIONS.binary_search_by(|function| function.name.cmp(name)).ok()?;
        Some(&FUNCTIONS[at])
    }

    /// The names of all functions.
    pub fn names() -> impl Iterator<Item = &'static str> {
        FUNCTIONS.iter().map(|function| function.name)
    }
}

const fn function(name: &'static str, args: &'static [ValueType], gives: ValueType) -> Function {
    Function {
        name,
        args,
        variadic: Variadic::No,
        gives,
    }
}

const fn variadic(name: &'static str, args: &'static [ValueType], variadic: Variadic) -> Function {
    Function {
        name,
        args,
        variadic,
        gives: Vector,
    }
}

const OPTIONAL: Variadic = Variadic::UpTo(1);

/// In the order of their names.
static FUNCTIONS: &[Function] = &[
    function("abs", &[Vector], Vector),
    function("absent", &[Vector], Vector),
    function("absent_over_time", &[Matrix], Vector),
    function("acos", &[Vector], Vector),
    function("acosh", &[Vector], Vector),
    function("asin", &[Vector], Vector),
    function("asinh", &[Vector], Vector),
    function("atan", &[Vector], Vector),
    function("atanh", &[Vector], Vector),
    function("avg_over_time", &[Matrix], Vector),
    function("ceil", &[Vector], Vector),
    function("changes", &[Matrix], Vector),
    function("clamp", &[Vector, Scalar, Scalar], Vector),
    function("clamp_max", &[Vector, Scalar], Vector),
    function("clamp_min", &[Vector, Scalar], Vector),
    function("cos", &[Vector], Vector),
    function("cosh", &[Vector], Vector),
    function("count_over_time", &[Matrix], Vector),
    variadic("day_of_month", &[Vector], OPTIONAL),
    variadic("day_of_week", &[Vector], OPTIONAL),
    variadic("day_of_year", &[Vector], OPTIONAL),
    variadic("days_in_month", &[Vector], OPTIONAL),
    function("deg", &[Vector], Vector),
    function("delta", &[Matrix], Vector),
    function("deriv", &[Matrix], Vector),
    function("double_exponential_smoothing", &[Matrix, Scalar, Scalar], Vector),
    function("exp", &[Vector], Vector),
    function("first_over_time", &[Matrix], Vector),
    function("floor", &[Vector], Vector),
    function("histogram_avg", &[Vector], Vector),
    function("histogram_count", &[Vector], Vector),
    function("histogram_fraction", &[Scalar, Scalar, Vector], Vector),
    function("histogram_quantile", &[Scalar, Vector], Vector),
    variadic(
        "histogram_quantiles",
        &[Vector, Text, Scalar, Scalar],
        Variadic::UpTo(9),
    ),
    function("histogram_stddev", &[Vector], Vector),
    function("histogram_stdvar", &[Vector], Vector),
    function("histogram_sum", &[Vector], Vector),
    function("holt_winters", &[Matrix, Scalar, Scalar], Vector),
    variadic("hour", &[Vector], OPTIONAL),
    function("idelta", &[Matrix], Vector),
    function("increase", &[Matrix], Vector),
    variadic("info", &[Vector, Vector], OPTIONAL),
    function("irate", &[Matrix], Vector),
    variadic("label_join", &[Vector, Text, Text, Text], Variadic::Any),
    function("label_replace", &[Vector, Text, Text, Text, Text], Vector),
    function("last_over_time", &[Matrix], Vector),
    function("ln", &[Vector], Vector),
    function("log10", &[Vector], Vector),
    function("log2", &[Vector], Vector),
    function("mad_over_time", &[Matrix], Vector),
    function("max_over_time", &[Matrix], Vector),
    function("min_over_time", &[Matrix], Vector),
    variadic("minute", &[Vector], OPTIONAL),
    variadic("month", &[Vector], OPTIONAL),
    function("pi", &[], Scalar),
    function("predict_linear", &[Matrix, Scalar], Vector),
    function("present_over_time", &[Matrix], Vector),
    function("quantile_over_time", &[Scalar, Matrix], Vector),
    function("rad", &[Vector], Vector),
    function("rate", &[Matrix], Vector),
    function("resets", &[Matrix], Vector),
    variadic("round", &[Vector, Scalar], OPTIONAL),
    function("scalar", &[Vector], Scalar),
    function("sgn", &[Vector], Vector),
    function("sin", &[Vector], Vector),
    function("sinh", &[Vector], Vector),
    function("sort", &[Vector], Vector),
    variadic("sort_by_label", &[Vector, Text], Variadic::Any),
    variadic("sort_by_label_desc", &[Vector, Text], Variadic::Any),
    function("sort_desc", &[Vector], Vector),
    function("sqrt", &[Vector], Vector),
    function("stddev_over_time", &[Matrix], Vector),
    function("stdvar_over_time", &[Matrix], Vector),
    function("sum_over_time", &[Matrix], Vector),
    function("tan", &[Vector], Vector),
    function("tanh", &[Vector], Vector),
    function("time", &[], Scalar),
    function("timestamp", &[Vector], Vector),
    function("ts_of_first_over_time", &[Matrix], Vector),
    function("ts_of_last_over_time", &[Matrix], Vector),
    function("ts_of_max_over_time", &[Matrix], Vector),
    function("ts_of_min_over_time", &[Matrix], Vector),
    function("vector", &[Scalar], Vector),
    variadic("year", &[Vector], OPTIONAL),
];

/// The aggregations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is named as it is written")]
pub enum Aggregator {
    Avg,
    Bottomk,
    Count,
    CountValues,
    Group,
    LimitRatio,
    Limitk,
    Max,
    Min,
    Quantile,
    Stddev,
    Stdvar,
    Sum,
    Topk,
}

const AGGREGATORS: [(Aggregator, &str); 14] = [
    (Aggregator::Avg, "avg"),
    (Aggregator::Bottomk, "bottomk"),
    (Aggregator::Count, "count"),
    (Aggregator::CountValues, "count_values"),
    (Aggregator::Group, "group"),
    (Aggregator::LimitRatio, "limit_ratio"),
    (Aggregator::Limitk, "limitk"),
    (Aggregator::Max, "max"),
    (Aggregator::Min, "min"),
    (Aggregator::Quantile, "quantile"),
    (Aggregator::Stddev, "stddev"),
    (Aggregator::Stdvar, "stdvar"),
    (Aggregator::Sum, "sum"),
    (Aggregator::Topk, "topk"),
];

impl Aggregator {
    /// The aggregation of this name, in any case.
    pub fn named(name: &str) -> Option<Self> {
        let found = AGGREGATORS.iter().find(|(_, known)| known.eq_ignore_ascii_case(name));
        found.map(|(op, _)| *op)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        AGGREGATORS
            .iter()
            .find(|(op, _)| *op == self)
            .map_or("", |found| found.1)
    }

    /// The names of all aggregations.
    pub fn names() -> impl Iterator<Item = &'static str> {
        AGGREGATORS.iter().map(|(_, name)| *name)
    }

    /// The type of its first argument, where it takes two.
    pub fn param(self) -> Option<ValueType> {
        match self {
            Self::CountValues => Some(Text),
            Self::Bottomk | Self::Topk | Self::Limitk | Self::LimitRatio | Self::Quantile => Some(Scalar),
            _ => None,
        }
    }
}
