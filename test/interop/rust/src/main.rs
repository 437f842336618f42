//! Runs the published `running-process` crate as the counterpart of broker-pool's tests and benches.
//!
//! The crate is the reference of the protocol; whatever can be taken from it is taken from it, and what
//! is written here is only what a service around it would have to write too.

mod arguments;
mod backend;
mod broker_loop;
mod connection;
mod decode;
mod descriptor;
mod frame_commands;
mod handoff;
mod hello_count;
mod launched;
mod layout;
mod measure;
mod message_values;
mod mux_backend;
mod names;
mod payloads;
mod pipelined;
mod probe;
mod request;
mod samples;
mod samples_control;
mod serve;
mod service_backend;
mod session;
mod session_vectors;
mod stats;
mod timing;
mod vectors;

use std::process::ExitCode;

const USAGE: &str = "usage: broker-pool-interop COMMAND [options]; see the README";

/// What a sub-command ends with; the text goes to stderr and the program ends with 1.
pub type Outcome = Result<(), String>;

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    if let (0, Some(pipe)) = (words.len(), launched::wanted_pipe()) {
        return end_with(launched::run(pipe));
    }
    let command = words.next().unwrap_or_default();
    let rest: Vec<String> = words.collect();
    let outcome = match command.as_str() {
        "serve" => serve::run(&rest),
        "time" => timing::run(&rest),
        "request" => request::run(&rest),
        "mux-backend" => mux_backend::run(&rest),
        "service-backend" => service_backend::run(&rest),
        "session-vectors" => session_vectors::run(&rest),
        "vectors" => vectors::run(&rest),
        "decode" => decode::run(&rest),
        _ => Err(USAGE.to_owned()),
    };
    end_with(outcome)
}

fn end_with(outcome: Outcome) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("broker-pool-interop: {reason}");
            ExitCode::FAILURE
        }
    }
}

/// Prints one JSON value as one line, at once: the reader on the other side of the pipe waits for it.
pub fn print_line(value: &serde_json::Value) -> Outcome {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{value}").and_then(|()| out.flush()).map_err(|error| format!("stdout: {error}"))
}
