//! Samples of the handoff, of the admin plane, and of identities and definitions.

use running_process::broker::protocol::{
    AdminReply, AdminRequest, DaemonProcess, Endpoint, HandoffAck, HandoffOffer, ServiceDefinition,
};
use serde_json::Value;

use crate::vectors::{loose_vector, vector};

/// A number that is negative where 64 bits are read as signed, and odd so that rounding shows.
pub const ABOVE_I64: u64 = (1 << 63) + 1;
/// One to four bytes of UTF-8 a character, a joined emoji, a combining accent, a control character and a NUL.
pub const UNICODE: &str = "aé€😀 👩‍💻 e\u{301} \t\0 end";
/// Bytes that are no UTF-8.
pub const BYTES: &[u8] = &[0x00, 0x01, 0x7f, 0x80, 0xc0, 0xff];

/// A list of owned texts.
pub fn texts(items: &[&str]) -> Vec<String> {
    items.iter().map(|item| (*item).into()).collect()
}

pub fn all() -> Vec<Value> {
    [offers(), acks(), admin_requests(), admin_replies(), endpoints(), daemons(), definitions()].concat()
}

fn offers() -> Vec<Value> {
    let numbers = |number| HandoffOffer { handle_value: number, correlation_id: number, ..HandoffOffer::default() };
    let full = HandoffOffer {
        handle_value: 0x1f4,
        token: (16..32).collect(),
        service_name: "zccache".into(),
        correlation_id: 7,
    };
    vec![
        vector("all default", &HandoffOffer::default()),
        vector("every field set", &full),
        vector("64-bit numbers 2^63+1", &numbers(ABOVE_I64)),
        vector("64-bit numbers at the maximum", &numbers(u64::MAX)),
        vector("unicode", &HandoffOffer { service_name: UNICODE.into(), ..HandoffOffer::default() }),
    ]
}

fn acks() -> Vec<Value> {
    let refused =
        HandoffAck { token: BYTES.to_vec(), accepted: false, error_detail: UNICODE.into(), correlation_id: ABOVE_I64 };
    let full = HandoffAck { token: (16..32).collect(), accepted: true, error_detail: "none".into(), correlation_id: 7 };
    vec![
        vector("all default", &HandoffAck::default()),
        vector("every field set", &full),
        vector("refused, unicode, 2^63+1", &refused),
        vector("correlation id at the maximum", &HandoffAck { correlation_id: u64::MAX, ..HandoffAck::default() }),
    ]
}

fn admin_requests() -> Vec<Value> {
    let full = AdminRequest {
        verb: 21,
        json: true,
        service_name: "zccache".into(),
        output_path: "/tmp/bundle.tar.gz".into(),
        drain_deadline_ms: 5_000,
    };
    let deadline = |drain_deadline_ms| AdminRequest { drain_deadline_ms, ..AdminRequest::default() };
    vec![
        vector("all default", &AdminRequest::default()),
        vector("every field set", &full),
        vector("deadline 2^63+1", &deadline(ABOVE_I64)),
        vector("deadline at the maximum", &deadline(u64::MAX)),
        vector("unknown verb", &AdminRequest { verb: 15, ..AdminRequest::default() }),
        vector("unicode", &AdminRequest { output_path: UNICODE.into(), ..AdminRequest::default() }),
    ]
}

fn admin_replies() -> Vec<Value> {
    let full = AdminReply {
        kind: 2,
        body: "# EOF\n".into(),
        exit_code: 1,
        content_type: "application/openmetrics-text".into(),
    };
    vec![
        vector("all default", &AdminReply::default()),
        vector("every field set", &full),
        vector(
            "largest exit code, unknown kind",
            &AdminReply { exit_code: u32::MAX, kind: 12, ..AdminReply::default() },
        ),
        vector("unicode", &AdminReply { body: UNICODE.into(), ..AdminReply::default() }),
    ]
}

fn full_endpoint() -> Endpoint {
    Endpoint { namespace_id: "private:zccache".into(), path: "/run/user/1000/backend.sock".into() }
}

fn endpoints() -> Vec<Value> {
    vec![
        vector("all default", &Endpoint::default()),
        vector("every field set", &full_endpoint()),
        vector("unicode", &Endpoint { namespace_id: UNICODE.into(), path: UNICODE.into() }),
    ]
}

fn daemons() -> Vec<Value> {
    let full = DaemonProcess {
        pid: 4321,
        exe_path: "/usr/local/bin/zccache".into(),
        ipc_endpoint: Some(full_endpoint()),
        started_at_unix_ms: 1_767_225_600_123,
        boot_id: "5f9c6e0e-7c0e-4a53-9d43-0a4b5d3f6a77".into(),
        idle_timeout_secs: Some(30),
        exe_hash_algorithm: "blake3".into(),
        exe_hash: (0..32).collect(),
    };
    let idle = |idle_timeout_secs| DaemonProcess { pid: 1, idle_timeout_secs, ..DaemonProcess::default() };
    let started = |started_at_unix_ms| DaemonProcess { started_at_unix_ms, ..DaemonProcess::default() };
    let empty_endpoint = DaemonProcess { ipc_endpoint: Some(Endpoint::default()), ..DaemonProcess::default() };
    vec![
        vector("all default", &DaemonProcess::default()),
        vector("every field set", &full),
        vector("idle timeout absent", &idle(None)),
        vector("idle timeout 0", &idle(Some(0))),
        vector("idle timeout 30", &idle(Some(30))),
        vector("started 2^63+1", &started(ABOVE_I64)),
        vector("started at the maximum", &started(u64::MAX)),
        vector("an endpoint that is there but empty", &empty_endpoint),
        vector("unicode", &DaemonProcess { exe_path: UNICODE.into(), ..DaemonProcess::default() }),
    ]
}

fn definitions() -> Vec<Value> {
    let full = ServiceDefinition {
        service_name: "zccache".into(),
        binary_path: "/opt/zccache/1.11.20/zccache".into(),
        isolation: 2,
        explicit_instance: "ci".into(),
        per_version_binary_dir: "/opt/zccache".into(),
        min_version: "1.0.0".into(),
        version_allow_list: texts(&["1.11.20", "1.12.0-rc.1"]),
        labels: [("team".into(), "build".into())].into(),
    };
    let labels = [("a".into(), "1".into()), ("b".into(), "2".into())].into();
    vec![
        vector("all default", &ServiceDefinition::default()),
        vector("every field set", &full),
        vector("unicode", &ServiceDefinition { binary_path: UNICODE.into(), ..ServiceDefinition::default() }),
        vector("unknown isolation", &ServiceDefinition { isolation: 9, ..ServiceDefinition::default() }),
        loose_vector("several labels", &ServiceDefinition { labels, ..ServiceDefinition::default() }),
    ]
}
