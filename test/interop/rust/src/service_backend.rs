//! `service-backend`: the crate's own service server, with several workers that answer at the same time.

use std::sync::Arc;
use std::thread;

use running_process::broker::backend_sdk::{ServiceRequest, ServiceServer, ServiceSpec};
use serde_json::json;

use crate::arguments::Arguments;
use crate::frame_commands::{pattern, Command, ECHO_PROTOCOL};
use crate::{print_line, Outcome};

const DEFAULT_WORKERS: usize = 4;
/// In front of a payload that is a command. A service has one protocol, so the payload itself must say it.
const COMMAND_MARK: &[u8] = b"command: ";

/// Serves until `quit` or the end of stdin. The endpoint lies below XDG_RUNTIME_DIR (S-81).
pub fn run(words: &[String]) -> Outcome {
    let arguments = Arguments::parse(words, &["name", "dir", "workers"], &[])?;
    let name = arguments.text("name").unwrap_or("interop");
    let directory = arguments.required("dir")?;
    let workers = arguments.number("workers")?.unwrap_or(DEFAULT_WORKERS);
    let spec = ServiceSpec::new(name, "1.2.3", ECHO_PROTOCOL)
        .map_err(|error| error.to_string())?
        .runtime_dir(Some(directory.into()));
    let endpoint = spec.endpoint().map_err(|error| error.to_string())?;
    let identity_file = spec.identity_path();
    let server = Arc::new(ServiceServer::bind(spec).map_err(|error| error.to_string())?);
    for _ in 0..workers {
        let server = Arc::clone(&server);
        thread::spawn(move || {
            while let Some(request) = server.recv(None) {
                // An error means that the client has gone.
                let _ = answer(request);
            }
        });
    }
    print_line(&json!({ "endpoint": endpoint.path, "identityFile": identity_file, "pid": std::process::id() }))?;
    for line in std::io::stdin().lines() {
        if line.map_err(|error| format!("stdin: {error}"))?.trim() == "quit" {
            break;
        }
    }
    server.close();
    Ok(())
}

/// `slow MS` holds one worker up, `large BYTES` answers with the pattern, `never` leaves the request unanswered;
/// everything else is echoed.
fn answer(request: ServiceRequest) -> Result<(), String> {
    let payload = request.payload().to_vec();
    let reply = match payload.strip_prefix(COMMAND_MARK).map(Command::parse).transpose()? {
        Some(Command::Never) => return Ok(()),
        Some(Command::Large(size)) => pattern(size),
        Some(Command::Slow(duration)) => {
            thread::sleep(duration);
            payload
        }
        _ => payload,
    };
    request.reply(reply).map_err(|error| error.to_string())
}
