//! A node that was removed and added again in a new life, and voters that have seen neither change
//! yet: they still know it by the life before (thesis 3.8, 4.1).

use raft_core::configuration::Configuration;
use raft_core::error::Dropped;
use raft_core::hull::Input;
use raft_core::ids::{Incarnation, NodeId, Peer, Term};
use raft_core::message::{Body, Message};
use raft_core::states::Role;

use crate::support::{
    Node, append, chunks, configuration_entry, heartbeat, id, matched, peer, pre_vote, removed,
    request_vote, settings, vote_reply,
};

/// [T4.1.39] Without the vote of who lags behind, nobody might be elected any more.
#[test]
fn a_new_life_gets_the_vote_of_who_knows_only_the_one_before() {
    let mut node = Node::holding(1, &[1]);
    node.wait(settings().election_timeout * 2);
    node.sent();
    hear(&mut node, 2, pre_vote(1, id(5, 2)));
    let granted = node.sent().into_iter().any(|message| {
        message.to == new_life()
            && matches!(message.body, Body::PreVoteReply(reply) if reply.granted)
    });
    assert!(granted);
    hear(&mut node, 3, request_vote(id(5, 2)));
    assert_eq!(said(&mut node), [vote_reply(true)]);
    assert_eq!(node.hull.vote(), Some(NodeId::new(2)));
}

/// [T4.1.37] And as the leader it is followed, until the log says that it is a member.
#[test]
fn a_new_life_is_followed_by_who_knows_only_the_one_before() {
    let mut node = Node::holding(1, &[1]);
    hear(&mut node, 3, heartbeat(1, 0));
    assert_eq!(node.hull.leader(), Some(NodeId::new(2)));
    hear(&mut node, 3, append(id(1, 1), chunks(2, &[2]), 1));
    assert_eq!(node.hull.last(), id(2, 2));
    let mut members = Configuration::of_voters([peer(1), new_life(), peer(3)]);
    members.target = None;
    let entry = configuration_entry(3, 2, &members);
    hear(&mut node, 3, append(id(2, 2), vec![entry], 1));
    assert!(node.hull.configuration().admits(new_life()));
}

/// [F2.RV.2] [T3.8.11] A vote is written down under a name that both lives have. It is given to one
/// of them, also across a restart, whichever the voter takes for the member.
#[test]
fn two_lives_of_one_node_do_not_both_get_the_vote() {
    for restart in [false, true] {
        let mut node = Node::holding(1, &[1]);
        hear(&mut node, 3, request_vote(id(5, 2)));
        assert_eq!(said(&mut node), [vote_reply(true)]);
        if restart {
            node.restart();
            node.settle();
        }
        node.receive(2, 3, request_vote(id(5, 2)));
        assert_eq!(node.sent_to(2), [vote_reply(false)], "{restart}");

        let mut node = Node::holding(1, &[1]);
        node.receive(2, 3, request_vote(id(5, 2)));
        assert_eq!(node.sent_to(2), [vote_reply(true)]);
        if restart {
            node.restart();
            node.settle();
        }
        hear(&mut node, 3, request_vote(id(5, 2)));
        assert_eq!(said(&mut node), [vote_reply(false)], "{restart}");
    }
}

/// [F2.RV.2] Neither does a refusal to one of them turn into what the other was granted.
#[test]
fn what_waits_for_one_life_is_not_told_to_the_other() {
    let mut node = Node::holding(1, &[1]);
    node.auto_sync = false;
    hear(&mut node, 3, request_vote(id(5, 2)));
    node.receive(2, 3, request_vote(id(5, 2)));
    node.sync();
    let told = node.sent();
    let granted = |message: &Message| message.body == vote_reply(true);
    assert!(
        told.iter()
            .all(|message| !(message.to == peer(2) && granted(message))),
        "{told:?}"
    );
    // And the other way round: the stranger waits for another time.
    let mut node = Node::holding(1, &[1]);
    node.auto_sync = false;
    node.receive(2, 3, request_vote(id(5, 2)));
    hear(&mut node, 3, request_vote(id(5, 2)));
    node.sync();
    assert_eq!(node.sent_to(2), [vote_reply(true)]);
}

/// [T3.8.11] It may lead and be voted for, but what it has counts for nothing here.
#[test]
fn a_new_life_does_not_count_in_place_of_the_one_before() {
    let mut node = Node::in_role(Role::Candidate);
    let term = node.term();
    node.drops();
    hear(&mut node, term, vote_reply(true));
    assert_eq!(node.hull.role(), Role::Candidate);
    assert_eq!(node.drops(), [Dropped::Stranger]);
    let mut node = Node::leading();
    node.propose(b"x");
    node.sent();
    node.drops();
    let last = node.hull.last().index.get();
    hear(&mut node, 1, matched(last, last));
    assert_eq!(node.drops(), [Dropped::Stranger]);
    assert!(node.commit() < last);
}

/// [T4.2.2.16] The life that was removed is told so, though another one is a member again.
#[test]
fn the_life_that_was_removed_is_told_so() {
    let mut node = Node::holding(1, &[1]);
    let members = Configuration::of_voters([peer(1), new_life(), peer(3)]);
    let entry = configuration_entry(2, 1, &members);
    node.receive(3, 1, append(id(1, 1), vec![entry], 2));
    node.sent();
    node.receive(2, 1, pre_vote(1, id(1, 1)));
    let told = node.sent_to(2);
    assert!(told.contains(&removed(2)), "{told:?}");
}

fn new_life() -> Peer {
    Peer::new(NodeId::new(2), Incarnation::new(7))
}

/// The new life of node 2 says something, in its own term.
fn hear(node: &mut Node, term: u64, body: Body) {
    let to = node.hull.me();
    node.step(Input::Message(Message {
        from: new_life(),
        to,
        term: Term::new(term),
        body,
    }));
}

/// What it is told.
fn said(node: &mut Node) -> Vec<Body> {
    let sent = node.sent().into_iter();
    let to_it = sent.filter(|message| message.to == new_life());
    to_it.map(|message| message.body).collect()
}
