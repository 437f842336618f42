//! One connection of the backend, without the loop that waits for it.

use std::io::{ErrorKind, Read as _, Result, Write as _};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use running_process::broker::backend_sdk::MuxPoll;

use crate::probe::ProbeMux;
use crate::stats::{Open, Stats};

/// How long bytes that could begin a probe may stay incomplete before they are taken for traffic after all.
const PROBE_PATIENCE: Duration = Duration::from_millis(250);
/// How often one connection may read before the others get their turn.
const READS_PER_TURN: usize = 16;

/// What a connection waits for next.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    Readable,
    Writable,
    /// Nothing; it is over.
    Closed,
}

/// Probes may come first, one or several (S-37); from the first other byte on everything is echoed.
pub struct Connection {
    pub stream: UnixStream,
    /// Bytes that may belong to a probe.
    pending: Vec<u8>,
    pending_since: Option<Instant>,
    outgoing: Vec<u8>,
    echoes: bool,
    probed: bool,
    /// The other side has ended its half; what is left to send is sent.
    ended: bool,
    _open: Open,
}

impl Connection {
    /// A connection that may begin with probes.
    pub fn accepted(stream: UnixStream, open: Open) -> Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            pending: Vec::new(),
            pending_since: None,
            outgoing: Vec::new(),
            echoes: false,
            probed: false,
            ended: false,
            _open: open,
        })
    }

    /// A connection that came from the broker: nothing but traffic (H-23).
    pub fn handed_over(stream: UnixStream, open: Open) -> Result<Self> {
        Ok(Self { echoes: true, ..Self::accepted(stream, open)? })
    }

    /// When the pending bytes will no longer be waited for.
    pub fn patience_ends(&self) -> Option<Instant> {
        self.pending_since.map(|since| since + PROBE_PATIENCE)
    }

    /// Does what can be done without blocking. An error closes the connection, which is all its client has to know.
    pub fn advance(&mut self, mux: &ProbeMux, stats: &Stats, now: Instant) -> Wait {
        self.try_to_advance(mux, stats, now).unwrap_or(Wait::Closed)
    }

    fn try_to_advance(&mut self, mux: &ProbeMux, stats: &Stats, now: Instant) -> Result<Wait> {
        let mut buffer = [0_u8; 16 * 1024];
        if self.patience_ends().is_some_and(|end| end <= now) {
            self.start_echo();
        }
        for _ in 0..READS_PER_TURN {
            if !self.flush()? {
                return Ok(Wait::Writable);
            }
            if self.ended {
                return Ok(Wait::Closed);
            }
            match self.stream.read(&mut buffer) {
                Ok(0) => {
                    self.ended = true;
                    self.start_echo();
                }
                Ok(count) if self.echoes => self.outgoing.extend_from_slice(&buffer[..count]),
                Ok(count) => {
                    self.pending.extend_from_slice(&buffer[..count]);
                    self.classify(mux, stats, now)?;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Wait::Readable),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(if self.flush()? { Wait::Readable } else { Wait::Writable })
    }

    fn classify(&mut self, mux: &ProbeMux, stats: &Stats, now: Instant) -> Result<()> {
        loop {
            match mux.poll(&self.pending) {
                Ok(MuxPoll::ProbeAnswered { reply, consumed }) => {
                    stats.probes.add();
                    if !self.probed {
                        self.probed = true;
                        // It was counted when it was accepted.
                        stats.backend_connections.subtract();
                    }
                    self.outgoing.extend_from_slice(&reply);
                    self.pending.drain(..consumed);
                    self.pending_since = None;
                }
                Ok(MuxPoll::NeedMoreBytes) => {
                    if !self.pending.is_empty() {
                        self.pending_since.get_or_insert(now);
                    }
                    return Ok(());
                }
                // The mux wants a broken probe's connection dropped (S-33); here it counts as traffic like any other.
                Ok(MuxPoll::Legacy | MuxPoll::Payload { .. }) | Err(_) => {
                    self.start_echo();
                    return Ok(());
                }
            }
        }
    }

    fn start_echo(&mut self) {
        self.echoes = true;
        self.pending_since = None;
        self.outgoing.append(&mut self.pending);
    }

    /// Whether everything has gone out.
    fn flush(&mut self) -> Result<bool> {
        let mut sent = 0;
        let outcome = loop {
            if sent == self.outgoing.len() {
                break Ok(true);
            }
            match self.stream.write(&self.outgoing[sent..]) {
                Ok(0) => break Err(ErrorKind::WriteZero.into()),
                Ok(count) => sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        self.outgoing.drain(..sent);
        outcome
    }
}
