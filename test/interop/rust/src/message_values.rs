//! Messages as JSON, in the form of broker-pool's TypeScript types: camelCase names, 64-bit numbers as decimal
//! strings, bytes as hex, enums as numbers (unknown ones too, W-23); what is absent is left out.

use std::fmt::Write as _;

use prost::Message;
use running_process::broker::protocol::{
    hello_reply, AdminReply, AdminRequest, DaemonProcess, Endpoint, Frame, HandoffAck, HandoffOffer, Hello, HelloReply,
    Negotiated, Refused, ServiceDefinition,
};
use serde_json::{json, Value};

/// A message type that vectors and decoding know.
pub trait Sampled: Message + Default {
    const NAME: &'static str;

    fn value(&self) -> Value;
}

/// Lowercase hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The bytes of a hex text.
pub fn unhex(text: &str) -> Result<Vec<u8>, String> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err("hex: not an even number of hex digits".to_owned());
    }
    let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).map_err(|error| format!("hex: {error}"));
    (0..text.len()).step_by(2).map(byte).collect()
}

fn decimal(number: u64) -> String {
    number.to_string()
}

impl Sampled for Frame {
    const NAME: &'static str = "Frame";

    fn value(&self) -> Value {
        json!({
            "envelopeVersion": self.envelope_version, "kind": self.kind,
            "payloadProtocol": self.payload_protocol, "payload": hex(&self.payload),
            "requestId": decimal(self.request_id), "payloadEncoding": self.payload_encoding,
            "deadlineUnixMs": decimal(self.deadline_unix_ms),
            "traceparent": self.traceparent, "tracestate": self.tracestate,
        })
    }
}

impl Sampled for Hello {
    const NAME: &'static str = "Hello";

    fn value(&self) -> Value {
        json!({
            "clientMinProtocol": self.client_min_protocol, "clientMaxProtocol": self.client_max_protocol,
            "serviceName": self.service_name, "wantedVersion": self.wanted_version,
            "clientVersion": self.client_version, "clientCapabilities": decimal(self.client_capabilities),
            "authToken": hex(&self.auth_token), "requestId": self.request_id,
            "connectionId": decimal(self.connection_id), "peerPid": self.peer_pid,
            "clientLibName": self.client_lib_name, "clientLibVersion": self.client_lib_version,
            "peerAttestationNonce": hex(&self.peer_attestation_nonce),
            "capabilityToken": hex(&self.capability_token),
            "clientKeepaliveSecs": decimal(self.client_keepalive_secs),
        })
    }
}

impl Sampled for Negotiated {
    const NAME: &'static str = "Negotiated";

    fn value(&self) -> Value {
        json!({
            "negotiatedProtocol": self.negotiated_protocol, "daemonVersion": self.daemon_version,
            "backendPipe": self.backend_pipe, "warnings": self.warnings,
            "serverCapabilities": decimal(self.server_capabilities),
            "keepaliveIntervalSecs": decimal(self.keepalive_interval_secs),
            "handlePassedToken": hex(&self.handle_passed_token), "connectionId": decimal(self.connection_id),
        })
    }
}

impl Sampled for Refused {
    const NAME: &'static str = "Refused";

    fn value(&self) -> Value {
        json!({
            "reason": self.reason, "daemonMinProtocol": self.daemon_min_protocol,
            "daemonMaxProtocol": self.daemon_max_protocol, "code": self.code,
            "details": self.details, "retryAfterMs": decimal(self.retry_after_ms),
        })
    }
}

impl Sampled for HelloReply {
    const NAME: &'static str = "HelloReply";

    fn value(&self) -> Value {
        use hello_reply::Result::{Negotiated, Refused};
        match &self.result {
            None => json!({}),
            Some(Negotiated(yes)) => json!({ "result": { "kind": "negotiated", "negotiated": yes.value() } }),
            Some(Refused(no)) => json!({ "result": { "kind": "refused", "refused": no.value() } }),
        }
    }
}

impl Sampled for HandoffOffer {
    const NAME: &'static str = "HandoffOffer";

    fn value(&self) -> Value {
        json!({
            "handleValue": decimal(self.handle_value), "token": hex(&self.token),
            "serviceName": self.service_name, "correlationId": decimal(self.correlation_id),
        })
    }
}

impl Sampled for HandoffAck {
    const NAME: &'static str = "HandoffAck";

    fn value(&self) -> Value {
        json!({
            "token": hex(&self.token), "accepted": self.accepted,
            "errorDetail": self.error_detail, "correlationId": decimal(self.correlation_id),
        })
    }
}

impl Sampled for AdminRequest {
    const NAME: &'static str = "AdminRequest";

    fn value(&self) -> Value {
        json!({
            "verb": self.verb, "json": self.json, "serviceName": self.service_name,
            "outputPath": self.output_path, "drainDeadlineMs": decimal(self.drain_deadline_ms),
        })
    }
}

impl Sampled for AdminReply {
    const NAME: &'static str = "AdminReply";

    fn value(&self) -> Value {
        json!({
            "kind": self.kind, "body": self.body, "exitCode": self.exit_code, "contentType": self.content_type,
        })
    }
}

impl Sampled for Endpoint {
    const NAME: &'static str = "Endpoint";

    fn value(&self) -> Value {
        json!({ "namespaceId": self.namespace_id, "path": self.path })
    }
}

impl Sampled for DaemonProcess {
    const NAME: &'static str = "DaemonProcess";

    fn value(&self) -> Value {
        let mut value = json!({
            "pid": self.pid, "exePath": self.exe_path,
            "startedAtUnixMs": decimal(self.started_at_unix_ms), "bootId": self.boot_id,
            "exeHashAlgorithm": self.exe_hash_algorithm, "exeHash": hex(&self.exe_hash),
        });
        if let Some(endpoint) = &self.ipc_endpoint {
            value["ipcEndpoint"] = endpoint.value();
        }
        // Explicit presence: 0 is a value, absent is none (W-21).
        if let Some(seconds) = self.idle_timeout_secs {
            value["idleTimeoutSecs"] = json!(seconds);
        }
        value
    }
}

impl Sampled for ServiceDefinition {
    const NAME: &'static str = "ServiceDefinition";

    fn value(&self) -> Value {
        json!({
            "serviceName": self.service_name, "binaryPath": self.binary_path, "isolation": self.isolation,
            "explicitInstance": self.explicit_instance, "perVersionBinaryDir": self.per_version_binary_dir,
            "minVersion": self.min_version, "versionAllowList": self.version_allow_list, "labels": self.labels,
        })
    }
}
