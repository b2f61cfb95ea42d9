//! Bugs this core had, each with the smallest story that shows it.

mod support;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use raft_core::checksum::crc32c;
use raft_core::hull::{Doubt, Input, Outcome};
use raft_core::log::memory::MemoryLog;
use raft_core::states::Role;
use support::{
    Node, append_numbered, chunks, conflict, heartbeat, heartbeat_reply, id, peer, pre_vote,
    request_vote, setup, vote_reply,
};

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

/// Each acknowledgement waited in a place of its own while the leader's lane had no room, until
/// there were more than an invariant allows, and the node stopped for good.
#[test]
fn a_lane_without_room_stops_nobody() {
    let mut node = Node::new(1, 3);
    node.settle();
    node.receive(2, 1, append_numbered(1, id(0, 0), chunks(1, &[1]), 0));
    for at in 2..40 {
        node.receive(
            2,
            1,
            append_numbered(at, id(at - 1, 1), chunks(at, &[1]), 0),
        );
    }
    assert_eq!(node.sent_to(2).len(), 1, "one acknowledgement for all");
}

/// A late request of an earlier term put its refusal in the place of a grant of the present one.
#[test]
fn a_late_request_does_not_take_back_a_grant() {
    let mut node = Node::new(1, 3);
    node.settle();
    node.auto_sync = false;
    node.receive(2, 5, request_vote(id(0, 0)));
    node.receive(2, 4, request_vote(id(0, 0)));
    assert_eq!(node.sent_to(2), [], "the vote is not durable yet");
    node.sync();
    assert_eq!(node.sent_to(2), [vote_reply(true)]);
}

/// A refusal that answered a request of an earlier term undid a vote that was counted already.
#[test]
fn a_late_refusal_does_not_undo_a_vote() {
    let mut node = Node::new(1, 5);
    node.settle();
    let term = node.stand();
    node.sent();
    node.receive(2, term, vote_reply(true));
    node.receive(2, term, vote_reply(false));
    node.receive(3, term, vote_reply(true));
    assert_eq!(node.hull.role(), Role::Leader);
}

/// Only the answer to the very last probe was believed, and a new one went out before it came.
#[test]
fn refusals_that_take_longer_than_a_resend_are_believed() {
    let mut node = Node::holding(5, &[1, 2, 3, 4, 5]);
    node.elect();
    let mut on_the_way = VecDeque::new();
    for _ in 0..60 {
        let term = node.term();
        on_the_way.extend(
            node.appends_to(2)
                .into_iter()
                .map(|append| (node.now, append)),
        );
        node.receive(3, term, heartbeat_reply(1));
        node.wait(Duration::from_millis(50));
        while let Some((sent, append)) = on_the_way.pop_front() {
            if node.now.since(sent) < Duration::from_millis(450) {
                on_the_way.push_front((sent, append));
                break;
            }
            let refused = append.previous.index.get();
            if refused == 0 {
                return;
            }
            node.receive(2, term, conflict(append.request, refused, id(0, 0)));
        }
    }
    panic!("the leader never looked further back");
}

/// Entries without payloads were taken, acknowledged as held, and ended the node when applied.
#[test]
fn entries_without_payloads_are_not_entries() {
    let mut node = Node::new(1, 3);
    node.settle();
    let bare = chunks(1, &[1])
        .iter()
        .map(|chunk| chunk.ids_only(crc32c))
        .collect();
    node.receive(2, 1, append_numbered(1, id(0, 0), bare, 1));
    assert_eq!(node.hull.last(), id(0, 0));
    assert_eq!(node.sent_to(2), []);
}

/// It opened a term whose vote its own disk could not take.
#[test]
fn whose_disk_stalled_while_it_asked_does_not_campaign() {
    let mut tuned = setup(1, 3);
    Arc::make_mut(&mut tuned.settings).stalled_write_after = tuned.settings.election_timeout;
    let mut node = Node::with_setup(tuned, MemoryLog::new());
    node.settle();
    node.auto_sync = false;
    node.receive(2, 1, append_numbered(1, id(0, 0), chunks(1, &[1]), 0));
    node.wait(Duration::from_millis(900));
    node.step(Input::ConnectionLost(peer(2).id));
    node.wait(Duration::from_millis(50));
    assert_eq!(node.hull.role(), Role::PreCandidate);
    node.now = node.now.after(Duration::from_millis(100));
    node.pre_vote(3, true);
    assert_eq!((node.hull.role(), node.term()), (Role::Follower, 1));
}
