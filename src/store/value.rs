//! The few kinds of values that the tables hold, the same for both databases: 64-bit integers, texts and bytes.

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments, Column as _, Row as _, TypeInfo as _, ValueRef as _};

use super::error::{corrupt, from_sqlx};
use crate::engine::ports::{StoreError, StoreResult};

/// One parameter of a statement.
#[derive(Clone, Debug)]
pub(super) enum Arg {
    /// An integer.
    Int(Option<i64>),
    /// A text.
    Text(Option<String>),
    /// Bytes.
    Bytes(Vec<u8>),
}

/// One column of the rows of a bulk statement.
#[derive(Clone, Debug)]
pub(super) enum Column {
    /// Integers.
    Ints(Vec<Option<i64>>),
    /// Texts.
    Texts(Vec<Option<String>>),
    /// Bytes.
    Blobs(Vec<Vec<u8>>),
}

/// One value that was read.
#[derive(Clone, Debug)]
enum Cell {
    Null,
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
}

/// One row that was read.
#[derive(Clone, Debug)]
pub(super) struct Row(Vec<Cell>);

impl Row {
    /// An integer.
    pub(super) fn int(&self, at: usize) -> StoreResult<i64> {
        self.maybe_int(at)?.ok_or_else(|| self.wrong(at, "an integer"))
    }

    /// An integer, or nothing.
    pub(super) fn maybe_int(&self, at: usize) -> StoreResult<Option<i64>> {
        match self.0.get(at) {
            Some(Cell::Int(value)) => Ok(Some(*value)),
            Some(Cell::Null) => Ok(None),
            _ => Err(self.wrong(at, "an integer")),
        }
    }

    /// A text.
    pub(super) fn text(&self, at: usize) -> StoreResult<&str> {
        self.maybe_text(at)?.ok_or_else(|| self.wrong(at, "a text"))
    }

    /// A text, or nothing.
    pub(super) fn maybe_text(&self, at: usize) -> StoreResult<Option<&str>> {
        match self.0.get(at) {
            Some(Cell::Text(value)) => Ok(Some(value)),
            Some(Cell::Null) => Ok(None),
            _ => Err(self.wrong(at, "a text")),
        }
    }

    /// Bytes.
    pub(super) fn bytes(&self, at: usize) -> StoreResult<&[u8]> {
        match self.0.get(at) {
            Some(Cell::Bytes(value)) => Ok(value),
            _ => Err(self.wrong(at, "bytes")),
        }
    }

    fn wrong(&self, at: usize, wanted: &str) -> StoreError {
        corrupt(format!(
            "column {at} of {} holds something other than {wanted}",
            self.0.len()
        ))
    }

    pub(super) fn from_postgres(row: &PgRow) -> StoreResult<Self> {
        let cell = |at: usize| {
            if row.try_get_raw(at).map_err(from_sqlx)?.is_null() {
                return Ok(Cell::Null);
            }
            match row.column(at).type_info().name() {
                "INT8" => row.try_get(at).map(Cell::Int),
                "TEXT" => row.try_get(at).map(Cell::Text),
                "BYTEA" => row.try_get(at).map(Cell::Bytes),
                other => return Err(corrupt(format!("column {at} is of type {other}"))),
            }
            .map_err(from_sqlx)
        };
        (0..row.len()).map(cell).collect::<StoreResult<_>>().map(Self)
    }

    pub(super) fn from_sqlite(row: &SqliteRow) -> StoreResult<Self> {
        let cell = |at: usize| {
            let raw = row.try_get_raw(at).map_err(from_sqlx)?;
            if raw.is_null() {
                return Ok(Cell::Null);
            }
            let kind = raw.type_info().name().to_owned();
            drop(raw);
            match kind.as_str() {
                "INTEGER" => row.try_get(at).map(Cell::Int),
                "TEXT" => row.try_get(at).map(Cell::Text),
                "BLOB" => row.try_get(at).map(Cell::Bytes),
                other => return Err(corrupt(format!("column {at} is of type {other}"))),
            }
            .map_err(from_sqlx)
        };
        (0..row.len()).map(cell).collect::<StoreResult<_>>().map(Self)
    }
}

/// Postgres takes no NUL in a text; both databases get the same replacement, so that they behave alike.
pub(super) fn clean(text: String) -> String {
    if text.contains('\0') {
        text.replace('\0', "\u{fffd}")
    } else {
        text
    }
}

impl Arg {
    pub(super) fn add_to_postgres(self, arguments: &mut PgArguments) -> StoreResult<()> {
        match self {
            Self::Int(value) => arguments.add(value),
            Self::Text(value) => arguments.add(value.map(clean)),
            Self::Bytes(value) => arguments.add(value),
        }
        .map_err(|error| from_sqlx(sqlx::Error::Encode(error)))
    }

    pub(super) fn add_to_sqlite(self, arguments: &mut SqliteArguments) -> StoreResult<()> {
        match self {
            Self::Int(value) => arguments.add(value),
            Self::Text(value) => arguments.add(value.map(clean)),
            Self::Bytes(value) => arguments.add(value),
        }
        .map_err(|error| from_sqlx(sqlx::Error::Encode(error)))
    }
}

impl Column {
    /// How many rows it has.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Ints(values) => values.len(),
            Self::Texts(values) => values.len(),
            Self::Blobs(values) => values.len(),
        }
    }

    /// The array type of Postgres.
    pub(super) fn array_type(&self) -> &'static str {
        match self {
            Self::Ints(_) => "bigint[]",
            Self::Texts(_) => "text[]",
            Self::Blobs(_) => "bytea[]",
        }
    }

    /// One of its values.
    pub(super) fn at(&self, row: usize) -> Arg {
        match self {
            Self::Ints(values) => Arg::Int(values[row]),
            Self::Texts(values) => Arg::Text(values[row].clone()),
            Self::Blobs(values) => Arg::Bytes(values[row].clone()),
        }
    }

    /// Some of its values as one array.
    pub(super) fn add_array(&self, rows: std::ops::Range<usize>, arguments: &mut PgArguments) -> StoreResult<()> {
        match self {
            Self::Ints(values) => arguments.add(&values[rows]),
            Self::Texts(values) => {
                arguments.add(values[rows].iter().cloned().map(|v| v.map(clean)).collect::<Vec<_>>())
            }
            Self::Blobs(values) => arguments.add(&values[rows]),
        }
        .map_err(|error| from_sqlx(sqlx::Error::Encode(error)))
    }
}

impl From<i64> for Arg {
    fn from(value: i64) -> Self {
        Self::Int(Some(value))
    }
}

impl From<Option<i64>> for Arg {
    fn from(value: Option<i64>) -> Self {
        Self::Int(value)
    }
}

impl From<&str> for Arg {
    fn from(value: &str) -> Self {
        Self::Text(Some(value.to_owned()))
    }
}

impl From<String> for Arg {
    fn from(value: String) -> Self {
        Self::Text(Some(value))
    }
}

impl From<Option<String>> for Arg {
    fn from(value: Option<String>) -> Self {
        Self::Text(value)
    }
}

impl From<Vec<u8>> for Arg {
    fn from(value: Vec<u8>) -> Self {
        Self::Bytes(value)
    }
}

impl FromIterator<i64> for Column {
    fn from_iter<T: IntoIterator<Item = i64>>(values: T) -> Self {
        Self::Ints(values.into_iter().map(Some).collect())
    }
}

impl FromIterator<Option<i64>> for Column {
    fn from_iter<T: IntoIterator<Item = Option<i64>>>(values: T) -> Self {
        Self::Ints(values.into_iter().collect())
    }
}

impl FromIterator<String> for Column {
    fn from_iter<T: IntoIterator<Item = String>>(values: T) -> Self {
        Self::Texts(values.into_iter().map(Some).collect())
    }
}

impl FromIterator<Vec<u8>> for Column {
    fn from_iter<T: IntoIterator<Item = Vec<u8>>>(values: T) -> Self {
        Self::Blobs(values.into_iter().collect())
    }
}

/// `args![a, b]`: parameters of a statement.
macro_rules! args {
    ($($value:expr),* $(,)?) => { vec![$($crate::store::value::Arg::from($value)),*] };
}
pub(super) use args;
