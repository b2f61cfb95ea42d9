//! Why a linearizable read would wait or be refused.

use std::time::Duration;

use raft_core::explain::{Half, NotReadable};
use raft_core::ids::NodeId;
use raft_core::message::{Body, HeartbeatReply};
use raft_core::settings::{Lease, Settings};
use raft_core::states::Role;

use crate::support::{Node, heartbeat_reply, index, settings};

fn node_ids(ids: &[u64]) -> Vec<NodeId> {
    ids.iter().copied().map(NodeId::new).collect()
}

fn why(node: &Node) -> Vec<NotReadable> {
    node.hull.why_not_readable()
}

/// The round that goes out now.
fn round(node: &mut Node) -> u64 {
    node.rounds()[0].1
}

#[test]
fn a_leader_at_rest_may_be_read_from() {
    let mut node = Node::leading();
    assert_eq!(why(&node), []);
    node.read();
    let round = round(&mut node);
    node.receive(2, 1, heartbeat_reply(round));
    assert_eq!(why(&node), [], "and again once a read is confirmed");
}

#[test]
fn a_pending_read_says_whose_answers_it_waits_for() {
    let mut node = Node::new(1, 5);
    node.elect();
    node.acknowledge(2, 1);
    node.acknowledge(3, 1);
    node.sent();
    node.read();
    let round = round(&mut node);
    node.receive(4, 1, heartbeat_reply(round));
    let unconfirmed = NotReadable::Unconfirmed {
        round,
        half: Half::All(node_ids(&[1, 2, 3, 4, 5])),
        needed: 3,
        answered: node_ids(&[1, 4]),
        silent: node_ids(&[2, 3, 5]),
    };
    assert_eq!(why(&node), [unconfirmed]);
    assert_eq!(
        why(&node)[0].to_string(),
        format!(
            "heartbeat {round} must be answered by 3 of the voters (n1, n2, n3, n4, n5): n1, n4 \
             did, n2, n3, n5 did not"
        )
    );
    node.receive(5, 1, heartbeat_reply(round));
    assert_eq!(why(&node), []);
}

#[test]
fn of_a_joint_configuration_only_the_half_that_did_not_answer_is_told() {
    let mut node = Node::leading();
    node.grow_to([1, 4, 5]);
    node.read();
    let round = round(&mut node);
    node.receive(2, 1, heartbeat_reply(round));
    let said = why(&node);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(matches!(
        &said[0],
        NotReadable::Unconfirmed { half: Half::Incoming(_), silent, .. }
            if *silent == node_ids(&[4, 5])
    ));
}

#[test]
fn a_new_leader_names_the_entry_that_reads_wait_for() {
    let mut node = Node::holding(5, &[1, 2]);
    node.elect();
    let first = index(3);
    assert_eq!(why(&node), [NotReadable::NewLeader { first }]);
    node.read();
    assert_eq!(why(&node), [NotReadable::NewLeader { first }]);
}

#[test]
fn as_many_reads_as_may_be_pending_are_told() {
    let mut node = Node::leading_with(Settings {
        max_pending_reads: 1,
        ..settings()
    });
    assert_eq!(why(&node), []);
    node.read();
    let full = NotReadable::Full {
        pending: 1,
        limit: 1,
    };
    assert_eq!(why(&node)[0], full);
}

#[test]
fn a_state_machine_that_is_behind_is_told_on_any_node() {
    let mut node = Node::leading();
    node.auto_apply = false;
    node.propose(b"x");
    node.sent();
    node.acknowledge(2, 2);
    let behind = NotReadable::Applying {
        commit: index(2),
        applied: index(1),
    };
    assert_eq!(why(&node), [behind]);
}

#[test]
fn who_does_not_lead_says_who_does_or_that_nobody_is_known_to() {
    let mut node = Node::holding(5, &[1]);
    assert_eq!(why(&node), [NotReadable::NobodyLeads]);
    node.hear(3, 5);
    let leader = NodeId::new(3);
    assert_eq!(why(&node), [NotReadable::LeaderConfirms { leader }]);
    let candidate = Node::in_role(Role::Candidate);
    assert_eq!(why(&candidate), [NotReadable::NobodyLeads]);
}

#[test]
fn a_stopped_hull_says_only_that() {
    let mut node = Node::leading();
    node.auto_sync = false;
    node.propose(b"x");
    node.fail_write();
    let fault = node.hull.fault().unwrap().clone();
    assert_eq!(why(&node), [NotReadable::Stopped(fault)]);
}

/// A round of heartbeats is begun and answered so.
fn answered(node: &mut Node, promise: Duration) {
    node.time_out();
    let round = Some(round(node));
    let reply = HeartbeatReply { round, promise };
    node.receive(2, 1, Body::HeartbeatReply(reply));
}

#[test]
fn with_leases_it_is_told_who_promised_too_little_and_that_none_is_left_after_handing_over() {
    let mut node = Node::leading_with(Settings {
        lease: Some(Lease {
            duration: Duration::from_millis(900),
            max_drift_per_mille: 1,
        }),
        ..settings()
    });
    answered(&mut node, Duration::ZERO);
    let none = NotReadable::NoLease {
        half: Half::All(node_ids(&[1, 2, 3])),
        needed: 2,
        promised: node_ids(&[1]),
    };
    assert_eq!(why(&node), [none]);
    assert_eq!(
        why(&node)[0].to_string(),
        "this leader has no lease: 2 of the voters (n1, n2, n3) must have promised lately to vote for \
         nobody, and n1 did"
    );
    assert_eq!(node.hull.status(node.now).lease, Some(Duration::ZERO));
    answered(&mut node, Duration::from_millis(900));
    assert_eq!(why(&node), []);
    let left = node.hull.status(node.now).lease.unwrap();
    assert!(left > Duration::from_millis(890), "{left:?}");
    node.hand_over(Some(2));
    node.sent();
    assert_eq!(why(&node), [NotReadable::LeaseGivenUp]);
}
