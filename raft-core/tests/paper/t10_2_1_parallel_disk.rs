//! The leader's disk works beside the network (thesis 10.2.1, 3.8).

use raft_core::hull::{Input, Outcome};
use raft_core::ids::{LogIndex, NodeId};
use raft_core::states::Role;

use crate::support::{Node, heartbeat_reply, id, ids, ids_of, settings};

/// [T10.2.1.5]
#[test]
fn a_leader_sends_entries_before_they_are_durable_on_itself() {
    let mut node = Node::leading();
    node.auto_sync = false;
    node.propose(b"x");
    assert_eq!(node.writes.len(), 1);
    assert_eq!(ids(&node.appends_to(2)[0].chunks), ids_of(2, &[1]));
}

/// [T10.2.1.5] However long its disk takes: the others go on alone.
#[test]
fn a_leader_whose_disk_lags_holds_up_nobody() {
    let mut node = Node::leading();
    node.auto_sync = false;
    for at in 2..10 {
        node.propose(b"x");
        assert_eq!(ids(&node.appends_to(2)[0].chunks), ids_of(at, &[1]));
        node.sent();
        node.acknowledge(2, at);
        node.acknowledge(3, at);
        assert_eq!(node.commit(), at);
    }
    assert_eq!(node.hull.durable_index(), LogIndex::new(1));
}

/// [T10.2.1.6]
#[test]
fn a_leader_counts_itself_only_with_what_is_durable() {
    let mut node = Node::new(1, 5);
    node.elect();
    for from in 2..=5 {
        node.acknowledge(from, 1);
    }
    node.sent();
    node.auto_sync = false;
    node.propose(b"x");
    node.sent();
    node.acknowledge(2, 2);
    node.acknowledge(3, 2);
    assert_eq!(
        node.commit(),
        1,
        "two of five, and the leader's disk works still"
    );
    node.sync();
    assert_eq!(node.commit(), 2);
}

/// [T10.2.1.6]
#[test]
fn a_leaders_earlier_writes_do_not_count_for_later_entries() {
    let mut node = Node::leading();
    node.auto_sync = false;
    node.propose(b"x");
    node.propose(b"y");
    assert_eq!(node.writes.len(), 2);
    node.write_one();
    node.sent();
    assert_eq!(node.hull.durable_index(), LogIndex::new(2));
    node.sync();
    assert_eq!(node.hull.durable_index(), LogIndex::new(3));
}

/// [T10.2.1.8]
#[test]
fn a_leader_commits_with_the_others_alone_what_is_not_durable_on_itself() {
    let mut node = Node::leading();
    node.auto_sync = false;
    let ticket = node.propose(b"x");
    node.sent();
    node.acknowledge(2, 2);
    assert_eq!(node.commit(), 1);
    node.acknowledge(3, 2);
    assert_eq!(node.commit(), 2);
    assert_eq!(node.outcome(ticket), Some(Outcome::Committed(id(2, 1))));
    assert_eq!(
        node.applied.len(),
        1,
        "but applies it only once it is durable here"
    );
    node.sync();
    assert_eq!(node.applied.len(), 2);
}

/// [T3.8.3]
#[test]
fn the_votes_for_an_entry_come_from_disks() {
    let mut node = Node::new(1, 3);
    node.settle();
    node.ask();
    node.pre_vote(2, true);
    node.receive(2, 1, crate::support::vote_reply(true));
    node.sent();
    // A no-op that nobody has durably, not even the leader, is not committed by heartbeats.
    node.receive(2, 1, heartbeat_reply(0));
    node.receive(3, 1, heartbeat_reply(0));
    assert_eq!(node.commit(), 0);
    node.acknowledge(3, 1);
    assert_eq!(node.commit(), 1);
}

#[test]
fn a_bounded_number_of_writes_is_under_way_and_the_rest_goes_in_one() {
    let mut node = Node::leading();
    node.auto_sync = false;
    let limit = settings().max_writes_in_flight;
    for _ in 0..limit + 5 {
        node.propose(b"x");
    }
    assert_eq!(node.writes.len(), limit);
    node.write_one();
    node.settle();
    assert_eq!(node.writes.len(), limit);
    assert_eq!(
        node.writes.back().unwrap().append.len(),
        5,
        "all that waited"
    );
}

#[test]
fn a_leader_whose_disk_stalls_steps_down() {
    let mut node = Node::leading();
    node.auto_sync = false;
    node.propose(b"x");
    let end = node.now.after(settings().stalled_write_after);
    while node.now < end {
        assert_eq!(node.hull.role(), Role::Leader);
        node.wait(settings().heartbeat_interval);
        node.receive(2, 1, heartbeat_reply(1));
        node.receive(3, 1, heartbeat_reply(1));
    }
    node.wait(settings().heartbeat_interval);
    assert_eq!(node.hull.role(), Role::Follower);
    assert_eq!(node.hull.match_index(NodeId::new(2)), None);
}

/// Its vote for itself is not durable for so long that no other will be.
#[test]
fn a_candidate_whose_disk_stalls_does_not_try_again() {
    let mut node = Node::holding(5, &[1]);
    node.auto_sync = false;
    assert_eq!(node.stand(), 6);
    assert_eq!(node.hull.role(), Role::Candidate);
    node.now = node.now.after(settings().stalled_write_after);
    node.step(Input::DeadlinePassed);
    assert_eq!((node.hull.role(), node.term()), (Role::Follower, 6));
}
