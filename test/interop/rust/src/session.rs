//! One client of a backend's frames, by any of the ways that the crate offers, and its requests with checked answers.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use running_process::broker::adopt::{AsyncBrokerSession, BrokerSession, OwnedConnectRequest};
use running_process::broker::backend_handle::BackendHandle;
use running_process::broker::backend_sdk::{try_read_daemon_identity_file, FrameClient};
use running_process::broker::client::{BackendConnectionRoute, ConnectBackendRequest};
use running_process::broker::protocol::{encode_framed, Endpoint, Frame};
use tokio::runtime::{Builder, Runtime};

/// A Node backend on a loaded machine may be slower than the crate's half second.
const PROBE_LIMIT: Duration = Duration::from_secs(5);
const HANDOFF_LIMIT: Duration = Duration::from_secs(5);

/// Where to find the backend.
#[derive(Clone)]
pub enum Way {
    /// `BrokerSession::adopt`, or with `asynchronous` `AsyncBrokerSession::adopt`.
    Broker {
        broker: String,
        service: String,
        version: String,
        /// An endpoint to dial without asking the broker.
        cached: Option<String>,
        /// Take over the connection that carried the Hello.
        adopt: bool,
        asynchronous: bool,
    },
    /// `FrameClient::connect`.
    Endpoint(String),
    /// An identity file: the backend is probed before it is connected to.
    IdentityFile(String),
}

/// The crate's client of an open session.
enum Client {
    Blocking(FrameClient),
    Async(Runtime, AsyncBrokerSession),
}

/// An open session, and the way it came about.
pub struct Session {
    client: Client,
    pub route: &'static str,
    pub endpoint: String,
}

impl Session {
    pub fn open(way: &Way) -> Result<Self, String> {
        match way {
            Way::Broker { broker, service, version, cached, adopt, asynchronous: true } => {
                let mut request = OwnedConnectRequest::new(broker, service, version, version);
                request.cached_backend_endpoint.clone_from(cached);
                request.adopt_handed_off_connection = *adopt;
                request.handoff_ready_timeout = HANDOFF_LIMIT;
                let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
                let session =
                    runtime.block_on(AsyncBrokerSession::adopt(request)).map_err(|error| error.to_string())?;
                let (route, endpoint) = (route_name(session.route()), session.endpoint().to_owned());
                Ok(Self { client: Client::Async(runtime, session), route, endpoint })
            }
            Way::Broker { broker, service, version, cached, adopt, asynchronous: false } => {
                // A cached endpoint counts only where both versions are the same (C-11).
                let mut request = ConnectBackendRequest::new(broker, service, version, version);
                request.cached_backend_endpoint = cached.as_deref();
                request.adopt_handed_off_connection = *adopt;
                request.handoff_ready_timeout = HANDOFF_LIMIT;
                let session = BrokerSession::adopt(request).map_err(|error| error.to_string())?;
                let (route, endpoint) = (route_name(session.route()), session.endpoint().to_owned());
                Ok(Self { client: Client::Blocking(session.into_client()), route, endpoint })
            }
            Way::Endpoint(path) => Self::connect(&endpoint_of(path)?, "endpoint"),
            Way::IdentityFile(file) => {
                let identity = try_read_daemon_identity_file(Path::new(file))
                    .map_err(|error| format!("{file}: {error}"))?
                    .ok_or_else(|| format!("{file}: no such file"))?;
                let endpoint = identity.ipc_endpoint.clone();
                BackendHandle::probe_with_service_and_timeout(
                    String::new(),
                    String::new(),
                    &endpoint,
                    &identity,
                    PROBE_LIMIT,
                )
                .map_err(|error| format!("probe: {error}"))?;
                Self::connect(&endpoint, "identity-file")
            }
        }
    }

    fn connect(endpoint: &Endpoint, route: &'static str) -> Result<Self, String> {
        let client = FrameClient::connect(endpoint).map_err(|error| error.to_string())?;
        Ok(Self { client: Client::Blocking(client), route, endpoint: endpoint.path.clone() })
    }

    /// Sends one request; the answer must be the same bytes, or what `expected` says.
    pub fn request(&mut self, protocol: u32, payload: &[u8], expected: Option<&[u8]>) -> Result<(), String> {
        let answer = match &mut self.client {
            Client::Blocking(client) => client.request(protocol, payload.to_vec()),
            Client::Async(runtime, session) => runtime.block_on(session.request(protocol, payload.to_vec())),
        }
        .map_err(|error| error.to_string())?;
        let expected = expected.unwrap_or(payload);
        if answer.payload == expected {
            return Ok(());
        }
        let at = answer.payload.iter().zip(expected).position(|(got, wanted)| got != wanted);
        Err(format!("answer of {} bytes to {} differs at {at:?}", answer.payload.len(), expected.len()))
    }

    /// Sends one request and closes the connection instead of reading the answer, which is how v1 gives up (S-57).
    pub fn abandon(self, protocol: u32, payload: &[u8]) -> Result<(), String> {
        let frame = Frame::request(protocol, payload.to_vec()).with_request_id(1);
        let wire = encode_framed(&frame).map_err(|error| error.to_string())?;
        match self.client {
            Client::Blocking(client) => client.into_stream().write_all(&wire).map_err(|error| error.to_string()),
            Client::Async(..) => Err("--abandon-every needs a blocking client".to_owned()),
        }
    }
}

fn endpoint_of(path: &str) -> Result<Endpoint, String> {
    Endpoint::unix_socket("interop", path).map_err(|error| error.to_string())
}

fn route_name(route: BackendConnectionRoute) -> &'static str {
    match route {
        BackendConnectionRoute::HelloSkip => "hello-skip",
        BackendConnectionRoute::BrokerNegotiated => "broker-negotiated",
        BackendConnectionRoute::HandlePassed => "handle-passed",
    }
}
