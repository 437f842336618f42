//! Identity probes, identity files and service definitions.

use std::os::unix::net::UnixListener;
use std::thread;

use running_process::broker::backend_handle::DaemonProcess;
use running_process::broker::backend_lifecycle::probe::{decode_response_identity, probe_endpoint_response};
use running_process::broker::backend_sdk::{try_read_daemon_identity_file, write_daemon_identity_file};
use running_process::broker::builders::ServiceDefinitionBuilder;
use running_process::broker::protocol::{read_frame, Endpoint, Frame, BACKEND_HANDLE_PROBE_PAYLOAD_PROTOCOL};
use serde_json::{json, Value};

use prost::Message as _;

use super::{sample_identity, wire};
use crate::message_values::{hex, Sampled as _};

/// Probes as the crate's prober sends them; only the nonce is its own choice (P-20).
pub fn probes() -> Result<Vec<Value>, String> {
    check_prober()?;
    let nonces = [[7; 32], std::array::from_fn(|index| index as u8), [0xff; 32]];
    nonces
        .into_iter()
        .map(|nonce| Ok(json!({ "nonceHex": hex(&nonce), "requestHex": hex(&wire(&probe(&nonce))?) })))
        .collect()
}

fn probe(nonce: &[u8; 32]) -> Frame {
    let id = nonce[..8].iter().rev().fold(0, |id, byte| id << 8 | u64::from(*byte));
    Frame::request(BACKEND_HANDLE_PROBE_PAYLOAD_PROTOCOL, nonce.to_vec()).with_request_id(id)
}

/// The prober chooses its nonces at random: a real probe must be what [`probe`] makes of its nonce.
fn check_prober() -> Result<(), String> {
    let path = std::env::temp_dir().join(format!("bpi-probe-{}", std::process::id()));
    let listener = UnixListener::bind(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let backend = thread::spawn(move || {
        read_frame(&mut listener.accept().map_err(|error| error.to_string())?.0).map_err(|error| error.to_string())
    });
    let endpoint = Endpoint { namespace_id: "vectors".into(), path: path.to_string_lossy().into() };
    // It gets no answer: the backend reads one frame and closes.
    let _ = probe_endpoint_response(&endpoint, &DaemonProcess { ipc_endpoint: endpoint.clone(), ..sample_identity() });
    let _ = std::fs::remove_file(&path);
    let body = backend.join().map_err(|_| "the backend panicked")??;
    let sent = Frame::decode(body.as_slice()).map_err(|error| error.to_string())?;
    let nonce = sent.payload.as_slice().try_into().map_err(|_| "a nonce is not 32 bytes")?;
    if probe(nonce).encode_to_vec() == body {
        Ok(())
    } else {
        Err("the crate's prober sends something else".to_owned())
    }
}

/// Payloads of answers and what the prober reads in them (P-22).
pub fn probe_answers() -> Result<Vec<Value>, String> {
    let nonce = [7; 32];
    let identity = sample_identity();
    let mut full = nonce.to_vec();
    identity.encode_probe_identity(&mut full).map_err(|error| error.to_string())?;
    let without_sha256 = full[..full.len() - 34].to_vec();
    let other_hash = [
        &nonce[..],
        &DaemonProcessMessage { exe_hash_algorithm: "sha256".into(), ..identity.to_proto() }.encode_to_vec(),
    ]
    .concat();
    let short_hash =
        [&nonce[..], &DaemonProcessMessage { exe_hash: vec![1; 31], ..identity.to_proto() }.encode_to_vec()].concat();
    let no_endpoint =
        [&nonce[..], &DaemonProcessMessage { ipc_endpoint: None, ..identity.to_proto() }.encode_to_vec()].concat();
    let mut foreign = full.clone();
    foreign[0] ^= 1;
    let cases = [
        ("the whole answer", full),
        ("without the SHA-256 for old brokers", without_sha256),
        ("another nonce", foreign),
        ("the nonce alone", nonce.to_vec()),
        ("half a nonce", nonce[..16].to_vec()),
        ("another hash algorithm", other_hash),
        ("a hash of 31 bytes", short_hash),
        ("no endpoint", no_endpoint),
    ];
    Ok(cases
        .into_iter()
        .map(|(name, payload)| match decode_response_identity(&payload, &nonce) {
            Ok(identity) => {
                json!({ "name": name, "payloadHex": hex(&payload), "identity": identity.to_proto().value() })
            }
            Err(error) => json!({ "name": name, "payloadHex": hex(&payload), "error": error.to_string() }),
        })
        .collect())
}

type DaemonProcessMessage = running_process::broker::protocol::DaemonProcess;

/// Texts of identity files and what the crate reads in them (P-26).
pub fn files() -> Result<Vec<Value>, String> {
    let path = std::env::temp_dir().join(format!("bpi-identity-{}.json", std::process::id()));
    let written = |identity: &DaemonProcess| {
        write_daemon_identity_file(&path, identity)
            .and_then(|()| std::fs::read_to_string(&path))
            .map_err(|error| format!("{}: {error}", path.display()))
    };
    let identity = sample_identity();
    let full = written(&identity)?;
    let without_idle = written(&DaemonProcess { idle_timeout_secs: None, legacy_exe_sha256: [0; 32], ..identity })?;
    let json: Value = serde_json::from_str(&full).map_err(|error| error.to_string())?;
    let changed = |name: &str, value: Option<Value>| {
        let mut fields = json.as_object().cloned().unwrap_or_default();
        match value {
            Some(value) => fields.insert(name.to_owned(), value),
            None => fields.remove(name),
        };
        Value::from(fields).to_string()
    };
    let cases = [
        ("as the crate writes it", full.clone()),
        ("as a service server writes it", without_idle),
        ("on one line", json.to_string()),
        ("without legacy_exe_sha256", changed("legacy_exe_sha256", None)),
        ("without idle_timeout_secs", changed("idle_timeout_secs", None)),
        ("with a field of a later version", changed("later", Some(json!({ "a": 1 })))),
        ("without pid", changed("pid", None)),
        ("without exe_hash_algorithm", changed("exe_hash_algorithm", None)),
        ("another hash algorithm", changed("exe_hash_algorithm", Some(json!("sha256")))),
        ("a hash of 31 bytes", changed("exe_hash", Some(json!(vec![1; 31])))),
        ("a hash as text", changed("exe_hash", Some(json!("00".repeat(32))))),
        ("a pid beyond 32 bits", changed("pid", Some(json!(1_u64 << 32)))),
        ("a pid that is a text", changed("pid", Some(json!("4321")))),
        ("without ipc_endpoint", changed("ipc_endpoint", None)),
        ("an endpoint without its namespace", changed("ipc_endpoint", Some(json!({ "path": "/x" })))),
        ("an array", "[]".to_owned()),
        ("half the text", full[..full.len() / 2].to_owned()),
        ("an empty file", String::new()),
    ];
    let mut vectors = Vec::new();
    for (name, text) in cases {
        std::fs::write(&path, &text).map_err(|error| error.to_string())?;
        vectors.push(match try_read_daemon_identity_file(&path) {
            Ok(Some(identity)) => json!({ "name": name, "text": text, "identity": identity.to_proto().value() }),
            Ok(None) => json!({ "name": name, "text": text, "error": "no file" }),
            Err(error) => json!({ "name": name, "text": text, "error": error.to_string() }),
        });
    }
    let _ = std::fs::remove_file(&path);
    Ok(vectors)
}

/// Definitions as the crate's builder makes them, which are the bytes of a `.servicedef` file (D-20).
pub fn definitions() -> Result<Vec<Value>, String> {
    let shared = || ServiceDefinitionBuilder::shared_broker("zccache", "/opt/zccache/bin/zccache");
    let cases = [
        ("the least", shared().build()),
        ("a launchable one", shared().per_version_binary_dir("/opt/zccache/bin").min_version("1.10.0").build()),
        (
            "every field that a shared broker knows",
            shared()
                .per_version_binary_dir("/opt/zccache/bin")
                .min_version("1.10.0")
                .allow_version("1.11.20")
                .allow_version("1.12.0-rc.1")
                .label("team", "build")
                .build(),
        ),
        (
            "a named instance",
            ServiceDefinitionBuilder::explicit_instance("zccache", "/opt/zccache/bin/zccache", "ci").build(),
        ),
    ];
    cases
        .into_iter()
        .map(|(name, definition)| {
            let definition = definition.map_err(|error| format!("{name}: {error}"))?;
            Ok(json!({ "name": name, "value": definition.value(), "hex": hex(&definition.encode_to_vec()) }))
        })
        .collect()
}
