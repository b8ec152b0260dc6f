//! `/api/v1/requests`: what happened, newest first.

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tokio::time::timeout;

use super::{Admin, Ask};
use crate::control::clock;
use crate::control::store::{Filter, LIMIT_MAX, Page, QueryError, Status};
use crate::telemetry::{Outcome, RequestId};

const LIMIT_DEFAULT: usize = 100;
/// Rows wait while a query runs: it must end before they fill their channel.
const QUERY_WITHIN: Duration = Duration::from_millis(500);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Params {
    id: Option<String>,
    trace_id: Option<String>,
    model: Option<String>,
    status: Option<String>,
    outcome: Option<String>,
    rule: Option<String>,
    target: Option<String>,
    rescued: Option<String>,
    from: Option<String>,
    to: Option<String>,
    limit: Option<String>,
    before: Option<String>,
}

pub async fn list(State(admin): State<Admin>, params: Result<Query<Params>, QueryRejection>) -> Response {
    let filter = match params {
        Ok(Query(params)) => filter(&params),
        Err(rejection) => Err(rejection.body_text()),
    };
    match filter {
        Ok(filter) => answer(&admin, filter, |page| Some(Json(page).into_response())).await,
        Err(message) => super::error(StatusCode::BAD_REQUEST, "bad_parameter", &message),
    }
}

pub async fn one(State(admin): State<Admin>, Path(id): Path<String>) -> Response {
    let Some(id) = RequestId::parse(&id) else {
        let message = "The id is not one of a request: req_ and 32 hex digits are expected.";
        return super::error(StatusCode::BAD_REQUEST, "bad_parameter", message);
    };
    let filter = Filter { id: Some(id), limit: 1, ..Filter::default() };
    answer(&admin, filter, |page| page.requests.into_iter().next().map(|row| Json(row).into_response())).await
}

async fn answer(admin: &Admin, filter: Filter, show: impl FnOnce(Page) -> Option<Response>) -> Response {
    match timeout(QUERY_WITHIN, admin.ask(|reply| Ask::Requests(filter, reply))).await {
        Ok(Some(Ok(page))) => show(page)
            .unwrap_or_else(|| super::error(StatusCode::NOT_FOUND, "not_found", "No request with this id is stored.")),
        Ok(Some(Err(QueryError::Failed(error)))) => {
            tracing::error!(%error, "request rows could not be read");
            super::error(StatusCode::INTERNAL_SERVER_ERROR, "storage", "The request rows could not be read.")
        }
        Ok(None) => super::error(StatusCode::SERVICE_UNAVAILABLE, "busy", "The store is too busy to be asked."),
        Err(_) | Ok(Some(Err(QueryError::Interrupted))) => {
            let _ = admin.core.send(super::Event::Admin(Ask::GiveUp)).await;
            let message = "The query took too long: narrow it by from and to, or by a model.";
            super::error(StatusCode::SERVICE_UNAVAILABLE, "too_slow", message)
        }
    }
}

fn filter(params: &Params) -> Result<Filter, String> {
    Ok(Filter {
        id: read(params.id.as_deref(), "id", "req_ and 32 hex digits", RequestId::parse)?,
        trace_id: read(params.trace_id.as_deref(), "trace_id", "32 hex digits", trace_id)?,
        model: params.model.clone(),
        status: read(params.status.as_deref(), "status", "a status as 200 or a class as 4xx", status)?,
        outcome: read(
            params.outcome.as_deref(),
            "outcome",
            "served, refused, failed, truncated, cancelled or crashed",
            outcome,
        )?,
        rule: params.rule.clone(),
        target: params.target.clone(),
        rescued: read(params.rescued.as_deref(), "rescued", "true or false", |text| text.parse().ok())?,
        from_unix_ms: read(params.from.as_deref(), "from", TIME, clock::parse_ms)?,
        to_unix_ms: read(params.to.as_deref(), "to", TIME, clock::parse_ms)?,
        limit: read(params.limit.as_deref(), "limit", "1 to 1000", limit)?.unwrap_or(LIMIT_DEFAULT),
        before: read(params.before.as_deref(), "before", "the next of the page before", |text| text.parse().ok())?,
    })
}

const TIME: &str = "an RFC 3339 time as 2026-08-22T10:00:00Z or unix milliseconds";

fn read<T>(
    text: Option<&str>,
    name: &str,
    expected: &str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, String> {
    let Some(text) = text else { return Ok(None) };
    parse(text).map(Some).ok_or_else(|| format!("The parameter {name} is not understood: {expected} is expected."))
}

fn trace_id(text: &str) -> Option<[u8; 16]> {
    let hex = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if hex { u128::from_str_radix(text, 16).ok().map(u128::to_be_bytes) } else { None }
}

fn status(text: &str) -> Option<Status> {
    let number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?;
    match text.strip_suffix("xx") {
        Some(class) => number(class).filter(|class| (1..=5).contains(class)).map(Status::Class),
        None => number(text).filter(|&status| status < 600).map(Status::Exact),
    }
}

fn outcome(text: &str) -> Option<Outcome> {
    use Outcome::{Cancelled, Crashed, Failed, Refused, Served, Truncated};
    [Served, Refused, Failed, Truncated, Cancelled, Crashed].into_iter().find(|outcome| outcome.as_str() == text)
}

fn limit(text: &str) -> Option<usize> {
    text.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit))
}
