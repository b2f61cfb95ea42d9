//! Figure 13, the receiver: what is under way when a snapshot takes the place of the log.

use raft_core::hull::{Input, SnapshotWork};
use raft_core::ids::{NodeId, Term};
use raft_core::message::Message;
use raft_core::settings::Settings;

use crate::f13_receiving::snapshot;
use crate::s7_taking::{follower, snapshotting};
use crate::support::{
    Node, Store, append, append_numbered, chunks, heartbeat, id, index, install, peer,
    request_vote, settings, setup, stored,
};

/// One write at a time.
fn slow(settings: Settings) -> Settings {
    Settings {
        max_writes_in_flight: 1,
        ..settings
    }
}

/// [F13.IS.7] What waits behind a slow disk is not written after the snapshot that covers it.
#[test]
fn entries_that_wait_for_the_disk_go_with_the_log() {
    let mut node = follower(slow(settings()));
    node.auto_sync = false;
    node.receive(2, 5, append(id(0, 0), chunks(1, &[1]), 0));
    node.receive(2, 5, append_numbered(2, id(1, 1), chunks(2, &[1]), 2));
    assert_eq!((node.writes.len(), node.commit()), (1, 2), "one waits");
    let (snapshot, content) = snapshot(&[1, 1, 2]);
    node.receive(2, 5, install(3, &snapshot, 0, &[]));
    node.receive(2, 5, install(4, &snapshot, 0, &content));
    node.sync();
    let recovered = node.log.recovered();
    assert_eq!(recovered.snapshot.map(|mark| mark.last), Some(id(3, 2)));
    assert_eq!(recovered.last, index(3));
    assert_eq!(node.hull.durable_index(), index(3));
}

/// The same of the word that an older snapshot stands for a part of the log.
#[test]
fn the_mark_of_an_older_snapshot_that_waits_for_the_disk_is_not_written_after_it() {
    let mut node = follower(slow(snapshotting(2, 0)));
    node.auto_store = false;
    node.receive(2, 5, append(id(0, 0), chunks(1, &[1, 1]), 2));
    node.auto_sync = false;
    node.receive(2, 5, append_numbered(2, id(2, 1), chunks(3, &[1]), 2));
    node.auto_store = true;
    node.settle();
    assert_eq!(node.hull.forgotten(), id(2, 1), "its own is stored");
    assert_eq!(node.writes.len(), 1, "and the log does not say so yet");
    let (snapshot, content) = snapshot(&[1, 1, 1, 1, 2]);
    node.receive(2, 5, install(3, &snapshot, 0, &[]));
    node.receive(2, 5, install(4, &snapshot, 0, &content));
    node.sync();
    let mark = node.log.recovered().snapshot;
    assert_eq!(mark.map(|mark| mark.last), Some(id(5, 2)));
}

/// What is read back for the state machine is of a log that is gone.
#[test]
fn entries_that_are_being_read_back_are_not_waited_for() {
    let mut node = Node::holding(5, &[1, 2, 2]);
    node.auto_load = false;
    node.receive(2, 5, append(id(3, 2), Vec::new(), 3));
    assert_eq!(node.loads.len(), 1);
    let (snapshot, content) = snapshot(&[1, 2, 2, 5, 5]);
    node.receive(2, 5, install(2, &snapshot, 0, &[]));
    node.receive(2, 5, install(3, &snapshot, 0, &content));
    // They are gone by now, which is no reason to stop.
    node.load_one();
    node.settle();
    assert_eq!(node.hull.fault(), None);
    node.receive(2, 5, append_numbered(4, id(5, 5), chunks(6, &[5]), 6));
    assert_eq!(node.hull.applied_index(), index(6));
}

/// Requests are numbered anew in each term: what a part of the term before came under names nothing.
#[test]
fn parts_that_are_being_written_when_the_term_ends_are_answered_under_no_number_of_it() {
    let mut node = Node::holding(5, &[1]);
    let (snapshot, content) = snapshot(&[1, 2, 2]);
    node.receive(2, 5, install(1, &snapshot, 0, &[]));
    node.sent();
    node.auto_store = false;
    node.receive(2, 5, install(2, &snapshot, 0, &content[..10]));
    node.receive(2, 5, install(3, &snapshot, 10, &content[10..20]));
    node.receive(3, 6, heartbeat(1, 0));
    node.receive(3, 6, install(1, &snapshot, 0, &[]));
    node.sent();
    node.store_one();
    assert_eq!(node.sent(), [], "more is on its way");
    node.store_one();
    assert_eq!(node.sent_to(3), [stored(1, 20)]);
}

/// [F13.IS.2] Parts that were not handed to the store yet are of no use to it once another snapshot is on its
/// way: they would stand in that one's place.
#[test]
fn parts_that_wait_for_the_store_go_with_their_snapshot() {
    let mut node = Node::holding(5, &[1]);
    let (one, content) = snapshot(&[1, 2, 2]);
    node.receive(2, 5, install(1, &one, 0, &[]));
    node.sent();
    let hand_in = |node: &mut Node, body| {
        let message = Message {
            from: peer(2),
            to: peer(1),
            term: Term::new(5),
            body,
        };
        node.hull.step(node.now, Input::Message(message));
    };
    hand_in(&mut node, install(2, &one, 0, &content[..10]));
    let (other, _) = snapshot(&[1, 2, 2, 5]);
    hand_in(&mut node, install(3, &other, 0, &[]));
    let jobs = std::iter::from_fn(|| node.hull.next_snapshot_job());
    let works: Vec<_> = jobs.map(|job| job.work).collect();
    assert_eq!(works, [SnapshotWork::Begin(other)]);
}

/// [F2.STATE.2] A snapshot may be durable before the term that it came in. Whom the node voted for in
/// the term before it votes for in no other.
#[test]
fn a_start_from_a_snapshot_of_a_later_term_has_a_vote_to_give() {
    let mut node = Node::holding(5, &[1]);
    node.receive(3, 6, request_vote(id(9, 6)));
    assert_eq!(node.hard().vote, Some(NodeId::new(3)));
    let (log, mut store) = (node.log, Store::default());
    store.stored.push(snapshot(&[1, 7]));
    let node = Node::with_store(setup(1, 3), log, store);
    assert_eq!((node.hull.term(), node.hull.vote()), (Term::new(7), None));
}
