//! The only place that names monoio.

/// Which driver a shard runs on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Driver {
    IoUring,
    Epoll,
}

impl Driver {
    pub fn as_str(self) -> &'static str {
        match self {
            Driver::IoUring => "io_uring",
            Driver::Epoll => "epoll",
        }
    }
}
