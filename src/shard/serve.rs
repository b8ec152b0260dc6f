//! The steps of a request, in their order. Each consumes the proof of the one before, so a path that skips a check does
//! not compile: `Parsed -> Identified -> Admitted -> Routed -> Sent`, and the record settles whatever happens.

use super::client::Client;
use super::request::{Next, Refusal, Request, Stop};
use super::{admit, answer, attempts, plan, upload};
use crate::http1::{Method, RequestBody, RequestHead, Span};
use crate::policy::spoken::Spoken;
use crate::telemetry::Face;

/// Serves one request whose head lies at the front of the client's inbox. `last`: the connection has served enough.
pub fn request(client: &mut Client, head: RequestHead, start_ns: u64, last: bool) -> impl Future<Output = Next> {
    let mut request = Request::begin(client, head, start_ns);
    request.keep_alive &= !last;
    // What is made before the block is in the future once; an argument of an `async fn` that is used up stays beside it.
    async move {
        match run(&mut request, client).await {
            Ok(next) => next,
            Err(Stop::Refuse(refusal)) => answer::refuse(&mut request, client, refusal).await,
            Err(Stop::Silent(outcome)) => {
                request.record().outcome = outcome;
                Next::Abort
            }
        }
    }
}

/// Refuses what is not a request: the client is told in the shape of OpenAI's errors, and there is a record of it.
pub async fn refuse_head(client: &mut Client, refusal: Refusal, start_ns: u64) -> Next {
    let head = RequestHead {
        method: Method::Other,
        method_span: Span::default(),
        path: Span::default(),
        query: None,
        authority: Span::default(),
        http10: false,
        fields: Vec::new(),
        // Whatever follows is not read.
        body: RequestBody::Length(u64::MAX),
        keep_alive: false,
        expect_continue: false,
        head_bytes: 0,
    };
    let mut request = Request::begin(client, head, start_ns);
    answer::refuse(&mut request, client, refusal).await
}

async fn run(request: &mut Request, client: &mut Client) -> Result<Next, Stop> {
    let parsed = request.parse(client)?;
    let identified = admit::identify(parsed, request, client)?;
    if request.record().face == Face::Models {
        return Ok(answer::models(identified, request, client).await);
    }
    if upload::is_multipart(request, client) {
        // Boxed: nothing else needs as much room.
        return Box::pin(upload::run(identified, request, client)).await;
    }
    let admitted = admit::read(identified, request, client).await?;
    let (mut plan, pick) = plan::route(admitted, request, client)?;
    if pick.spoken == Spoken::Here {
        return Ok(answer::count_tokens(&plan, &pick, request, client).await);
    }
    attempts::run(&mut plan, pick, request, client).await
}
