//! Asking before campaigning (thesis 9.6).

use std::time::Duration;

use raft_core::ids::{EntryId, NodeId, Term};
use raft_core::message::{Body, PreVote, PreVoteReply};
use raft_core::states::Role;
use raft_core::trace::EventKind;

use crate::support::{
    Node, append, chunks, heartbeat, id, peer, pre_vote, pre_vote_reply, request_vote, settings,
};

/// [T9.6.8a]
#[test]
fn the_term_is_raised_only_once_a_majority_would_vote() {
    let mut node = Node::new(1, 5);
    node.ask();
    assert_eq!((node.hull.role(), node.term()), (Role::PreCandidate, 0));
    for from in [2, 2, 2] {
        node.pre_vote(from, true);
        assert_eq!((node.hull.role(), node.term()), (Role::PreCandidate, 0));
    }
    node.pre_vote(3, true);
    assert_eq!((node.hull.role(), node.term()), (Role::Candidate, 1));
}

/// [T9.6.8a]
#[test]
fn a_pre_candidate_asks_all_others_with_its_last_entry_and_present_term() {
    let mut node = Node::holding(5, &[1, 2]);
    node.ask();
    let sent = node.sent();
    let asked: Vec<u64> = sent.iter().map(|message| message.to.id.get()).collect();
    assert_eq!(asked, [2, 3]);
    for message in sent {
        assert_eq!(message.term, Term::new(5));
        assert!(matches!(message.body, Body::PreVote(PreVote { last, .. }) if last == id(2, 2)));
    }
}

/// [T9.6.8a]
#[test]
fn a_majority_that_refuses_sends_a_pre_candidate_back_to_waiting() {
    let mut node = Node::in_role(Role::PreCandidate);
    node.pre_vote(2, false);
    assert_eq!(node.hull.role(), Role::PreCandidate);
    node.pre_vote(3, false);
    assert_eq!((node.hull.role(), node.term()), (Role::Follower, 5));
}

/// [T9.6.8a]
#[test]
fn answers_to_an_earlier_attempt_do_not_count() {
    let mut node = Node::new(1, 3);
    node.ask();
    let first = attempt(&mut node);
    node.time_out();
    assert_eq!(node.hull.role(), Role::PreCandidate, "it asks again");
    let second = attempt(&mut node);
    assert_ne!(first, second);
    node.receive(2, 0, pre_vote_reply(first, 1));
    assert_eq!(node.hull.role(), Role::PreCandidate);
    node.receive(2, 0, pre_vote_reply(second, 2));
    assert_eq!(node.hull.role(), Role::PreCandidate, "of another term");
    node.receive(2, 0, pre_vote_reply(second, 1));
    assert_eq!(node.hull.role(), Role::Candidate);
}

/// [T9.6.8a]
#[test]
fn answers_of_strangers_do_not_count() {
    let mut node = Node::new(1, 3);
    node.ask();
    let attempt = attempt(&mut node);
    node.receive(7, 0, pre_vote_reply(attempt, 1));
    node.receive(8, 0, pre_vote_reply(attempt, 1));
    assert_eq!(node.hull.role(), Role::PreCandidate);
}

/// [T9.6.8a]
#[test]
fn the_yes_of_a_node_that_is_behind_in_term_counts() {
    let mut node = Node::in_role(Role::PreCandidate);
    let attempt = attempt(&mut node);
    // Node 2 has not heard of term 5 yet: it speaks in its own, as everybody does.
    node.receive(2, 4, pre_vote_reply(attempt, 6));
    assert_eq!((node.hull.role(), node.term()), (Role::Candidate, 6));
}

/// [T9.6.8a]
#[test]
fn a_refusers_later_term_is_learned() {
    let mut node = Node::in_role(Role::PreCandidate);
    let attempt = attempt(&mut node);
    let refusal = PreVoteReply {
        attempt,
        asked: Term::new(6),
        granted: false,
    };
    node.receive(2, 8, Body::PreVoteReply(refusal));
    assert_eq!((node.hull.role(), node.term()), (Role::Follower, 8));
}

/// [T9.6.8b]
#[test]
fn a_pre_vote_is_granted_to_a_log_that_is_no_less_up_to_date() {
    let granted = |last| {
        let mut node = Node::holding(5, &[1, 2]);
        node.receive(3, 5, pre_vote(7, last));
        answer(&mut node, 3, 7, 6)
    };
    assert!(granted(id(2, 2)));
    assert!(granted(id(1, 3)));
    assert!(!granted(id(1, 2)));
    assert!(!granted(id(9, 1)));
}

/// [T9.6.8b]
#[test]
fn a_pre_vote_for_a_term_that_is_not_later_is_refused_in_the_refusers_own_term() {
    let mut node = Node::holding(5, &[1]);
    node.receive(3, 4, pre_vote(7, id(9, 4)));
    let sent = node.sent();
    assert_eq!(sent[0].term, Term::new(5), "never an echo");
    let reply = PreVoteReply {
        attempt: 7,
        asked: Term::new(5),
        granted: false,
    };
    assert_eq!(sent[0].body, Body::PreVoteReply(reply));
}

/// [T9.6.8b]
#[test]
fn a_vote_already_given_in_this_term_is_no_reason_to_refuse_the_next() {
    let mut node = Node::holding(5, &[1]);
    node.receive(2, 5, request_vote(id(1, 1)));
    node.sent();
    node.receive(3, 5, pre_vote(7, id(1, 1)));
    assert!(answer(&mut node, 3, 7, 6));
}

#[test]
fn a_refused_pre_vote_is_reported_and_a_granted_one_is_not() {
    let mut node = Node::holding(5, &[1, 2]);
    let candidate = NodeId::new(3);
    node.receive(3, 5, pre_vote(7, id(2, 2)));
    assert_eq!(node.events, []);
    node.receive(3, 5, pre_vote(8, id(1, 2)));
    let kinds: Vec<_> = node.events.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [EventKind::VoteRefused { candidate }]);
}

/// [T9.6.8c]
#[test]
fn a_pre_vote_is_refused_while_a_leader_is_heard() {
    let mut node = Node::holding(5, &[1]);
    node.hear(2, 5);
    node.sent();
    node.wait(Duration::from_millis(999));
    node.receive(3, 5, pre_vote(7, id(9, 5)));
    assert!(!answer(&mut node, 3, 7, 6));
    node.wait(Duration::from_millis(1));
    node.receive(3, 5, pre_vote(8, id(9, 5)));
    assert!(answer(&mut node, 3, 8, 6));
}

/// [T9.6.8c]
#[test]
fn a_leader_refuses_pre_votes() {
    let mut node = Node::leading();
    node.receive(3, 1, pre_vote(7, id(9, 1)));
    assert!(!answer(&mut node, 3, 7, 2));
    assert_eq!(node.hull.role(), Role::Leader);
}

/// [T9.6.11]
#[test]
fn asking_changes_nobodys_term_or_vote() {
    let mut node = Node::holding(5, &[1]);
    node.auto_sync = false;
    for _ in 0..5 {
        node.time_out();
        assert_eq!((node.term(), node.hull.vote()), (5, None));
    }
    assert_eq!(node.writes.len(), 0, "nor anything durable");
}

/// [T9.6.11]
#[test]
fn answering_changes_neither_term_nor_vote_nor_timer() {
    for role in [
        Role::Follower,
        Role::PreCandidate,
        Role::Candidate,
        Role::Leader,
    ] {
        let mut node = Node::in_role(role);
        let before = (node.term(), node.hull.vote(), node.hull.deadline());
        node.receive(3, 9, pre_vote(7, id(9, 9)));
        node.receive(3, 1, pre_vote(8, id(9, 1)));
        assert_eq!(
            (node.term(), node.hull.vote(), node.hull.deadline()),
            before
        );
        assert_eq!(node.hull.role(), role);
    }
}

/// [T9.6.13]
#[test]
fn a_pre_candidate_that_hears_the_leader_follows_it_in_the_same_term() {
    for body in [heartbeat(1, 0), append(id(2, 2), chunks(3, &[5]), 0)] {
        let mut node = Node::in_role(Role::PreCandidate);
        let attempt = attempt(&mut node);
        node.receive(3, 5, body);
        assert_eq!((node.hull.role(), node.term()), (Role::Follower, 5));
        assert_eq!(node.hull.leader(), Some(NodeId::new(3)));
        node.receive(2, 5, pre_vote_reply(attempt, 6));
        assert_eq!((node.hull.role(), node.term()), (Role::Follower, 5));
    }
}

#[test]
fn a_pre_candidate_asks_again_sooner_than_an_election_would_begin() {
    let node = Node::in_role(Role::PreCandidate);
    let wait = node.hull.deadline().unwrap().since(node.now);
    assert!(wait >= settings().election_timeout / 2, "{wait:?}");
    assert!(wait < settings().election_timeout, "{wait:?}");
}

#[test]
fn a_pre_vote_from_outside_the_cluster_is_answered_and_gains_nothing() {
    let mut node = Node::holding(5, &[1]);
    node.receive(7, 5, pre_vote(7, EntryId::ORIGIN));
    let sent = node.sent();
    assert_eq!(sent[0].to, peer(7));
    assert!(matches!(
        sent[0].body,
        Body::PreVoteReply(PreVoteReply { granted: false, .. })
    ));
}

/// The attempt that the node's pre-votes name now.
fn attempt(node: &mut Node) -> u64 {
    match node.sent_to(2).last() {
        Some(Body::PreVote(PreVote { attempt, .. })) => *attempt,
        other => panic!("{other:?}"),
    }
}

/// What the node answers to a pre-vote of `from`.
fn answer(node: &mut Node, from: u64, attempt: u64, asked: u64) -> bool {
    let sent = node.sent_to(from);
    let [Body::PreVoteReply(reply)] = sent[..] else {
        panic!("{sent:?}");
    };
    assert_eq!((reply.attempt, reply.asked), (attempt, Term::new(asked)));
    reply.granted
}

/// No vote could become durable: a term would be opened for nothing.
#[test]
fn who_would_be_elected_and_whose_disk_has_stalled_meanwhile_does_not_campaign() {
    let mut node = Node::holding(5, &[1]);
    node.auto_sync = false;
    node.receive(2, 6, append(id(1, 1), chunks(2, &[6]), 0));
    node.ask();
    node.now = node.now.after(settings().stalled_write_after);
    node.pre_vote(2, true);
    assert_eq!((node.hull.role(), node.term()), (Role::Follower, 6));
}
