//! What the frame backends answer: an echo on one payload protocol, and on the other whatever a request asks for.

use std::time::Duration;

use running_process::broker::protocol::{encode_framed, Frame, FrameKind, ZCCACHE_PAYLOAD_PROTOCOL};

/// Answers carry the payload of their request.
pub const ECHO_PROTOCOL: u32 = ZCCACHE_PAYLOAD_PROTOCOL;

running_process::register_payload_protocol! {
    /// The payload is a command, such as `slow 50`.
    pub const COMMAND_PROTOCOL: u32 = 0xF0C0;
}

/// What a request on the command protocol asks for.
pub enum Command {
    /// `slow MS`: the payload as the answer, after so many milliseconds.
    Slow(Duration),
    /// `large BYTES`: so many bytes as the answer, see [`pattern`].
    Large(usize),
    /// `twice`: the answer two times (S-45).
    Twice,
    /// `event`: an EVENT frame with id 0 in front of the answer (S-45).
    EventFirst,
    /// `never`: no answer.
    Never,
    /// `close`: the connection ends instead.
    Close,
    /// `half`: the connection ends in the middle of the answer.
    Half,
    /// `wrong-id`: an answer under the next id.
    WrongId,
    /// `garbage`: bytes that are no frame.
    Garbage,
}

/// The bytes that a command answers with, and what becomes of the connection.
pub struct Reaction {
    pub bytes: Vec<u8>,
    pub ends: bool,
}

impl Command {
    pub fn parse(payload: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(payload).map_err(|error| format!("command: {error}"))?;
        let (name, number) = text.split_once(' ').unwrap_or((text, "0"));
        let number: u32 = number.parse().map_err(|error| format!("command {text}: {error}"))?;
        Ok(match name {
            "slow" => Self::Slow(Duration::from_millis(number.into())),
            "large" => Self::Large(number as usize),
            "twice" => Self::Twice,
            "event" => Self::EventFirst,
            "never" => Self::Never,
            "close" => Self::Close,
            "half" => Self::Half,
            "wrong-id" => Self::WrongId,
            "garbage" => Self::Garbage,
            _ => return Err(format!("unknown command {text}")),
        })
    }

    /// Does what the command says; waits where it says so.
    pub fn obey(&self, request: &Frame) -> Result<Reaction, String> {
        let answer = || encoded(&Frame::response_to(request, request.payload.clone()));
        let goes_on = |bytes| Ok(Reaction { bytes, ends: false });
        let ends_with = |bytes| Ok(Reaction { bytes, ends: true });
        match self {
            Self::Slow(duration) => {
                std::thread::sleep(*duration);
                goes_on(answer()?)
            }
            Self::Large(size) => goes_on(encoded(&Frame::response_to(request, pattern(*size)))?),
            Self::Twice => goes_on(answer()?.repeat(2)),
            Self::EventFirst => {
                let event = Frame { kind: FrameKind::Event as i32, ..Frame::request(request.payload_protocol, vec![]) };
                goes_on([encoded(&event)?, answer()?].concat())
            }
            Self::Never => goes_on(Vec::new()),
            Self::Close => ends_with(Vec::new()),
            Self::Half => {
                let mut half = answer()?;
                half.truncate(half.len() / 2);
                ends_with(half)
            }
            Self::WrongId => {
                let id = request.request_id.wrapping_add(1);
                goes_on(encoded(&Frame::response_to(request, request.payload.clone()).with_request_id(id))?)
            }
            Self::Garbage => goes_on(vec![0xff; 64]),
        }
    }
}

/// Bytes that both sides can compute: number i is i * 31 + size, modulo 256.
pub fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|index| index.wrapping_mul(31).wrapping_add(size) as u8).collect()
}

fn encoded(frame: &Frame) -> Result<Vec<u8>, String> {
    encode_framed(frame).map_err(|error| error.to_string())
}
