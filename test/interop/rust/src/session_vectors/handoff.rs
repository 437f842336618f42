//! Handoffs: offers that a backend reads, and the acknowledgements it answers with.

use std::time::{Duration, Instant};

use running_process::broker::backend_lib::{
    read_handoff_offer, respond_to_handoff_offer, HandoffToken, HandoffTokenStore,
};
use running_process::broker::protocol::{Frame, HandoffAck, HandoffOffer};
use running_process::broker::server::handoff::{handoff_offer_frame, handoff_ready_frame};
use serde_json::{json, Value};

use super::wire;
use crate::message_values::{hex, Sampled as _};

const TOKEN: [u8; 16] = [16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31];

fn offer() -> HandoffOffer {
    HandoffOffer { handle_value: 0, token: TOKEN.to_vec(), service_name: "zccache".into(), correlation_id: 7 }
}

/// Frames on the handoff endpoint, and what a backend's reader makes of them. An error means that the backend closes the
/// connection and the descriptor, and writes nothing (H-32).
pub fn offers() -> Result<Vec<Value>, String> {
    let with = |change: fn(&mut Frame)| {
        let mut frame = handoff_offer_frame(&offer());
        change(&mut frame);
        wire(&frame)
    };
    let cases = [
        ("as the crate builds it", with(|_| {})?),
        (
            "with the zero of its handle's value, as a broker sends it",
            with(|frame| drop(frame.payload.splice(..0, [8, 0])))?,
        ),
        (
            "the largest correlation id",
            wire(&handoff_offer_frame(&HandoffOffer { correlation_id: u64::MAX, ..offer() }))?,
        ),
        (
            "a handle's value, as on Windows",
            wire(&handoff_offer_frame(&HandoffOffer { handle_value: 0x1f4, ..offer() }))?,
        ),
        ("a frame id that is not the correlation id", with(|frame| frame.request_id = 8)?),
        ("envelope version 2", with(|frame| frame.envelope_version = 2)?),
        ("kind RESPONSE", with(|frame| frame.kind = 1)?),
        ("kind EVENT", with(|frame| frame.kind = 2)?),
        ("protocol 0", with(|frame| frame.payload_protocol = 0)?),
        ("payload encoding 1", with(|frame| frame.payload_encoding = 1)?),
        ("a payload that is no offer", with(|frame| frame.payload = vec![0xff])?),
        (
            "an empty payload, with frame id 0",
            with(|frame| {
                frame.payload.clear();
                frame.request_id = 0;
            })?,
        ),
        ("a body that is no Frame", vec![1, 3, 0, 0, 0, 0xff, 0xff, 0xff]),
        ("first byte 2", vec![2, 0, 0, 0, 0]),
        ("the end inside the body", with(|_| {})?[..20].to_vec()),
    ];
    Ok(cases
        .into_iter()
        .map(|(name, bytes)| match read_handoff_offer(&mut bytes.as_slice()) {
            Ok(offer) => json!({ "name": name, "frameHex": hex(&bytes), "offer": offer.value() }),
            Err(error) => json!({ "name": name, "frameHex": hex(&bytes), "error": error.to_string() }),
        })
        .collect())
}

/// What a backend that knows its tokens answers to each kind of token, and the event that the client gets after a yes
/// (H-31).
pub fn acks() -> Result<Vec<Value>, String> {
    let other = [0xee; 16];
    let cases: [(&str, Vec<u8>, bool); 5] = [
        ("the pending token", TOKEN.to_vec(), true),
        ("no token", Vec::new(), true),
        ("a token of 15 bytes", TOKEN[..15].to_vec(), true),
        ("another token", other.to_vec(), true),
        ("a token that is not pending", TOKEN.to_vec(), false),
    ];
    let mut acks: Vec<Value> = cases
        .into_iter()
        .map(|(name, token, pending)| {
            let now = Instant::now();
            let mut tokens = HandoffTokenStore::new();
            if pending {
                tokens.issue_with_random128(now, || Ok(TOKEN)).map_err(|error| error.to_string())?;
            }
            ack(name, &mut tokens, HandoffOffer { token, ..offer() }, now)
        })
        .collect::<Result<_, String>>()?;
    let now = Instant::now();
    let mut tokens = HandoffTokenStore::new();
    tokens.issue_with_random128(now, || Ok(TOKEN)).map_err(|error| error.to_string())?;
    acks.push(ack("an old token", &mut tokens, offer(), now + Duration::from_secs(3_600))?);
    Ok(acks)
}

fn ack(name: &str, tokens: &mut HandoffTokenStore, offer: HandoffOffer, now: Instant) -> Result<Value, String> {
    let token = offer.token.clone();
    let correlation_id = offer.correlation_id;
    let mut bytes = Vec::new();
    let acceptance = respond_to_handoff_offer(&mut bytes, tokens, HandoffToken::from_bytes(TOKEN), offer, now)
        .map_err(|error| error.to_string())?;
    let accepted = acceptance.is_accepted();
    let ready = HandoffAck { token: token.clone(), accepted: true, error_detail: String::new(), correlation_id };
    let ready = accepted.then(|| wire(&handoff_ready_frame(&ready))).transpose()?;
    let detail = match acceptance.into_result() {
        Ok(_) => String::new(),
        Err(rejected) => rejected.reason.to_string(),
    };
    Ok(json!({
        "name": name, "presentedHex": hex(&token), "accepted": accepted, "errorDetail": detail,
        "correlationId": correlation_id.to_string(),
        "ackHex": hex(&bytes), "readyHex": ready.map(|bytes| hex(&bytes)),
    }))
}
