//! A backend built on the crate's mux the way its documentation shows: a thread for each connection, blocking reads,
//! each request answered before the next one is looked at.

use std::io::{Error, Read, Result, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;

use running_process::broker::backend_handle::DaemonProcess;
use running_process::broker::backend_sdk::{
    remove_daemon_identity_file, write_daemon_identity_file, BackendEndpointMux, LegacyClassification, MuxPoll,
};
use running_process::broker::protocol::{encode_framed, Endpoint, Frame};
use serde_json::json;

use crate::arguments::Arguments;
use crate::backend::{pause_after, Adoption};
use crate::frame_commands::{Command, Reaction, COMMAND_PROTOCOL, ECHO_PROTOCOL};
use crate::layout::{endpoint_text, listen, remove_socket};
use crate::stats::{Open, Stats};
use crate::{print_line, Outcome};

const CHUNK_BYTES: usize = 64 * 1024;
const LEGACY_START: u8 = b'L';
const LEGACY_END: u8 = b'\n';

type Mux = BackendEndpointMux<fn(&[u8]) -> LegacyClassification>;

/// `mux-backend`: the backend alone, found by its endpoint or its identity file.
pub fn run(words: &[String]) -> Outcome {
    let arguments = Arguments::parse(words, &["endpoint", "identity-file", "namespace"], &[])?;
    let path = Path::new(arguments.required("endpoint")?);
    let identity_file = arguments.text("identity-file").map(Path::new);
    remove_socket(path);
    let endpoint = Endpoint {
        namespace_id: arguments.text("namespace").unwrap_or("interop").to_owned(),
        path: endpoint_text(path)?,
    };
    let identity = DaemonProcess::current_process(endpoint, None).map_err(|error| error.to_string())?;
    let stats = Arc::new(Stats::default());
    let listener = listen(path)?;
    // Written last: a reader of the file must find a listener.
    if let Some(file) = identity_file {
        write_daemon_identity_file(file, &identity).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    start(listener, identity, Arc::clone(&stats));
    print_line(&json!({ "endpoint": path, "identityFile": identity_file, "pid": std::process::id() }))?;
    let outcome = obey_stdin(&stats);
    if let Some(file) = identity_file {
        remove_daemon_identity_file(file);
    }
    remove_socket(path);
    outcome
}

/// Answers `stats` until `quit` or the end of stdin.
fn obey_stdin(stats: &Stats) -> Outcome {
    for line in std::io::stdin().lines() {
        match line.map_err(|error| format!("stdin: {error}"))?.trim() {
            "quit" => break,
            "stats" => print_line(&json!({
                "backendConnections": stats.backend_connections.get(), "backendOpen": stats.backend_open.get(),
                "probes": stats.probes.get(), "requests": stats.requests.get(),
            }))?,
            other => print_line(&json!({ "error": format!("unknown command: {other}") }))?,
        }
    }
    Ok(())
}

/// Serves a listener in a thread of its own until the process ends; connections from the broker come by the adoption.
pub fn start(listener: UnixListener, identity: DaemonProcess, stats: Arc<Stats>) -> Adoption {
    let mux: Arc<Mux> = Arc::new(BackendEndpointMux::new(identity, &[ECHO_PROTOCOL, COMMAND_PROTOCOL], detect_legacy));
    let adopted = (Arc::clone(&mux), Arc::clone(&stats));
    thread::spawn(move || loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stats.backend_connections.add();
                let open = Open::new(&stats, |stats| &stats.backend_open);
                serve_in_thread(stream, open, (Arc::clone(&mux), Arc::clone(&stats)));
            }
            Err(error) => pause_after(&error),
        }
    });
    Arc::new(move |stream, open| {
        serve_in_thread(stream, open, adopted.clone());
        Ok(())
    })
}

fn serve_in_thread(stream: UnixStream, open: Open, (mux, stats): (Arc<Mux>, Arc<Stats>)) {
    thread::spawn(move || {
        let _open = open;
        let _ = serve(stream, &mux, &stats);
    });
}

/// One connection until it ends. Every error ends it without a word, which is all that the protocol has for them.
fn serve(mut stream: UnixStream, mux: &Mux, stats: &Stats) -> Result<()> {
    let mut buffer = Vec::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let more = match mux.poll(&buffer).map_err(Error::other)? {
            MuxPoll::NeedMoreBytes => true,
            MuxPoll::ProbeAnswered { reply, consumed } => {
                stats.probes.add();
                buffer.drain(..consumed);
                stream.write_all(&reply)?;
                false
            }
            MuxPoll::Payload { frame, consumed } => {
                stats.requests.add();
                buffer.drain(..consumed);
                let reaction = react(&frame).map_err(Error::other)?;
                stream.write_all(&reaction.bytes)?;
                if reaction.ends {
                    return Ok(());
                }
                false
            }
            MuxPoll::Legacy => !echo_line(&mut stream, &mut buffer)?,
        };
        if more {
            match stream.read(&mut chunk)? {
                0 => return Ok(()),
                count => buffer.extend_from_slice(&chunk[..count]),
            }
        }
    }
}

fn react(request: &Frame) -> std::result::Result<Reaction, String> {
    if request.payload_protocol == COMMAND_PROTOCOL {
        return Command::parse(&request.payload)?.obey(request);
    }
    let answer = Frame::response_to(request, request.payload.clone());
    Ok(Reaction { bytes: encode_framed(&answer).map_err(|error| error.to_string())?, ends: false })
}

/// The legacy wire: a line that begins with L, echoed. Whether a whole line was there.
fn echo_line(stream: &mut UnixStream, buffer: &mut Vec<u8>) -> Result<bool> {
    if buffer[0] != LEGACY_START {
        return Err(Error::other("neither a frame nor a legacy line"));
    }
    let Some(end) = buffer.iter().position(|byte| *byte == LEGACY_END) else { return Ok(false) };
    stream.write_all(&buffer[..=end])?;
    buffer.drain(..=end);
    Ok(true)
}

fn detect_legacy(bytes: &[u8]) -> LegacyClassification {
    match bytes.first() {
        Some(&LEGACY_START) => LegacyClassification::Legacy,
        _ => LegacyClassification::NotLegacy,
    }
}
