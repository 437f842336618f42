//! The crate's clients against a listener of this program that writes down what they send and answers as told.

use std::io::{Read as _, Result, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread;

use running_process::broker::adopt::BrokerSession;
use running_process::broker::backend_sdk::{FrameClient, FrameClientError};
use running_process::broker::client::ConnectBackendRequest;
use running_process::broker::protocol::{try_decode_framed, Endpoint, Frame, FrameKind};
use serde_json::{json, Value};

use super::{wire, PROTOCOL, TRACEPARENT, TRACESTATE};
use crate::message_values::hex;

const PAYLOADS: [&[u8]; 3] = [b"hello", b"", b"aaa"];

/// What the clients send, and the answers to it: one connection each.
pub fn conversations() -> std::result::Result<Vec<Value>, String> {
    let frame_client = conversation(|path| {
        let mut client = FrameClient::connect(&endpoint(path)?).map_err(|error| error.to_string())?;
        for payload in PAYLOADS {
            client.request(PROTOCOL, payload.to_vec()).map_err(|error| error.to_string())?;
        }
        Ok(())
    })?;
    let session = conversation(|path| {
        // The same version twice and a known endpoint: no broker is asked (C-11), and adopting sends nothing (S-40).
        let mut request = ConnectBackendRequest::new("/nonexistent", "zccache", "1.2.3", "1.2.3");
        let path = path.to_string_lossy();
        request.cached_backend_endpoint = Some(&path);
        let mut session = BrokerSession::adopt(request).map_err(|error| error.to_string())?;
        for payload in PAYLOADS {
            session.request(PROTOCOL, payload.to_vec()).map_err(|error| error.to_string())?;
        }
        Ok(())
    })?;
    Ok(vec![
        json!({ "client": "FrameClient", "bytes": frame_client }),
        json!({ "client": "BrokerSession", "bytes": session }),
    ])
}

fn conversation(
    talk: impl FnOnce(&Path) -> std::result::Result<(), String>,
) -> std::result::Result<Vec<Value>, String> {
    let place = Place::new()?;
    let listener = place.listen()?;
    let backend = thread::spawn(move || echo_and_note(listener.accept()?.0));
    talk(&place.socket())?;
    let noted = backend.join().map_err(|_| "the backend panicked")?;
    noted.map_err(|error: std::io::Error| error.to_string())
}

/// Reads until the end; notes each piece of a request as one, however it came.
fn echo_and_note(mut stream: UnixStream) -> Result<Vec<Value>> {
    let mut noted = Vec::new();
    while let Some(request) = read_wire(&mut stream)? {
        let frame = decode(&request)?;
        let answer = wire(&Frame::response_to(&frame, frame.payload.clone())).map_err(std::io::Error::other)?;
        noted.push(json!({ "requestHex": hex(&request), "responseHex": hex(&answer) }));
        stream.write_all(&answer)?;
    }
    Ok(noted)
}

/// One frame as its bytes, or nothing where the stream ends before it.
fn read_wire(stream: &mut UnixStream) -> Result<Option<Vec<u8>>> {
    let mut header = [0; 5];
    if stream.read(&mut header[..1])? == 0 {
        return Ok(None);
    }
    stream.read_exact(&mut header[1..])?;
    let mut request = header.to_vec();
    request.resize(5 + u32::from_le_bytes([header[1], header[2], header[3], header[4]]) as usize, 0);
    stream.read_exact(&mut request[5..])?;
    Ok(Some(request))
}

fn decode(request: &[u8]) -> Result<Frame> {
    let decoded = try_decode_framed(request).map_err(std::io::Error::other)?;
    decoded.map(|decoded| decoded.frame).ok_or_else(|| std::io::Error::other("incomplete"))
}

/// What a client that has sent its first two requests, one after the other, makes of these bytes in answer to the
/// first; a right answer to the second follows where the connection is still open (S-45 to S-48).
pub fn answers() -> std::result::Result<Vec<Value>, String> {
    let right = || Frame::response_to(&Frame::request(PROTOCOL, Vec::new()).with_request_id(1), b"pong".to_vec());
    let with = |change: fn(&mut Frame)| {
        let mut frame = right();
        change(&mut frame);
        wire(&frame)
    };
    let event = wire(&Frame { kind: FrameKind::Event as i32, ..Frame::request(PROTOCOL, b"event".to_vec()) })?;
    let plain = wire(&right())?;
    let cases = [
        ("the right answer", plain.clone(), false),
        (
            "trace context that was not sent",
            with(|frame| {
                frame.traceparent = TRACEPARENT.into();
                frame.tracestate = TRACESTATE.into();
            })?,
            false,
        ),
        ("id 2 for request 1", with(|frame| frame.request_id = 2)?, false),
        ("id 0", with(|frame| frame.request_id = 0)?, false),
        ("payload protocol 0x7002", with(|frame| frame.payload_protocol = 0x7002)?, false),
        ("kind REQUEST", with(|frame| frame.kind = 0)?, false),
        ("kind EVENT", with(|frame| frame.kind = 2)?, false),
        ("kind 77", with(|frame| frame.kind = 77)?, false),
        ("envelope version 9", with(|frame| frame.envelope_version = 9)?, false),
        ("payload encoding 1", with(|frame| frame.payload_encoding = 1)?, false),
        ("an EVENT with id 0, then the answer", [event, plain.clone()].concat(), false),
        ("the answer twice", plain.repeat(2), false),
        ("a body that is no Frame", vec![1, 3, 0, 0, 0, 0xff, 0xff, 0xff], false),
        ("an empty body", vec![1, 0, 0, 0, 0], false),
        ("first byte 2", vec![2, 0, 0, 0, 0], false),
        ("a length above the limit", vec![1, 1, 0, 0, 1], false),
        ("the end before a byte", Vec::new(), true),
        ("the end inside the header", plain[..3].to_vec(), true),
        ("the end inside the body", plain[..plain.len() - 1].to_vec(), true),
    ];
    cases.into_iter().map(|(name, bytes, ends)| answer(name, bytes, ends)).collect()
}

fn answer(name: &str, bytes: Vec<u8>, ends: bool) -> std::result::Result<Value, String> {
    let place = Place::new()?;
    let listener = place.listen()?;
    let answer = bytes.clone();
    let backend = thread::spawn(move || -> Result<()> {
        let (mut stream, _) = listener.accept()?;
        read_wire(&mut stream)?;
        stream.write_all(&answer)?;
        if ends {
            return Ok(());
        }
        while let Ok(Some(request)) = read_wire(&mut stream) {
            let frame = decode(&request)?;
            let second = wire(&Frame::response_to(&frame, b"second".to_vec())).map_err(std::io::Error::other)?;
            // A client that takes the rest of the first answer for the second one does not wait for this.
            let _ = stream.write_all(&second);
        }
        Ok(())
    });
    let mut client = FrameClient::connect(&endpoint(&place.socket())?).map_err(|error| error.to_string())?;
    let first = client.request(PROTOCOL, b"ping".to_vec());
    // After a framing error the blocking client reads on inside the old bytes: nothing to be held to (S-48).
    let broken = matches!(first, Err(FrameClientError::Framing(_)));
    let second = (!broken).then(|| outcome(client.request(PROTOCOL, b"ping".to_vec())));
    let value =
        json!({ "name": name, "answerHex": hex(&bytes), "ends": ends, "first": outcome(first), "second": second });
    drop(client);
    backend.join().map_err(|_| "the backend panicked")?.map_err(|error| error.to_string())?;
    Ok(value)
}

fn outcome(answer: std::result::Result<Frame, FrameClientError>) -> Value {
    match answer {
        Ok(frame) => json!({ "payloadHex": hex(&frame.payload) }),
        Err(error) => json!({ "error": error.to_string() }),
    }
}

fn endpoint(path: &Path) -> std::result::Result<Endpoint, String> {
    Endpoint::unix_socket("vectors", path.to_string_lossy()).map_err(|error| error.to_string())
}

/// A directory for one socket, removed when it is dropped.
struct Place(PathBuf);

impl Place {
    fn new() -> std::result::Result<Self, String> {
        let path = std::env::temp_dir().join(format!("bpi-vectors-{}", std::process::id()));
        std::fs::create_dir_all(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self(path))
    }

    fn socket(&self) -> PathBuf {
        self.0.join("socket")
    }

    fn listen(&self) -> std::result::Result<UnixListener, String> {
        UnixListener::bind(self.socket()).map_err(|error| error.to_string())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
