//! What came of it, as a table or as one JSON object.

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

use crate::fleet::Holding;
use crate::run::Outage;

/// A finished run.
pub(crate) struct Report {
    pub(crate) source: String,
    pub(crate) lines: u64,
    pub(crate) expected: String,
    pub(crate) elapsed: Duration,
    pub(crate) outage: Outage,
    /// Sorted.
    pub(crate) latencies: Vec<Duration>,
    pub(crate) in_flight: usize,
    pub(crate) nodes: Vec<Holding>,
}

impl Report {
    /// Whether each node holds each line of the file exactly once, and nothing else.
    pub(crate) fn is_good(&self) -> bool {
        let held = |node: &Holding| {
            node.digest == self.expected && node.lines == self.lines && node.repeated == 0
        };
        self.acknowledged() == self.lines && self.nodes.len() == 3 && self.nodes.iter().all(held)
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({
            "source": self.source,
            "lines": self.lines,
            "acknowledged": self.acknowledged(),
            "in_flight": self.in_flight,
            "seconds": self.elapsed.as_secs_f64(),
            "per_second": self.per_second(),
            "per_second_before_the_kill": self.per_second_before(),
            "median_ms": milliseconds(self.latency(50)),
            "p99_ms": milliseconds(self.latency(99)),
            "killed_node": self.outage.killed,
            "killed_after": self.outage.acknowledged,
            "leaderless_ms": milliseconds(self.outage.leaderless),
            "expected_digest": self.expected,
            "digests": self.nodes.iter().map(|node| &node.digest).collect::<Vec<_>>(),
            "applied_more_than_once": self.nodes.iter().map(|node| node.repeated).sum::<u64>(),
            "good": self.is_good(),
        })
    }

    fn acknowledged(&self) -> u64 {
        self.latencies.len() as u64
    }

    /// Over the whole run, the time without a leader included.
    fn per_second(&self) -> f64 {
        rate(self.latencies.len(), self.elapsed)
    }

    fn per_second_before(&self) -> f64 {
        rate(self.outage.acknowledged, self.outage.after)
    }

    fn latency(&self, percent: usize) -> Duration {
        let place = self.latencies.len().saturating_sub(1) * percent / 100;
        self.latencies.get(place).copied().unwrap_or_default()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "commands acknowledged   {} of {}",
            self.acknowledged(),
            self.lines
        )?;
        writeln!(f, "  per second            {:.0}", self.per_second())?;
        writeln!(f, "  before the kill       {:.0}", self.per_second_before())?;
        writeln!(f, "latency, median         {:.2?}", self.latency(50))?;
        writeln!(f, "latency, 99 %           {:.2?}", self.latency(99))?;
        writeln!(
            f,
            "leader killed           node {}, after {} lines",
            self.outage.killed, self.outage.acknowledged
        )?;
        writeln!(f, "time without a leader   {:.1?}", self.outage.leaderless)?;
        writeln!(f, "digest of the file      {}", self.expected)?;
        for (place, node) in self.nodes.iter().enumerate() {
            writeln!(
                f,
                "digest of node {}        {} ({} lines, {} more than once)",
                place + 1,
                node.digest,
                node.lines,
                node.repeated
            )?;
        }
        let verdict = if self.is_good() {
            "all agree, every line exactly once"
        } else {
            "THIS IS WRONG"
        };
        writeln!(f, "{verdict}")
    }
}

fn rate(count: usize, time: Duration) -> f64 {
    if time.is_zero() {
        return 0.0;
    }
    count as f64 / time.as_secs_f64()
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
