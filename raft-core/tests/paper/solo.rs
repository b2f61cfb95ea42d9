//! A cluster of one node: no messages, and the same promises.

use raft_core::hull::Outcome;
use raft_core::states::Role;

use crate::support::{Node, id, ids_of};

#[test]
fn a_single_node_elects_itself_once_its_vote_is_durable() {
    let mut node = Node::new(1, 1);
    node.settle();
    node.auto_sync = false;
    node.time_out();
    assert_eq!(
        node.hull.role(),
        Role::Candidate,
        "it needs nobody's pre-vote"
    );
    node.sync();
    assert_eq!(node.hull.role(), Role::Leader);
    assert_eq!(node.sent(), []);
}

#[test]
fn a_single_node_commits_what_is_durable_and_no_sooner() {
    let mut node = Node::new(1, 1);
    node.settle();
    node.time_out();
    assert_eq!(node.commit(), 1);
    node.auto_sync = false;
    let ticket = node.propose(b"x");
    assert_eq!((node.commit(), node.outcome(ticket)), (1, None));
    node.sync();
    assert_eq!(node.commit(), 2);
    assert_eq!(node.outcome(ticket), Some(Outcome::Committed(id(2, 1))));
}

#[test]
fn a_single_node_wins_a_new_term_after_each_restart() {
    let mut node = Node::new(1, 1);
    node.settle();
    for term in 1..4 {
        node.time_out();
        assert_eq!((node.hull.role(), node.term()), (Role::Leader, term));
        node.restart();
        node.settle();
    }
    node.time_out();
    let applied: Vec<_> = node.applied.iter().map(|(id, _)| *id).collect();
    assert_eq!(applied, ids_of(1, &[1, 2, 3, 4]));
}

#[test]
fn a_single_node_that_crashes_before_its_vote_is_durable_has_not_voted() {
    let mut node = Node::new(1, 1);
    node.settle();
    node.auto_sync = false;
    node.time_out();
    assert_eq!(node.term(), 1);
    node.restart();
    assert_eq!((node.term(), node.hull.vote()), (0, None));
}

#[test]
fn a_single_node_leads_on_without_hearing_anybody() {
    let mut node = Node::new(1, 1);
    node.settle();
    node.time_out();
    node.wait(std::time::Duration::from_secs(60));
    assert_eq!((node.hull.role(), node.term()), (Role::Leader, 1));
}
