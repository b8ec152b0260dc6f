//! Errors that Sluice writes, in the dialect of the path the client called.

use crate::json::escape_into;
use crate::telemetry::Face;

fn is_anthropic(face: Face) -> bool {
    matches!(face, Face::Messages | Face::CountTokens)
}

/// The body of an error answer. OpenAI: `{"error":{"message","type","param","code","request_id"}}`. Anthropic:
/// `{"type":"error","error":{"type","message","code"},"request_id"}`. Gemini: a `google.rpc.Status` in `error`, with a
/// `google.rpc.ErrorInfo`. `code` and `request_id` are in all, so that a person can act on either.
pub fn error_body(face: Face, status: u16, code: &str, message: &str, request_id: &str, out: &mut Vec<u8>) {
    if is_anthropic(face) {
        anthropic_error(anthropic_type(status), code, message, request_id, out);
    } else if face == Face::Gemini {
        google_error(status, code, message, request_id, out);
    } else {
        out.extend_from_slice(b"{\"error\":");
        openai_error(openai_type(status), code, message, request_id, out);
        out.push(b'}');
    }
}

/// The event that ends a stream which cannot go on, so that the client can tell: never followed by a terminator.
pub fn error_event(face: Face, code: &str, message: &str, request_id: &str, out: &mut Vec<u8>) {
    if is_anthropic(face) {
        out.extend_from_slice(b"event: error\ndata: ");
        let kind = if matches!(code, "total_timeout" | "upstream_stalled") { "timeout_error" } else { "api_error" };
        anthropic_error(kind, code, message, request_id, out);
    } else if face == Face::Responses {
        // As OpenAI does: SDKs raise on the first, readers of raw events know the second.
        out.extend_from_slice(b"event: error\ndata: {\"type\":\"error\",");
        member("code", code, out);
        out.push(b',');
        member("message", message, out);
        out.extend_from_slice(b",\"param\":null,\"error\":");
        openai_error("server_error", code, message, request_id, out);
        out.extend_from_slice(
            b"}\n\nevent: response.failed\ndata: {\"type\":\"response.failed\",\"response\":{\"object\":\"response\",\"status\":\"failed\",\"error\":{",
        );
        member("code", code, out);
        out.push(b',');
        member("message", message, out);
        out.extend_from_slice(b"}}}");
    } else if face == Face::Gemini {
        out.extend_from_slice(b"data: ");
        google_error(500, code, message, request_id, out);
        // As Google ends its own.
        out.extend_from_slice(b"\r\n\r\n");
        return;
    } else {
        out.extend_from_slice(b"data: {\"error\":");
        openai_error("server_error", code, message, request_id, out);
        out.push(b'}');
    }
    out.extend_from_slice(b"\n\n");
}

fn openai_error(kind: &str, code: &str, message: &str, request_id: &str, out: &mut Vec<u8>) {
    out.push(b'{');
    member("message", message, out);
    out.push(b',');
    member("type", kind, out);
    out.extend_from_slice(b",\"param\":null,");
    member("code", code, out);
    out.push(b',');
    member("request_id", request_id, out);
    out.push(b'}');
}

fn anthropic_error(kind: &str, code: &str, message: &str, request_id: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"type\":\"error\",\"error\":{");
    member("type", kind, out);
    out.push(b',');
    member("message", message, out);
    out.push(b',');
    member("code", code, out);
    out.extend_from_slice(b"},");
    member("request_id", request_id, out);
    out.push(b'}');
}

fn google_error(status: u16, code: &str, message: &str, request_id: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("{{\"error\":{{\"code\":{status},").as_bytes());
    member("message", message, out);
    out.push(b',');
    member("status", google_status(status), out);
    out.extend_from_slice(b",\"details\":[{\"@type\":\"type.googleapis.com/google.rpc.ErrorInfo\",");
    member("reason", code, out);
    out.extend_from_slice(b",\"domain\":\"sluice\",\"metadata\":{");
    member("request_id", request_id, out);
    out.extend_from_slice(b"}}]}}");
}

fn member(name: &str, value: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":\"");
    escape_into(value, out);
    out.push(b'"');
}

fn openai_type(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        403 => "permission_denied",
        429 => "rate_limit_error",
        400..=499 => "invalid_request_error",
        _ => "server_error",
    }
}

fn anthropic_type(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        400..=499 => "invalid_request_error",
        503 | 529 => "overloaded_error",
        504 => "timeout_error",
        _ => "api_error",
    }
}

/// The canonical code that Google answers with this HTTP status (google/rpc/code.proto).
fn google_status(status: u16) -> &'static str {
    match status {
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        409 => "ABORTED",
        402 | 429 => "RESOURCE_EXHAUSTED",
        408 | 504 => "DEADLINE_EXCEEDED",
        499 => "CANCELLED",
        400..=498 => "INVALID_ARGUMENT",
        501 => "UNIMPLEMENTED",
        503 | 529 => "UNAVAILABLE",
        _ => "INTERNAL",
    }
}
