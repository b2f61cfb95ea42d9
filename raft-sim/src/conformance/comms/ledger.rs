//! What was sent, and what came of it.

use std::collections::BTreeMap;

use raft_core::chunk::Chunk;
use raft_core::ids::{NodeId, Term};
use raft_core::message::{Body, Lane, Message};

use super::carried::{Carried, peer};
use super::{Broken, CommsClause, CommsReport};

/// All that was sent on a network, by number.
#[derive(Debug)]
pub(super) struct Ledger<M> {
    sent: BTreeMap<u64, Sent<M>>,
}

/// What was sent.
#[derive(Clone, Debug)]
pub(super) struct Sent<M> {
    pub(super) from: NodeId,
    pub(super) to: NodeId,
    pub(super) lane: Lane,
    pub(super) what: M,
    /// How often it was.
    pub(super) times: u64,
    /// How often it arrived.
    pub(super) arrived: u64,
}

impl<M: Carried> Ledger<M> {
    pub(super) const fn new() -> Self {
        let sent = BTreeMap::new();
        Self { sent }
    }

    /// Notes a message that is to be sent.
    pub(super) fn message(&mut self, from: NodeId, to: NodeId, body: Body) -> u64 {
        let number = self.next();
        let lane = body.lane();
        let message = Message {
            from: peer(from),
            to: peer(to),
            term: Term::new(number),
            body,
        };
        self.note(number, from, to, (lane, M::of(message)))
    }

    /// Notes what is to be sent and is no message.
    pub(super) fn other(&mut self, from: NodeId, to: NodeId, which: usize) -> Option<u64> {
        let number = self.next();
        let other = M::other_kind(which, peer(from), peer(to), number)?;
        Some(self.note(number, from, to, other))
    }

    fn next(&self) -> u64 {
        self.sent.last_key_value().map_or(1, |(last, _)| last + 1)
    }

    fn note(&mut self, number: u64, from: NodeId, to: NodeId, (lane, what): (Lane, M)) -> u64 {
        let (times, arrived) = (0, 0);
        let sent = Sent {
            from,
            to,
            lane,
            what,
            times,
            arrived,
        };
        self.sent.insert(number, sent);
        number
    }

    pub(super) fn sent(&self, number: u64) -> Option<&Sent<M>> {
        self.sent.get(&number)
    }

    pub(super) fn sent_mut(&mut self, number: u64) -> Option<&mut Sent<M>> {
        self.sent.get_mut(&number)
    }

    pub(super) fn has_arrived(&self, number: u64) -> bool {
        self.sent(number).is_some_and(|sent| sent.arrived > 0)
    }

    /// This arrived at that node: it must be what was sent to it.
    pub(super) fn arrived(&mut self, at: NodeId, what: &M) -> Result<u64, Broken<CommsClause>> {
        let wrong = |text: String| {
            let expected = "what was sent, as it was sent, at whom it was for";
            Err(Broken::new(CommsClause::AsItWasSent, text, expected))
        };
        let name = what.name();
        let found = what
            .number()
            .and_then(|number| Some((number, self.sent.get_mut(&number)?)));
        let Some((number, sent)) = found.filter(|(_, sent)| sent.times > 0) else {
            return wrong(format!("at {at} arrived {name}, which was never sent"));
        };
        let (from, to) = (sent.from, sent.to);
        let sent_as = format!("{} {number} of {from} for {to}", sent.what.name());
        if to != at {
            return wrong(format!("{sent_as} arrived at {at}"));
        }
        if what.sender() != from {
            let says = what.sender();
            return wrong(format!("{sent_as} arrived as from {says}"));
        }
        if let Some(difference) = difference(&sent.what, what) {
            return wrong(format!("{sent_as} arrived changed: {difference}"));
        }
        sent.arrived += 1;
        Ok(number)
    }

    pub(super) fn report(&self) -> CommsReport {
        let sum = |counted: fn(&Sent<M>) -> u64| self.sent.values().map(counted).sum();
        CommsReport {
            sent: sum(|sent| sent.times),
            arrived: sum(|sent| sent.arrived),
        }
    }
}

/// In what the two differ, if they do.
fn difference<M: Carried>(sent: &M, arrived: &M) -> Option<String> {
    let of_chunks = || match (&sent.message()?.body, &arrived.message()?.body) {
        (Body::AppendEntries(sent), Body::AppendEntries(arrived)) => {
            difference_of_chunks(&sent.chunks, &arrived.chunks)
        }
        _ => None,
    };
    let in_all = || (sent != arrived).then(|| "not all of it is as it was".to_owned());
    of_chunks().or_else(in_all)
}

fn difference_of_chunks(sent: &[Chunk], arrived: &[Chunk]) -> Option<String> {
    if sent.len() != arrived.len() {
        let (one, other) = (sent.len(), arrived.len());
        return Some(format!("of {one} chunks there are {other}"));
    }
    let outside = |chunk: &Chunk| {
        let entries = (chunk.first_index(), chunk.len());
        (entries, chunk.term(), chunk.time(), chunk.is_ids_only())
    };
    sent.iter().zip(arrived).find_map(|(sent, arrived)| {
        let (one, other) = (outside(sent), outside(arrived));
        if one != other {
            return Some(format!("a chunk {one:?} is now {other:?}"));
        }
        let mut pairs = sent.entries().zip(arrived.entries());
        let (entry, _) = pairs.find(|(sent, arrived)| sent != arrived)?;
        Some(format!("entry {} is another", entry.id))
    })
}
