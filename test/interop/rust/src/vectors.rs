//! `vectors`: samples of every message, framed examples and derived names, all of them made by the crate.

use prost::Message as _;
use running_process::broker::client::ConnectBackendRequest;
use running_process::broker::protocol::{encode_framed, write_frame, Frame, Hello};
use serde_json::{json, Value};

use crate::arguments::Arguments;
use crate::message_values::{hex, Sampled};
use crate::{names, print_line, samples, samples_control, Outcome};

pub fn run(words: &[String]) -> Outcome {
    Arguments::parse(words, &[], &[])?;
    let mut messages = samples_control::all();
    messages.extend(samples::all());
    // The crate puts its own version into the requests it builds, and nowhere else that is public.
    let version = ConnectBackendRequest::new("", "", "", "").client_lib_version;
    print_line(&json!({
        "crate": format!("running-process {version}"),
        "messages": messages, "frames": frames()?, "names": names::all()?,
    }))
}

/// One vector, whose bytes every encoder that keeps to the canonical order must match.
pub fn vector<M: Sampled>(name: &str, message: &M) -> Value {
    describe(name, message, true)
}

/// One vector that others may encode differently: entries of a map come in any order (W-24), and defaults inside an
/// entry may be written or left out. To be compared decoded.
pub fn loose_vector<M: Sampled>(name: &str, message: &M) -> Value {
    describe(name, message, false)
}

fn describe<M: Sampled>(name: &str, message: &M, canonical: bool) -> Value {
    json!({
        "message": M::NAME, "name": name, "canonical": canonical,
        "value": message.value(), "hex": hex(&message.encode_to_vec()),
    })
}

/// Bodies as the crate's stream writer frames them. It takes any body; only some of these are a Frame message.
fn frames() -> Result<Vec<Value>, String> {
    let hello = Hello { client_min_protocol: 1, client_max_protocol: 1, ..Hello::default() };
    let frame = Frame::request(0, hello.encode_to_vec()).with_request_id(1);
    let bodies = [
        ("empty body", Vec::new()),
        ("one byte", vec![0xff]),
        ("a Frame with a Hello", frame.encode_to_vec()),
        ("255 bytes, the longest with one length byte", vec![0xa5; 255]),
        ("256 bytes, the shortest with two", vec![0x5a; 256]),
        ("65536 bytes, the Hello cap", vec![0; 65_536]),
    ];
    let mut vectors = Vec::new();
    for (name, body) in bodies {
        let mut wire = Vec::new();
        write_frame(&mut wire, &body).map_err(|error| error.to_string())?;
        vectors.push(json!({ "name": name, "bodyHex": hex(&body), "wireHex": hex(&wire) }));
    }
    // The crate has a second writer, for buffers.
    let wire = encode_framed(&frame).map_err(|error| error.to_string())?;
    vectors.push(json!({
        "name": "a Frame with a Hello, buffer codec", "bodyHex": hex(&frame.encode_to_vec()), "wireHex": hex(&wire),
    }));
    Ok(vectors)
}
