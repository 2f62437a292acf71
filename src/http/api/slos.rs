//! `/api/v1/slos`: the list with its filters and pages, and one SLO.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::tagged;
use crate::engine::snapshot::{SloView, Snapshot};
use crate::http::error::ApiError;
use crate::http::label_set;
use crate::http::nearest::nearest;
use crate::http::query::Query;
use crate::http::state::HttpState;

/// SLOs and their groups, in the order of their ids.
pub async fn list(State(state): State<HttpState>, headers: HeaderMap, uri: Uri) -> Result<Response, ApiError> {
    let query = Query::of(&uri);
    let limit = query.limit(100, 1000)?;
    let snapshot = state.shown()?;
    let begin = query
        .get("next_token")
        .map_or(Ok(0), |token| position(token, &snapshot.slos))?;
    let filter = Filter::of(&query);
    let mut found = snapshot
        .slos
        .iter()
        .enumerate()
        .skip(begin)
        .filter(|(_, slo)| filter.takes(slo));
    let page: Vec<(usize, &SloView)> = found.by_ref().take(limit).collect();
    let next_token = match (page.last(), found.next()) {
        (Some((index, last)), Some(_)) => Some(token(*index, last)),
        _ => None,
    };
    let slos: Vec<&SloView> = page.into_iter().map(|(_, slo)| slo).collect();
    Ok(tagged(
        &headers,
        &state.etag(&snapshot),
        json!({"slos": slos, "next_token": next_token}),
    ))
}

/// One SLO, or one group of it.
pub async fn one(
    State(state): State<HttpState>,
    path: Result<Path<(String, String)>, PathRejection>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, ApiError> {
    let Path((service, name)) = path.map_err(|error| ApiError::bad_data(error.body_text()))?;
    let snapshot = state.shown()?;
    let slo = find(&snapshot, &service, &name, Query::of(&uri).get("group"))?;
    Ok(tagged(&headers, &state.etag(&snapshot), slo))
}

/// The SLO of this address; the error says what is wrong with it, or what is near it.
pub fn find<'a>(
    snapshot: &'a Snapshot,
    service: &str,
    name: &str,
    group: Option<&str>,
) -> Result<&'a SloView, ApiError> {
    let wanted = group
        .filter(|text| !text.is_empty())
        .map(|text| {
            label_set::parse(text).map_err(|error| ApiError::bad_data(format!("group is no label set: {error}")))
        })
        .transpose()?;
    let is_it = |slo: &&SloView| slo.service.as_deref() == Some(service) && slo.name.as_deref() == Some(name);
    let of_group = |slo: &&SloView| match (&slo.group, &wanted) {
        (None, None) => true,
        (Some(group), Some(wanted)) => same_labels(group, wanted),
        _ => false,
    };
    // A second definition of a name that runs already is listed too, but it is the running one that is asked for.
    let found = snapshot
        .slos
        .iter()
        .filter(is_it)
        .filter(of_group)
        .max_by_key(|slo| (slo.events.is_some(), slo.objective.is_some()));
    found.ok_or_else(|| unknown(snapshot, service, name, wanted.is_some()))
}

fn same_labels(left: &[(String, String)], right: &[(String, String)]) -> bool {
    left.len() == right.len() && left.iter().all(|pair| right.contains(pair))
}

fn unknown(snapshot: &Snapshot, service: &str, name: &str, in_group: bool) -> ApiError {
    let wanted = format!("{service}/{name}");
    let ids = snapshot.slos.iter().filter_map(|slo| slo.id.as_deref());
    let near = if in_group {
        let of_slo = format!("{wanted}{{");
        ids.filter(|id| id.starts_with(&of_slo)).take(3).collect()
    } else {
        nearest(&wanted, ids)
    };
    let shown: String = wanted.chars().take(200).collect();
    let what = if in_group {
        format!("no such group of SLO {shown:?}")
    } else {
        format!("no SLO {shown:?}")
    };
    if near.is_empty() {
        return ApiError::not_found(format!("there is {what}; GET /api/v1/slos lists them all"));
    }
    ApiError::not_found(format!("there is {what}; did you mean {}?", near.join(" or ")))
}

struct Filter<'a> {
    services: Vec<&'a str>,
    states: Vec<&'a str>,
    specs: Vec<&'a str>,
    search: Option<String>,
}

impl<'a> Filter<'a> {
    fn of(query: &'a Query) -> Self {
        Self {
            services: query.all("service").collect(),
            states: query.all("state").collect(),
            specs: query.all("spec").collect(),
            search: query
                .get("search")
                .filter(|text| !text.is_empty())
                .map(str::to_lowercase),
        }
    }

    fn takes(&self, slo: &SloView) -> bool {
        let among = |wanted: &[&str], value: &str| wanted.is_empty() || wanted.contains(&value);
        among(&self.services, slo.service.as_deref().unwrap_or(""))
            && among(&self.states, slo.state)
            && among(&self.specs, slo.spec)
            && self.search.as_deref().is_none_or(|search| {
                let texts = [&slo.id, &slo.file, &slo.description, &slo.owner];
                texts
                    .into_iter()
                    .flatten()
                    .any(|text| text.to_lowercase().contains(search))
            })
    }
}

/// Where the next page begins: after this entry, or where it stood when it is gone meanwhile.
fn token(index: usize, last: &SloView) -> String {
    URL_SAFE_NO_PAD.encode(format!("{index} {}", last.id.as_deref().unwrap_or("")))
}

fn position(token: &str, slos: &[SloView]) -> Result<usize, ApiError> {
    let stale = || ApiError::bad_data("next_token is none that nines gave; begin again without it");
    let text = URL_SAFE_NO_PAD
        .decode(token)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(stale)?;
    let (index, id) = text.split_once(' ').ok_or_else(stale)?;
    let index: usize = index.parse().map_err(|_| stale())?;
    let is_last = |slo: &SloView| slo.id.as_deref().unwrap_or("") == id;
    if id.is_empty() || slos.get(index).is_some_and(is_last) {
        return Ok(index.saturating_add(1));
    }
    Ok(slos.iter().position(is_last).map_or(index, |at| at + 1))
}
