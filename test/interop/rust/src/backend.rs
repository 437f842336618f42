//! The backend: one thread that answers identity probes and echoes everything else.
//!
//! A thread per connection would be simpler, but starting them takes the processor from the broker at the very
//! moment a client's next Hello arrives; the broker then misses it and sleeps 5 ms (V-21), and what a bench measures
//! is the backend.

use std::collections::{HashMap, HashSet};
use std::io::{Error, ErrorKind, Result};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use polling::{Event, Events, PollMode, Poller};

use crate::connection::{Connection, Wait};
use crate::probe::ProbeMux;
use crate::stats::{Open, Stats};

const LISTENER: usize = 0;
/// Connections that wait longer in the backlog are none the worse; those that are open want to be served too.
const ACCEPTS_PER_TURN: usize = 64;

/// Has the backend serve a connection that came from the broker from now on.
pub type Adoption = Arc<dyn Fn(UnixStream, Open) -> Result<()> + Send + Sync>;

/// Serves the backend endpoint in a thread of its own, until the process ends.
pub fn start(listener: UnixListener, mux: ProbeMux, stats: Arc<Stats>) -> Result<Adoption> {
    listener.set_nonblocking(true)?;
    let poller = Arc::new(Poller::new()?);
    // SAFETY: the listener lives as long as the poller, in a loop that never ends.
    unsafe { poller.add_with_mode(&listener, Event::readable(LISTENER), PollMode::Level)? };
    let (sender, adopted) = mpsc::channel();
    let adoption = adoption(sender, Arc::clone(&poller));
    let mut backend = Backend {
        listener,
        poller,
        adopted,
        mux,
        stats,
        connections: HashMap::new(),
        undecided: HashSet::new(),
        next_key: LISTENER + 1,
    };
    thread::spawn(move || {
        let error = backend.run().unwrap_err();
        eprintln!("broker-pool-interop: backend ended: {error}");
        std::process::abort();
    });
    Ok(adoption)
}

fn adoption(sender: Sender<Connection>, poller: Arc<Poller>) -> Adoption {
    Arc::new(move |stream, open| {
        sender.send(Connection::handed_over(stream, open)?).map_err(Error::other)?;
        poller.notify()
    })
}

struct Backend {
    listener: UnixListener,
    poller: Arc<Poller>,
    adopted: Receiver<Connection>,
    mux: ProbeMux,
    stats: Arc<Stats>,
    connections: HashMap<usize, (Connection, Wait)>,
    /// Those with bytes that may become a probe: they are looked at again when their patience ends.
    undecided: HashSet<usize>,
    next_key: usize,
}

impl Backend {
    fn run(&mut self) -> Result<std::convert::Infallible> {
        let mut events = Events::new();
        loop {
            events.clear();
            self.poller.wait(&mut events, self.shortest_patience())?;
            for event in events.iter() {
                match event.key {
                    LISTENER => self.accept(),
                    key => self.advance(key),
                }
            }
            while let Ok(connection) = self.adopted.try_recv() {
                self.admit(connection);
            }
            for key in self.undecided.clone() {
                self.advance(key);
            }
        }
    }

    fn shortest_patience(&self) -> Option<Duration> {
        let ends = self.undecided.iter().filter_map(|key| self.connections.get(key)?.0.patience_ends());
        ends.min().map(|end| end.saturating_duration_since(Instant::now()))
    }

    fn accept(&mut self) {
        for _ in 0..ACCEPTS_PER_TURN {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    // Counted at once: a pooled connection may never send a byte.
                    self.stats.backend_connections.add();
                    let open = Open::new(&self.stats, |stats| &stats.backend_open);
                    if let Ok(connection) = Connection::accepted(stream, open) {
                        self.admit(connection);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => return pause_after(&error),
            }
        }
    }

    /// Many a client has sent its bytes, or gone, before it is waited for.
    fn admit(&mut self, mut connection: Connection) {
        let key = self.next_key;
        self.next_key += 1;
        let wait = connection.advance(&self.mux, &self.stats, Instant::now());
        if wait == Wait::Closed {
            return;
        }
        // SAFETY: `advance` takes a connection out of the poller before it drops it.
        let added = unsafe { self.poller.add_with_mode(&connection.stream, interest(key, wait), PollMode::Level) };
        if added.is_ok() {
            self.note_patience(key, &connection);
            self.connections.insert(key, (connection, wait));
        }
    }

    fn advance(&mut self, key: usize) {
        let Some((mut connection, waited)) = self.connections.remove(&key) else { return };
        let wait = connection.advance(&self.mux, &self.stats, Instant::now());
        self.note_patience(key, &connection);
        let kept = match wait {
            Wait::Closed => false,
            _ if wait == waited => true,
            _ => self.poller.modify_with_mode(&connection.stream, interest(key, wait), PollMode::Level).is_ok(),
        };
        if kept {
            self.connections.insert(key, (connection, wait));
        } else {
            self.undecided.remove(&key);
            let _ = self.poller.delete(&connection.stream);
        }
    }

    fn note_patience(&mut self, key: usize, connection: &Connection) {
        if connection.patience_ends().is_some() {
            self.undecided.insert(key);
        } else {
            self.undecided.remove(&key);
        }
    }
}

fn interest(key: usize, wait: Wait) -> Event {
    if wait == Wait::Writable {
        Event::writable(key)
    } else {
        Event::readable(key)
    }
}

/// Keeps an accept loop that is out of descriptors from spinning.
pub fn pause_after(error: &Error) {
    eprintln!("broker-pool-interop: accept: {error}");
    thread::sleep(Duration::from_millis(10));
}
