//! `time`: how long the crate's own client takes to connect.

use std::io::{BufRead as _, Read as _, Write as _};
use std::time::Duration;

use running_process::broker::client::{
    connect_to_backend, BackendConnection, BackendConnectionRoute, ConnectBackendRequest,
};
use serde_json::{json, Value};

use crate::arguments::Arguments;
use crate::{measure, print_line, Outcome};

/// Begins with something else than the framing byte 1, so that no backend can take it for a frame.
const GREETING: &[u8; 12] = b"interop-echo";
const ECHO_LIMIT: Duration = Duration::from_secs(5);
const DEFAULT_COUNT: usize = 1000;
const DEFAULT_WARMUP: usize = 50;

#[derive(Clone, Copy)]
enum Route {
    Skip,
    Negotiated,
    Handoff,
}

/// One round: what to connect to, and how often.
#[derive(Clone)]
struct Plan {
    broker: String,
    service: String,
    version: String,
    backend: Option<String>,
    route: Route,
    /// Ask for the handoff even where the route is `negotiated`, that is, expect a downgrade (C-45).
    adopt: bool,
    ready_timeout: Option<Duration>,
    count: usize,
    threads: usize,
    warmup: usize,
}

pub fn run(words: &[String]) -> Outcome {
    let options = ["broker", "backend", "service", "version", "route", "n", "threads", "warmup", "ready-timeout-ms"];
    let arguments = Arguments::parse(words, &options, &["interactive", "adopt"])?;
    let plan = Plan {
        broker: arguments.required("broker")?.to_owned(),
        service: arguments.required("service")?.to_owned(),
        version: arguments.required("version")?.to_owned(),
        backend: arguments.text("backend").map(str::to_owned),
        route: Route::parse(arguments.text("route").unwrap_or("negotiated"))?,
        adopt: arguments.has("adopt"),
        ready_timeout: arguments.number("ready-timeout-ms")?.map(Duration::from_millis),
        count: arguments.number("n")?.unwrap_or(DEFAULT_COUNT),
        threads: arguments.number("threads")?.unwrap_or(1),
        warmup: arguments.number("warmup")?.unwrap_or(DEFAULT_WARMUP),
    };
    if !arguments.has("interactive") {
        return print_line(&plan.measure()?);
    }
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(|error| format!("stdin: {error}"))?;
        if line.trim().is_empty() {
            continue;
        }
        // A round that fails is an answer too: the rounds after it may go well.
        let answer = plan.with_request(&line).and_then(|round| round.measure());
        print_line(&answer.unwrap_or_else(|reason| json!({ "error": reason })))?;
    }
    Ok(())
}

impl Route {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "skip" => Ok(Self::Skip),
            "negotiated" => Ok(Self::Negotiated),
            "handoff" => Ok(Self::Handoff),
            _ => Err(format!("route is skip, negotiated or handoff, not {text}")),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Negotiated => "negotiated",
            Self::Handoff => "handoff",
        }
    }

    fn expected(self) -> BackendConnectionRoute {
        match self {
            Self::Skip => BackendConnectionRoute::HelloSkip,
            Self::Negotiated => BackendConnectionRoute::BrokerNegotiated,
            Self::Handoff => BackendConnectionRoute::HandlePassed,
        }
    }
}

impl Plan {
    /// This plan with what one line of an interactive run changes about it.
    fn with_request(&self, line: &str) -> Result<Self, String> {
        let request: Value = serde_json::from_str(line).map_err(|error| format!("request: {error}"))?;
        let fields = request.as_object().ok_or("request: not an object")?;
        let mut plan = self.clone();
        for (name, value) in fields {
            let number = || value.as_u64().ok_or_else(|| format!("request: {name} is not a number: {value}"));
            let size = || number().and_then(|number| usize::try_from(number).map_err(|error| error.to_string()));
            let text = || value.as_str().ok_or_else(|| format!("request: {name} is not a text: {value}"));
            match name.as_str() {
                "route" => plan.route = Route::parse(text()?)?,
                "backend" => plan.backend = Some(text()?.to_owned()),
                "n" => plan.count = size()?,
                "threads" => plan.threads = size()?,
                "warmup" => plan.warmup = size()?,
                "readyTimeoutMs" => plan.ready_timeout = Some(Duration::from_millis(number()?)),
                "adopt" => plan.adopt = value.as_bool().ok_or("request: adopt is not a boolean")?,
                _ => return Err(format!("request: unknown field {name}")),
            }
        }
        Ok(plan)
    }

    /// Checks that the route works and carries bytes, warms up, then times.
    fn measure(&self) -> Result<Value, String> {
        if self.count == 0 || self.threads == 0 {
            return Err("n and threads must be at least 1".to_owned());
        }
        let mut plan = self.clone();
        if matches!(plan.route, Route::Skip) && plan.backend.is_none() {
            // The way a program comes by an endpoint to cache: the broker names it.
            let negotiated = Plan { route: Route::Negotiated, adopt: false, ..plan.clone() };
            plan.backend = Some(negotiated.connect()?.endpoint);
        }
        check_echo(plan.connect()?)?;
        if plan.warmup > 0 {
            measure::run(plan.warmup, plan.threads, || plan.connect())?;
        }
        let round = measure::run(plan.count, plan.threads, || plan.connect())?;
        Ok(round.report(plan.route.name(), plan.threads))
    }

    /// One connect by the crate's client, which must have taken the wanted route.
    fn connect(&self) -> Result<BackendConnection, String> {
        // A cached endpoint counts only where both versions are the same (C-11).
        let mut request = ConnectBackendRequest::new(&self.broker, &self.service, &self.version, &self.version);
        request.adopt_handed_off_connection = self.adopt || matches!(self.route, Route::Handoff);
        if let Some(limit) = self.ready_timeout {
            request.handoff_ready_timeout = limit;
        }
        if matches!(self.route, Route::Skip) {
            request.cached_backend_endpoint = self.backend.as_deref();
        }
        let connection = connect_to_backend(request).map_err(|error| error.to_string())?;
        if connection.route != self.route.expected() {
            return Err(format!("expected route {:?}, got {:?}", self.route.expected(), connection.route));
        }
        Ok(connection)
    }
}

fn check_echo(mut connection: BackendConnection) -> Outcome {
    let stream = &mut connection.stream;
    let mut reply = [0_u8; GREETING.len()];
    stream
        .set_recv_timeout(Some(ECHO_LIMIT))
        .and_then(|()| stream.write_all(GREETING))
        .and_then(|()| stream.read_exact(&mut reply))
        .map_err(|error| format!("echo check: {error}"))?;
    if &reply == GREETING {
        Ok(())
    } else {
        Err("echo check: the backend sent something else".to_owned())
    }
}
