//! What comes late: answers of others, and the own state machine.

use super::*;

/// Who led before refuses it, and meanwhile this node leads and has proposed it itself.
#[test]
fn a_late_refusal_says_nothing_of_what_is_proposed_here() {
    let mut node = Node::with_session();
    node.submit(b"x");
    assert_eq!(node.forward(), (vec![(SESSION, 2)], vec![]));
    node.tickets.on_leader();
    assert_eq!(node.propose(), 1);
    let late = ForwardReply {
        to: me(),
        boot: Boot::new(1),
        refused: vec![(SESSION, 2)],
        reads: vec![],
        leader: None,
    };
    node.tickets.on_forward_reply(&late, node.now);
    node.wait(1_000);
    assert_eq!(node.propose(), 0, "it is at the hull");
    node.resolve(COMMITTED);
    assert_eq!(node.tickets.proposed_bytes, 0);
}

/// It stands in the log, whatever this node's state machine does.
#[test]
fn what_is_committed_and_not_applied_in_time_is_unknown() {
    let mut node = Node::with_session();
    let ask = node.submit(b"x");
    assert_eq!(node.propose(), 1);
    node.resolve(COMMITTED);
    node.wait(10_000);
    assert_eq!(node.outcomes(), [(ask, unknown(2))]);
}
