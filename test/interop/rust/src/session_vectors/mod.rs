//! `session-vectors`: what sessions and backends say to each other, and what the crate makes of wrong words, all of it
//! made by the crate. The same bytes each time: no clock, no process and no chance is in them.

mod client;
mod handoff;
mod identity;
mod mux;

use running_process::broker::backend_handle::DaemonProcess;
use running_process::broker::client::ConnectBackendRequest;
use running_process::broker::protocol::{encode_framed, Endpoint, Frame, MAX_FRAME_BYTES};
use serde_json::{json, Value};

use crate::arguments::Arguments;
use crate::message_values::hex;
use crate::{print_line, Outcome};

/// The payload protocol of all of them.
const PROTOCOL: u32 = crate::frame_commands::ECHO_PROTOCOL;
const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const TRACESTATE: &str = "vendor=value,other=1";

pub fn run(words: &[String]) -> Outcome {
    Arguments::parse(words, &[], &[])?;
    // The crate puts its own version into the requests it builds, and nowhere else that is public.
    let version = ConnectBackendRequest::new("", "", "", "").client_lib_version;
    print_line(&json!({
        "crate": format!("running-process {version}"),
        "protocol": PROTOCOL,
        "limits": limits()?,
        "frames": frames()?,
        "conversations": client::conversations()?,
        "answers": client::answers()?,
        "mux": mux::exchanges()?,
        "probes": identity::probes()?,
        "probeAnswers": identity::probe_answers()?,
        "identityFiles": identity::files()?,
        "serviceDefinitions": identity::definitions()?,
        "offers": handoff::offers()?,
        "acks": handoff::acks()?,
    }))
}

fn wire(frame: &Frame) -> Result<Vec<u8>, String> {
    encode_framed(frame).map_err(|error| error.to_string())
}

/// The longest payloads whose frames still fit, without trace context (S-50).
fn limits() -> Result<Value, String> {
    let longest = |frame: &dyn Fn(usize) -> Frame| -> Result<usize, String> {
        let overhead = wire(&frame(MAX_FRAME_BYTES - 64))?.len() - 5 - (MAX_FRAME_BYTES - 64);
        let payload = MAX_FRAME_BYTES - overhead;
        if wire(&frame(payload)).is_err() || wire(&frame(payload + 1)).is_ok() {
            return Err(format!("{payload} bytes are not the longest payload"));
        }
        Ok(payload)
    };
    let request = |id| move |size| Frame::request(PROTOCOL, vec![0; size]).with_request_id(id);
    let response = |id| {
        let request = Frame::request(PROTOCOL, Vec::new()).with_request_id(id);
        move |size| Frame::response_to(&request, vec![0; size])
    };
    Ok(json!({
        "frameBodyBytes": MAX_FRAME_BYTES,
        "requestPayloadBytes": { "id1": longest(&request(1))?, "id128": longest(&request(128))?, "idMax": longest(&request(u64::MAX))? },
        "responsePayloadBytes": { "id1": longest(&response(1))?, "id128": longest(&response(128))?, "idMax": longest(&response(u64::MAX))? },
    }))
}

/// Requests and their answers as the crate builds them, with ids and trace context that its client never sends.
fn frames() -> Result<Vec<Value>, String> {
    let request = |id, payload: &[u8]| Frame::request(PROTOCOL, payload.to_vec()).with_request_id(id);
    let traced =
        |id| Frame { traceparent: TRACEPARENT.into(), tracestate: TRACESTATE.into(), ..request(id, b"traced") };
    let cases = [
        ("id 1", request(1, b"ping")),
        ("id 0", request(0, b"ping")),
        ("id 127, the last of one byte", request(127, b"ping")),
        ("id 128, the first of two", request(128, b"ping")),
        ("id 2^32 + 1", request((1 << 32) + 1, b"ping")),
        ("id 2^53 + 1", request((1 << 53) + 1, b"ping")),
        ("id 2^64 - 1", request(u64::MAX, b"ping")),
        ("no payload", request(1, b"")),
        ("payload of 64 bytes", request(1, &[0x40; 64])),
        ("payload of 128 bytes, a length of two", request(1, &[0x80; 128])),
        ("trace context", traced(7)),
        ("trace context without a state", Frame { tracestate: String::new(), ..traced(7) }),
        (
            "a deadline, which the answer does not repeat",
            Frame { deadline_unix_ms: 1_767_225_600_000, ..request(3, b"ping") },
        ),
    ];
    let vector = |(name, request): (&str, Frame)| {
        let response = Frame::response_to(&request, request.payload.clone());
        Ok(json!({
            "name": name,
            "requestId": request.request_id.to_string(), "payloadHex": hex(&request.payload),
            "traceparent": request.traceparent, "tracestate": request.tracestate,
            "deadlineUnixMs": request.deadline_unix_ms.to_string(),
            "requestHex": hex(&wire(&request)?), "responseHex": hex(&wire(&response)?),
        }))
    };
    cases.into_iter().map(vector).collect()
}

/// An identity of no running process: the vectors must not depend on the machine.
fn sample_identity() -> DaemonProcess {
    DaemonProcess {
        pid: 4321,
        exe_path: "/usr/local/bin/zccache".into(),
        exe_hash: std::array::from_fn(|index| index as u8),
        legacy_exe_sha256: std::array::from_fn(|index| 255 - index as u8),
        boot_id: "5f9c6e0e-7c0e-4a53-9d43-0a4b5d3f6a77".into(),
        ipc_endpoint: Endpoint { namespace_id: "shared".into(), path: "/run/user/1000/backend.sock".into() },
        started_at_unix_ms: 1_767_225_600_123,
        idle_timeout_secs: Some(30),
    }
}
