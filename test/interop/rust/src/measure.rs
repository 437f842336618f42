//! Times connects and requests in several threads and sums the samples up.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{json, Value};

use crate::pipelined::Outcome;

/// How many samples a report carries at the most.
const REPORTED_SAMPLES: usize = 2000;

/// What one round took.
pub struct Round {
    /// From the first thread's start, when all were ready to go, until the last one had finished.
    pub elapsed: Duration,
    /// One per call, in ascending order.
    pub sorted_ns: Vec<u64>,
}

/// Runs `connect` `count` times in `threads` threads and times each call; what a call returns is dropped, which
/// closes it, after its time was taken. The first error ends the round.
pub fn run<T>(count: usize, threads: usize, connect: impl Fn() -> Result<T, String> + Sync) -> Result<Round, String> {
    run_with(count, threads, |_| Ok(()), |(), _| connect())
}

/// The same with something that each thread opens beforehand, untimed, and passes to each of its calls, beside the
/// number of the call.
pub fn run_with<S, T>(
    count: usize,
    threads: usize,
    open: impl Fn(usize) -> Result<S, String> + Sync,
    call: impl Fn(&mut S, usize) -> Result<T, String> + Sync,
) -> Result<Round, String> {
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let start = Barrier::new(threads);
    let worker = |thread: usize| {
        let mut samples = Vec::with_capacity(count / threads + 1);
        let opened = open(thread);
        if opened.is_err() {
            failed.store(true, Ordering::Relaxed);
        }
        start.wait();
        let mut state = opened?;
        let first = Instant::now();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count || failed.load(Ordering::Relaxed) {
                break;
            }
            let began = Instant::now();
            let outcome = call(&mut state, number);
            let took = began.elapsed();
            if let Err(reason) = outcome {
                failed.store(true, Ordering::Relaxed);
                return Err(reason);
            }
            samples.push(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
        }
        Ok((first, Instant::now(), samples))
    };
    let worker = &worker;
    let results: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|thread| scope.spawn(move || worker(thread))).collect();
        workers.into_iter().map(|worker| worker.join()).collect()
    });
    let (mut begins, mut ends, mut sorted_ns) = (Vec::new(), Vec::new(), Vec::with_capacity(count));
    for result in results {
        let (began, ended, samples) = result.map_err(|_| "a timing thread panicked".to_owned())??;
        begins.push(began);
        ends.push(ended);
        sorted_ns.extend(samples);
    }
    sorted_ns.sort_unstable();
    // By the workers' own clocks: this thread may get its turn only when most of the work is done.
    let elapsed = begins.iter().min().zip(ends.iter().max()).map(|(began, ended)| *ended - *began);
    Ok(Round { elapsed: elapsed.unwrap_or_default(), sorted_ns })
}

impl Round {
    /// Several connections that ran at the same time.
    pub fn of(outcomes: Vec<Outcome>) -> Self {
        let began = outcomes.iter().map(|outcome| outcome.began).min();
        let ended = outcomes.iter().map(|outcome| outcome.ended).max();
        let mut sorted_ns: Vec<u64> = outcomes.into_iter().flat_map(|outcome| outcome.samples_ns).collect();
        sorted_ns.sort_unstable();
        Self { elapsed: began.zip(ended).map(|(began, ended)| ended - began).unwrap_or_default(), sorted_ns }
    }

    /// The nearest-rank percentile, in parts of a thousand (M-04).
    fn per_mille(&self, part: usize) -> u64 {
        let rank = (self.sorted_ns.len() * part).div_ceil(1000).max(1);
        self.sorted_ns.get(rank - 1).copied().unwrap_or(0)
    }

    /// The samples at even steps through the sorted list, both ends included: the distribution keeps its shape,
    /// however many there are.
    fn thinned(&self) -> Vec<u64> {
        let all = &self.sorted_ns;
        if all.len() <= REPORTED_SAMPLES {
            return all.clone();
        }
        (0..REPORTED_SAMPLES).map(|step| all[step * (all.len() - 1) / (REPORTED_SAMPLES - 1)]).collect()
    }

    /// The report of this round.
    pub fn report(&self, route: &str, threads: usize) -> Value {
        let count = self.sorted_ns.len();
        json!({
            "route": route,
            "n": count,
            "threads": threads,
            "elapsedNs": u64::try_from(self.elapsed.as_nanos()).unwrap_or(u64::MAX),
            "perSecond": count as f64 / self.elapsed.as_secs_f64(),
            "p50Ns": self.per_mille(500),
            "p90Ns": self.per_mille(900),
            "p99Ns": self.per_mille(990),
            "p999Ns": self.per_mille(999),
            "maxNs": self.per_mille(1000),
            "minNs": self.per_mille(0),
            "samplesNs": self.thinned(),
        })
    }
}
