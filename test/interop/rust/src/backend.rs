//! The backend endpoint: answers identity probes and echoes everything else.

use std::io::{Error, ErrorKind, Read as _, Result, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use running_process::broker::backend_handle::DaemonProcess;
use running_process::broker::backend_sdk::{BackendEndpointMux, LegacyClassification, MuxPoll};

use crate::stats::{Open, Stats};

/// How a probe frame goes on after its header: envelope version 1, kind left out as REQUEST, protocol 0xB232 (P-01).
const PROBE_START: [u8; 6] = [0x08, 0x01, 0x18, 0xb2, 0xe4, 0x02];
const HEADER_BYTES: usize = 5;
/// A probe is some 50 bytes; with trace fields it may be longer, but not by much.
const LONGEST_PROBE: u32 = 4096;
/// How long bytes that could begin a probe may stay incomplete before they are taken for traffic after all.
const PROBE_PATIENCE: Duration = Duration::from_millis(250);
/// Threads only move bytes, and there may be thousands of them.
const STACK_BYTES: usize = 128 * 1024;

/// What tells probes from traffic and answers them: the crate's own mux with echo as its "legacy wire".
pub type ProbeMux = BackendEndpointMux<fn(&[u8]) -> LegacyClassification>;

/// A mux that answers probes for `identity`, which must be this process's own (P-13).
pub fn probe_mux(identity: DaemonProcess) -> ProbeMux {
    BackendEndpointMux::new(identity, &[], could_be_probe)
}

/// Serves the backend endpoint until the process ends.
pub fn serve(listener: UnixListener, mux: ProbeMux, stats: Arc<Stats>) {
    let mux = Arc::new(mux);
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                // Counted at once: a pooled connection may never send a byte.
                stats.backend_connections.add();
                let open = Open::new(&stats, |stats| &stats.backend_open);
                let (mux, stats) = (Arc::clone(&mux), Arc::clone(&stats));
                in_thread(move || {
                    let _open = open;
                    let _ = serve_connection(stream, &mux, &stats);
                });
            }
            Err(error) => pause_after(&error),
        }
    }
}

/// Runs `work` in a thread of its own; without one the connection is dropped, which its client will notice.
pub fn in_thread(work: impl FnOnce() + Send + 'static) {
    if let Err(error) = thread::Builder::new().stack_size(STACK_BYTES).spawn(work) {
        eprintln!("broker-pool-interop: no thread for a connection: {error}");
    }
}

/// Keeps an accept loop that is out of descriptors from spinning.
pub fn pause_after(error: &Error) {
    eprintln!("broker-pool-interop: accept: {error}");
    thread::sleep(Duration::from_millis(10));
}

/// Sends back whatever comes until the other side ends.
pub fn echo(mut stream: &UnixStream) -> Result<()> {
    let mut buffer = [0_u8; 16 * 1024];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => stream.write_all(&buffer[..count])?,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Probes may come first, one or several (S-37); from the first other byte on everything is echoed.
fn serve_connection(mut stream: UnixStream, mux: &ProbeMux, stats: &Stats) -> Result<()> {
    let mut pending = Vec::new();
    let mut probed = false;
    let mut incomplete_since = None;
    loop {
        match mux.poll(&pending) {
            Ok(MuxPoll::ProbeAnswered { reply, consumed }) => {
                if !probed {
                    probed = true;
                    stats.backend_connections.subtract();
                }
                stats.probes.add();
                stream.write_all(&reply)?;
                pending.drain(..consumed);
                incomplete_since = None;
            }
            Ok(MuxPoll::NeedMoreBytes) => {
                if !pending.is_empty() {
                    let since = *incomplete_since.get_or_insert_with(Instant::now);
                    let left = PROBE_PATIENCE.saturating_sub(since.elapsed());
                    stream.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
                }
                match read_more(&stream, &mut pending) {
                    Ok(true) => {}
                    Ok(false) if pending.is_empty() => return Ok(()),
                    // The other side has ended its half, or taken its time: no probe.
                    Ok(false) => break,
                    Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break,
                    Err(error) => return Err(error),
                }
            }
            // The mux wants a broken probe's connection dropped (S-33); here it counts as traffic like any other.
            Ok(MuxPoll::Legacy | MuxPoll::Payload { .. }) | Err(_) => break,
        }
    }
    stream.set_read_timeout(None)?;
    stream.write_all(&pending)?;
    echo(&stream)
}

fn read_more(mut stream: &UnixStream, pending: &mut Vec<u8>) -> Result<bool> {
    let mut buffer = [0_u8; 4096];
    let count = stream.read(&mut buffer)?;
    pending.extend_from_slice(&buffer[..count]);
    Ok(count > 0)
}

/// Whether these first bytes may still be a probe. Says no as early as it can, so that traffic that happens to
/// begin with 0x01 is not held up.
fn could_be_probe(bytes: &[u8]) -> LegacyClassification {
    let header_fits = match bytes.first_chunk::<HEADER_BYTES>() {
        Some([version, length @ ..]) => {
            let length = u32::from_le_bytes(*length);
            *version == 1 && (PROBE_START.len() as u32..=LONGEST_PROBE).contains(&length)
        }
        None => bytes.first() == Some(&1),
    };
    let body = bytes.get(HEADER_BYTES..).unwrap_or_default();
    if header_fits && body.iter().zip(PROBE_START).all(|(byte, expected)| *byte == expected) {
        LegacyClassification::NotLegacy
    } else {
        LegacyClassification::Legacy
    }
}
