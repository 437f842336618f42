//! What happened so far, counted by the threads of `serve`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

/// A number that many threads raise and lower.
#[derive(Default)]
pub struct Count(AtomicU64);

impl Count {
    pub fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub fn subtract(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The counters behind the `stats` line.
#[derive(Default)]
pub struct Stats {
    /// Times the broker was served; all but the first are restarts.
    pub starts: Count,
    /// Connections to the backend endpoint that did not turn out to be an identity probe.
    pub backend_connections: Count,
    /// Those of them that are still open.
    pub backend_open: Count,
    /// Identity probes answered; the broker itself sends one at each start.
    pub probes: Count,
    /// Connections received from the broker together with a valid offer, whatever became of them.
    pub handoffs: Count,
    /// Frames that the mux backend has handed to its handler.
    pub requests: Count,
    /// Handed-over connections that are still open on this side.
    pub handoffs_open: Count,
}

/// Counts something as open until it is dropped, on whatever way its thread ends.
pub struct Open {
    stats: Arc<Stats>,
    pick: fn(&Stats) -> &Count,
}

impl Open {
    pub fn new(stats: &Arc<Stats>, pick: fn(&Stats) -> &Count) -> Self {
        pick(stats).add();
        Self { stats: Arc::clone(stats), pick }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        (self.pick)(&self.stats).subtract();
    }
}
