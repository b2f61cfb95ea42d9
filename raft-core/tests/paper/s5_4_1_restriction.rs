//! Who may be elected (paper 5.4.1).

use raft_core::ids::EntryId;
use raft_core::message::{Body, RequestVote};

use crate::support::{Node, append, chunks, id, request_vote, vote_reply};

/// [S5.4.1.10]
#[test]
fn a_request_for_a_vote_tells_the_last_entry_by_its_own_term() {
    let mut node = Node::holding(5, &[1, 1, 3]);
    assert_eq!(node.stand(), 6);
    assert_eq!(node.sent_to(2), [request_vote(id(3, 3))]);
}

/// [S5.4.1.10]
#[test]
fn an_empty_log_is_told_as_the_origin() {
    let mut node = Node::new(1, 3);
    node.stand();
    let request = RequestVote {
        last: EntryId::ORIGIN,
        transfer: false,
    };
    assert_eq!(node.sent_to(2), [Body::RequestVote(request)]);
}

/// [S5.4.1.12]
#[test]
fn the_later_last_term_wins_however_short_its_log() {
    assert!(grants(&[1, 2, 2], id(1, 3)));
    assert!(!grants(&[1, 3], id(9, 2)));
}

/// [S5.4.1.13]
#[test]
fn of_logs_that_end_in_one_term_the_longer_wins_and_an_equal_one_is_enough() {
    assert!(grants(&[1, 2], id(3, 2)));
    assert!(grants(&[1, 2], id(2, 2)));
    assert!(!grants(&[1, 2], id(1, 2)));
}

/// [F2.RV.2]
#[test]
fn a_refused_candidate_leaves_the_vote_to_another() {
    let mut node = Node::holding(5, &[1, 2]);
    node.receive(2, 6, request_vote(id(1, 1)));
    node.receive(3, 6, request_vote(id(2, 2)));
    assert_eq!(node.sent_to(3), [vote_reply(true)]);
}

/// [F2.RV.2]
#[test]
fn a_voter_compares_what_it_holds_and_not_what_it_knows_to_be_committed() {
    let mut node = Node::holding(5, &[1, 2]);
    node.receive(3, 5, append(id(2, 2), chunks(3, &[5]), 2));
    node.restart();
    node.settle();
    node.receive(2, 6, request_vote(id(2, 2)));
    assert_eq!(node.sent_to(2), [vote_reply(false)]);
}

/// Whether a voter whose log has these terms votes for a candidate whose last entry is `last`.
fn grants(terms: &[u64], last: EntryId) -> bool {
    let mut node = Node::holding(5, terms);
    node.receive(2, 6, request_vote(last));
    let answer = node.sent_to(2);
    assert!(answer == [vote_reply(true)] || answer == [vote_reply(false)]);
    answer == [vote_reply(true)]
}
