//! What tells two hulls apart: whatever can make them act differently, and nothing else. The
//! exploration of a small world stands on it.

use std::hash::{DefaultHasher, Hasher};

use raft_core::states::Role;

use crate::support::{Node, append, chunks, heartbeat, heartbeat_reply, id, vote_reply};

#[test]
fn a_log_counts_as_what_it_holds_and_not_as_how_it_came_about() {
    let mut straight = Node::new(1, 3);
    straight.settle();
    straight.receive(3, 4, append(id(0, 0), chunks(1, &[1, 4]), 0));
    let mut corrected = Node::new(1, 3);
    corrected.settle();
    corrected.receive(2, 2, append(id(0, 0), chunks(1, &[1, 2]), 0));
    assert_ne!(fingerprint(&mut corrected), fingerprint(&mut straight));
    corrected.receive(3, 4, append(id(1, 1), chunks(2, &[4]), 0));
    assert_eq!(fingerprint(&mut corrected), fingerprint(&mut straight));
}

#[test]
fn whom_a_follower_follows_counts() {
    let following = |leader| {
        let mut node = Node::holding(5, &[1]);
        node.receive(leader, 6, heartbeat(1, 0));
        fingerprint(&mut node)
    };
    assert_eq!(following(2), following(2));
    assert_ne!(following(2), following(3));
}

#[test]
fn who_would_vote_for_a_pre_candidate_counts() {
    let asked = |voter: u64| {
        let mut node = Node::new(1, 5);
        node.settle();
        node.ask();
        node.pre_vote(voter, true);
        assert_eq!(node.hull.role(), Role::PreCandidate);
        fingerprint(&mut node)
    };
    assert_eq!(asked(2), asked(2));
    assert_ne!(asked(2), asked(3));
}

#[test]
fn who_granted_a_candidate_its_vote_counts() {
    let voted_for = |voters: &[u64]| {
        let mut node = Node::new(1, 5);
        node.settle();
        let term = node.stand();
        for voter in voters {
            node.receive(*voter, term, vote_reply(true));
        }
        assert_eq!(node.hull.role(), Role::Candidate);
        fingerprint(&mut node)
    };
    assert_eq!(voted_for(&[2]), voted_for(&[2, 2]));
    assert_ne!(voted_for(&[2]), voted_for(&[3]));
    assert_ne!(voted_for(&[2]), voted_for(&[]));
}

#[test]
fn leadership_on_its_way_counts() {
    let handing_over = |to: Option<u64>| {
        let mut node = Node::leading();
        if let Some(to) = to {
            node.hand_over(Some(to));
        }
        fingerprint(&mut node)
    };
    assert_ne!(handing_over(None), handing_over(Some(2)));
    assert_ne!(handing_over(Some(3)), handing_over(Some(2)));
    assert_eq!(handing_over(Some(2)), handing_over(Some(2)));
}

#[test]
fn which_round_of_its_leader_a_follower_has_heard_counts() {
    let heard = |rounds: &[u64]| {
        let mut node = Node::holding(5, &[1]);
        for round in rounds {
            node.receive(2, 6, heartbeat(*round, 0));
        }
        fingerprint(&mut node)
    };
    assert_ne!(heard(&[1]), heard(&[1, 2]));
    assert_eq!(heard(&[1, 2]), heard(&[2, 1]));
}

#[test]
fn what_a_leader_knows_of_its_followers_counts() {
    let told = |acknowledged: &[u64]| {
        let mut node = Node::leading();
        node.propose(b"x");
        node.sent();
        for follower in acknowledged {
            node.acknowledge(*follower, 2);
        }
        node.sent();
        fingerprint(&mut node)
    };
    assert_eq!(told(&[2, 3]), told(&[2, 3]));
    assert_ne!(told(&[2]), told(&[3]));
    assert_ne!(told(&[2, 3]), told(&[2]));
}

#[test]
fn who_answered_a_round_counts_while_a_read_waits_for_it() {
    let answered = |reads: bool, by: &[u64]| {
        let mut node = Node::new(1, 5);
        node.elect();
        for follower in 2..=5 {
            node.acknowledge(follower, 1);
        }
        node.time_out();
        if reads {
            node.read();
        }
        node.sent();
        for follower in 2..=5 {
            node.receive(follower, 1, heartbeat_reply(1));
        }
        for follower in by {
            node.receive(*follower, 1, heartbeat_reply(if reads { 2 } else { 1 }));
        }
        fingerprint(&mut node)
    };
    assert_eq!(answered(true, &[2]), answered(true, &[2, 2]));
    assert_ne!(answered(true, &[2]), answered(true, &[3]));
    assert_ne!(answered(true, &[]), answered(true, &[2]));
    assert_ne!(answered(true, &[]), answered(false, &[]));
    assert_eq!(answered(false, &[]), answered(false, &[3]));
}

/// What tells this node apart from others, once it has said all it has to say.
fn fingerprint(node: &mut Node) -> u64 {
    node.sent();
    let mut hasher = DefaultHasher::new();
    node.hull.fingerprint(&mut hasher);
    hasher.finish()
}
