//! `request`: many requests over sessions, one connection a thread, each answer compared byte by byte and timed.

use std::io::BufRead as _;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{json, Value};

use crate::arguments::Arguments;
use crate::frame_commands::{pattern, ECHO_PROTOCOL};
use crate::payloads::Payloads;
use crate::pipelined::Pipeline;
use crate::session::{Session, Way};
use crate::{measure, print_line, Outcome};

const DEFAULT_COUNT: usize = 1000;
const DEFAULT_SIZE: usize = 64;
/// How long a backend that restarts may be away.
const AWAY_LIMIT: Duration = Duration::from_secs(10);
const REOPEN_PAUSE: Duration = Duration::from_millis(5);

/// One round of requests.
#[derive(Clone)]
struct Plan {
    way: Way,
    count: usize,
    threads: usize,
    sizes: RangeInclusive<usize>,
    seed: u64,
    protocol: u32,
    /// A payload of its own instead of random ones.
    payload: Option<String>,
    /// How many bytes of the pattern the answer to `payload` is, instead of an echo.
    expect_pattern: Option<usize>,
    /// Open the session again after an error, and repeat the request.
    retry: bool,
    /// Requests in flight on each connection; above 1 this program's own client takes the place of the crate's.
    in_flight: usize,
    /// Each so many requests, one more goes out on a connection that is closed without reading the answer.
    abandon_every: Option<usize>,
}

pub fn run(words: &[String]) -> Outcome {
    let options = [
        "broker",
        "service",
        "version",
        "cached",
        "endpoint",
        "identity-file",
        "n",
        "threads",
        "sizes",
        "seed",
        "protocol",
        "payload",
        "expect-pattern",
        "abandon-every",
        "in-flight",
    ];
    let arguments = Arguments::parse(words, &options, &["adopt", "async", "retry", "interactive"])?;
    let plan = Plan {
        way: way(&arguments)?,
        count: arguments.number("n")?.unwrap_or(DEFAULT_COUNT),
        threads: arguments.number("threads")?.unwrap_or(1),
        sizes: arguments.text("sizes").map_or(Ok(DEFAULT_SIZE..=DEFAULT_SIZE), range)?,
        seed: arguments.number("seed")?.unwrap_or(1),
        protocol: arguments.number("protocol")?.unwrap_or(ECHO_PROTOCOL),
        payload: arguments.text("payload").map(str::to_owned),
        expect_pattern: arguments.number("expect-pattern")?,
        retry: arguments.has("retry"),
        in_flight: arguments.number("in-flight")?.unwrap_or(1),
        abandon_every: arguments.number("abandon-every")?,
    };
    if !arguments.has("interactive") {
        return print_line(&plan.run()?);
    }
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(|error| format!("stdin: {error}"))?;
        if !line.trim().is_empty() {
            // A round that fails is an answer too: the rounds after it may go well.
            let answer = plan.with_request(&line).and_then(|round| round.run());
            print_line(&answer.unwrap_or_else(|reason| json!({ "error": reason })))?;
        }
    }
    Ok(())
}

fn way(arguments: &Arguments) -> Result<Way, String> {
    let text = |name| arguments.text(name).map(str::to_owned);
    match (text("broker"), text("endpoint"), text("identity-file")) {
        (Some(broker), None, None) => Ok(Way::Broker {
            broker,
            service: arguments.required("service")?.to_owned(),
            version: arguments.required("version")?.to_owned(),
            cached: text("cached"),
            adopt: arguments.has("adopt"),
            asynchronous: arguments.has("async"),
        }),
        (None, Some(endpoint), None) => Ok(Way::Endpoint(endpoint)),
        (None, None, Some(file)) => Ok(Way::IdentityFile(file)),
        _ => Err("one of --broker, --endpoint and --identity-file is required".to_owned()),
    }
}

/// `64`, or `0..65536` with both ends included.
fn range(text: &str) -> Result<RangeInclusive<usize>, String> {
    let number = |text: &str| text.parse::<usize>().map_err(|error| format!("sizes {text}: {error}"));
    let (low, high) = text.split_once("..").unwrap_or((text, text));
    Ok(number(low)?..=number(high)?)
}

/// What went on besides the requests that are counted and timed.
#[derive(Default)]
struct Tally {
    bytes: AtomicU64,
    failures: AtomicU64,
    abandoned: AtomicU64,
    first_failure: Mutex<Option<String>>,
    route: Mutex<Option<(&'static str, String)>>,
}

impl Plan {
    /// This plan with what one line of an interactive run changes about it.
    fn with_request(&self, line: &str) -> Result<Self, String> {
        let request: Value = serde_json::from_str(line).map_err(|error| format!("request: {error}"))?;
        let mut plan = self.clone();
        for (name, value) in request.as_object().ok_or("request: not an object")? {
            let number = || value.as_u64().ok_or_else(|| format!("request: {name} is not a number: {value}"));
            match name.as_str() {
                "n" => plan.count = number()? as usize,
                "threads" => plan.threads = number()? as usize,
                "inFlight" => plan.in_flight = number()? as usize,
                "seed" => plan.seed = number()?,
                "sizes" => plan.sizes = range(value.as_str().ok_or("request: sizes is not a text")?)?,
                _ => return Err(format!("request: unknown field {name}")),
            }
        }
        Ok(plan)
    }

    fn run(&self) -> Result<Value, String> {
        if self.count == 0 || self.threads == 0 || self.sizes.is_empty() {
            return Err("n, threads and sizes must not be empty".to_owned());
        }
        if self.in_flight > 1 {
            return self.run_pipelined();
        }
        let tally = Tally::default();
        let expected = self.expect_pattern.map(pattern);
        let open = |thread: usize| {
            let session = Session::open(&self.way)?;
            *locked(&tally.route) = Some((session.route, session.endpoint.clone()));
            Ok((session, Payloads::new(self.seed.wrapping_add(thread as u64), self.sizes.clone())))
        };
        let round = measure::run_with(self.count, self.threads, open, |(session, payloads), number| {
            let payload = self.payload.as_ref().map_or_else(|| payloads.next(), |text| text.as_bytes());
            tally.bytes.fetch_add(payload.len() as u64, Ordering::Relaxed);
            if self.abandon_every.is_some_and(|every| number.is_multiple_of(every)) {
                tally.abandoned.fetch_add(1, Ordering::Relaxed);
                // Where the backend is away, there is nothing to give up.
                let _ = Session::open(&self.way).and_then(|other| other.abandon(self.protocol, payload));
            }
            self.request(session, payload, expected.as_deref(), &tally)
        })?;
        let (route, endpoint) = locked(&tally.route).take().unwrap_or(("none", String::new()));
        let mut report = round.report(route, self.threads);
        report["endpoint"] = json!(endpoint);
        report["bytes"] = json!(tally.bytes.load(Ordering::Relaxed));
        report["failures"] = json!(tally.failures.load(Ordering::Relaxed));
        report["firstFailure"] = json!(locked(&tally.first_failure).take());
        report["abandoned"] = json!(tally.abandoned.load(Ordering::Relaxed));
        Ok(report)
    }

    fn run_pipelined(&self) -> Result<Value, String> {
        let Way::Endpoint(endpoint) = &self.way else {
            return Err("several in flight only with --endpoint".to_owned());
        };
        let count = self.count.div_ceil(self.threads);
        let mut pipelines = Vec::new();
        for thread in 0..self.threads {
            let payloads = Payloads::new(self.seed.wrapping_add(thread as u64), self.sizes.clone());
            pipelines.push((Pipeline::connect(endpoint, self.protocol, self.in_flight)?, payloads));
        }
        let results: Vec<_> = thread::scope(|scope| {
            let run = |(pipeline, mut payloads): (Pipeline, Payloads)| {
                scope.spawn(move || pipeline.run(count, &mut payloads))
            };
            let running: Vec<_> = pipelines.into_iter().map(run).collect();
            running.into_iter().map(|thread| thread.join()).collect()
        });
        let mut outcomes = Vec::new();
        for result in results {
            outcomes.push(result.map_err(|_| "a thread panicked".to_owned())??);
        }
        let mut report = measure::Round::of(outcomes).report("endpoint", self.threads);
        report["endpoint"] = json!(endpoint);
        Ok(report)
    }

    fn request(&self, session: &mut Session, payload: &[u8], expected: Option<&[u8]>, tally: &Tally) -> Outcome {
        let limit = Instant::now() + AWAY_LIMIT;
        loop {
            let Err(reason) = session.request(self.protocol, payload, expected) else { return Ok(()) };
            tally.failures.fetch_add(1, Ordering::Relaxed);
            locked(&tally.first_failure).get_or_insert_with(|| reason.clone());
            // A wrong answer is not a matter of luck.
            if !self.retry || reason.starts_with("answer of ") {
                return Err(reason);
            }
            *session = loop {
                match Session::open(&self.way) {
                    Ok(session) => break session,
                    Err(reason) if Instant::now() > limit => return Err(format!("opening again: {reason}")),
                    Err(_) => thread::sleep(REOPEN_PAUSE),
                }
            };
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
