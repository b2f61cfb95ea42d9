//! Bugs this core had, each with the smallest story that shows it.

mod support;

use raft_core::hull::{Doubt, Outcome};
use support::{Node, heartbeat, id, peer, pre_vote};

/// The unknown outcome named the later leader's term, so that whoever looked for the entry looked
/// for one that never was.
#[test]
fn a_deposed_leaders_tickets_name_the_entries_they_were_appended_as() {
    let mut node = Node::new(1, 3);
    let term = node.elect();
    let ticket = node.propose(b"x");
    node.receive(2, term + 3, heartbeat(1, 0));
    let why = Doubt::LeadershipLost;
    assert_eq!(
        node.outcome(ticket),
        Some(Outcome::Unknown {
            id: id(2, term),
            why
        })
    );
}

/// Each stranger that asked for a vote got a queue of its own, for ever.
#[test]
fn strangers_that_are_never_answered_do_not_fill_memory() {
    let mut node = Node::new(1, 3);
    node.settle();
    for stranger in 10..5_000 {
        node.receive(stranger, 1, pre_vote(1, id(9, 1)));
    }
    assert!(node.destinations().len() <= 1_024);
    let member = node.destinations().contains(&peer(2).id);
    assert!(!member);
    node.receive(2, 1, pre_vote(1, id(9, 1)));
    assert!(
        node.destinations().contains(&peer(2).id),
        "a member is always answered"
    );
}
