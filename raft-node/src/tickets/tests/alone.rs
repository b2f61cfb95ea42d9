//! What is not held up by what is like it.

use super::*;

/// Serials of openings are counted by each node for itself.
#[test]
fn a_session_is_opened_for_another_node_whatever_is_opened_here() {
    let mut node = Node::new();
    node.submit(b"first");
    let control = Control::Open {
        incarnation: other().incarnation,
        boot: Boot::new(5),
    };
    let opening = ForwardedCommand {
        session: CONTROL_SESSION,
        serial: 1,
        settled: 0,
        payload: control.encode(),
    };
    let forward = Forward {
        commands: vec![opening],
        reads: vec![],
    };
    node.tickets
        .accept(other(), Boot::new(5), forward, node.now);
    assert_eq!(node.propose(), 2, "its own, and that one");
}

/// What the hull counts for it, the header too, may be a little more than it allows.
#[test]
fn a_command_that_is_larger_alone_than_may_be_unresolved_is_proposed_alone() {
    let mut node = Node::with_session();
    node.submit(b"0123456789");
    node.submit(b"0123456789");
    let limits = BatchLimits {
        unresolved_bytes: 10,
        ..LIMITS
    };
    let take = |node: &mut Node| {
        let batch = node.tickets.take_batch(limits)?;
        Some(batch.proposals.len())
    };
    assert_eq!((take(&mut node), take(&mut node)), (Some(1), None));
    node.applied(2, b"done");
    assert_eq!((take(&mut node), take(&mut node)), (Some(1), None));
}
