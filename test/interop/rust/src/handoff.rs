//! The handoff endpoint: where the broker delivers its clients' connections.

use std::io::{Error, ErrorKind, Read as _, Result};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::time::Duration;

use running_process::broker::backend_lib::{read_handoff_offer, write_handoff_ack, HANDOFF_TOKEN_BYTES};
use running_process::broker::protocol::HandoffAck;

use crate::backend::{pause_after, Adoption};
use crate::descriptor::receive_connection;
use crate::stats::{Open, Stats};

/// An offer that does not come must not hold the received connection for ever (H-25).
const OFFER_LIMIT: Duration = Duration::from_secs(5);

/// What becomes of a connection that the broker offers.
#[derive(Clone, Copy)]
pub enum Mode {
    /// Acknowledged and served.
    Accept,
    /// Refused and closed at once.
    Reject,
    /// Kept without a word until the broker gives up.
    Silent,
}

impl Mode {
    /// `none` is no mode at all: there is no handoff endpoint then.
    pub fn parse(text: &str) -> std::result::Result<Option<Self>, String> {
        match text {
            "accept" => Ok(Some(Self::Accept)),
            "reject" => Ok(Some(Self::Reject)),
            "silent" => Ok(Some(Self::Silent)),
            "none" => Ok(None),
            _ => Err(format!("--handoff is accept, reject, silent or none, not {text}")),
        }
    }
}

/// Serves the handoff endpoint until the process ends: one connection from the broker per handoff (H-02). One after
/// the other is enough, for the broker is as sequential (H-14).
pub fn serve(listener: &UnixListener, mode: Mode, adoption: &Adoption, stats: &Arc<Stats>) {
    loop {
        match listener.accept() {
            Ok((broker, _)) => {
                if let Err(error) = take_over(broker, mode, adoption, stats) {
                    eprintln!("broker-pool-interop: handoff: {error}");
                }
            }
            Err(error) => pause_after(&error),
        }
    }
}

/// Plain blocking reads: the crate's own bounded helper polls in steps of 5 ms, which every handoff would pay for.
fn take_over(mut broker: UnixStream, mode: Mode, adoption: &Adoption, stats: &Arc<Stats>) -> Result<()> {
    broker.set_read_timeout(Some(OFFER_LIMIT))?;
    let mut token = [0_u8; HANDOFF_TOKEN_BYTES];
    let client = receive_connection(&broker, &mut token)?;
    let offer = read_handoff_offer(&mut broker).map_err(Error::other)?;
    // The serve loop announces no token beforehand; the bytes beside the descriptor are all there is (H-22).
    if offer.token != token {
        return Err(Error::new(ErrorKind::InvalidData, "the offer names another token than the descriptor came with"));
    }
    stats.handoffs.add();
    let open = Open::new(stats, |stats| &stats.handoffs_open);
    let answer = |accepted: bool, detail: &str| HandoffAck {
        token: offer.token.clone(),
        accepted,
        error_detail: detail.to_owned(),
        correlation_id: offer.correlation_id,
    };
    match mode {
        Mode::Accept => {
            write_handoff_ack(&mut broker, &answer(true, "")).map_err(Error::other)?;
            adoption(client, open)
        }
        Mode::Reject => {
            // The client learns of it by the end of its connection, and only once our copy is closed too (C-50).
            drop(client);
            write_handoff_ack(&mut broker, &answer(false, "this backend takes no connections over"))
                .map_err(Error::other)
        }
        Mode::Silent => {
            // The broker closes this connection once it has waited long enough for an answer (H-08).
            broker.set_read_timeout(None)?;
            while broker.read(&mut [0_u8; 64])? > 0 {}
            drop(client);
            Ok(())
        }
    }
}
