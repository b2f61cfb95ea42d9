//! Entries that are no longer in memory are read back from the log, and checked against what the
//! log holds by then.

use std::sync::Arc;

use raft_core::chunk::Chunk;
use raft_core::hull::{Input, Load, Loaded};
use raft_core::ids::{NodeId, Term};
use raft_core::log::LogError;
use raft_core::message::{Body, Lane, Message};
use raft_core::settings::Settings;
use raft_core::states::Role;

use crate::support::{
    self, Node, append, chunks, conflict, heartbeat_reply, id, ids, ids_of, index, matched, peer,
    settings,
};

#[test]
fn what_was_recovered_is_read_back_to_be_applied() {
    let mut node = Node::holding(5, &[1, 2, 2]);
    node.auto_load = false;
    node.receive(2, 5, append(id(3, 2), Vec::new(), 3));
    assert_eq!(node.applied, []);
    assert_eq!(node.loads.len(), 1, "asked for once");
    node.step(Input::DeadlinePassed);
    assert_eq!(node.loads.len(), 1);
    node.load_one();
    node.settle();
    let applied: Vec<_> = node.applied.iter().map(|(id, _)| *id).collect();
    assert_eq!(applied, ids_of(1, &[1, 2, 2]));
    assert_eq!(node.applied[1].1, b"2@2");
}

#[test]
fn what_was_applied_and_is_durable_may_leave_memory_and_still_reaches_a_follower() {
    let mut node = Node::leading_with(without_cache());
    for _ in 0..5 {
        node.propose(b"x");
        node.sent();
        let last = node.hull.last().index.get();
        node.acknowledge(2, last);
    }
    assert_eq!(node.hull.applied_index(), index(6));
    // Node 3 has lost it all on the way.
    node.step(Input::ConnectionLost(NodeId::new(3)));
    node.sent();
    node.auto_load = false;
    node.receive(3, 1, conflict(node.last_request(3), 6, id(1, 1)));
    node.sent();
    assert_eq!(
        node.loads.len(),
        1,
        "a probe goes without, the entries are on their way"
    );
    node.acknowledge(3, 1);
    assert_eq!(node.appends_to(3), []);
    assert_eq!(node.loads.len(), 1);
    node.load_one();
    node.auto_load = true;
    let mut entries = Vec::new();
    for _ in 0..10 {
        entries.extend(
            node.appends_to(3)
                .iter()
                .flat_map(|append| ids(&append.chunks)),
        );
    }
    assert_eq!(entries, ids_of(2, &[1, 1, 1, 1, 1]));
}

/// The log may have been forgotten meanwhile up to there, for a snapshot that is on its way.
#[test]
fn entries_that_were_gone_when_they_were_to_be_read_are_asked_for_again() {
    let mut node = Node::holding(2, &[1, 2]);
    node.elect();
    node.auto_load = false;
    node.receive(2, 3, conflict(node.last_request(2), 2, id(0, 0)));
    node.sent();
    let Load { number, .. } = node.loads.pop_front().unwrap();
    let first = index(2);
    let result = Err(LogError::Compacted { first });
    node.step(Input::Loaded(Loaded { number, result }));
    node.receive(2, 3, matched(node.last_request(2), 0));
    node.sent();
    assert_eq!(node.loads.len(), 1);
}

#[test]
fn what_is_not_durable_stays_in_memory_whatever_the_cache_may_hold() {
    let mut node = Node::leading_with(without_cache());
    node.auto_sync = false;
    node.auto_load = false;
    for _ in 0..8 {
        node.propose(b"x");
    }
    let entries: Vec<_> = node
        .appends_to(2)
        .iter()
        .flat_map(|a| ids(&a.chunks))
        .collect();
    assert_eq!(entries.len(), 8);
    assert_eq!(node.loads.len(), 0);
}

#[test]
fn what_is_not_applied_stays_in_memory_whatever_the_cache_may_hold() {
    let mut setup = support::setup(1, 3);
    setup.settings = Arc::new(without_cache());
    let mut node = Node::with_setup(setup, Default::default());
    node.auto_load = false;
    node.receive(2, 1, append(id(0, 0), chunks(1, &[1, 1, 1]), 1));
    assert_eq!(node.hull.durable_index(), index(3));
    node.receive(2, 1, append(id(3, 1), Vec::new(), 3));
    assert_eq!((node.applied.len(), node.loads.len()), (3, 0));
}

#[test]
fn what_was_read_for_an_earlier_term_of_leadership_is_not_sent_in_a_later_one() {
    let mut node = Node::holding(2, &[1, 2]);
    assert_eq!(node.elect(), 3);
    node.sent();
    node.auto_load = false;
    node.receive(2, 3, conflict(node.last_request(2), 2, id(0, 0)));
    node.sent();
    let load = node.loads.pop_front().unwrap();
    let stale = node.log.read(load.range, load.max_bytes);
    // Deposed before the read is back; entry 2 is overwritten, then this node leads again.
    node.receive(3, 4, append(id(1, 1), chunks(2, &[4]), 0));
    assert_eq!(node.terms(), [1, 4]);
    assert_eq!(node.elect(), 5);
    node.receive(2, 5, conflict(node.last_request(2), 2, id(0, 0)));
    let number = load.number;
    node.step(Input::Loaded(Loaded {
        number,
        result: stale.clone(),
    }));
    node.sent();
    // The same bytes even under the number of the new read must not go out.
    let number = node.loads.pop_front().unwrap().number;
    node.step(Input::Loaded(Loaded {
        number,
        result: stale,
    }));
    node.auto_load = true;
    node.acknowledge(2, 0);
    let mut entries = Vec::new();
    for _ in 0..10 {
        entries.extend(
            node.appends_to(2)
                .iter()
                .flat_map(|append| ids(&append.chunks)),
        );
        node.settle();
    }
    assert_eq!(entries, ids_of(1, &[1, 4, 5]));
}

#[test]
fn what_was_read_and_no_longer_ends_as_the_log_does_is_not_sent() {
    let mut node = Node::holding(2, &[1, 2, 2]);
    node.elect();
    node.auto_load = false;
    node.receive(2, 3, conflict(node.last_request(2), 3, id(1, 1)));
    node.sent();
    let load = node.loads.pop_front().unwrap();
    let stale = node.log.read(load.range, 54);
    assert_eq!(ids(stale.as_ref().unwrap()), ids_of(2, &[2, 2]));
    // Entry 3 is overwritten, entry 2 of the same chunk is not.
    node.receive(3, 4, append(id(2, 2), chunks(3, &[4]), 0));
    assert_eq!(node.elect(), 5);
    node.receive(2, 5, conflict(node.last_request(2), 3, id(1, 1)));
    node.sent();
    let number = node.loads.pop_front().unwrap().number;
    let result = stale;
    node.step(Input::Loaded(Loaded { number, result }));
    node.auto_load = true;
    node.acknowledge(2, 1);
    let mut entries = Vec::new();
    for _ in 0..10 {
        let sent = node.appends_to(2);
        entries.extend(sent.iter().flat_map(|append| ids(&append.chunks)));
    }
    assert_eq!(entries, ids_of(2, &[2, 4, 5]));
}

#[test]
fn what_was_read_is_sent_in_portions_and_read_once() {
    let mut node = reading_leader();
    node.acknowledge(2, 0);
    node.auto_load = false;
    for expected in ids_of(1, &[1, 2, 6]) {
        let message = node.hull.next_send(NodeId::new(2), Lane::Entries, 1);
        let Some(Body::AppendEntries(append)) = message.map(|message| message.body) else {
            panic!("entry {expected} is there to be sent");
        };
        assert_eq!(ids(&append.chunks), [expected]);
        assert_eq!(node.hull.next_load(), None);
    }
}

/// It is in memory like any entry, until it is sent.
#[test]
fn what_was_read_for_a_follower_is_counted_until_it_is_sent() {
    let mut node = Node::leading_with(without_cache());
    for _ in 0..5 {
        node.propose(&[7; 100]);
        node.sent();
        let last = node.hull.last().index.get();
        node.acknowledge(2, last);
    }
    node.step(Input::ConnectionLost(NodeId::new(3)));
    node.sent();
    let before = node.hull.bytes_in_memory();
    node.receive(3, 1, conflict(node.last_request(3), 6, id(1, 1)));
    node.sent();
    let read = node.hull.bytes_in_memory() - before;
    assert!(read >= 500, "{read} bytes more");
}

#[test]
fn what_was_read_and_is_acknowledged_meanwhile_is_passed_over() {
    let mut node = reading_leader();
    node.receive(2, 6, matched(77, 1));
    let sent: Vec<_> = node
        .appends_to(2)
        .iter()
        .map(|append| ids(&append.chunks))
        .collect();
    assert_eq!(sent.concat(), ids_of(2, &[2, 6]));
    assert!(sent.iter().all(|entries| !entries.is_empty()), "{sent:?}");
}

#[test]
fn a_read_that_nobody_waits_for_changes_nothing() {
    for role in [
        Role::Follower,
        Role::PreCandidate,
        Role::Candidate,
        Role::Leader,
    ] {
        let mut node = Node::in_role(role);
        let before = node.terms();
        let result = Ok(chunks(1, &[9, 9]));
        node.step(Input::Loaded(Loaded { number: 77, result }));
        assert_eq!((node.terms(), node.hull.role()), (before, role));
        assert_eq!(node.applied, []);
    }
}

#[test]
fn what_was_read_is_applied_in_portions_and_read_once() {
    let mut node = Node::holding(5, &[1, 1, 2]);
    node.auto_apply = false;
    node.receive(2, 5, append(id(3, 2), Vec::new(), 3));
    assert_eq!(node.hull.next_apply(1), None, "asked for");
    node.settle();
    node.auto_load = false;
    for expected in 1..=3 {
        let apply = node.hull.next_apply(1).unwrap();
        assert_eq!(apply.last_index(), index(expected));
        node.step(Input::Applied(index(expected)));
        assert_eq!(node.loads.len(), 0, "after entry {expected}");
    }
}

#[test]
fn what_was_overwritten_is_not_applied_from_memory() {
    // At the end of what one leader sent, and in its midst.
    for (overwritten, applied) in [(5, [1, 1, 2, 2, 4]), (4, [1, 1, 2, 4, 4])] {
        let mut node = Node::new(1, 3);
        node.settle();
        node.receive(2, 2, append(id(0, 0), chunks(1, &[1, 1, 2, 2, 2]), 0));
        let count = 6 - overwritten as usize;
        let entries = chunks(overwritten, &vec![4; count]);
        node.receive(3, 4, append(id(overwritten - 1, 2), entries, 5));
        let found: Vec<_> = node.applied.iter().map(|(id, _)| *id).collect();
        assert_eq!(found, ids_of(1, &applied));
        assert_eq!(node.applied[4].1, b"5@4");
    }
}

#[test]
fn as_much_as_the_cache_may_hold_stays_in_memory() {
    let entries = chunks(1, &[1, 2, 3]);
    let no_op = 56;
    let pinned: usize = entries.iter().map(Chunk::pinned_bytes).sum();
    for (max_cached_bytes, loads) in [(pinned + no_op, 0), (pinned + no_op - 1, 1)] {
        let mut setup = support::setup(1, 3);
        Arc::make_mut(&mut setup.settings).max_cached_bytes = max_cached_bytes;
        let mut node = Node::with_setup(setup, Default::default());
        node.settle();
        node.receive(2, 3, append(id(0, 0), entries.clone(), 3));
        assert_eq!(node.applied.len(), 3);
        let term = node.elect();
        node.auto_load = false;
        node.receive(3, term, conflict(node.last_request(3), 3, id(0, 0)));
        node.sent();
        assert_eq!(node.loads.len(), loads, "{max_cached_bytes} bytes");
    }
}

#[test]
fn what_the_state_machine_has_not_applied_yet_is_bounded() {
    let mut setup = support::setup(1, 1);
    setup.settings = Arc::new(Settings {
        max_applying_bytes: 100,
        ..settings()
    });
    let mut node = Node::with_setup(setup, Default::default());
    node.settle();
    node.time_out();
    node.auto_apply = false;
    for _ in 0..10 {
        node.propose(&[0; 26]);
    }
    let mut taken = Vec::new();
    while let Some(apply) = node.hull.next_apply(1) {
        taken.push(apply.last_index().get());
    }
    assert_eq!(taken, [2, 3], "no-op applied before; fifty bytes each");
    node.step(Input::Applied(index(2)));
    assert_eq!(
        node.hull.next_apply(1).map(|apply| apply.last_index()),
        Some(index(4))
    );
    assert_eq!(node.hull.next_apply(1), None);
}

#[test]
fn a_heartbeat_goes_out_while_entries_are_read_back() {
    let mut node = Node::in_role(Role::Leader);
    node.auto_load = false;
    node.sent();
    node.receive(2, 6, conflict(node.last_request(2), 2, id(0, 0)));
    node.sent();
    node.receive(3, 6, heartbeat_reply(0));
    node.wait(settings().heartbeat_interval);
    let sent = node.sent_to(2);
    assert!(sent.iter().any(|body| body.name() == "Heartbeat"));
}

#[test]
fn what_a_leader_wanted_read_for_others_is_forgotten_when_it_is_deposed() {
    let mut node = Node::in_role(Role::Leader);
    node.sent();
    node.receive(2, 6, conflict(node.last_request(2), 2, id(0, 0)));
    let to = NodeId::new(2);
    assert!(node.hull.next_send(to, Lane::Entries, usize::MAX).is_some());
    let from = peer(3);
    let message = Message {
        from,
        to: node.hull.me(),
        term: Term::new(9),
        body: heartbeat_reply(1),
    };
    node.hull.step(node.now, Input::Message(message));
    assert_eq!(node.hull.next_load(), None);
}

/// The leader of term 6 with three entries, the first two of which it has read back for node 2,
/// which has none and is probed.
fn reading_leader() -> Node {
    let mut node = Node::in_role(Role::Leader);
    node.sent();
    node.receive(2, 6, conflict(node.last_request(2), 2, id(0, 0)));
    node.sent();
    node
}

fn without_cache() -> Settings {
    Settings {
        max_cached_bytes: 0,
        ..settings()
    }
}
