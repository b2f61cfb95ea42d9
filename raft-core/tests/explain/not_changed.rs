//! Why a change of members is not over.

use std::time::Duration;

use raft_core::configuration::{Configuration, Members};
use raft_core::explain::NotChanged;
use raft_core::hull::Withdrawal;
use raft_core::ids::NodeId;
use raft_core::rules::catch_up::MAX_LONG_ROUNDS;
use raft_core::states::Role;

use crate::support::{Node, heartbeat, heartbeat_reply, index, peer, settings};

fn voters<const N: usize>(ids: [u64; N]) -> Members {
    Configuration::of_voters(ids.map(peer)).members
}

fn why(node: &Node) -> Vec<NotChanged> {
    node.hull.why_not_changed(node.now)
}

#[test]
fn nothing_is_said_while_no_change_is_under_way() {
    assert_eq!(why(&Node::leading()), []);
    assert_eq!(why(&Node::new(1, 3)), []);
}

/// Node 4 is to become a voter. Its leader waits for the entry that says so, then for node 4, then
/// for each half of the joint configuration, and then for nothing.
#[test]
fn a_change_tells_in_each_phase_what_it_waits_for() {
    let mut node = Node::leading();
    node.reconfigure(voters([1, 2, 3, 4]));
    let begun = node.hull.last().index;
    assert_eq!(why(&node), [NotChanged::NotCommitted { index: begun }]);
    assert_eq!(
        why(&node)[0].to_string(),
        format!("its configuration at {begun} is not committed, and the next step waits for that")
    );

    node.answer_all(&[2, 3]);
    let catching_up = NotChanged::CatchingUp {
        node: NodeId::new(4),
        matched: index(0),
        last: begun,
        long_rounds: 0,
        limit: MAX_LONG_ROUNDS,
        still: Duration::ZERO,
        patience: settings().catch_up_timeout,
    };
    assert_eq!(why(&node), [catching_up]);

    node.answer_all(&[2, 3, 4]);
    let mut phases = 0;
    while let [NotChanged::NotCommitted { index }] = why(&node)[..] {
        assert_eq!(index, node.hull.last().index);
        node.answer_all(&[2, 3, 4]);
        phases += 1;
        assert!(phases < 5, "{:?}", why(&node));
    }
    assert_eq!(why(&node), []);
    assert_eq!(
        node.hull.configuration(),
        &Configuration::new(voters([1, 2, 3, 4]))
    );
}

/// Whose only round took too long holds all there is, and is waited for until it is looked at again.
#[test]
fn who_caught_up_too_slowly_is_still_named() {
    let mut node = Node::leading();
    node.reconfigure(voters([1, 2, 3, 4]));
    node.answer_all(&[2, 3]);
    wait_among(&mut node, &[2, 3]);
    node.answer_all(&[4]);
    assert!(node.hull.configuration().target.is_some(), "it goes on");
    let why = why(&node);
    let [NotChanged::CatchingUp { matched, last, .. }] = &why[..] else {
        panic!("{why:?}");
    };
    assert_eq!(matched, last);
}

#[test]
fn nobody_catches_up_any_more_once_the_voters_are_touched() {
    let mut node = Node::leading();
    node.grow_to([1, 2, 3, 4]);
    let index = node.hull.last().index;
    wait_among(&mut node, &[2, 3]);
    assert_eq!(why(&node), [NotChanged::NotCommitted { index }]);
}

/// An election timeout passes in which these nodes are heard.
fn wait_among(node: &mut Node, nodes: &[u64]) {
    let before = node.hull.commit_index().get();
    for _ in 0..4 {
        node.wait(settings().election_timeout / 4);
        node.sent();
        for from in nodes {
            node.acknowledge(*from, before);
        }
    }
    assert_eq!(node.hull.role(), Role::Leader);
}

#[test]
fn a_change_that_is_given_up_says_why_until_that_is_committed() {
    let mut node = Node::leading();
    node.reconfigure(voters([1, 2, 3, 4]));
    node.answer_all(&[2, 3]);
    node.cancel();
    let index = node.hull.last().index;
    let given_up = NotChanged::GivenUp(Withdrawal::Cancelled);
    assert_eq!(
        why(&node),
        [given_up.clone(), NotChanged::NotCommitted { index }]
    );
    assert_eq!(
        given_up.to_string(),
        "the change is given up: the change was cancelled"
    );
    node.answer_all(&[2, 3]);
    assert_eq!(why(&node), []);
}

#[test]
fn who_does_not_lead_names_who_does() {
    let mut node = Node::leading();
    node.reconfigure(voters([1, 2, 3, 4]));
    node.receive(2, 5, heartbeat_reply(1));
    assert_eq!(node.hull.role(), Role::Follower);
    assert_eq!(why(&node), [NotChanged::NobodyLeads]);
    node.receive(2, 5, heartbeat(0, 0));
    let leader = NodeId::new(2);
    assert_eq!(why(&node), [NotChanged::LeaderDrives { leader }]);
}
