//! What the program is when a broker in launch mode has started it: a backend, told by its environment (L-03, L-04).

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use running_process::broker::backend_handle::DaemonProcess;
use running_process::broker::protocol::Endpoint;

use crate::backend;
use crate::layout::listen;
use crate::probe::probe_mux;
use crate::stats::Stats;
use crate::Outcome;

const PIPE: &str = "RUNNING_PROCESS_BROKER_V1_BACKEND_PIPE";
const NAMESPACE: &str = "RUNNING_PROCESS_BROKER_V1_BACKEND_NAMESPACE";

/// The endpoint that a broker wants served; `None` where no broker launched us.
pub fn wanted_pipe() -> Option<PathBuf> {
    std::env::var_os(PIPE).map(PathBuf::from)
}

/// Serves until it is killed: no other process ends a launched backend (L-17).
pub fn run(pipe: PathBuf) -> Outcome {
    let failed = |error: std::io::Error| format!("{}: {error}", pipe.display());
    // Without the directory the broker has bound nothing, and leaves making it to us (L-13).
    if let Some(parent) = pipe.parent() {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    // The broker's own socket lies there (L-10, L-11). It is replaced, not adopted, which works only at once (L-12): the broker probes once
    // (P-03), so listen before anything that takes time, such as hashing the executable.
    let _ = fs::remove_file(&pipe);
    let listener = listen(&pipe)?;
    let path = pipe.to_str().ok_or("the endpoint is not UTF-8")?.to_owned();
    let namespace_id = std::env::var(NAMESPACE).unwrap_or_default();
    let identity =
        DaemonProcess::current_process(Endpoint { namespace_id, path }, Some(30)).map_err(|error| error.to_string())?;
    backend::start(listener, probe_mux(identity), Arc::new(Stats::default())).map_err(failed)?;
    loop {
        thread::park();
    }
}
