//! rustls on the runtime's streams.

mod stream;

pub use stream::Stream;
