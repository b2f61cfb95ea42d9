//! The life of requests, step by step: hull, leader and time by hand.

use raft_core::hull::Doubt;
use raft_core::ids::{EntryId, Incarnation, NodeId, Term};

use super::*;
use crate::desk::{Desk, DeskLimits, Sought};
use crate::handle::{STOPPED, SessionCommand};
use crate::letter::{Forward, ForwardedCommand};
use crate::session::Control;
use crate::status::Status;

mod alone;
mod ending;
mod joined;
mod keeping;
mod late;

const LIMITS: BatchLimits = BatchLimits {
    entries: 100,
    bytes: 10_000,
    unresolved_bytes: 10_000,
};
const SESSION: u64 = 17;

struct Node {
    tickets: Tickets,
    desk: Desk,
    now: Time,
    /// The hull's tickets, in the order they were proposed.
    proposed: Vec<Key>,
}

fn me() -> Peer {
    Peer::new(NodeId::new(1), Incarnation::new(1))
}

fn other() -> Peer {
    Peer::new(NodeId::new(2), Incarnation::new(2))
}

impl Node {
    fn new() -> Self {
        let mut tickets = Tickets::new(TicketLimits::new(&NodeSettings::default()));
        tickets.set_opener(me(), Boot::new(1), 8);
        let limits = DeskLimits {
            requests: 100,
            bytes: 10_000,
            payload_bytes: 10_000,
            is_witness: false,
        };
        Self {
            tickets,
            desk: Desk::new(limits, Status::new(NodeId::new(1))),
            now: Time::ZERO,
            proposed: vec![],
        }
    }

    /// A node whose own session is open.
    fn with_session() -> Self {
        let mut node = Self::new();
        let first = node.submit(b"first");
        assert_eq!(node.propose(), 1, "the opening");
        node.opened(1, SESSION);
        assert_eq!(node.propose(), 1);
        node.applied(1, b"done");
        assert_eq!(node.outcomes(), [(first, reply(b"done"))]);
        node.proposed.clear();
        node
    }

    fn ask(&self) -> Ask {
        self.desk.ask(Sought::OpenSession).unwrap()
    }

    fn submit(&mut self, payload: &'static [u8]) -> Ask {
        let ask = self.ask();
        let payload = Bytes::from_static(payload);
        self.tickets.submit(ask, payload, self.now);
        self.tickets.assign(self.now);
        ask
    }

    fn submit_as(&mut self, session: u64, serial: u64) -> Ask {
        let ask = self.ask();
        let command = SessionCommand {
            session,
            serial,
            settled: 0,
            payload: Bytes::from_static(b"x"),
        };
        self.tickets.submit_as(ask, command, self.now);
        ask
    }

    /// Hands in all that is ready; how many requests that is.
    fn propose(&mut self) -> usize {
        let ready: Vec<Key> = self.tickets.ready.iter().copied().collect();
        let mut count = 0;
        while let Some(batch) = self.tickets.take_batch(LIMITS) {
            count += batch.proposals.len() + batch.reads.len();
        }
        let taken = |key: &Key| {
            let request = self.tickets.request(*key);
            request.is_some_and(|request| request.state == State::Proposed)
        };
        self.proposed.extend(ready.into_iter().filter(taken));
        count
    }

    /// Forwards all that is ready: sessions and serials, and reads.
    fn forward(&mut self) -> (Vec<(u64, u64)>, Vec<u64>) {
        let forward = self.tickets.take_forward(10_000, 10_000, self.now);
        let Forward { commands, reads } = forward.unwrap_or_default();
        let commands = commands.iter().map(|one| (one.session, one.serial));
        (commands.collect(), reads)
    }

    /// Resolves the oldest ticket.
    fn resolve(&mut self, outcome: Outcome) {
        let ticket = self.proposed.remove(0).ticket();
        self.tickets
            .on_resolved(Resolved { ticket, outcome }, self.now);
    }

    fn opened(&mut self, serial: u64, session: u64) {
        let opener = Opener {
            incarnation: me().incarnation,
            boot: Boot::new(1),
            serial,
        };
        self.tickets.on_opened(opener, session);
        self.tickets.assign(self.now);
    }

    fn applied(&mut self, serial: u64, reply: &'static [u8]) {
        let answer = Answer::Reply(Bytes::from_static(reply));
        self.tickets.on_applied(SESSION, serial, answer);
        self.tickets.assign(self.now);
    }

    fn wait(&mut self, milliseconds: u64) {
        self.now = self.now.after(Duration::from_millis(milliseconds));
        self.tickets.sweep(self.now);
    }

    fn outcomes(&mut self) -> Vec<Settled> {
        core::mem::take(&mut self.tickets.outcomes)
    }
}

fn reply(reply: &'static [u8]) -> Result<Answered, SubmitError> {
    Ok(Answered::Reply(Bytes::from_static(reply)))
}

const REFUSED: Outcome = Outcome::Refused(Refusal::NotLeader { leader: None });
const COMMITTED: Outcome = Outcome::Committed(EntryId::new(Term::new(1), LogIndex::new(9)));
const IN_DOUBT: Outcome = Outcome::Unknown {
    id: EntryId::new(Term::new(1), LogIndex::new(9)),
    why: Doubt::LeadershipLost,
};

const fn unknown(serial: u64) -> Result<Answered, SubmitError> {
    Err(SubmitError::Unknown {
        session: SESSION,
        serial,
        why: Uncertain::TimedOut,
    })
}

const NOT_SENT: Result<Answered, SubmitError> = Err(SubmitError::NotSent(NotSent::NoLeader));

#[test]
fn a_command_that_was_only_ever_refused_was_not_sent() {
    let mut node = Node::with_session();
    let ask = node.submit(b"x");
    for _ in 0..3 {
        assert_eq!(node.propose(), 1);
        node.resolve(REFUSED);
        assert_eq!(node.propose(), 0, "it rests");
        node.wait(50);
    }
    node.wait(10_000);
    assert_eq!(node.outcomes(), [(ask, NOT_SENT)]);
    assert_eq!(node.tickets.under_way(), 0);
}

#[test]
fn a_command_that_may_stand_in_a_log_is_never_called_failed() {
    let mut node = Node::with_session();
    let ask = node.submit(b"x");
    node.propose();
    node.resolve(IN_DOUBT);
    // Tried again at once, and refused ever after.
    assert_eq!(node.propose(), 1);
    node.resolve(REFUSED);
    node.wait(10_000);
    assert_eq!(node.outcomes(), [(ask, unknown(2))]);
}

/// [S8.9]
#[test]
fn a_forwarded_command_is_sent_again_under_the_same_name() {
    let mut node = Node::with_session();
    let ask = node.submit(b"x");
    let name = vec![(SESSION, 2)];
    assert_eq!(node.forward().0, name);
    assert_eq!(node.forward().0, []);
    node.wait(499);
    assert_eq!(node.forward().0, []);
    node.wait(21);
    assert_eq!(node.forward().0, name);
    // The second wait is twice as long.
    node.wait(999);
    assert_eq!(node.forward().0, []);
    node.wait(21);
    assert_eq!(node.forward().0, name);
    // Another leader: at once.
    node.tickets.on_leader();
    assert_eq!(node.forward().0, name);
    // Refused: after a short rest.
    let reply = ForwardReply {
        to: me(),
        boot: Boot::new(1),
        refused: name.clone(),
        reads: vec![],
        leader: None,
    };
    node.tickets.on_forward_reply(&reply, node.now);
    assert_eq!(node.forward().0, []);
    node.wait(21);
    assert_eq!(node.forward().0, name);
    node.wait(10_000);
    // Refused as a letter, but its double may have been accepted later.
    assert_eq!(node.outcomes(), [(ask, unknown(2))]);
}

#[test]
fn a_ticket_that_comes_back_late_meets_nobody_else() {
    let mut node = Node::with_session();
    node.submit(b"x");
    node.propose();
    node.wait(10_000);
    assert_eq!(node.outcomes().len(), 1);
    // The slot is used again; the old ticket must not touch its new owner.
    let ask = node.submit(b"y");
    let late = node.proposed[0];
    node.propose();
    node.resolve(REFUSED);
    let request = node.tickets.request(late);
    assert!(request.is_none());
    node.applied(3, b"y done");
    assert_eq!(node.outcomes(), [(ask, reply(b"y done"))]);
    assert_eq!(node.tickets.proposed_bytes, 0);
}

#[test]
fn what_was_given_up_can_still_be_asked_for() {
    let mut node = Node::with_session();
    node.submit(b"x");
    node.forward();
    node.wait(10_000);
    assert_eq!(node.outcomes().len(), 1);
    // Later commands do not settle it.
    let later = node.submit(b"later");
    let session = SESSION;
    assert_eq!(node.tickets.own.settled(Some(3)), 2);
    let retry = node.submit_as(session, 2);
    node.applied(2, b"x done");
    node.applied(3, b"later done");
    let mut outcomes = node.outcomes();
    outcomes.sort_by_key(|(ask, _)| *ask != retry);
    assert_eq!(
        outcomes,
        [(retry, reply(b"x done")), (later, reply(b"later done"))]
    );
    assert_eq!(node.tickets.own.settled(None), 4);
}

#[test]
fn what_was_given_up_does_not_hold_the_window_for_ever() {
    let mut node = Node::with_session();
    for _ in 0..20 {
        node.submit(b"x");
        assert_eq!(node.forward().0.len(), 1);
        node.wait(10_000);
        assert_eq!(node.outcomes().len(), 1);
    }
}

#[test]
fn the_window_of_the_own_session_is_kept() {
    let mut node = Node::with_session();
    for _ in 0..20 {
        node.submit(b"x");
    }
    assert_eq!(node.propose(), 8);
    // The lowest is missing: answers above it make no room.
    for serial in 3..=9 {
        node.applied(serial, b"done");
    }
    assert_eq!(node.propose(), 0);
    node.applied(2, b"done");
    assert_eq!(node.propose(), 8);
}

/// Everything that is submitted here waits for it, and no other node may ask in its place. (Seed
/// 528630: asked four times in a bad hour, it was asked for again only seconds after all was well.)
#[test]
fn the_own_session_is_asked_for_again_without_waiting_ever_longer() {
    let mut node = Node::new();
    node.submit(b"first");
    let retry = node.tickets.limits.forward_retry;
    let sweeps = node.tickets.limits.sweep_interval;
    for attempt in 1..=6 {
        assert_eq!(node.forward().0, [(CONTROL_SESSION, 1)], "{attempt}");
        node.now = node.now.after(retry + sweeps);
        node.tickets.sweep(node.now);
    }
    assert_eq!(node.propose(), 1, "when this node leads, likewise");
    let pause = node.tickets.limits.refused_pause;
    for attempt in 1..=6 {
        node.resolve(REFUSED);
        node.now = node.now.after(pause + sweeps);
        node.tickets.sweep(node.now);
        assert_eq!(node.propose(), 1, "{attempt}");
    }
}

/// [S8.9]
#[test]
fn commands_of_an_ended_session_go_under_a_new_one() {
    let mut node = Node::with_session();
    let asks = [node.submit(b"a"), node.submit(b"b")];
    node.propose();
    node.tickets.on_applied(SESSION, 2, Answer::Expired);
    node.tickets.assign(node.now);
    assert_eq!(node.outcomes(), []);
    assert_eq!(node.propose(), 1, "the opening");
    node.opened(2, 99);
    assert_eq!(node.propose(), 2);
    for (serial, text) in [(1, b"a done"), (2, b"b done")] {
        let answer = Answer::Reply(Bytes::from_static(text));
        node.tickets.on_applied(99, serial, answer);
    }
    let expected = [(asks[0], reply(b"a done")), (asks[1], reply(b"b done"))];
    assert_eq!(node.outcomes(), expected);
}

#[test]
fn proposals_keep_within_the_bytes_that_may_be_unresolved() {
    let mut node = Node::with_session();
    for _ in 0..5 {
        node.submit(b"0123456789");
    }
    let limits = BatchLimits {
        unresolved_bytes: 2 * 34,
        ..LIMITS
    };
    let take = |node: &mut Node| {
        let batch = node.tickets.take_batch(limits)?;
        Some(batch.proposals.len())
    };
    assert_eq!(take(&mut node), Some(2));
    assert_eq!(take(&mut node), None);
    node.applied(2, b"done");
    assert_eq!(take(&mut node), Some(1));
}

/// What one of each kind of outcome leaves counted of two proposals, one of them forwarded here.
fn bytes_left_by(outcome: Outcome) -> usize {
    let mut node = Node::with_session();
    let forward = forwarded(&[(SESSION + 1, 1)], &[]);
    node.tickets
        .accept(other(), Boot::new(5), forward, node.now);
    node.submit(b"0123456789");
    assert_eq!(node.propose(), 2);
    assert_eq!(node.tickets.proposed_bytes, 25 + 34);
    node.resolve(outcome);
    node.tickets.proposed_bytes
}

#[test]
fn a_forwarded_proposal_is_taken_off_the_bytes_at_the_hull_once() {
    let payload_bytes = 1;
    let too_large = Outcome::Refused(Refusal::TooLarge { payload_bytes });
    for outcome in [COMMITTED, REFUSED, IN_DOUBT, too_large] {
        assert_eq!(bytes_left_by(outcome), 34, "{outcome:?}");
    }
}

fn forwarded(names: &[(u64, u64)], reads: &[u64]) -> Forward {
    let command = |(session, serial): &(u64, u64)| ForwardedCommand {
        session: *session,
        serial: *serial,
        settled: 0,
        payload: Bytes::from_static(b"x"),
    };
    Forward {
        commands: names.iter().map(command).collect(),
        reads: reads.to_vec(),
    }
}

#[test]
fn a_forwarded_command_is_proposed_once_at_a_time() {
    let mut node = Node::new();
    let boot = Boot::new(5);
    for _ in 0..3 {
        let forward = forwarded(&[(SESSION, 1)], &[]);
        assert_eq!(node.tickets.accept(other(), boot, forward, node.now), 0);
    }
    assert_eq!(node.propose(), 1);
    node.resolve(COMMITTED);
    assert!(
        node.tickets.replies.is_empty(),
        "its sender sees it applied"
    );
    // Committed and not applied yet: a copy would only make the log longer.
    let copy = forwarded(&[(SESSION, 1)], &[]);
    node.tickets.accept(other(), boot, copy, node.now);
    assert_eq!(node.propose(), 0);
    node.applied(1, b"done");
    assert_eq!(node.tickets.under_way(), 0);
}

#[test]
fn whoever_forwarded_is_told_of_refusals_and_reads() {
    let mut node = Node::new();
    let boot = Boot::new(5);
    let forward = forwarded(&[(SESSION, 1)], &[4, 5]);
    node.tickets.accept(other(), boot, forward, node.now);
    assert_eq!(node.propose(), 3);
    node.resolve(REFUSED);
    node.resolve(Outcome::ReadAt(LogIndex::new(9)));
    node.resolve(Outcome::Refused(Refusal::LeadershipLost));
    let reply = node.tickets.replies.remove(&(other(), boot)).unwrap();
    assert_eq!(reply.refused, [(SESSION, 1)]);
    assert_eq!(reply.reads, [(4, Some(LogIndex::new(9))), (5, None)]);
    assert_eq!(node.tickets.under_way(), 0);
}

#[test]
fn what_was_forwarded_to_a_node_that_does_not_lead_goes_back() {
    let mut node = Node::new();
    let forward = forwarded(&[(SESSION, 1)], &[4]);
    node.tickets
        .accept(other(), Boot::new(5), forward, node.now);
    assert_eq!(node.forward(), (vec![], vec![]));
    let reply = &node.tickets.replies[&(other(), Boot::new(5))];
    assert_eq!((reply.refused.len(), reply.reads.len()), (1, 1));
    assert_eq!(node.tickets.under_way(), 0);
}

#[test]
fn no_more_is_forwarded_here_than_there_is_room_for() {
    let mut node = Node::new();
    node.tickets.limits.max_forwarded = 2;
    let forward = forwarded(&[(SESSION, 1), (SESSION, 2), (SESSION, 3)], &[4]);
    assert_eq!(
        node.tickets
            .accept(other(), Boot::new(5), forward, node.now),
        2
    );
    // A command for the sessions themselves must make sense: it would halt every node.
    let control = forwarded(&[(CONTROL_SESSION, 1)], &[]);
    node.tickets.limits.max_forwarded = 10;
    assert_eq!(
        node.tickets
            .accept(other(), Boot::new(5), control, node.now),
        1
    );
}

#[test]
fn a_command_wanted_here_and_forwarded_here_is_one() {
    let mut node = Node::new();
    let forward = forwarded(&[(SESSION, 1)], &[]);
    node.tickets
        .accept(other(), Boot::new(5), forward, node.now);
    let ask = node.submit_as(SESSION, 1);
    assert_eq!(node.propose(), 1);
    node.resolve(COMMITTED);
    node.applied(1, b"done");
    assert_eq!(node.outcomes(), [(ask, reply(b"done"))]);
    assert_eq!(node.tickets.forwarded_here, 0);
}

/// [T6.4.31]
#[test]
fn a_read_is_handed_to_the_own_hull_or_its_number_to_the_leader_and_never_into_the_log() {
    let mut node = Node::new();
    node.tickets.read(1, node.now, node.now);
    let batch = node.tickets.take_batch(LIMITS).unwrap();
    assert_eq!((batch.proposals.len(), batch.reads.len()), (0, 1));
    let ticket = batch.reads[0];
    let outcome = Outcome::Refused(Refusal::LeadershipLost);
    node.tickets
        .on_resolved(Resolved { ticket, outcome }, node.now);
    assert_eq!(node.forward().1, [], "it rests first");
    node.wait(100);
    assert_eq!(node.forward().1, [1]);
}

/// Once something was sent for a read, its index may be older than the newcomer.
#[test]
fn nobody_joins_a_read_that_was_sent() {
    let mut node = Node::new();
    node.tickets.read(1, node.now, node.now);
    assert!(node.tickets.may_join_read(1, node.now));
    assert_eq!(node.propose(), 1);
    assert!(!node.tickets.may_join_read(1, node.now));
    node.resolve(REFUSED);
    assert!(
        node.tickets.may_join_read(1, node.now),
        "nothing came of it"
    );
    node.wait(100);
    assert_eq!(node.forward().1, [1]);
    assert!(!node.tickets.may_join_read(1, node.now));
    node.tickets.on_leader();
    assert!(
        !node.tickets.may_join_read(1, node.now),
        "an answer to the first attempt may still come"
    );
}

#[test]
fn a_read_ends_with_its_index_or_its_time() {
    let mut node = Node::new();
    node.tickets.read(1, node.now, node.now);
    node.tickets.read(2, node.now, node.now);
    assert_eq!(node.forward().1, [1, 2]);
    let reply = ForwardReply {
        to: me(),
        boot: Boot::new(1),
        refused: vec![],
        reads: vec![(1, Some(LogIndex::new(9))), (2, None), (77, None)],
        leader: None,
    };
    node.tickets.on_forward_reply(&reply, node.now);
    let at_nine = (1, ReadVerdict::At(LogIndex::new(9)));
    assert_eq!(core::mem::take(&mut node.tickets.reads), [at_nine]);
    node.wait(10_000);
    let mut verdicts = core::mem::take(&mut node.tickets.reads);
    verdicts.sort_by_key(|(number, _)| *number);
    let timed_out = [(1, ReadVerdict::TimedOut), (2, ReadVerdict::TimedOut)];
    assert_eq!(verdicts, timed_out, "also when it was never applied here");
}

#[test]
fn a_long_time_without_a_leader_leaves_nothing_behind() {
    let mut node = Node::with_session();
    for round in 0..1_000 {
        let asks: Vec<Ask> = (0..5 - round % 3).map(|_| node.submit(b"x")).collect();
        node.wait(10_000);
        let mut ended = node.outcomes();
        assert_eq!(ended.len(), asks.len());
        assert!(asks.iter().all(|ask| ended.contains(&(*ask, NOT_SENT))));
        for ask in asks {
            node.desk.abandon(ask);
        }
        node.desk.settle(&mut ended, None);
    }
    assert!(node.tickets.ready.len() < 20);
    assert!(node.tickets.slab.slots() < 20);
}

#[test]
fn an_idle_node_needs_no_timer() {
    let mut node = Node::with_session();
    assert!(node.tickets.deadline().is_some());
    node.wait(50);
    assert_eq!(node.tickets.deadline(), None);
}
