//! Query parameters, some of which may be given several times.

use axum::http::Uri;

use super::error::ApiError;

/// The query's pairs in their order.
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads the query of an address.
    pub fn of(uri: &Uri) -> Self {
        let pairs = url::form_urlencoded::parse(uri.query().unwrap_or("").as_bytes());
        Self(pairs.into_owned().collect())
    }

    /// The first value of a parameter.
    pub fn get<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.all(name).next()
    }

    /// All values of a parameter; `name` and `name[]` are the same.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let is_it = move |given: &str| given == name || given.strip_suffix("[]") == Some(name);
        self.0
            .iter()
            .filter(move |(given, _)| is_it(given))
            .map(|(_, value)| value.as_str())
    }

    /// `limit`: a default and a maximum; what is no whole number above 0 is an error.
    pub fn limit(&self, default: usize, max: usize) -> Result<usize, ApiError> {
        match self.get("limit") {
            None | Some("") => Ok(default),
            Some(text) => match text.parse::<usize>() {
                Ok(limit) if limit > 0 => Ok(limit.min(max)),
                _ => Err(ApiError::bad_data(format!(
                    "limit must be a whole number from 1 to {max}"
                ))),
            },
        }
    }
}
