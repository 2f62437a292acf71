//! The types of expressions, as Prometheus checks them.

use super::expr::{Aggregation, BinaryOp, Cardinality, Expr, ExprKind, Matching};
use super::functions::{Function, Variadic};
use super::{Place, PromQlError};

/// The types of PromQL's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueType {
    /// One number.
    Scalar,
    /// One number for each series.
    Vector,
    /// The numbers of a range of time for each series.
    Matrix,
    /// A text.
    Text,
}

impl ValueType {
    /// As Prometheus calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Vector => "instant vector",
            Self::Matrix => "range vector",
            Self::Text => "string",
        }
    }
}

impl Expr {
    /// What it gives.
    pub fn value_type(&self) -> ValueType {
        match &self.kind {
            ExprKind::Number(_) => ValueType::Scalar,
            ExprKind::Text(_) => ValueType::Text,
            ExprKind::Selector(_) | ExprKind::Aggregate(_) => ValueType::Vector,
            ExprKind::Matrix { .. } | ExprKind::Subquery { .. } => ValueType::Matrix,
            ExprKind::Unary { expr, .. } | ExprKind::Paren(expr) => expr.value_type(),
            ExprKind::Call { function, .. } => function.gives,
            ExprKind::Binary { left, right, .. } => {
                // Scalars only where both sides are; the height of the tree is limited.
                if left.value_type() == ValueType::Scalar && right.value_type() == ValueType::Scalar {
                    ValueType::Scalar
                } else {
                    ValueType::Vector
                }
            }
        }
    }
}

/// Checks an expression and all within it, and gives its type.
pub(super) fn check(expr: &Expr) -> Result<ValueType, PromQlError> {
    match &expr.kind {
        ExprKind::Number(_) => Ok(ValueType::Scalar),
        ExprKind::Text(_) => Ok(ValueType::Text),
        ExprKind::Selector(_) => Ok(ValueType::Vector),
        ExprKind::Matrix { .. } => Ok(ValueType::Matrix),
        ExprKind::Paren(inner) => check(inner),
        ExprKind::Subquery { expr: inner, .. } => match check(inner)? {
            ValueType::Vector => Ok(ValueType::Matrix),
            other => {
                let message = format!(
                    "subquery is only allowed on instant vector, got {} instead",
                    other.name()
                );
                Err(PromQlError::new(expr.place.start, message))
            }
        },
        ExprKind::Unary { expr: inner, .. } => match check(inner)? {
            found @ (ValueType::Scalar | ValueType::Vector) => Ok(found),
            other => {
                let message = format!(
                    "unary expression only allowed on expressions of type scalar or instant vector, got {}",
                    other.name()
                );
                Err(PromQlError::new(expr.place.start, message))
            }
        },
        ExprKind::Binary {
            op,
            op_place,
            is_bool,
            matching,
            left,
            right,
        } => {
            let sides = [(left, check(left)?), (right, check(right)?)];
            for (side, found) in &sides {
                if matches!(found, ValueType::Matrix | ValueType::Text) {
                    let message = format!(
                        "binary expression must contain only scalar and instant vector types, not {}",
                        found.name()
                    );
                    return Err(PromQlError::new(side.place.start, message).with_hint_for(*found));
                }
            }
            let [(_, left), (_, right)] = sides;
            check_operator(*op, *op_place, *is_bool, matching.as_ref(), [left, right])
        }
        ExprKind::Call { function, args } => check_call(expr, function, args),
        ExprKind::Aggregate(aggregation) => check_aggregation(aggregation),
    }
}

impl PromQlError {
    fn with_hint_for(self, found: ValueType) -> Self {
        if found == ValueType::Matrix {
            return self.with_hint("a range needs a function around it: rate(x[5m])");
        }
        self
    }
}

fn check_operator(
    op: BinaryOp,
    at: Place,
    is_bool: bool,
    matching: Option<&Matching>,
    [left, right]: [ValueType; 2],
) -> Result<ValueType, PromQlError> {
    let is_scalar = left == ValueType::Scalar || right == ValueType::Scalar;
    let gives = if left == ValueType::Scalar && right == ValueType::Scalar {
        ValueType::Scalar
    } else {
        ValueType::Vector
    };
    let message = if op.is_comparison() && gives == ValueType::Scalar && !is_bool {
        "comparisons between scalars must use BOOL modifier".to_owned()
    } else if is_bool && !op.is_comparison() {
        "bool modifier can only be used on comparison operators".to_owned()
    } else if is_scalar && op.is_set() {
        format!(
            "set operator \"{}\" not allowed in binary scalar expression",
            op.symbol()
        )
    } else if is_scalar && matching.is_some_and(|matching| !matching.labels.is_empty()) {
        "vector matching only allowed between instant vectors".to_owned()
    } else if op.is_set() && matching.is_some_and(|matching| matching.cardinality != Cardinality::OneToOne) {
        format!("no grouping allowed for \"{}\" operation", op.symbol())
    } else {
        return Ok(gives);
    };
    let hint = match op {
        _ if op.is_set() && is_scalar => Some("a number becomes a vector with vector(…)"),
        _ if op.is_comparison() && gives == ValueType::Scalar => Some("write for example `1 > bool 2`"),
        _ => None,
    };
    Err(PromQlError {
        hint: hint.map(ToOwned::to_owned),
        ..PromQlError::new(at.start, message)
    })
}

fn check_call(call: &Expr, function: &Function, args: &[Expr]) -> Result<ValueType, PromQlError> {
    let (known, found) = (function.args.len(), args.len());
    let (least, most) = match function.variadic {
        Variadic::No => (known, known),
        Variadic::UpTo(more) => (known - 1, known - 1 + more),
        Variadic::Any => (known - 1, usize::MAX),
    };
    if found < least || found > most {
        let (bound, wanted) = match function.variadic {
            Variadic::No => ("", known),
            _ if found < least => ("at least ", least),
            _ => ("at most ", most),
        };
        let message = format!(
            "expected {bound}{wanted} argument(s) in call to \"{}\", got {found}",
            function.name
        );
        return Err(PromQlError::new(call.place.start, message));
    }
    for (position, arg) in args.iter().enumerate() {
        let Some(wanted) = function.args.get(position).or(function.args.last()) else {
            continue;
        };
        expect(arg, *wanted, &format!("call to function \"{}\"", function.name))?;
    }
    Ok(function.gives)
}

fn check_aggregation(aggregation: &Aggregation) -> Result<ValueType, PromQlError> {
    if let (Some(param), Some(wanted)) = (&aggregation.param, aggregation.op.param()) {
        expect(param, wanted, "aggregation parameter")?;
    }
    expect(&aggregation.expr, ValueType::Vector, "aggregation expression")?;
    Ok(ValueType::Vector)
}

fn expect(expr: &Expr, wanted: ValueType, context: &str) -> Result<(), PromQlError> {
    let found = check(expr)?;
    if found == wanted {
        return Ok(());
    }
    let message = format!("expected type {} in {context}, got {}", wanted.name(), found.name());
    let error = PromQlError::new(expr.place.start, message);
    Err(match (wanted, found) {
        (ValueType::Matrix, ValueType::Vector) if matches!(expr.bare().kind, ExprKind::Selector(_)) => {
            error.with_hint("write the range behind the selector: [5m], or [{{.window}}]")
        }
        (ValueType::Matrix, ValueType::Vector) => error.with_hint("a subquery makes a range of it: (…)[1h:1m]"),
        (ValueType::Vector, ValueType::Matrix) => {
            error.with_hint("put rate(…) or another function of ranges around it")
        }
        (ValueType::Vector, ValueType::Scalar) => error.with_hint("vector(…) makes a vector of a number"),
        _ => error,
    })
}
