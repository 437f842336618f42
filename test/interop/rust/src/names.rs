//! User hashes and endpoint names, derived by the crate (N-01..N-07).

use running_process::broker::lifecycle::names::{
    backend_pipe, explicit_instance_pipe, private_broker_pipe, shared_broker_pipe, PipePath, PipePathError,
};
use running_process::broker::lifecycle::sid::{hash_to_16_hex, user_sid_hash};
use serde_json::{json, Value};

use crate::message_values::hex;
use crate::samples::UNICODE;

const USER_HASH: &str = "0123456789abcdef";
/// Where the crate looks for the directory of sockets: one variable on each system.
const DIRECTORY_VARIABLE: &str = if cfg!(target_os = "macos") { "TMPDIR" } else { "XDG_RUNTIME_DIR" };

pub fn all() -> Result<Vec<Value>, String> {
    let mut vectors = hashes()?;
    for directory in [Some("/run/user/1000"), Some("/run/user/1000/"), Some("/"), Some(""), None] {
        with_directory(directory, || vectors.extend(endpoints(directory, USER_HASH)));
    }
    // A directory that makes the shared name as long as it may be on Linux, and one that is a byte longer.
    for length in [48, 49] {
        let directory = format!("/{}", "d".repeat(length - 1));
        with_directory(Some(&directory), || vectors.push(shared(Some(&directory), USER_HASH)));
    }
    for bad in ["", "0123456789abcde", "0123456789abcdef0", "0123456789ABCDEF", "0123456789abcdeg"] {
        vectors.push(shared(std::env::var(DIRECTORY_VARIABLE).ok().as_deref(), bad));
    }
    Ok(vectors)
}

/// What the crate hashes is a text whose form differs by system; the last vector is this very user and machine.
fn hashes() -> Result<Vec<Value>, String> {
    let identities = [
        "",
        "0:0123456789abcdef0123456789abcdef",
        "1000:0123456789abcdef0123456789abcdef",
        "1000:boot:5f9c6e0e-7c0e-4a53-9d43-0a4b5d3f6a77",
        "501:4C4C4544-0051-3510-8052-B4C04F4A4E32",
        "windows-sid:010500000000000515000000a065cf7e784b9b5fe77c8770e9030000",
        "rpb-v1-0123456789abcdef-shared",
        UNICODE,
    ];
    let mut vectors: Vec<Value> = identities
        .iter()
        .map(|identity| json!({ "kind": "hash", "identity": identity, "hash": hash_to_16_hex(identity.as_bytes()) }))
        .collect();
    // SAFETY: getuid always succeeds.
    let uid = unsafe { libc::getuid() };
    let own = user_sid_hash().map_err(|error| error.to_string())?;
    vectors.push(json!({ "kind": "thisUser", "platform": platform(), "uid": uid, "hash": own }));
    Ok(vectors)
}

fn endpoints(directory: Option<&str>, user_hash: &str) -> Vec<Value> {
    let random: [u8; 16] = std::array::from_fn(|index| index as u8 * 17);
    let service = |name: &str| {
        let made = private_broker_pipe(user_hash, name);
        endpoint("service", directory, user_hash, Some(name), made)
    };
    let instance = |name: &str| {
        let made = explicit_instance_pipe(user_hash, name);
        endpoint("instance", directory, user_hash, Some(name), made)
    };
    vec![
        shared(directory, user_hash),
        service("zccache"),
        service("-a--1-"),
        service(""),
        service("Zccache"),
        service("under_score"),
        service(&"s".repeat(64)),
        service(&"s".repeat(65)),
        instance("ci"),
        instance("7"),
        instance("a.b"),
        endpoint("backend", directory, user_hash, Some(&hex(&random)), backend_pipe(user_hash, &random)),
    ]
}

fn shared(directory: Option<&str>, user_hash: &str) -> Value {
    endpoint("shared", directory, user_hash, None, shared_broker_pipe(user_hash))
}

/// One name, or the reason why there is none, together with everything it was made of.
fn endpoint(
    kind: &str,
    directory: Option<&str>,
    user_hash: &str,
    argument: Option<&str>,
    made: Result<PipePath, PipePathError>,
) -> Value {
    // SAFETY: getuid always succeeds.
    let uid = unsafe { libc::getuid() };
    let mut value = json!({
        "kind": kind, "platform": platform(), "env": { DIRECTORY_VARIABLE: directory }, "uid": uid,
        "userHash": user_hash, "argument": argument,
    });
    match made {
        Ok(path) => {
            value["endpoint"] = json!(path.windows.or(path.unix.and_then(|path| path.to_str().map(str::to_owned))))
        }
        Err(error) => value["error"] = json!(error.to_string()),
    }
    value
}

/// The system in Node's words.
fn platform() -> &'static str {
    match std::env::consts::OS {
        "macos" => "darwin",
        "windows" => "win32",
        other => other,
    }
}

/// Runs `work` with the variable set to `value`, or unset. The crate offers no other way to choose the directory.
fn with_directory(value: Option<&str>, work: impl FnOnce()) {
    let before = std::env::var_os(DIRECTORY_VARIABLE);
    match value {
        Some(value) => std::env::set_var(DIRECTORY_VARIABLE, value),
        None => std::env::remove_var(DIRECTORY_VARIABLE),
    }
    work();
    match before {
        Some(before) => std::env::set_var(DIRECTORY_VARIABLE, before),
        None => std::env::remove_var(DIRECTORY_VARIABLE),
    }
}
