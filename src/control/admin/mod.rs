//! The admin listener: metrics, health, targets, request rows. Runs as tasks of the control core's runtime and asks the core
//! for everything by [`Ask`]; it holds no numbers of its own. The dashboard will live here too.

mod auth;
mod health;
mod openapi;
mod requests;
mod targets;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;
use tokio::sync::{mpsc, oneshot, watch};

use super::Event;
use super::export::prometheus::{self, Format};
use super::store::{Filter, Page, QueryError};
use crate::config::Secret;

pub use health::{Readiness, ShardReadiness};
pub use targets::{ProbeState, RegionState, TargetState, Targets, VerdictState};

/// What a handler asks the core for.
pub enum Ask {
    /// Answered by a turn of the core's loop.
    Alive(oneshot::Sender<()>),
    Ready(oneshot::Sender<Readiness>),
    Metrics(Format, oneshot::Sender<String>),
    Requests(Filter, oneshot::Sender<Result<Page, QueryError>>),
    Targets(oneshot::Sender<Targets>),
    /// A query has taken too long: end it.
    GiveUp,
}

#[derive(Clone)]
pub struct Admin {
    core: mpsc::Sender<Event>,
    token: watch::Receiver<Option<Secret>>,
}

impl Admin {
    /// `token` follows the configuration in force.
    pub fn new(core: mpsc::Sender<Event>, token: watch::Receiver<Option<Secret>>) -> Self {
        Self { core, token }
    }

    pub fn router(self) -> Router {
        let guarded = Router::new()
            .route("/", get(|| async { Html(INDEX) }))
            .route("/metrics", get(metrics))
            .route("/api/v1/requests", get(requests::list))
            .route("/api/v1/requests/{id}", get(requests::one))
            .route("/api/v1/targets", get(targets::list))
            .route("/api/v1/openapi.json", get(openapi::document))
            .layer(from_fn_with_state(self.clone(), auth::check));
        Router::new()
            .route("/healthz", get(health::alive))
            .route("/readyz", get(health::ready))
            .merge(guarded)
            .fallback(|| async { error(StatusCode::NOT_FOUND, "not_found", "There is nothing at this path.") })
            .method_not_allowed_fallback(|| async {
                error(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "This path takes GET only.")
            })
            .layer(axum::middleware::from_fn(harden))
            .with_state(self)
    }

    /// Asks, and waits for the answer; `None` when the core is about to end.
    async fn ask<T>(&self, question: impl FnOnce(oneshot::Sender<T>) -> Ask) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.core.send(Event::Admin(question(reply))).await.ok()?;
        answer.await.ok()
    }
}

const INDEX: &str = include_str!("index.html");

async fn metrics(State(admin): State<Admin>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let format = prometheus::negotiate(accept);
    match admin.ask(|reply| Ask::Metrics(format, reply)).await {
        Some(page) => ([(header::CONTENT_TYPE, format.content_type())], page).into_response(),
        None => ending(),
    }
}

/// Answers are about this moment, and nothing here is to be framed or guessed at by a browser.
async fn harden(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
    ] {
        headers.insert(name, axum::http::HeaderValue::from_static(value));
    }
    response
}

fn error(status: StatusCode, code: &str, message: &str) -> Response {
    (status, Json(json!({"error": {"code": code, "message": message}}))).into_response()
}

fn ending() -> Response {
    error(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Sluice is about to stop.")
}
