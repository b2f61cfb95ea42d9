//! The figures of a hull.

use std::time::Duration;

use raft_core::configuration::MemberRole;
use raft_core::explain::{FollowerStatus, Sending};
use raft_core::ids::{NodeId, Term};
use raft_core::states::Role;

use crate::support::{Node, id, index, peer};

#[test]
fn a_leaders_figures_are_those_of_its_parts() {
    let mut node = Node::leading();
    node.auto_sync = false;
    node.propose(b"abc");
    node.sent_to(2);
    node.acknowledge(3, 1);
    let later = node.now.after(Duration::from_millis(70));
    let status = node.hull.status(later);
    assert_eq!((status.role, status.term), (Role::Leader, Term::new(1)));
    assert_eq!(status.leader, Some(NodeId::new(1)));
    assert_eq!(status.vote, Some(NodeId::new(1)));
    assert_eq!((status.boot, status.is_boot_durable), (node.boot(), true));
    assert_eq!(status.commit_index, index(1));
    assert_eq!(status.handed_out_index, index(1));
    assert_eq!(status.applied_index, index(1));
    assert_eq!((status.durable_index, status.last), (index(1), id(2, 1)));
    assert_eq!(status.member, Some(MemberRole::Voter));
    assert_eq!((status.configuration_index, status.is_joint), (None, false));
    assert_eq!(status.writes_in_flight, 1);
    assert_eq!(status.oldest_write, Some(Duration::from_millis(70)));
    // A record carries 24 bytes beside its payload.
    assert_eq!(status.uncommitted_bytes, 27);
    assert_eq!(status.applying_bytes, 0);
    assert_eq!(status.deadline, node.hull.deadline());
    assert_eq!(status.fault, None);
    let bytes = node.hull.bytes_in_flight(NodeId::new(2)).unwrap();
    assert!(bytes > 27);
    let expected = FollowerStatus {
        peer: peer(2),
        matched: index(1),
        next: index(3),
        sending: Sending::Replicate {
            requests: 1,
            bytes,
            unanswered: Some(Duration::from_millis(70)),
        },
        silent: Duration::from_millis(70),
    };
    assert_eq!(status.followers.len(), 2);
    assert_eq!(status.followers[0], expected);
}

#[test]
fn what_is_being_applied_counts_until_it_is() {
    let mut node = Node::leading();
    node.auto_apply = false;
    node.propose(b"abc");
    node.sent();
    node.acknowledge(2, 2);
    node.hull.next_apply(1 << 20).unwrap();
    let status = node.hull.status(node.now);
    assert_eq!(
        (status.handed_out_index, status.applied_index),
        (index(2), index(1))
    );
    assert_eq!(status.applying_bytes, 27);
    assert_eq!(status.uncommitted_bytes, 0);
}

#[test]
fn others_have_no_followers_and_a_stopped_hull_its_fault() {
    let mut node = Node::in_role(Role::Candidate);
    assert_eq!(node.hull.status(node.now).followers, []);
    node.auto_sync = false;
    node.receive(3, 9, crate::support::request_vote(id(9, 9)));
    node.fail_write();
    let status = node.hull.status(node.now);
    assert_eq!(status.fault.as_ref(), node.hull.fault());
    assert!(status.fault.is_some());
    assert_eq!(status.deadline, None);
}
