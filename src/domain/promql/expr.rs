//! The tree of an expression.

use super::functions::{Aggregator, Function};
use crate::domain::matcher::Selector;

/// A piece of the text: the first byte and the byte after the last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The first byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

impl Place {
    /// From the beginning of this one to the end of the other.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        Self {
            start: self.start,
            end: other.end,
        }
    }
}

/// An expression and its place in the text. What two of them say is the same when they print the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where it stands.
    pub place: Place,
}

/// The kinds of expressions.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// A number; durations are numbers of seconds.
    Number(f64),
    /// A text in quotes.
    Text(String),
    /// An instant vector selector: `up{job="shop"}`.
    Selector(Box<VectorSelector>),
    /// A selector with a range: `up[5m]`.
    Matrix {
        /// The selector; its modifiers stand behind the range.
        selector: Box<VectorSelector>,
        /// How far back.
        range: Range,
        /// Where the range stands, without its brackets.
        range_place: Place,
    },
    /// An expression with a range and a step: `rate(x[5m])[1h:1m]`.
    Subquery {
        /// What is asked again and again.
        expr: Box<Expr>,
        /// How far back.
        range: Range,
        /// How often; the server's interval when it is not written.
        step: Option<Range>,
        /// `offset` and `@`.
        modifiers: Modifiers,
    },
    /// A sign before an expression.
    Unary {
        /// It is a minus.
        is_minus: bool,
        /// The expression.
        expr: Box<Expr>,
    },
    /// Two expressions and an operator.
    Binary {
        /// The operator.
        op: BinaryOp,
        /// Where the operator stands.
        op_place: Place,
        /// A comparison gives 0 or 1.
        is_bool: bool,
        /// How series find each other.
        matching: Option<Matching>,
        /// On the left.
        left: Box<Expr>,
        /// On the right.
        right: Box<Expr>,
    },
    /// A function's call.
    Call {
        /// The function.
        function: &'static Function,
        /// What it is called with.
        args: Vec<Expr>,
    },
    /// An aggregation: `sum by (job) (up)`.
    Aggregate(Box<Aggregation>),
    /// An expression in parentheses.
    Paren(Box<Expr>),
}

/// A vector selector with what may follow it.
#[derive(Clone, Debug, PartialEq)]
pub struct VectorSelector {
    /// Name and matchers.
    pub selector: Selector,
    /// `offset` and `@`.
    pub modifiers: Modifiers,
}

/// What moves a selector or subquery in time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Modifiers {
    /// `offset 5m`
    pub offset: Option<Offset>,
    /// `@ 1700000000`
    pub at: Option<At>,
}

impl Modifiers {
    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.offset.is_none() && self.at.is_none()
    }
}

/// How far back, or ahead, a selector looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offset {
    /// It looks ahead.
    pub is_negative: bool,
    /// How far.
    pub by: Range,
}

/// The time for which a selector is asked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum At {
    /// A unix time in seconds.
    Time(f64),
    /// The first moment of the query.
    Start,
    /// The last moment of the query.
    End,
}

/// A length of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// So many milliseconds.
    Fixed(u64),
    /// `{{.window}}`: as long as the window for which it is asked.
    Template,
}

/// How the series of two vectors find each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matching {
    /// `on`; else `ignoring`.
    pub is_on: bool,
    /// The labels.
    pub labels: Vec<String>,
    /// How many find how many.
    pub cardinality: Cardinality,
    /// The labels of `group_left` or `group_right`.
    pub include: Vec<String>,
}

/// How many series of one side find how many of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cardinality {
    /// Each finds one.
    OneToOne,
    /// `group_left`
    ManyToOne,
    /// `group_right`
    OneToMany,
}

/// An aggregation.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregation {
    /// What it does.
    pub op: Aggregator,
    /// `by` or `without`.
    pub grouping: Option<Grouping>,
    /// The first of two arguments: the 5 of `topk(5, x)`.
    pub param: Option<Expr>,
    /// What is aggregated.
    pub expr: Expr,
}

/// `by (…)` or `without (…)`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grouping {
    /// `without`; else `by`.
    pub is_without: bool,
    /// The labels.
    pub labels: Vec<String>,
}

/// The binary operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is named for what it is")]
pub enum BinaryOp {
    Or,
    And,
    Unless,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Atan2,
    Power,
}

impl BinaryOp {
    /// All of them with their notation and how strongly they bind.
    pub(super) const ALL: [(Self, &'static str, u8); 16] = [
        (Self::Or, "or", 1),
        (Self::And, "and", 2),
        (Self::Unless, "unless", 2),
        (Self::Equal, "==", 3),
        (Self::NotEqual, "!=", 3),
        (Self::Less, "<", 3),
        (Self::LessOrEqual, "<=", 3),
        (Self::Greater, ">", 3),
        (Self::GreaterOrEqual, ">=", 3),
        (Self::Add, "+", 4),
        (Self::Subtract, "-", 4),
        (Self::Multiply, "*", 5),
        (Self::Divide, "/", 5),
        (Self::Modulo, "%", 5),
        (Self::Atan2, "atan2", 5),
        (Self::Power, "^", 6),
    ];

    /// As it is written.
    pub fn symbol(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(op, ..)| *op == self)
            .map_or("", |found| found.1)
    }

    /// It compares.
    pub fn is_comparison(self) -> bool {
        matches!(
            self,
            Self::Equal | Self::NotEqual | Self::Less | Self::LessOrEqual | Self::Greater | Self::GreaterOrEqual
        )
    }

    /// It works on sets of series.
    pub fn is_set(self) -> bool {
        matches!(self, Self::Or | Self::And | Self::Unless)
    }
}

impl Expr {
    /// The expression without the parentheses around it.
    pub fn bare(&self) -> &Self {
        let mut expr = self;
        while let ExprKind::Paren(inner) = &expr.kind {
            expr = inner;
        }
        expr
    }

    /// Calls `visit` for this expression and all within it, from the left.
    pub fn walk<'a>(&'a self, visit: &mut impl FnMut(&'a Self)) {
        visit(self);
        match &self.kind {
            ExprKind::Number(_) | ExprKind::Text(_) | ExprKind::Selector(_) | ExprKind::Matrix { .. } => {}
            ExprKind::Subquery { expr, .. } | ExprKind::Unary { expr, .. } | ExprKind::Paren(expr) => expr.walk(visit),
            ExprKind::Binary { left, right, .. } => {
                left.walk(visit);
                right.walk(visit);
            }
            ExprKind::Call { args, .. } => args.iter().for_each(|arg| arg.walk(visit)),
            ExprKind::Aggregate(aggregation) => {
                if let Some(param) = &aggregation.param {
                    param.walk(visit);
                }
                aggregation.expr.walk(visit);
            }
        }
    }
}
