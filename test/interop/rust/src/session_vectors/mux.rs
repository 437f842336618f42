//! What the crate's mux answers to bytes, and where it gives a connection up.

use running_process::broker::backend_sdk::{BackendEndpointMux, LegacyClassification, MuxPoll};
use running_process::broker::protocol::{Frame, BACKEND_HANDLE_PROBE_PAYLOAD_PROTOCOL};
use serde_json::{json, Value};

use super::{sample_identity, wire, PROTOCOL, TRACEPARENT, TRACESTATE};
use crate::message_values::hex;

const NONCE: [u8; 32] = [7; 32];
const LEGACY: &[u8] = b"Legacy!";

type Bytes = Vec<u8>;

/// Each with the bytes that a client sends, all that the backend writes, and how it ends: `open` where the mux waits
/// for more, `closed` where it is fatal, `legacy` where the rest belongs to the service's own wire (S-71).
pub fn exchanges() -> Result<Vec<Value>, String> {
    let mux = BackendEndpointMux::new(sample_identity(), &[PROTOCOL], |bytes: &[u8]| {
        if bytes.first() == LEGACY.first() {
            LegacyClassification::Legacy
        } else {
            LegacyClassification::NotLegacy
        }
    });
    let mut exchanges = Vec::new();
    for (name, sent) in [traffic()?, probes()?, refused()?].concat() {
        let mut buffer = sent.clone();
        let mut received = Vec::new();
        let (end, error) = loop {
            match mux.poll(&buffer) {
                Ok(MuxPoll::NeedMoreBytes) => break ("open", None),
                Ok(MuxPoll::Legacy) => break ("legacy", None),
                Ok(MuxPoll::ProbeAnswered { reply, consumed }) => {
                    received.extend_from_slice(&reply);
                    buffer.drain(..consumed);
                }
                Ok(MuxPoll::Payload { frame, consumed }) => {
                    received.extend_from_slice(&wire(&Frame::response_to(&frame, frame.payload.clone()))?);
                    buffer.drain(..consumed);
                }
                Err(error) => break ("closed", Some(error.to_string())),
            }
        };
        exchanges.push(json!({
            "name": name, "sentHex": hex(&sent), "receivedHex": hex(&received), "end": end, "restHex": hex(&buffer),
            "error": error,
        }));
    }
    Ok(exchanges)
}

fn request(id: u64) -> Frame {
    Frame::request(PROTOCOL, b"ping".to_vec()).with_request_id(id)
}

fn with(change: impl FnOnce(&mut Frame)) -> Result<Bytes, String> {
    let mut frame = request(1);
    change(&mut frame);
    wire(&frame)
}

/// What a service answers.
fn traffic() -> Result<Vec<(&'static str, Bytes)>, String> {
    let plain = wire(&request(1))?;
    Ok(vec![
        ("nothing", Vec::new()),
        ("one request", plain.clone()),
        (
            "trace context and a deadline",
            with(|frame| {
                frame.traceparent = TRACEPARENT.into();
                frame.tracestate = TRACESTATE.into();
                frame.deadline_unix_ms = 1_767_225_600_000;
            })?,
        ),
        ("three in one piece", [wire(&request(1))?, wire(&request(2))?, wire(&request(3))?].concat()),
        ("the same id twice", wire(&request(5))?.repeat(2)),
        ("id 0", wire(&request(0))?),
        ("id 2^64 - 1", wire(&request(u64::MAX))?),
        ("no payload", with(|frame| frame.payload.clear())?),
        ("half a frame", plain[..plain.len() / 2].to_vec()),
        ("a header alone", plain[..5].to_vec()),
        ("kind RESPONSE, which a mux hands over like a request", with(|frame| frame.kind = 1)?),
        ("kind CANCEL, which a mux hands over like a request", with(|frame| frame.kind = 3)?),
        ("kind 9, which a mux hands over like a request", with(|frame| frame.kind = 9)?),
        ("envelope version 2, which a mux does not look at", with(|frame| frame.envelope_version = 2)?),
        ("payload encoding 1, which a mux does not look at", with(|frame| frame.payload_encoding = 1)?),
        ("legacy bytes", LEGACY.to_vec()),
        ("a first byte of neither wire", vec![2, 0, 0, 0, 0]),
        ("legacy bytes after a request", [plain, LEGACY.to_vec()].concat()),
    ])
}

fn probe() -> Frame {
    Frame::request(BACKEND_HANDLE_PROBE_PAYLOAD_PROTOCOL, NONCE.to_vec()).with_request_id(9)
}

fn probe_with(change: impl FnOnce(&mut Frame)) -> Result<Bytes, String> {
    let mut frame = probe();
    change(&mut frame);
    wire(&frame)
}

fn probes() -> Result<Vec<(&'static str, Bytes)>, String> {
    Ok(vec![
        ("a probe", wire(&probe())?),
        ("a probe with id 0", wire(&probe().with_request_id(0))?),
        ("a probe with trace context", probe_with(|frame| frame.traceparent = TRACEPARENT.into())?),
        ("a probe, then a request", [wire(&probe())?, wire(&request(2))?].concat()),
        ("a request, then a probe", [wire(&request(2))?, wire(&probe())?].concat()),
        ("a probe with a nonce of 31 bytes", probe_with(|frame| frame.payload.truncate(31))?),
        ("a probe with a nonce of 33 bytes", probe_with(|frame| frame.payload.push(0))?),
        ("a probe of kind RESPONSE", probe_with(|frame| frame.kind = 1)?),
        ("a probe with payload encoding 1", probe_with(|frame| frame.payload_encoding = 1)?),
        ("a probe with envelope version 2", probe_with(|frame| frame.envelope_version = 2)?),
    ])
}

/// What ends a connection without a word.
fn refused() -> Result<Vec<(&'static str, Bytes)>, String> {
    let protocol = |protocol| with(|frame| frame.payload_protocol = protocol);
    Ok(vec![
        ("protocol 0x7002, which is not served", protocol(0x7002)?),
        ("protocol 0, control", protocol(0)?),
        ("protocol 0xAD01, admin", protocol(0xad01)?),
        ("protocol 0xD0FF, handoff", protocol(0xd0ff)?),
        ("protocol 0x5350, session", protocol(0x5350)?),
        (
            "a served protocol, one that is not, and a served one again",
            [wire(&request(1))?, protocol(0x7002)?, wire(&request(3))?].concat(),
        ),
        ("a body that is no Frame", vec![1, 3, 0, 0, 0, 0xff, 0xff, 0xff]),
        ("an empty body, which is protocol 0", vec![1, 0, 0, 0, 0]),
        ("a length above the limit", vec![1, 1, 0, 0, 1]),
    ])
}
