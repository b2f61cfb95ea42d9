//! When a leader considers an entry committed, and how others learn it (paper 5.3; Figure 2
//! Leaders).

use raft_core::message::{Body, Heartbeat};
use raft_core::settings::Settings;
use raft_core::states::Role;

use crate::support::{
    Node, append, heartbeat, heartbeat_reply, id, ids, ids_of, index, matched, settings, vote_reply,
};

/// [F2.LEAD.6]
#[test]
fn an_entry_is_committed_once_a_majority_holds_it() {
    for (size, needed) in [(2, 1), (3, 1), (4, 2), (5, 2), (6, 3)] {
        let mut node = Node::new(1, size);
        node.elect();
        for from in 2..=size {
            let acknowledged = from - 2;
            let committed = u64::from(acknowledged >= needed);
            assert_eq!(node.commit(), committed, "{acknowledged} of {size}");
            node.acknowledge(from, 1);
        }
        assert_eq!(node.commit(), 1);
    }
}

/// [F2.LEAD.6]
#[test]
fn an_acknowledgement_that_comes_twice_counts_once() {
    let mut node = Node::new(1, 5);
    node.elect();
    node.acknowledge(2, 1);
    node.acknowledge(2, 1);
    node.acknowledge(2, 1);
    assert_eq!(node.commit(), 0);
}

/// [F2.LEAD.6]
#[test]
fn acknowledgements_in_any_order_commit_what_a_majority_holds() {
    let mut node = Node::new(1, 5);
    node.elect();
    for from in 2..=5 {
        node.acknowledge(from, 1);
    }
    for _ in 0..3 {
        node.propose(b"x");
    }
    node.sent();
    node.acknowledge(2, 4);
    assert_eq!(node.commit(), 1);
    node.acknowledge(3, 2);
    assert_eq!(node.commit(), 2);
    node.acknowledge(4, 3);
    assert_eq!(node.commit(), 3);
    node.acknowledge(5, 4);
    assert_eq!(node.commit(), 4);
    node.receive(5, 1, matched(1, 1));
    assert_eq!(node.commit(), 4, "a late answer takes nothing back");
}

/// [S5.3.13]
#[test]
fn all_before_a_committed_entry_is_committed_with_it() {
    let mut node = Node::in_role(Role::Leader);
    node.sent();
    node.acknowledge(2, 3);
    assert_eq!(node.commit(), 3);
    let applied: Vec<_> = node.applied.iter().map(|(id, _)| *id).collect();
    assert_eq!(applied, ids_of(1, &[1, 2, 6]));
}

/// [S5.3.13] By whichever way a follower learns of it.
#[test]
fn a_follower_commits_all_before_the_index_it_is_told() {
    for told in [heartbeat(1, 3), append(id(4, 3), Vec::new(), 3)] {
        let mut node = Node::holding(5, &[1, 1, 2, 3]);
        node.receive(2, 5, told);
        assert_eq!(node.commit(), 3);
        let applied: Vec<_> = node.applied.iter().map(|(id, _)| *id).collect();
        assert_eq!(applied, ids_of(1, &[1, 1, 2]));
    }
}

/// [S5.3.15]
#[test]
fn each_append_tells_the_commit_index() {
    let mut node = Node::leading();
    node.propose(b"x");
    assert_eq!(node.appends_to(2)[0].commit, index(1));
    node.acknowledge(2, 2);
    node.propose(b"y");
    assert_eq!(node.appends_to(2)[0].commit, index(2));
}

/// [S5.3.15]
#[test]
fn a_heartbeat_tells_the_commit_index_as_far_as_the_follower_holds_it() {
    let mut node = Node::leading();
    node.propose(b"x");
    node.sent();
    node.acknowledge(2, 2);
    assert_eq!(node.commit(), 2);
    node.wait(settings().heartbeat_interval);
    let told = |bodies: Vec<Body>| match bodies[..] {
        [Body::Heartbeat(Heartbeat { commit, .. })] => commit.get(),
        _ => panic!("{bodies:?}"),
    };
    let sent = node.sent();
    let to = |id: u64| {
        let sent = sent.iter().filter(|message| message.to.id.get() == id);
        sent.map(|message| message.body.clone()).collect()
    };
    assert_eq!(told(to(2)), 2);
    assert_eq!(told(to(3)), 1, "which has not said that it holds entry 2");
}

/// [S5.3.15]
#[test]
fn a_follower_with_nothing_to_receive_is_told_of_a_commit_at_once() {
    let mut node = Node::leading();
    node.propose(b"x");
    node.sent();
    node.acknowledge(2, 2);
    let heartbeats: Vec<_> = node
        .sent_to(2)
        .into_iter()
        .filter_map(|body| match body {
            Body::Heartbeat(heartbeat) => Some(heartbeat.commit),
            _ => None,
        })
        .collect();
    assert_eq!(heartbeats, [index(2)]);
    assert_eq!(node.sent_to(2), [], "once");
}

/// [S5.3.15]
#[test]
fn a_follower_that_is_sent_entries_is_told_of_a_commit_with_them() {
    let mut node = Node::leading();
    node.propose(b"x");
    node.sent();
    node.acknowledge(2, 2);
    node.propose(b"y");
    let sent = node.sent_to(2);
    let [Body::AppendEntries(append)] = &sent[..] else {
        panic!("{sent:?}");
    };
    assert_eq!(append.commit, index(2));
}

/// [T3.8.3]
#[test]
fn a_followers_entries_count_when_it_says_that_they_are_durable_and_not_when_they_are_sent() {
    let mut node = Node::leading();
    node.propose(b"x");
    node.sent();
    node.wait(settings().heartbeat_interval);
    node.receive(2, 1, heartbeat_reply(2));
    node.receive(3, 1, heartbeat_reply(2));
    assert_eq!(node.commit(), 1);
    node.acknowledge(3, 2);
    assert_eq!(node.commit(), 2);
}

#[test]
fn acknowledgements_that_come_after_stepping_down_commit_nothing() {
    let mut node = Node::leading();
    node.propose(b"x");
    node.sent();
    let request = node.last_request(2);
    node.receive(3, 2, vote_reply(false));
    assert_eq!(node.hull.role(), Role::Follower);
    for term in [1, 2] {
        node.receive(2, term, matched(request, 2));
        node.receive(3, term, matched(request, 2));
    }
    assert_eq!(node.commit(), 1);
}

/// [S8.18]
#[test]
fn a_new_leader_appends_a_no_op_of_its_term() {
    let mut node = Node::in_role(Role::Leader);
    assert_eq!(node.terms(), [1, 2, 6]);
    let sent = node.appends_to(2);
    let entry = sent[0].chunks[0].entries().next().unwrap();
    assert_eq!(entry.record, raft_core::record::Record::NoOp);
}

/// [S8.18]
#[test]
fn the_no_op_is_appended_whatever_the_budgets() {
    let mut node = Node::leading_with(Settings {
        max_uncommitted_bytes: 100,
        max_payload_bytes: 100,
        max_bytes_in_flight: 64,
        max_append_bytes: 64,
        max_appends_in_flight: 1,
        ..settings()
    });
    node.propose(&[0; 100]);
    node.receive(3, 2, vote_reply(false));
    assert_eq!(node.elect(), 3);
    assert_eq!(node.terms(), [1, 1, 3]);
    // Node 2 has nothing of the old window: both go out, one after the other.
    node.receive(
        2,
        3,
        crate::support::conflict(node.last_request(2), 2, id(1, 1)),
    );
    assert_eq!(ids(&node.appends_to(2)[0].chunks), ids_of(2, &[1]));
    node.acknowledge(2, 2);
    assert_eq!(ids(&node.appends_to(2)[0].chunks), ids_of(3, &[3]));
    node.acknowledge(2, 3);
    assert_eq!(node.commit(), 3);
}
