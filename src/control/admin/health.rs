//! `/healthz`: the loop turns. `/readyz`: every shard serves, and none is being drained.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;
use tokio::time::timeout;

use super::{Admin, Ask};

/// A loop that has not turned for so long does not.
const ALIVE_WITHIN: Duration = Duration::from_secs(1);

#[derive(Serialize)]
pub struct Readiness {
    pub ready: bool,
    pub draining: bool,
    /// The configuration in force.
    pub epoch: u64,
    pub shards: Vec<ShardReadiness>,
}

#[derive(Serialize)]
pub struct ShardReadiness {
    pub shard: usize,
    pub state: &'static str,
    pub driver: Option<&'static str>,
    /// Why it does not run on io_uring.
    pub why: Option<String>,
    pub epoch: u64,
}

pub async fn alive(State(admin): State<Admin>) -> Response {
    match timeout(ALIVE_WITHIN, admin.ask(Ask::Alive)).await {
        Ok(Some(())) => Json(json!({"alive": true})).into_response(),
        _ => super::error(StatusCode::SERVICE_UNAVAILABLE, "stuck", "The control core does not answer."),
    }
}

pub async fn ready(State(admin): State<Admin>) -> Response {
    match admin.ask(Ask::Ready).await {
        Some(readiness) => {
            let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            (status, Json(readiness)).into_response()
        }
        None => super::ending(),
    }
}
