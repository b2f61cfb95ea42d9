//! A node whose log lost entries that were durable (thesis 3.8; docs/deviations.md, "The log").

use std::collections::VecDeque;

use raft_core::error::{Dropped, OpenError};
use raft_core::explain::NoLeader;
use raft_core::hull::{Hull, Input};
use raft_core::ids::{LogIndex, NodeId, Term};
use raft_core::log::memory::MemoryLog;
use raft_core::log::{HardState, Recovered};
use raft_core::message::{Body, Message, PreVoteReply, TimeoutNow};
use raft_core::states::Role;
use raft_core::trace::EventKind;

use crate::support::{
    Node, append, chunks, heartbeat, id, index, lost, matched, pre_vote, request_vote, setup,
    vote_reply,
};

/// Node 1 of three, which held entries of these terms, each written on its own and sent by node 2 as
/// the leader of term 5, and lost the last `losses` of them.
fn damaged(terms: &[u64], losses: usize) -> Node {
    let mut node = whole(terms);
    node.restart_without(losses);
    node.settle();
    node.events.clear();
    assert!(node.hull.lost_through().is_some());
    node
}

fn whole(terms: &[u64]) -> Node {
    let mut node = Node::new(1, 3);
    node.past = Some(VecDeque::new());
    let mut previous = id(0, 0);
    for (at, term) in (1..).zip(terms) {
        node.receive(2, 5, append(previous, chunks(at, &[*term]), 0));
        previous = id(at, *term);
    }
    node.sent();
    node
}

/// Whether the node votes, in term 6, for a candidate whose log ends like this.
fn votes_for(node: &mut Node, last: raft_core::ids::EntryId) -> bool {
    node.receive(3, 6, request_vote(last));
    node.sent_to(3) == [vote_reply(true)]
}

/// [T3.8.11]
#[test]
fn candidates_are_measured_by_the_log_that_was_lost() {
    assert!(!votes_for(&mut damaged(&[1, 2, 2, 2], 2), id(3, 2)));
    assert!(votes_for(&mut damaged(&[1, 2, 2, 2], 2), id(4, 2)));
    assert!(votes_for(&mut damaged(&[1, 2, 2, 2], 2), id(1, 3)));
}

/// [T3.8.11]
#[test]
fn so_are_pre_candidates() {
    for (last, granted) in [(id(3, 2), false), (id(4, 2), true)] {
        let mut node = damaged(&[1, 2, 2, 2], 2);
        node.receive(3, 5, pre_vote(7, last));
        let reply = PreVoteReply {
            attempt: 7,
            asked: Term::new(6),
            granted,
        };
        assert_eq!(node.sent_to(3), [Body::PreVoteReply(reply)]);
    }
}

/// [T3.8.11]
#[test]
fn the_vote_of_a_node_in_repair_stays() {
    let mut node = whole(&[1, 2]);
    node.restart();
    node.settle();
    node.receive(3, 6, request_vote(id(2, 2)));
    node.restart_without(3);
    node.settle();
    assert!(node.hull.lost_through().is_some());
    node.receive(2, 6, request_vote(id(9, 5)));
    assert_eq!(node.hull.vote(), Some(NodeId::new(3)));
    assert_eq!(node.sent_to(2), [vote_reply(false)]);
}

/// [T3.8.11]
#[test]
fn who_lost_entries_does_not_campaign_and_says_why() {
    let mut node = damaged(&[1, 2, 2, 2], 2);
    for _ in 0..5 {
        node.time_out();
        assert_eq!(node.hull.role(), Role::Follower);
        let calls = |message: &Message| matches!(message.body, Body::HeartbeatReply(_));
        assert!(node.sent().iter().all(calls), "it asks for no vote");
    }
    let why = NoLeader::InRepair {
        last: id(2, 2),
        lost_through: id(4, 2),
    };
    assert!(node.hull.why_no_leader(node.now).contains(&why));
}

/// [T3.8.11]
#[test]
fn nor_when_it_is_told_to_take_over() {
    let mut node = damaged(&[1, 2, 2, 2], 2);
    node.receive(2, 5, heartbeat(1, 0));
    node.events.clear();
    let told = TimeoutNow {
        round: 1,
        last: id(2, 2),
    };
    node.receive(2, 5, Body::TimeoutNow(told));
    assert_eq!(node.drops(), [Dropped::MayNotLead]);
    assert_eq!((node.hull.role(), node.term()), (Role::Follower, 5));
}

/// [T3.8.11]
#[test]
fn it_says_that_it_lost_what_it_is_taken_to_hold() {
    let mut node = damaged(&[1, 2, 2, 2], 2);
    node.receive(2, 5, append(id(4, 2), vec![], 4));
    assert_eq!(node.sent_to(2), [lost(1, 4, id(2, 2))]);
    assert_eq!(node.commit(), 0);
}

/// What it lost may have removed what stands in its log now.
/// [T3.8.11]
#[test]
fn a_heartbeat_of_the_same_term_is_not_believed_before_the_logs_were_compared() {
    let mut node = damaged(&[1, 2, 2, 2], 2);
    node.receive(2, 5, heartbeat(1, 2));
    assert_eq!(node.commit(), 0, "it may stem from what was lost");
    assert!(node.sent_to(2).contains(&lost(0, 2, id(2, 2))));
    node.receive(2, 5, append(id(2, 2), vec![], 0));
    node.receive(2, 5, heartbeat(2, 2));
    assert_eq!(node.commit(), 2);
    node.receive(2, 5, heartbeat(3, 3));
    assert_eq!(node.commit(), 2, "no more than was compared");
}

/// [T3.8.11]
#[test]
fn a_heartbeat_of_a_later_term_is_believed() {
    let mut node = damaged(&[1, 2, 2, 2], 2);
    node.receive(3, 6, append(id(2, 2), vec![], 0));
    node.sent();
    node.receive(3, 6, heartbeat(1, 2));
    assert_eq!(node.commit(), 2);
    assert_eq!(
        node.sent_to(3).len(),
        1,
        "the answer to the heartbeat alone"
    );
}

/// [T3.8.11]
#[test]
fn a_log_is_whole_when_it_durably_reaches_as_far_again() {
    let mut node = damaged(&[1, 2, 2, 2], 2);
    node.receive(2, 5, append(id(2, 2), chunks(3, &[2]), 0));
    assert_eq!(node.hull.lost_through(), Some(id(4, 2)));
    node.auto_sync = false;
    node.receive(2, 5, append(id(3, 2), chunks(4, &[2]), 0));
    assert_eq!(node.hull.lost_through(), Some(id(4, 2)), "not durable yet");
    node.sync();
    assert_eq!(node.hull.lost_through(), None);
    let repaired = EventKind::Repaired { last: id(4, 2) };
    node.auto_sync = true;
    node.receive(2, 5, append(id(4, 2), chunks(5, &[2]), 0));
    let times = node.events.iter().filter(|event| event.kind == repaired);
    assert_eq!(times.count(), 1, "it says so once");
    assert_eq!(node.stand(), 6, "it campaigns as any other");
}

/// [T3.8.11]
#[test]
fn an_entry_of_a_later_term_makes_it_whole_too() {
    let mut node = damaged(&[1, 2, 2, 2], 2);
    node.receive(3, 6, append(id(2, 2), chunks(3, &[6]), 0));
    assert_eq!(node.hull.lost_through(), None);
}

/// [T3.8.11]
#[test]
fn a_second_restart_changes_nothing() {
    let mut node = damaged(&[1, 2, 2, 2], 2);
    node.receive(2, 5, append(id(2, 2), chunks(3, &[2]), 0));
    node.restart();
    assert_eq!(node.hull.lost_through(), Some(id(4, 2)));
    assert!(!votes_for(&mut node, id(3, 2)));
}

/// What a follower acknowledged counts until the leader hears otherwise, and what is committed by it
/// stays so.
/// [T3.8.11]
#[test]
fn a_leader_forgets_what_a_follower_acknowledged_that_lost_entries() {
    let mut node = Node::leading();
    for payload in [b"a", b"b", b"c"] {
        node.propose(payload);
        node.sent();
        node.acknowledge(2, node.hull.last().index.get());
    }
    assert_eq!(node.commit(), 4);
    node.receive(2, 1, lost(0, 4, id(2, 1)));
    assert_eq!(node.hull.match_index(NodeId::new(2)), Some(LogIndex::ZERO));
    assert_eq!(node.commit(), 4);
    let requests = node.appends_to(2);
    assert_eq!(requests[0].previous, id(2, 1));
    assert_eq!(requests[0].chunks[0].first_index(), index(3));
}

/// [T3.8.11]
#[test]
fn it_counts_again_for_what_it_acknowledges_again() {
    let mut node = Node::leading();
    node.propose(b"a");
    node.sent();
    node.receive(2, 1, lost(0, 1, id(0, 0)));
    assert_eq!(node.commit(), 1);
    node.sent();
    node.acknowledge(2, 2);
    assert_eq!(node.commit(), 2);
}

/// An answer from before the loss comes late: the follower says again what is so.
/// [T3.8.11]
#[test]
fn late_and_doubled_answers_lead_back_to_what_is_held() {
    let mut node = Node::leading();
    node.propose(b"a");
    node.sent();
    let request = node.last_request(2);
    node.receive(2, 1, lost(0, 1, id(0, 0)));
    node.receive(2, 1, matched(request, 2));
    node.receive(2, 1, lost(0, 1, id(0, 0)));
    node.receive(2, 1, lost(0, 1, id(0, 0)));
    assert_eq!(node.appends_to(2)[0].previous, id(0, 0));
    assert_eq!(node.hull.match_index(NodeId::new(2)), Some(LogIndex::ZERO));
}

/// An answer of a request that was sent before the leader heard of the loss may tell of what is lost, and comes
/// as often as the network likes. What the follower still has it says again, when it is asked again.
/// [T3.8.11]
#[test]
fn what_was_asked_before_a_loss_was_heard_of_counts_no_more() {
    let mut node = Node::leading();
    for payload in [b"a", b"b", b"c"] {
        node.propose(payload);
        node.sent();
    }
    let before = node.last_request(2);
    node.receive(2, 1, matched(before, 4));
    node.receive(2, 1, lost(0, 4, id(2, 1)));
    for request in [before, before - 1, before] {
        node.receive(2, 1, matched(request, 4));
        assert_eq!(node.hull.match_index(NodeId::new(2)), Some(LogIndex::ZERO));
    }
    assert_eq!(node.appends_to(2)[0].previous, id(2, 1));
    node.receive(2, 1, matched(before, 4));
    assert_eq!(node.hull.match_index(NodeId::new(2)), Some(LogIndex::ZERO));
    node.acknowledge(2, 4);
    assert_eq!(node.hull.match_index(NodeId::new(2)), Some(index(4)));
}

/// So it is where the follower was no member for a while: the leader began anew with it, and what it answered
/// before may be lost, whether anybody heard of that or not.
/// [T3.8.11]
#[test]
fn what_was_asked_before_a_follower_was_removed_counts_no_more_when_it_is_back() {
    let mut node = Node::leading();
    node.answer_all(&[2, 3]);
    node.propose(b"before");
    let (held, before) = (node.hull.last().index, node.appends_to(3)[0].request);
    node.answer_all(&[2, 3]);
    node.receive(3, 1, lost(0, held.get(), id(0, 0)));
    let members = node.hull.configuration().members.clone();
    let without = members.iter().filter(|(id, _)| **id != NodeId::new(3));
    node.reconfigure(without.map(|(id, member)| (*id, member.clone())).collect());
    node.answer_all(&[2]);
    node.answer_all(&[2]);
    assert_eq!(node.hull.match_index(NodeId::new(3)), None);
    node.sent();
    node.reconfigure(members);
    assert_eq!(node.hull.match_index(NodeId::new(3)), Some(LogIndex::ZERO));
    node.receive(3, 1, matched(before, held.get()));
    assert_eq!(node.hull.match_index(NodeId::new(3)), Some(LogIndex::ZERO));
    node.sent();
    node.acknowledge(3, held.get());
    assert_eq!(node.hull.match_index(NodeId::new(3)), Some(held));
}

/// The word of a loss comes twice, or late: what was acknowledged since counts. Until it is
/// told of a request that was sent later.
/// [T3.8.11]
#[test]
fn an_answer_that_is_older_than_an_acknowledgement_tells_of_no_loss() {
    let mut node = Node::leading();
    for payload in [b"a", b"b", b"c"] {
        node.propose(payload);
        node.sent();
        node.acknowledge(2, node.hull.last().index.get());
    }
    node.propose(b"d");
    node.sent();
    let before = node.last_request(2);
    node.receive(2, 1, lost(before, 4, id(2, 1)));
    node.sent();
    node.acknowledge(2, 4);
    let since = node.last_request(2);
    for request in [before, before, since] {
        node.receive(2, 1, lost(request, 4, id(2, 1)));
        assert_eq!(node.hull.match_index(NodeId::new(2)), Some(index(4)));
    }
    node.sent();
    let later = node.last_request(2);
    assert!(later > since, "there was more to send");
    node.receive(2, 1, lost(later, 4, id(2, 1)));
    assert_eq!(node.hull.match_index(NodeId::new(2)), Some(LogIndex::ZERO));
}

/// Requests overtake each other: what is refused was never acknowledged, so that nothing of what
/// was is in doubt. It is an ordinary refusal, after which less is sent at once.
/// [T3.8.11]
#[test]
fn a_refusal_of_what_was_never_acknowledged_tells_of_no_loss() {
    let mut node = Node::leading();
    node.propose(b"a");
    node.sent();
    node.acknowledge(2, 2);
    for payload in [b"b", b"c", b"d", b"e"] {
        node.propose(payload);
        node.sent();
    }
    let last = node.last_request(2);
    node.receive(2, 1, lost(last, 5, id(2, 1)));
    assert_eq!(node.hull.match_index(NodeId::new(2)), Some(index(2)));
    assert_eq!(node.appends_to(2)[0].previous, id(2, 1));
    node.receive(2, 1, lost(last - 1, 4, id(2, 1)));
    assert!(
        node.appends_to(2).is_empty(),
        "it has been heard of already"
    );
}

/// [T3.8.11]
#[test]
fn a_loss_that_can_not_be_is_refused_at_the_start() {
    let recovered = Recovered {
        hard: HardState {
            term: Term::new(3),
            ..HardState::default()
        },
        lost_through: Some(id(1, 4)),
        ..Recovered::default()
    };
    let opened = Hull::open(setup(1, 3), recovered, Node::new(1, 3).now);
    assert!(matches!(opened, Err(OpenError::Recovered { .. })));
}

/// [T3.8.11]
#[test]
fn a_node_that_lost_nothing_after_all_is_whole_at_once() {
    let mut recovered = MemoryLog::new().recovered();
    recovered.lost_through = Some(id(0, 0));
    let hull = Hull::open(setup(1, 3), recovered, Node::new(1, 3).now);
    let mut hull = hull.unwrap();
    assert_eq!(hull.lost_through(), None);
    hull.step(Node::new(1, 3).now, Input::DeadlinePassed);
}

/// The last write is lost, which removed entries that a leader had replaced: they stand there again, and nothing
/// later than they was ever durable.
/// [T3.8.11]
#[test]
fn entries_that_were_removed_and_stand_there_again_are_not_taken_for_the_leaders() {
    let mut node = Node::new(1, 3);
    node.past = Some(VecDeque::new());
    node.receive(2, 4, append(id(0, 0), chunks(1, &[1, 4, 4]), 0));
    node.receive(3, 5, append(id(1, 1), chunks(2, &[2]), 0));
    assert_eq!(node.hull.last(), id(2, 2));
    node.sent();
    node.restart_without(1);
    node.settle();
    assert_eq!(node.hull.last(), id(3, 4));
    node.receive(3, 5, heartbeat(1, 2));
    assert_eq!(node.hull.lost_through(), Some(id(2, 5)));
    assert_eq!(node.commit(), 0);
    assert!(node.sent_to(3).contains(&lost(0, 2, id(2, 4))));
    node.receive(3, 5, append(id(1, 1), chunks(2, &[2]), 2));
    assert_eq!((node.commit(), node.hull.last()), (2, id(2, 2)));
    node.receive(3, 5, append(id(2, 2), chunks(3, &[5]), 2));
    assert_eq!(node.hull.lost_through(), None);
}
