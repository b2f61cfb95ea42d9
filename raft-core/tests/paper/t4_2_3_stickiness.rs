//! Who hears a leader helps nobody to depose it (thesis 4.2.3).

use std::sync::Arc;
use std::time::Duration;

use raft_core::hull::Input;
use raft_core::ids::NodeId;
use raft_core::message::{Body, RequestVote};
use raft_core::settings::Settings;
use raft_core::states::Role;

use crate::support::{self, Node, heartbeat_reply, id, request_vote, settings, vote_reply};

/// [T4.2.3.23]
#[test]
fn who_heard_the_leader_lately_neither_votes_nor_takes_over_the_term() {
    let mut node = Node::holding(5, &[1]);
    node.hear(2, 5);
    node.sent();
    node.wait(Duration::from_millis(999));
    node.receive(3, 9, request_vote(id(9, 8)));
    assert_eq!((node.term(), node.hull.vote()), (5, None));
    assert_eq!(node.hull.leader(), Some(NodeId::new(2)));
    assert_eq!(node.sent(), []);
}

/// [T4.2.3.23]
#[test]
fn who_heard_no_leader_for_the_shortest_election_timeout_votes() {
    let mut node = Node::holding(5, &[1]);
    node.hear(2, 5);
    node.wait(Duration::from_millis(1_000));
    assert_eq!(node.hull.role(), Role::Follower, "it waits still itself");
    node.sent();
    node.receive(3, 9, request_vote(id(9, 8)));
    assert_eq!(node.sent_to(3), [vote_reply(true)]);
    assert_eq!(node.term(), 9);
}

/// [T4.2.3.23] Where there is no pre-vote that would keep it from asking.
#[test]
fn who_is_no_member_makes_nobody_leave_a_leader_either() {
    let mut node = Node::holding(5, &[1]);
    node.hear(2, 5);
    node.sent();
    node.receive(9, 9, request_vote(id(9, 8)));
    assert_eq!((node.term(), node.hull.vote()), (5, None));
    assert_eq!(node.hull.leader(), Some(NodeId::new(2)));
}

/// [T4.2.3.23]
#[test]
fn a_leader_is_not_deposed_by_a_candidate() {
    let mut node = Node::leading();
    node.receive(3, 9, request_vote(id(9, 8)));
    assert_eq!((node.hull.role(), node.term()), (Role::Leader, 1));
    assert_eq!(node.sent_to(3), []);
}

/// [T4.2.3.23]
#[test]
fn a_restarted_node_has_heard_nobody() {
    let mut node = Node::holding(5, &[1]);
    node.hear(2, 5);
    node.restart();
    node.settle();
    node.receive(3, 6, request_vote(id(1, 1)));
    assert_eq!(node.sent_to(3), [vote_reply(true)]);
}

/// [T4.2.3.23]
#[test]
fn a_lost_connection_to_the_leader_ends_this_nodes_own_contact() {
    let mut node = Node::holding(5, &[1]);
    node.hear(2, 5);
    node.sent();
    node.step(Input::ConnectionLost(NodeId::new(3)));
    let deadline = node.hull.deadline();
    node.receive(3, 6, request_vote(id(1, 1)));
    assert_eq!(node.sent(), [], "another's connection is no matter");
    node.step(Input::ConnectionLost(NodeId::new(2)));
    let stagger = node.hull.deadline().unwrap().since(node.now);
    assert!(node.hull.deadline() < deadline);
    assert!(stagger >= settings().heartbeat_interval / 8);
    assert!(stagger < settings().heartbeat_interval / 4);
    node.receive(3, 6, request_vote(id(1, 1)));
    assert_eq!(node.sent_to(3), [vote_reply(true)]);
}

/// [T4.2.3.28]
#[test]
fn a_vote_at_the_leaders_own_wish_is_given_although_the_leader_was_heard() {
    let mut node = Node::holding(5, &[1]);
    node.hear(2, 5);
    node.sent();
    let request = RequestVote {
        last: id(1, 1),
        transfer: true,
    };
    node.receive(3, 6, Body::RequestVote(request));
    assert_eq!(node.sent_to(3), [vote_reply(true)]);
    let mut leader = Node::leading();
    leader.receive(3, 2, Body::RequestVote(request));
    assert_eq!((leader.hull.role(), leader.term()), (Role::Follower, 2));
}

/// [T4.2.3.28]
#[test]
fn a_transfer_helps_no_candidate_whose_log_is_behind() {
    let mut node = Node::holding(5, &[1, 1]);
    let request = RequestVote {
        last: id(1, 1),
        transfer: true,
    };
    node.receive(3, 6, Body::RequestVote(request));
    assert_eq!(node.sent_to(3), [vote_reply(false)]);
}

#[test]
fn without_check_quorum_a_later_term_is_followed_at_once() {
    let mut setup = support::setup(1, 3);
    setup.settings = Arc::new(Settings {
        pre_vote: false,
        check_quorum: false,
        ..settings()
    });
    let mut node = Node::with_setup(setup, Default::default());
    node.settle();
    node.hear(2, 5);
    assert_eq!(node.sent_to(2), [heartbeat_reply(1)]);
    node.receive(3, 6, request_vote(id(1, 1)));
    assert_eq!(node.sent_to(3), [vote_reply(true)]);
    // And its own elections begin without asking first.
    node.time_out();
    assert_eq!((node.hull.role(), node.term()), (Role::Candidate, 7));
}
