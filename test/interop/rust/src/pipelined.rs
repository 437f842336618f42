//! A client that keeps several requests in flight on one connection. The crate's own clients wait for each answer, so
//! this one is made of the crate's codec; it is the load for benches of backends.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Instant;

use running_process::broker::protocol::{encode_framed, try_decode_framed, Frame};

use crate::payloads::Payloads;

const CHUNK_BYTES: usize = 64 * 1024;

/// What one connection has seen.
pub struct Outcome {
    pub began: Instant,
    pub ended: Instant,
    pub samples_ns: Vec<u64>,
}

/// One connection with up to `in_flight` requests of which each answer must be an echo.
pub struct Pipeline {
    stream: UnixStream,
    protocol: u32,
    /// By id: the payload that is owed, and when it went out. Ids are reused only after their answer.
    owed: Vec<Option<(Vec<u8>, Instant)>>,
}

impl Pipeline {
    pub fn connect(endpoint: &str, protocol: u32, in_flight: usize) -> Result<Self, String> {
        let stream = UnixStream::connect(endpoint).map_err(|error| format!("{endpoint}: {error}"))?;
        Ok(Self { stream, protocol, owed: vec![None; in_flight] })
    }

    /// Sends `count` requests and reads their answers.
    pub fn run(mut self, count: usize, payloads: &mut Payloads) -> Result<Outcome, String> {
        let began = Instant::now();
        let mut samples_ns = Vec::with_capacity(count);
        let mut left = count;
        let mut outgoing = Vec::new();
        let mut incoming = Vec::new();
        let mut chunk = vec![0; CHUNK_BYTES];
        while samples_ns.len() < count {
            for slot in 0..self.owed.len() {
                if left > 0 && self.owed[slot].is_none() {
                    left -= 1;
                    self.add(slot, payloads.next().to_vec(), &mut outgoing)?;
                }
            }
            self.stream.write_all(&outgoing).map_err(|error| format!("write: {error}"))?;
            outgoing.clear();
            match self.stream.read(&mut chunk).map_err(|error| format!("read: {error}"))? {
                0 => return Err("the backend closed the connection".to_owned()),
                read => incoming.extend_from_slice(&chunk[..read]),
            }
            let mut consumed = 0;
            while let Some(decoded) = try_decode_framed(&incoming[consumed..]).map_err(|error| error.to_string())? {
                consumed += decoded.consumed;
                samples_ns.push(self.take(&decoded.frame)?);
            }
            incoming.drain(..consumed);
        }
        Ok(Outcome { began, ended: Instant::now(), samples_ns })
    }

    fn add(&mut self, slot: usize, payload: Vec<u8>, outgoing: &mut Vec<u8>) -> Result<(), String> {
        let frame = Frame::request(self.protocol, payload).with_request_id(slot as u64 + 1);
        outgoing.extend_from_slice(&encode_framed(&frame).map_err(|error| error.to_string())?);
        self.owed[slot] = Some((frame.payload, Instant::now()));
        Ok(())
    }

    fn take(&mut self, answer: &Frame) -> Result<u64, String> {
        let slot = usize::try_from(answer.request_id.wrapping_sub(1)).ok().and_then(|slot| self.owed.get_mut(slot));
        let (payload, began) =
            slot.and_then(Option::take).ok_or_else(|| format!("answer {} was not asked for", answer.request_id))?;
        if payload != answer.payload {
            return Err(format!("answer of {} bytes to {} differs", answer.payload.len(), payload.len()));
        }
        Ok(u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }
}
