//! `admin_token`: when configured, everything but the health checks wants it as a Bearer token.

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::Admin;

pub async fn check(State(admin): State<Admin>, request: Request, next: Next) -> Response {
    let token = admin.token.borrow().clone();
    let given = request.headers().get(header::AUTHORIZATION).and_then(bearer);
    match token {
        Some(token) if !given.is_some_and(|given| same(given, token.expose().as_bytes())) => {
            let mut response =
                super::error(StatusCode::UNAUTHORIZED, "unauthorized", "The admin token is wanted as a Bearer token.");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            response
        }
        _ => next.run(request).await,
    }
}

fn bearer(value: &HeaderValue) -> Option<&[u8]> {
    let (scheme, token) = value.as_bytes().split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

/// Hashes are compared, so that not even the length shows in the time taken.
fn same(given: &[u8], token: &[u8]) -> bool {
    Sha256::digest(given).as_slice().ct_eq(Sha256::digest(token).as_slice()).into()
}
