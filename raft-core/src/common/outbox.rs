//! Control messages on their way out, each with the batch that must be durable before it leaves.
//!
//! Bounded by construction: of each kind at most one waits for a peer, except acknowledgements
//! of entries, of which one waits for each batch under way. Beside those, two may wait for room, since they
//! are merged only when something becomes durable, and two for batches that are not begun.

use alloc::collections::VecDeque;
use core::hash::{Hash, Hasher};
use core::mem::discriminant;

use crate::by_id::ById;
use crate::common::disk::Disk;
use crate::ids::{NodeId, Peer};
use crate::log::BatchNumber;
use crate::message::{AppendEntriesReply, AppendVerdict, Body};

/// What waits to be sent, by peer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outbox {
    by_peer: ById<VecDeque<Waiting>>,
    /// How many messages wait in all: mostly none, and then nobody need look through the queues.
    waiting: usize,
}

/// One message and what it waits for.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(crate) to: Peer,
    pub(crate) needs: BatchNumber,
    pub(crate) body: Body,
}

impl Outbox {
    /// Adds a message, in place of one of its kind that it makes superfluous. `to_member` says
    /// whether it is for a member: so many strangers may ask that not all can be answered.
    pub(crate) fn push(&mut self, waiting: Waiting, to_member: bool) {
        let known = to_member || self.by_peer.contains_key(&waiting.to.id);
        if !known && self.by_peer.len() >= MAX_QUEUES {
            self.by_peer.retain(|_, queue| !queue.is_empty());
            if self.by_peer.len() >= MAX_QUEUES {
                return;
            }
        }
        self.by_peer.ensure(waiting.to.id, VecDeque::new);
        let Some(queue) = self.by_peer.find_mut(&waiting.to.id) else {
            return;
        };
        let is_other_life = |other: &Waiting| other.to != waiting.to;
        // What is said to one life of a node is not said to another: the member's goes first.
        if queue.iter().any(is_other_life) {
            if !to_member {
                return;
            }
            let before = queue.len();
            queue.retain(|other| other.to == waiting.to);
            let gone = before.saturating_sub(queue.len());
            self.waiting = self.waiting.saturating_sub(gone);
        }
        match queue.iter_mut().find(|other| waiting.supersedes(other)) {
            Some(other) => *other = waiting.merged_with(other),
            None => {
                queue.push_back(waiting);
                self.waiting = self.waiting.saturating_add(1);
            }
        }
    }

    /// More is durable now: of the acknowledgements that only wait for room, one says it all.
    pub(crate) fn merge_ready(&mut self, is_durable: impl Fn(BatchNumber) -> bool) {
        // One alone has nothing to be merged with.
        if self.waiting < 2 {
            return;
        }
        for queue in self.by_peer.values_mut().filter(|queue| queue.len() > 1) {
            while merge_two(queue, &is_durable) {
                self.waiting = self.waiting.saturating_sub(1);
            }
        }
    }

    /// The first message for `to` whose batch is durable.
    pub(crate) fn take(
        &mut self,
        to: NodeId,
        is_durable: impl Fn(BatchNumber) -> bool,
    ) -> Option<Waiting> {
        let queue = self.by_peer.find_mut(&to)?;
        let ready = queue.iter().position(|waiting| is_durable(waiting.needs))?;
        self.waiting = self.waiting.saturating_sub(1);
        match ready {
            0 => queue.pop_front(),
            _ => queue.remove(ready),
        }
    }

    /// Drops everything: called when the term changes, since what was said in the old one no
    /// longer holds or no longer matters.
    pub(crate) fn clear(&mut self) {
        self.by_peer.values_mut().for_each(VecDeque::clear);
        self.waiting = 0;
    }

    /// The first peer after `after`, or of all, for which something waits.
    pub(crate) fn next_destination(&self, after: Option<NodeId>) -> Option<NodeId> {
        let queues = self.by_peer.iter();
        let mut waiting = queues.filter(|(_, queue)| !queue.is_empty());
        let next = waiting.find(|(to, _)| after.is_none_or(|after| **to > after));
        next.map(|(to, _)| *to)
    }

    /// Whether a message of the same kind waits for `to`.
    pub(crate) fn holds(&self, to: NodeId, body: &Body) -> bool {
        let mut waiting = self.by_peer.find(&to).into_iter().flatten();
        waiting.any(|other| discriminant(&other.body) == discriminant(body))
    }

    /// What counts in [`crate::hull::Hull::fingerprint`].
    pub(crate) fn fingerprint(&self, disk: &Disk, into: &mut impl Hasher) {
        let Self { by_peer, waiting } = self;
        waiting.hash(into);
        for Waiting { to, needs, body } in by_peer.values().flatten() {
            (to, disk.batches_until(*needs), body).hash(into);
        }
    }

    /// How many messages wait in all.
    pub(crate) const fn waiting(&self) -> usize {
        self.waiting
    }

    /// The longest queue of any peer.
    pub(crate) fn longest(&self) -> usize {
        let lengths = self.by_peer.values().map(VecDeque::len);
        lengths.max().unwrap_or(0)
    }
}

impl Waiting {
    /// Whether `other` need not be sent once `self` is.
    fn supersedes(&self, other: &Self) -> bool {
        match (
            is_acknowledgement(&self.body),
            is_acknowledgement(&other.body),
        ) {
            // An acknowledgement that waits for a later batch must not delay this earlier one:
            // under steady load none would ever leave.
            (true, true) => self.needs == other.needs,
            (false, false) => discriminant(&self.body) == discriminant(&other.body),
            (true, false) | (false, true) => false,
        }
    }

    /// `self`, answering what `other` would have answered too.
    fn merged_with(mut self, other: &Self) -> Self {
        self.needs = self.needs.max(other.needs);
        match (&mut self.body, &other.body) {
            (Body::AppendEntriesReply(reply), Body::AppendEntriesReply(earlier)) => {
                if let (AppendVerdict::Matched(index), AppendVerdict::Matched(matched)) =
                    (&mut reply.verdict, earlier.verdict)
                {
                    *index = matched.max(*index);
                    reply.request = earlier.request.max(reply.request);
                }
            }
            // All that waits is of one term, and in one term a vote given stays given, whatever
            // older requests are refused meanwhile.
            (Body::RequestVoteReply(reply), Body::RequestVoteReply(earlier)) => {
                reply.granted |= earlier.granted;
            }
            // Where heartbeats overtake each other, the later round is still the one answered.
            (Body::HeartbeatReply(reply), Body::HeartbeatReply(earlier)) => {
                reply.round = reply.round.max(earlier.round);
            }
            _ => {}
        }
        self
    }
}

/// Merges two acknowledgements that are durable, if there are two.
fn merge_two(queue: &mut VecDeque<Waiting>, is_durable: impl Fn(BatchNumber) -> bool) -> bool {
    let is_ready =
        |waiting: &Waiting| is_acknowledgement(&waiting.body) && is_durable(waiting.needs);
    let mut ready = (0..)
        .zip(queue.iter())
        .filter(|(_, waiting)| is_ready(waiting));
    let (Some((first, _)), Some((second, _))) = (ready.next(), ready.next()) else {
        return false;
    };
    let (later, earlier) = (queue.remove(second), queue.remove(first));
    if let (Some(later), Some(earlier)) = (later, earlier) {
        queue.push_back(later.merged_with(&earlier));
    }
    true
}

/// Peers that may be waiting for a message before strangers get no more queues.
const MAX_QUEUES: usize = 1_000;

/// Whether this is a positive answer to entries.
const fn is_acknowledgement(body: &Body) -> bool {
    matches!(
        body,
        Body::AppendEntriesReply(AppendEntriesReply {
            verdict: AppendVerdict::Matched(_),
            ..
        })
    )
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;
    use crate::ids::{Incarnation, LogIndex};
    use crate::message::{HeartbeatReply, RequestVoteReply, TimeoutNow};

    fn peer(id: u64, life: u128) -> Peer {
        Peer::new(NodeId::new(id), Incarnation::new(life))
    }

    fn batch(number: u64) -> BatchNumber {
        (0..number).fold(BatchNumber::ZERO, |batch, _| batch.next())
    }

    fn waiting(to: Peer, needs: u64, body: Body) -> Waiting {
        let needs = batch(needs);
        Waiting { to, needs, body }
    }

    fn matched(request: u64, index: u64) -> Body {
        let verdict = AppendVerdict::Matched(LogIndex::new(index));
        Body::AppendEntriesReply(AppendEntriesReply { request, verdict })
    }

    fn vote(granted: bool) -> Body {
        Body::RequestVoteReply(RequestVoteReply { granted })
    }

    fn heard(round: Option<u64>) -> Body {
        let promise = Duration::ZERO;
        Body::HeartbeatReply(HeartbeatReply { round, promise })
    }

    /// How many messages there are, which must be as many as it says.
    fn count(outbox: &Outbox) -> usize {
        let count = outbox.by_peer.values().flatten().count();
        assert_eq!(outbox.waiting(), count);
        assert_eq!(outbox.next_destination(None).is_some(), count > 0);
        count
    }

    #[test]
    fn it_knows_how_many_messages_wait_whatever_becomes_of_them() {
        let (one, two, again) = (peer(1, 1), peer(2, 1), peer(2, 2));
        let mut outbox = Outbox::default();
        for number in 1..=4 {
            outbox.push(waiting(one, number, matched(number, number)), true);
            outbox.push(waiting(two, number, heard(Some(number))), true);
        }
        assert_eq!(count(&outbox), 5, "of other kinds the latest only");
        outbox.push(waiting(two, 1, vote(false)), true);
        assert_eq!(count(&outbox), 6);
        outbox.push(waiting(again, 1, vote(false)), true);
        assert_eq!(count(&outbox), 5, "another life is a member now");
        outbox.push(waiting(two, 1, heard(None)), false);
        assert_eq!(count(&outbox), 5, "and the one before is none");
        outbox.merge_ready(|needs| needs <= batch(3));
        assert_eq!(count(&outbox), 3);
        let is_durable = |needs| needs <= batch(3);
        let taken = outbox.take(one.id, is_durable).map(|taken| taken.body);
        assert_eq!(taken, Some(matched(3, 3)));
        assert_eq!(count(&outbox), 2);
        assert!(outbox.take(one.id, is_durable).is_none());
        assert_eq!(count(&outbox), 2);
        outbox.clear();
        assert_eq!(count(&outbox), 0);
    }

    /// [F2.STATE.4]
    #[test]
    fn what_is_said_with_something_else_waits_for_the_disk_as_that_does() {
        let to = peer(1, 1);
        let mut outbox = Outbox::default();
        outbox.push(waiting(to, 5, vote(true)), true);
        outbox.push(waiting(to, 1, vote(false)), true);
        assert!(outbox.take(to.id, |needs| needs < batch(5)).is_none());
        let taken = outbox.take(to.id, |needs| needs <= batch(5)).unwrap();
        assert_eq!(taken.body, vote(true));
    }

    /// A call to who may lead is an answer to no round, and must not take one back.
    #[test]
    fn the_latest_round_heard_is_the_one_answered() {
        let to = peer(1, 1);
        for (before, after) in [(Some(7), None), (Some(7), Some(6)), (None, Some(7))] {
            let mut outbox = Outbox::default();
            outbox.push(waiting(to, 1, heard(before)), true);
            outbox.push(waiting(to, 1, heard(after)), true);
            let taken = outbox.take(to.id, |_| true).unwrap();
            assert_eq!(taken.body, heard(Some(7)), "{before:?} and then {after:?}");
        }
    }

    fn any_message(drawn: u64) -> Waiting {
        let id = NodeId::new(drawn % 3);
        let incarnation = Incarnation::new(u128::from(drawn / 3 % 7 == 0));
        let body = match drawn % 5 {
            0 => Body::RequestVoteReply(RequestVoteReply { granted: true }),
            1 => Body::TimeoutNow(TimeoutNow {
                round: 1,
                last: crate::ids::EntryId::ORIGIN,
            }),
            _ => Body::AppendEntriesReply(AppendEntriesReply {
                request: drawn,
                verdict: AppendVerdict::Matched(LogIndex::new(drawn)),
            }),
        };
        Waiting {
            to: Peer::new(id, incarnation),
            needs: batch(drawn % 4),
            body,
        }
    }

    /// Nobody looks through queues in which nothing waits, and who holds many hulls wants to know that.
    #[test]
    fn as_many_are_counted_as_wait_whatever_is_done() {
        let mut outbox = Outbox::default();
        let mut drawn = 1_u64;
        for turn in 0..5_000 {
            drawn = drawn
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let what = drawn >> 33;
            let is_durable = |batch: BatchNumber| what % 2 == 0 || batch == BatchNumber::ZERO;
            match what % 16 {
                0 => outbox.clear(),
                1 | 2 => outbox.merge_ready(is_durable),
                3..=6 => drop(outbox.take(NodeId::new(what / 16 % 3), is_durable)),
                _ => outbox.push(any_message(what / 16), what % 3 > 0),
            }
            let queues = outbox.by_peer.values().map(VecDeque::len);
            assert_eq!(outbox.waiting(), queues.sum::<usize>(), "after turn {turn}");
        }
    }
}
