//! rustls on the runtime's streams.

pub mod config;
mod stream;

pub use stream::Stream;
