//! Samples of the envelope and of the control plane: Frame, Hello and its replies.

use running_process::broker::protocol::{hello_reply, Frame, Hello, HelloReply, Negotiated, Refused};
use serde_json::Value;

use crate::samples::{texts, ABOVE_I64, BYTES, UNICODE};
use crate::vectors::{loose_vector, vector};

pub fn all() -> Vec<Value> {
    [frames(), hellos(), negotiated(), refused(), replies()].concat()
}

fn frames() -> Vec<Value> {
    let full = Frame {
        envelope_version: 1,
        kind: 1,
        payload_protocol: 0xd0ff,
        payload: BYTES.to_vec(),
        request_id: 0x0102_0304_0506_0708,
        payload_encoding: 3,
        deadline_unix_ms: 1_767_225_600_000,
        traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into(),
        tracestate: "vendor=value,other=1".into(),
    };
    let ids = |id| Frame { request_id: id, deadline_unix_ms: id, ..Frame::default() };
    vec![
        vector("all default", &Frame::default()),
        vector("every field set", &full),
        vector("64-bit numbers 2^63+1", &ids(ABOVE_I64)),
        vector("64-bit numbers at the maximum", &ids(u64::MAX)),
        vector("64-bit numbers 2^53+1", &ids((1 << 53) + 1)),
        vector("largest payload protocol", &Frame { payload_protocol: u32::MAX, ..Frame::default() }),
        vector("unknown enum numbers", &Frame { kind: 77, payload_encoding: i32::MAX, ..Frame::default() }),
        vector("negative enum numbers", &Frame { kind: -1, payload_encoding: i32::MIN, ..Frame::default() }),
        vector("unicode trace state", &Frame { tracestate: UNICODE.into(), ..Frame::default() }),
        vector("payload of 200 bytes", &Frame { payload: vec![0xee; 200], ..Frame::default() }),
    ]
}

fn hellos() -> Vec<Value> {
    let full = Hello {
        client_min_protocol: 1,
        client_max_protocol: 2,
        service_name: "zccache".into(),
        wanted_version: "1.11.20-rc.1".into(),
        client_version: "0.9.0".into(),
        client_capabilities: 1,
        auth_token: vec![0; 32],
        request_id: "hello".into(),
        connection_id: 42,
        peer_pid: 4_194_304,
        client_lib_name: "running-process".into(),
        client_lib_version: "4.10.21".into(),
        peer_attestation_nonce: BYTES.to_vec(),
        capability_token: vec![0xff],
        client_keepalive_secs: 1800,
    };
    let numbers = |number| Hello {
        client_capabilities: number,
        connection_id: number,
        client_keepalive_secs: number,
        peer_pid: u32::MAX,
        ..Hello::default()
    };
    let unicode = Hello {
        service_name: UNICODE.into(),
        wanted_version: UNICODE.into(),
        client_version: UNICODE.into(),
        request_id: UNICODE.into(),
        client_lib_name: UNICODE.into(),
        client_lib_version: UNICODE.into(),
        ..Hello::default()
    };
    vec![
        vector("all default", &Hello::default()),
        vector("every field set", &full),
        vector("64-bit numbers 2^63+1", &numbers(ABOVE_I64)),
        vector("64-bit numbers at the maximum", &numbers(u64::MAX)),
        vector("unicode in every text", &unicode),
    ]
}

fn full_negotiated() -> Negotiated {
    Negotiated {
        negotiated_protocol: 1,
        daemon_version: "1.11.20".into(),
        backend_pipe: "/run/user/1000/running-process/broker/backend.sock".into(),
        warnings: texts(&["old client", "", UNICODE]),
        server_capabilities: 1,
        keepalive_interval_secs: 1800,
        handle_passed_token: (0..16).collect(),
        connection_id: 1,
    }
}

fn negotiated() -> Vec<Value> {
    let numbers = |number| Negotiated {
        server_capabilities: number,
        keepalive_interval_secs: number,
        connection_id: number,
        ..Negotiated::default()
    };
    let pipe = Negotiated { backend_pipe: r"\\.\pipe\rpb-v1-0123456789abcdef-be-00".into(), ..Negotiated::default() };
    vec![
        vector("all default", &Negotiated::default()),
        vector("every field set", &full_negotiated()),
        vector("64-bit numbers 2^63+1", &numbers(ABOVE_I64)),
        vector("64-bit numbers at the maximum", &numbers(u64::MAX)),
        vector("windows pipe", &pipe),
        vector("one empty warning", &Negotiated { warnings: texts(&[""]), ..Negotiated::default() }),
    ]
}

fn full_refused() -> Refused {
    Refused {
        reason: "wanted_version is below min_version".into(),
        daemon_min_protocol: 1,
        daemon_max_protocol: 1,
        code: 8,
        details: [("min_version".into(), "1.0.0".into())].into(),
        retry_after_ms: 30_000,
    }
}

fn refused() -> Vec<Value> {
    let details = |entries: &[(&str, &str)]| Refused {
        details: entries.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect(),
        ..Refused::default()
    };
    vec![
        vector("all default", &Refused::default()),
        vector("every field set", &full_refused()),
        vector("retry 2^63+1", &Refused { retry_after_ms: ABOVE_I64, ..Refused::default() }),
        vector("retry at the maximum", &Refused { retry_after_ms: u64::MAX, ..Refused::default() }),
        vector("unknown code", &Refused { code: 99, ..Refused::default() }),
        vector("unicode", &Refused { reason: UNICODE.into(), ..details(&[(UNICODE, UNICODE)]) }),
        vector("a detail named __proto__", &details(&[("__proto__", "x")])),
        loose_vector("several details", &details(&[("a", "1"), ("b", "2"), ("c", UNICODE)])),
        loose_vector("a detail without text", &details(&[("empty", "")])),
        loose_vector("a detail without name", &details(&[("", "nameless")])),
    ]
}

fn replies() -> Vec<Value> {
    let yes = |message| HelloReply { result: Some(hello_reply::Result::Negotiated(message)) };
    let no = |message| HelloReply { result: Some(hello_reply::Result::Refused(message)) };
    vec![
        vector("all default: no result", &HelloReply::default()),
        vector("negotiated, all default", &yes(Negotiated::default())),
        vector("negotiated, every field set", &yes(full_negotiated())),
        vector("refused, all default", &no(Refused::default())),
        vector("refused, every field set", &no(full_refused())),
    ]
}
