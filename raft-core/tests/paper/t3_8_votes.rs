//! A vote is given once, also where two lives go by the name that it was given to.

use crate::support::*;
use raft_core::configuration::Configuration;
use raft_core::hull::Input;
use raft_core::ids::{Incarnation, NodeId, Peer, Term};
use raft_core::message::{Body, Message};
use raft_core::snapshot::{Snapshot, SnapshotId};
use raft_core::time::LogTime;

fn life(incarnation: u128) -> Peer {
    Peer::new(NodeId::new(2), Incarnation::new(incarnation))
}

/// What node 1 answers when this life of node 2 asks for its vote in term 6.
fn asked_by(node: &mut Node, from: Peer) -> Vec<Body> {
    let (to, term) = (peer(1), Term::new(6));
    let body = request_vote(id(20, 5));
    node.step(Input::Message(Message {
        from,
        to,
        term,
        body,
    }));
    let sent = node.sent().into_iter().filter(|message| message.to == from);
    let votes = sent.map(|message| message.body);
    votes
        .filter(|body| matches!(body, Body::RequestVoteReply(_)))
        .collect()
}

/// 2 was removed, as far as 1 knows.
#[test]
fn of_two_lives_that_are_no_members_one_gets_the_vote() {
    let mut node = Node::holding(5, &[1]);
    let without = Configuration::of_voters([1, 3].map(peer));
    let entry = configuration_entry(2, 5, &without);
    node.receive(3, 5, append(id(1, 1), vec![entry], 2));
    node.restart();
    node.settle();
    assert_eq!(asked_by(&mut node, life(2_000)), [vote_reply(true)]);
    assert_eq!(asked_by(&mut node, life(2_001)), [vote_reply(false)]);
}

/// Between the two requests a snapshot is put in place by which the other life is the member.
#[test]
fn who_becomes_the_member_meanwhile_does_not_get_the_vote_again() {
    let mut node = Node::holding(5, &[1]);
    let machine = ids_of(1, &[1, 5, 5])
        .into_iter()
        .map(|id| (id, vec![7]))
        .collect();
    let content = Store::content(&machine);
    let snapshot = Snapshot {
        id: SnapshotId {
            last: id(3, 5),
            length: content.len() as u64,
            digest: Store::digest(&content),
        },
        configuration: Configuration::of_voters([peer(1), life(2_001), peer(3)]),
        time: LogTime::ZERO,
    };
    node.receive(3, 5, install(1, &snapshot, 0, &[]));
    node.auto_store = false;
    node.receive(3, 5, install(2, &snapshot, 0, &content));
    node.now = node.now.after(settings().election_timeout);
    assert_eq!(asked_by(&mut node, life(2_000)), [vote_reply(true)]);
    while node.store_one() {
        node.settle();
    }
    assert!(node.hull.configuration().admits(life(2_001)));
    assert_eq!(asked_by(&mut node, life(2_001)), [vote_reply(false)]);
}
