//! Serves the broker again and again: it ends whenever a client hangs up in mid-Hello (V-31).

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use running_process::broker::client::send_admin_request;
use running_process::broker::protocol::{AdminRequest, AdminVerb};
use running_process::broker::server::{serve_registered_backend, BrokerServeConfig, BrokerServeError};

use crate::layout::remove_socket;
use crate::stats::Stats;

/// A loaded machine must not make the broker miss its own probe; the default is half a second (P-03).
const PROBE_LIMIT: Duration = Duration::from_secs(10);
const READY_LIMIT: Duration = Duration::from_secs(20);
const READY_POLL: Duration = Duration::from_millis(2);
/// Between attempts that fail for another reason than a client's behaviour.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// What to serve, under which name and where.
pub struct BrokerSettings {
    pub socket: String,
    pub service: String,
    pub version: String,
    pub backend: String,
    pub definitions: PathBuf,
    pub handoff: Option<String>,
}

/// The broker's thread, seen from the main one.
pub struct BrokerLoop {
    /// No new start after this; the process is about to end.
    stopping: Arc<AtomicBool>,
    /// Set once the broker has been seen to answer: from then on failures are restarts.
    ready: Arc<AtomicBool>,
    failure: Arc<Mutex<Option<String>>>,
    socket: String,
}

impl BrokerLoop {
    /// Starts the broker in a thread of its own.
    pub fn start(settings: BrokerSettings, stats: Arc<Stats>) -> Self {
        let broker = Self {
            stopping: Arc::default(),
            ready: Arc::default(),
            failure: Arc::default(),
            socket: settings.socket.clone(),
        };
        let (stopping, ready) = (Arc::clone(&broker.stopping), Arc::clone(&broker.ready));
        let failure = Arc::clone(&broker.failure);
        thread::spawn(move || {
            while !stopping.load(Ordering::SeqCst) {
                stats.starts.add();
                // The broker never takes over an existing file (N-10); normally it has removed its own.
                remove_socket(settings.socket.as_ref());
                let Err(error) = serve_registered_backend(config(&settings)) else { continue };
                if !ready.load(Ordering::SeqCst) {
                    *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
                    return;
                }
                eprintln!("broker-pool-interop: broker ended, serving again: {error}");
                if !blames_client(&error) {
                    thread::sleep(RETRY_PAUSE);
                }
            }
        });
        broker
    }

    /// Returns once the broker answers.
    ///
    /// Asks for its health instead of merely connecting: a connection that is closed without a word ends the
    /// broker (V-31).
    pub fn wait_until_ready(&self) -> Result<(), String> {
        let end = Instant::now() + READY_LIMIT;
        while Instant::now() < end {
            let request = AdminRequest { verb: AdminVerb::Healthz as i32, ..AdminRequest::default() };
            if send_admin_request(&self.socket, request).is_ok() {
                self.ready.store(true, Ordering::SeqCst);
                return Ok(());
            }
            if let Some(reason) = self.failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
                return Err(format!("broker did not start: {reason}"));
            }
            thread::sleep(READY_POLL);
        }
        Err("broker did not answer in time".to_owned())
    }

    /// Keeps the broker from starting once more. Nothing can end the accept loop that runs now, except the process.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
    }
}

fn config(settings: &BrokerSettings) -> BrokerServeConfig {
    let config = BrokerServeConfig::unbounded(
        settings.socket.as_str(),
        settings.service.as_str(),
        settings.version.as_str(),
        settings.backend.as_str(),
    )
    .with_service_definition_dir(&settings.definitions)
    .with_endpoint_probe_timeout(PROBE_LIMIT);
    match &settings.handoff {
        Some(endpoint) => config.with_handoff_endpoint(endpoint.as_str()),
        None => config,
    }
}

fn blames_client(error: &BrokerServeError) -> bool {
    matches!(error, BrokerServeError::Connection(_) | BrokerServeError::ControlSocket(_))
}
