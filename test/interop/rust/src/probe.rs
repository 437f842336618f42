//! Identity probes (0xB232) and how they are told apart from traffic.

use running_process::broker::backend_handle::DaemonProcess;
use running_process::broker::backend_sdk::{BackendEndpointMux, LegacyClassification};

/// How a probe frame goes on after its header: envelope version 1, kind left out as REQUEST, protocol 0xB232 (P-01).
const PROBE_START: [u8; 6] = [0x08, 0x01, 0x18, 0xb2, 0xe4, 0x02];
const HEADER_BYTES: usize = 5;
/// A probe is some 50 bytes; with trace fields it may be longer, but not by much.
const PROBE_LENGTHS: std::ops::RangeInclusive<u32> = 6..=4096;

/// The crate's own mux, with echo traffic in the place of a "legacy wire".
pub type ProbeMux = BackendEndpointMux<fn(&[u8]) -> LegacyClassification>;

/// A mux that answers probes for `identity`, which must be this process's own (P-13).
pub fn probe_mux(identity: DaemonProcess) -> ProbeMux {
    BackendEndpointMux::new(identity, &[], could_be_probe)
}

/// Whether these first bytes may still be a probe. Says no as early as it can, so that traffic that happens to
/// begin with 0x01 is not held up.
fn could_be_probe(bytes: &[u8]) -> LegacyClassification {
    let header_fits = match bytes.first_chunk::<HEADER_BYTES>() {
        Some([version, length @ ..]) => *version == 1 && PROBE_LENGTHS.contains(&u32::from_le_bytes(*length)),
        None => bytes.first() == Some(&1),
    };
    let body = bytes.get(HEADER_BYTES..).unwrap_or_default();
    if header_fits && body.iter().zip(PROBE_START).all(|(byte, expected)| *byte == expected) {
        LegacyClassification::NotLegacy
    } else {
        LegacyClassification::Legacy
    }
}
