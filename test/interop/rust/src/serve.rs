//! `serve`: broker, backend and handoff endpoint in one process, as the registered broker demands (P-13).

use std::fs::OpenOptions;
use std::io::BufRead as _;
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use running_process::broker::backend_handle::DaemonProcess;
use running_process::broker::protocol::Endpoint;
use running_process::broker::server::service_definition_path;
use serde_json::{json, Value};

use crate::arguments::Arguments;
use crate::backend::{self, Adoption};
use crate::broker_loop::{BrokerLoop, BrokerSettings};
use crate::handoff::{self, Mode};
use crate::hello_count::HelloCount;
use crate::layout::{endpoint_text, listen, remove_socket, write_definition, Layout};
use crate::mux_backend;
use crate::probe::probe_mux;
use crate::stats::Stats;
use crate::{print_line, Outcome};

/// Often enough for the kernel's queue, which holds some 8,000 Hellos.
const DRAIN_EVERY: Duration = Duration::from_millis(200);

pub fn run(words: &[String]) -> Outcome {
    let options =
        ["dir", "service", "version", "handoff", "definitions", "min-version", "log", "backend", "backend-endpoint"];
    let arguments = Arguments::parse(words, &options, &[])?;
    let service = arguments.text("service").unwrap_or("interop");
    let version = arguments.text("version").unwrap_or("1.2.3");
    let min_version = arguments.text("min-version").unwrap_or("1.0.0");
    let mode = Mode::parse(arguments.text("handoff").unwrap_or("none"))?;
    let kind = Kind::parse(arguments.text("backend").unwrap_or("echo"))?;
    if let Some(file) = arguments.text("log") {
        send_stderr_to(file)?;
    }
    raise_descriptor_limit();

    let mut layout =
        Layout::prepare(arguments.required("dir")?.as_ref(), arguments.text("definitions").map(Path::new))?;
    if let Some(path) = arguments.text("backend-endpoint") {
        layout.backend = path.into();
        remove_socket(&layout.backend);
    }
    let namespace = write_definition(&layout.definitions, service, min_version)?;
    let definition = service_definition_path(&layout.definitions, service).map_err(|error| error.to_string())?;
    let hellos = Arc::new(HelloCount::watch(&definition)?);
    let stats = Arc::new(Stats::default());

    let backend = endpoint_text(&layout.backend)?;
    let adoption = start_backend(kind, &layout, &backend, namespace, &stats)?;
    let handoff = match (mode, kind) {
        (None, _) => None,
        // The other backend listens there.
        (Some(_), Kind::External) => Some(endpoint_text(&layout.handoff)?),
        (Some(mode), _) => Some(start_handoff(&layout, mode, adoption, &stats)?),
    };
    let settings = BrokerSettings {
        socket: endpoint_text(&layout.broker)?,
        service: service.to_owned(),
        version: version.to_owned(),
        backend: backend.clone(),
        definitions: layout.definitions.clone(),
        handoff: handoff.clone(),
    };
    let ready = json!({
        "broker": settings.socket, "backend": backend, "handoff": handoff,
        "service": service, "version": version, "minVersion": min_version,
        "definitions": layout.definitions, "pid": std::process::id(),
    });
    let broker = BrokerLoop::start(settings, Arc::clone(&stats));
    let outcome = broker.wait_until_ready().and_then(|()| {
        drain_now_and_then(&hellos);
        if matches!(kind, Kind::External) {
            // The broker has probed and does not probe again: from now on the endpoint is the other backend's.
            remove_socket(&layout.backend);
        }
        print_line(&ready)?;
        obey_stdin(&stats, &hellos)
    });
    broker.stop();
    layout.remove_sockets();
    // Returning ends the process and with it the threads, none of which can be asked to end.
    outcome
}

/// What serves the backend endpoint.
#[derive(Clone, Copy)]
enum Kind {
    /// Raw bytes, echoed.
    Echo,
    /// Frames, answered through the crate's mux.
    Mux,
    /// A backend in another process, which binds both endpoints once the broker is up: this program answers only the
    /// probe with which the broker starts, since that must name the broker's own process (P-13).
    External,
}

impl Kind {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "echo" => Ok(Self::Echo),
            "mux" => Ok(Self::Mux),
            "external" => Ok(Self::External),
            _ => Err(format!("--backend is echo, mux or external, not {text}")),
        }
    }
}

fn start_backend(
    kind: Kind,
    layout: &Layout,
    endpoint: &str,
    namespace: String,
    stats: &Arc<Stats>,
) -> Result<Adoption, String> {
    let endpoint = Endpoint { namespace_id: namespace, path: endpoint.to_owned() };
    let identity = DaemonProcess::current_process(endpoint, Some(30)).map_err(|error| error.to_string())?;
    let listener = listen(&layout.backend)?;
    match kind {
        Kind::Mux => Ok(mux_backend::start(listener, identity, Arc::clone(stats))),
        Kind::Echo | Kind::External => {
            backend::start(listener, probe_mux(identity), Arc::clone(stats)).map_err(|error| error.to_string())
        }
    }
}

fn start_handoff(layout: &Layout, mode: Mode, adoption: Adoption, stats: &Arc<Stats>) -> Result<String, String> {
    let listener = listen(&layout.handoff)?;
    let stats = Arc::clone(stats);
    thread::spawn(move || handoff::serve(&listener, mode, &adoption, &stats));
    endpoint_text(&layout.handoff)
}

fn drain_now_and_then(hellos: &Arc<HelloCount>) {
    let hellos = Arc::clone(hellos);
    thread::spawn(move || loop {
        thread::sleep(DRAIN_EVERY);
        hellos.drain();
    });
}

/// Answers until `quit` or the end of stdin, which is also what a parent's death looks like.
fn obey_stdin(stats: &Stats, hellos: &HelloCount) -> Outcome {
    for line in std::io::stdin().lock().lines() {
        match line.map_err(|error| format!("stdin: {error}"))?.trim() {
            "quit" => break,
            "stats" => print_line(&stats_line(stats, hellos))?,
            "" => {}
            other => print_line(&json!({ "error": format!("unknown command: {other}") }))?,
        }
    }
    Ok(())
}

fn stats_line(stats: &Stats, hellos: &HelloCount) -> Value {
    let starts = stats.starts.get();
    json!({
        "restarts": starts.saturating_sub(1),
        "backendConnections": stats.backend_connections.get(),
        "backendOpen": stats.backend_open.get(),
        "probes": stats.probes.get(),
        "requests": stats.requests.get(),
        "handoffs": stats.handoffs.get(),
        "handoffsOpen": stats.handoffs_open.get(),
        "hellos": hellos.hellos(starts),
    })
}

/// The broker writes a line to stderr for every handoff that fails, and stands still once a pipe there is full.
fn send_stderr_to(file: &str) -> Outcome {
    let failed = |error: std::io::Error| format!("{file}: {error}");
    let log = OpenOptions::new().create(true).append(true).open(file).map_err(failed)?;
    // SAFETY: both descriptors are open.
    if unsafe { libc::dup2(log.as_raw_fd(), libc::STDERR_FILENO) } < 0 {
        return Err(failed(std::io::Error::last_os_error()));
    }
    Ok(())
}

/// Each connection costs this process a descriptor or two; a shell's usual limit is too low for bursts.
fn raise_descriptor_limit() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both calls get a live, initialised struct; failing leaves the limit as it was.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) == 0 && limit.rlim_cur < limit.rlim_max {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
        }
    }
}
