//! `/api/v1/targets`: the targets that rules name, and whether they can be used.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::{Admin, Ask};

#[derive(Serialize)]
pub struct Targets {
    /// In the order in which the configuration names them first.
    pub targets: Vec<TargetState>,
    pub regions: Vec<RegionState>,
}

#[derive(Serialize)]
pub struct TargetState {
    /// `account/model`.
    pub target: String,
    pub account: String,
    /// A target is passed over as well while its region is unhealthy.
    pub region: String,
    #[serde(flatten)]
    pub state: VerdictState,
    /// Ids of the rules that name it.
    pub rules: Vec<String>,
    /// Those of them whose SLA or objective it misses on at least one shard: they pass it over there, healthy as it is.
    pub slow_for: Vec<String>,
    /// Of its account, where a health check is configured.
    pub probe: Option<ProbeState>,
}

#[derive(Serialize)]
pub struct RegionState {
    pub region: String,
    #[serde(flatten)]
    pub state: VerdictState,
}

/// The newest that is known. Times are RFC 3339.
#[derive(Serialize)]
pub struct VerdictState {
    /// `healthy`, `unhealthy`, or `half_open`: its cool-down is over, and the next request tries it.
    pub verdict: &'static str,
    /// The class of failure.
    pub why: Option<&'static str>,
    /// The last change between healthy and not.
    pub since: Option<String>,
    /// End of the cool-down; past when half-open.
    pub until: Option<String>,
    /// Of requests in a row, as the shard counts them that said so; 0 when healthy.
    pub failures: u32,
    /// `shard 0` or `probe`.
    pub by: Option<String>,
    /// Between healthy and not, since the configuration names it.
    pub changes: u64,
}

#[derive(Serialize)]
pub struct ProbeState {
    pub path: String,
    pub interval_ms: u64,
    /// When the last one ended; all of the following are about it.
    pub last: Option<String>,
    pub duration_ms: Option<f64>,
    pub status: Option<u16>,
    pub error: Option<String>,
    pub failures_in_a_row: u32,
}

pub async fn list(State(admin): State<Admin>) -> Response {
    match admin.ask(Ask::Targets).await {
        Some(targets) => Json(targets).into_response(),
        None => super::ending(),
    }
}
