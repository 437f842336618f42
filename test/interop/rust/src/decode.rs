//! `decode`: what the crate reads out of bytes that someone else has encoded.

use std::io::BufRead as _;

use running_process::broker::protocol::{
    AdminReply, AdminRequest, DaemonProcess, Endpoint, Frame, HandoffAck, HandoffOffer, Hello, HelloReply, Negotiated,
    Refused, ServiceDefinition,
};
use serde_json::{json, Value};

use crate::arguments::Arguments;
use crate::message_values::{hex, unhex, Sampled};
use crate::{print_line, Outcome};

/// Answers each line of stdin with one line; a line that cannot be decoded gets an error and the next one its turn.
pub fn run(words: &[String]) -> Outcome {
    Arguments::parse(words, &[], &[])?;
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(|error| format!("stdin: {error}"))?;
        if !line.trim().is_empty() {
            print_line(&decode_line(&line).unwrap_or_else(|reason| json!({ "error": reason })))?;
        }
    }
    Ok(())
}

fn decode_line(line: &str) -> Result<Value, String> {
    let request: Value = serde_json::from_str(line).map_err(|error| format!("request: {error}"))?;
    let text = |name: &str| request[name].as_str().ok_or_else(|| format!("request: {name} is not a text"));
    let bytes = unhex(text("hex")?)?;
    let decode = decoder(text("message")?).ok_or_else(|| format!("unknown message {}", request["message"]))?;
    decode(&bytes)
}

type Decoder = fn(&[u8]) -> Result<Value, String>;

fn decoder(name: &str) -> Option<Decoder> {
    let decoders: [(&str, Decoder); 12] = [
        entry::<Frame>(),
        entry::<Hello>(),
        entry::<HelloReply>(),
        entry::<Negotiated>(),
        entry::<Refused>(),
        entry::<HandoffOffer>(),
        entry::<HandoffAck>(),
        entry::<AdminRequest>(),
        entry::<AdminReply>(),
        entry::<Endpoint>(),
        entry::<DaemonProcess>(),
        entry::<ServiceDefinition>(),
    ];
    decoders.into_iter().find(|(known, _)| *known == name).map(|(_, decode)| decode)
}

fn entry<M: Sampled>() -> (&'static str, Decoder) {
    (M::NAME, |bytes| {
        let message = M::decode(bytes).map_err(|error| error.to_string())?;
        // The re-encoded form shows whether the bytes were canonical.
        Ok(json!({ "message": M::NAME, "value": message.value(), "hex": hex(&message.encode_to_vec()) }))
    })
}
