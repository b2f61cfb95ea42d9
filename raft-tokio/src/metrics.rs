//! What the network dropped or refused, and why: counted, never silent.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// Why a message was dropped or a connection refused or ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Mishap {
    /// A message found its queue full, or the way to its node down.
    NoRoom,
    /// A message can't be put into a frame.
    Unsendable,
    /// A message for a node whose address is not known.
    NoAddress,
    /// A node could not be reached, or did not answer the handshake in time.
    Unreachable,
    /// The other side refused our handshake; the log says why.
    RefusedByPeer,
    /// Someone connected who does not speak this protocol, or not this version of it.
    NotOurProtocol,
    /// Someone connected who belongs to another cluster.
    WrongCluster,
    /// Someone connected who takes this node for another.
    WrongNode,
    /// Someone connected as a node that is no member here.
    Stranger,
    /// Someone connected while as many connections were open as may be.
    TooManyConnections,
    /// A connection was silent in the middle of a handshake.
    SlowHandshake,
    /// A frame claimed a length over the limit; its connection was closed.
    HostileLength,
    /// A frame was damaged or senseless; its connection was closed.
    BadFrame,
    /// A frame spoke for another node than its connection; it was dropped.
    FalseSender,
    /// A connection was lost.
    ConnectionLost,
}

impl Mishap {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::NoRoom,
        Self::Unsendable,
        Self::NoAddress,
        Self::Unreachable,
        Self::RefusedByPeer,
        Self::NotOurProtocol,
        Self::WrongCluster,
        Self::WrongNode,
        Self::Stranger,
        Self::TooManyConnections,
        Self::SlowHandshake,
        Self::HostileLength,
        Self::BadFrame,
        Self::FalseSender,
        Self::ConnectionLost,
    ];
}

/// Counts of what went wrong on the network since the node started.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    counts: [AtomicU64; Mishap::ALL.len()],
}

impl Counters {
    pub(crate) fn count(&self, mishap: Mishap) {
        self.add(mishap, 1);
    }

    pub(crate) fn add(&self, mishap: Mishap, times: u64) {
        if let Some(count) = self.counts.get(mishap as usize) {
            count.fetch_add(times, Ordering::Relaxed);
        }
    }

    /// All that happened at least once.
    pub(crate) fn snapshot(&self) -> BTreeMap<Mishap, u64> {
        Mishap::ALL
            .into_iter()
            .zip(&self.counts)
            .map(|(mishap, count)| (mishap, count.load(Ordering::Relaxed)))
            .filter(|(_, count)| *count > 0)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mishap_has_a_count_of_its_own() {
        let counters = Counters::default();
        for (number, mishap) in (1..).zip(Mishap::ALL) {
            counters.add(mishap, number);
        }
        let expected = Mishap::ALL.into_iter().zip(1..).collect();
        assert_eq!(counters.snapshot(), expected);
    }
}
