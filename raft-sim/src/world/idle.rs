//! What a cluster at rest may cost: heartbeats and their answers, entries offered now and then to
//! nodes that are not there, and nothing else; and no bytes kept for an answer that has come.
//!
//! The bounds are several times what is needed: sending twice what once would do is no mistake.

use std::time::Duration;

use super::World;
use crate::checkers::{Violation, property};
use crate::network::{KINDS, node_id};
use crate::process::Node;
use crate::subject::Subject;

/// What there was when a rest began.
#[derive(Debug, Default)]
pub(super) struct Idle {
    /// How many messages of each kind were sent on each link.
    sent: Vec<[u64; KINDS.len()]>,
    /// How often processes were started.
    starts: u64,
}

impl<S: Subject> World<'_, S> {
    /// What was sent so far.
    pub(super) fn sent_so_far(&self) -> Idle {
        Idle {
            sent: self.network.sent(),
            starts: self.counters.starts,
        }
    }

    /// Whether a process was started since, such as one that was to be down for longer than the
    /// faults lasted: it has to catch up, and nothing can be said of the rest.
    pub(super) const fn has_started_since(&self, before: &Idle) -> bool {
        self.counters.starts > before.starts
    }

    /// Looks at what a rest of this length has cost.
    pub(super) fn check_idle(&self, before: &Idle, lasted: Duration) -> Result<(), Violation> {
        let count = self.nodes.len();
        let interval = self
            .plan
            .tuning
            .heartbeat_interval
            .max(Duration::from_millis(1));
        let rounds = (lasted.as_micros() / interval.as_micros()) as u64 + 2;
        for (link, (sent, was)) in self.network.sent().iter().zip(&before.sent).enumerate() {
            let (from, to) = (link / count, link % count);
            let there = self.nodes.get(to).is_some_and(Node::is_up);
            for (kind, (sent, was)) in sent.iter().zip(was).enumerate() {
                let name = KINDS.get(kind).copied().unwrap_or_default();
                let most = match name {
                    "Heartbeat" | "HeartbeatReply" => rounds * TIMES,
                    "AppendEntries" if !there => rounds * TIMES,
                    _ => FEW,
                };
                if sent - was > most {
                    let text = format!(
                        "in a rest of {lasted:?}, {} sent {} {} messages of kind {name}; \
                         a heartbeat goes out every {interval:?}",
                        node_id(from),
                        node_id(to),
                        sent - was,
                    );
                    return Err(self.violation(property::IDLE, text));
                }
            }
        }
        self.check_bytes_in_flight()
    }

    /// Nothing was sent that could still be unanswered: nothing may be kept for it.
    fn check_bytes_in_flight(&self) -> Result<(), Violation> {
        for hull in self.nodes.iter().filter_map(Node::hull) {
            for follower in 0..self.nodes.len() {
                let bytes = hull.bytes_in_flight(node_id(follower)).unwrap_or(0);
                if bytes > 0 {
                    let text = format!(
                        "in a cluster at rest, {} keeps {bytes} bytes for answers of {}",
                        hull.me().id,
                        node_id(follower)
                    );
                    return Err(self.violation(property::IDLE, text));
                }
            }
        }
        Ok(())
    }
}

/// So many times what is needed is too much.
const TIMES: u64 = 4;

/// Messages of other kinds that may be on their way when a rest begins, or repeat themselves.
const FEW: u64 = 8;
