//! What systemd is told (`Type=notify-reload`, `WatchdogSec=`). Without `NOTIFY_SOCKET` nothing happens.

use std::time::Duration;

use sd_notify::NotifyState;

pub fn ready() {
    notify(&[NotifyState::Ready]);
}

/// Must be followed by [`ready`], whether the reload came into force or not.
pub fn reloading() {
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        notify(&[NotifyState::Reloading, now]);
    }
}

pub fn stopping() {
    notify(&[NotifyState::Stopping]);
}

pub fn alive() {
    notify(&[NotifyState::Watchdog]);
}

/// How often [`alive`] is wanted: half the time after which systemd kills.
pub fn heartbeat_every() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|limit| limit / 2)
}

fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "systemd could not be notified");
    }
}
