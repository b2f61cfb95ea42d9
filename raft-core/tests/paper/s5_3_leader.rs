//! How a leader brings its followers' logs in line with its own (paper 5.3; Figure 2 Leaders,
//! State on leaders).

use raft_core::chunk::Chunk;
use raft_core::error::Dropped;
use raft_core::hull::{Input, Outcome};
use raft_core::ids::{LogIndex, NodeId};
use raft_core::message::{AppendEntriesReply, AppendVerdict, Body, Lane};
use raft_core::settings::Settings;
use raft_core::states::Role;

use crate::support::{
    Node, conflict, heartbeat_reply, id, ids, ids_of, index, matched, settings, vote_reply,
};

/// [F2.STATE.7]
#[test]
fn a_new_leader_begins_right_after_its_last_entry() {
    let mut node = Node::in_role(Role::Leader);
    let sent = node.appends_to(2);
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].previous, id(2, 2));
    assert_eq!(ids(&sent[0].chunks), ids_of(3, &[6]));
}

/// [F2.STATE.7] [F2.STATE.8] Followers may have lost to another leader what they once told it.
#[test]
fn a_leader_that_is_elected_again_begins_anew() {
    let mut node = Node::leading();
    node.propose(b"x");
    node.sent();
    node.acknowledge(2, 2);
    node.hear(3, 2);
    assert_eq!(node.elect(), 3);
    assert_eq!((match_index(&node, 2), match_index(&node, 3)), (0, 0));
    let next = |follower| node.hull.next_index(NodeId::new(follower));
    // Its no-op of term 3 is under way with the first request already.
    assert_eq!((next(2), next(3)), (Some(index(3)), Some(index(3))));
    node.receive(2, 3, conflict(node.last_request(2), 2, id(1, 1)));
    let sent = node.appends_to(2);
    assert_eq!(sent[0].previous, id(1, 1));
    assert_eq!(ids(&sent[0].chunks), ids_of(2, &[1, 3]));
}

/// [F2.STATE.8]
#[test]
fn a_new_leader_knows_of_nothing_that_matches() {
    let node = Node::in_role(Role::Leader);
    assert_eq!(match_index(&node, 2), 0);
    assert_eq!(match_index(&node, 3), 0);
}

/// [F2.STATE.8]
#[test]
fn what_is_known_to_match_never_falls() {
    let mut node = Node::leading();
    node.propose(b"x");
    node.propose(b"y");
    node.sent();
    node.acknowledge(2, 3);
    node.receive(2, 1, matched(1, 1));
    assert_eq!(match_index(&node, 2), 3);
    node.receive(2, 1, conflict(1, 2, id(0, 0)));
    assert_eq!(match_index(&node, 2), 3);
}

/// [F2.LEAD.3]
#[test]
fn a_follower_is_sent_what_it_does_not_have_and_nothing_else() {
    let mut node = Node::leading();
    assert_eq!(node.appends_to(2), []);
    node.propose(b"x");
    node.propose(b"y");
    let sent = node.appends_to(2);
    let entries: Vec<_> = sent.iter().flat_map(|append| ids(&append.chunks)).collect();
    assert_eq!(entries, ids_of(2, &[1, 1]));
    assert_eq!(node.appends_to(2), [], "and not again");
}

/// [S5.3.24]
#[test]
fn entries_travel_with_the_id_of_the_one_before_them() {
    let mut node = Node::in_role(Role::Leader);
    assert_eq!(node.appends_to(2)[0].previous, id(2, 2));
    node.acknowledge(2, 3);
    node.propose(b"x");
    assert_eq!(node.appends_to(2)[0].previous, id(3, 6));
}

/// [F2.LEAD.4]
#[test]
fn an_acknowledgement_moves_match_and_next() {
    let mut node = Node::in_role(Role::Leader);
    node.sent();
    node.acknowledge(2, 3);
    assert_eq!(match_index(&node, 2), 3);
    node.propose(b"x");
    let sent = node.appends_to(2);
    assert_eq!(ids(&sent[0].chunks), ids_of(4, &[6]));
}

/// [F2.LEAD.4]
#[test]
fn an_acknowledgement_covers_what_was_asked_and_not_all_the_leader_has() {
    let mut node = Node::leading();
    node.propose(b"x");
    let first = node.appends_to(2)[0].request;
    node.propose(b"y");
    node.appends_to(2);
    node.receive(2, 1, matched(first, 2));
    assert_eq!(match_index(&node, 2), 2);
    assert_eq!(node.commit(), 2);
}

/// [F2.LEAD.5]
#[test]
fn a_refusal_moves_next_back_and_entries_go_out_from_there() {
    let mut node = Node::leading();
    for _ in 0..3 {
        node.propose(b"x");
    }
    node.sent();
    // Node 3 has lost nothing, node 2 all but the first of these.
    node.step(Input::ConnectionLost(NodeId::new(2)));
    assert_eq!(node.appends_to(2)[0].previous, id(4, 1));
    node.receive(2, 1, conflict(node.last_request(2), 4, id(2, 1)));
    let sent = node.appends_to(2);
    assert_eq!(sent.len(), 1, "a probe, one at a time");
    assert_eq!(sent[0].previous, id(2, 1));
    assert_eq!(ids(&sent[0].chunks), ids_of(3, &[1, 1]));
}

/// [F2.LEAD.5]
#[test]
fn a_refusal_moves_next_back_by_one_at_least() {
    let mut node = Node::holding(5, &[1, 1, 1, 4]);
    node.elect();
    let request = node.last_request(2);
    // A hint that helps nothing: the very entry that was refused, or one beyond.
    node.receive(2, 6, conflict(request, 4, id(9, 6)));
    assert_eq!(node.appends_to(2)[0].previous, id(3, 1));
}

/// [F2.LEAD.5]
#[test]
fn a_refusal_of_everything_ends_at_the_beginning() {
    let mut node = Node::holding(5, &[1, 1, 1]);
    node.elect();
    let request = node.last_request(2);
    node.receive(2, 6, conflict(request, 3, id(0, 0)));
    let sent = node.appends_to(2);
    assert_eq!(sent[0].previous, id(0, 0));
    node.receive(2, 6, conflict(node.last_request(2), 0, id(0, 0)));
    node.settle();
    assert_eq!(
        node.hull.role(),
        Role::Leader,
        "and what can't be does no harm"
    );
}

/// [F2.LEAD.5]
#[test]
fn a_late_refusal_does_not_move_next_below_what_matches() {
    let mut node = Node::holding(5, &[1, 1, 1]);
    node.elect();
    let probe = node.last_request(2);
    node.receive(2, 6, conflict(probe, 3, id(1, 1)));
    node.sent();
    node.acknowledge(2, 4);
    node.sent();
    node.drops();
    node.receive(2, 6, conflict(probe, 3, id(1, 1)));
    assert_eq!(node.drops(), [Dropped::StaleReply]);
    assert_eq!(node.appends_to(2), []);
    assert_eq!(match_index(&node, 2), 4);
}

/// [S5.3.48]
#[test]
fn a_hint_passes_over_all_conflicting_entries_of_a_term_at_once() {
    let mut node = Node::holding(7, &[1, 1, 1, 4, 4, 5, 5, 6, 6, 6]);
    assert_eq!(node.elect(), 8);
    // Figure 7's follower (f): terms 2 and 3 that no other has.
    let request = node.last_request(2);
    node.receive(2, 8, conflict(request, 10, id(10, 3)));
    assert_eq!(node.appends_to(2)[0].previous, id(3, 1));
}

/// [S5.3.5]
#[test]
fn what_is_not_answered_is_sent_again_without_end() {
    let mut node = Node::leading();
    node.propose(b"x");
    assert_eq!(node.appends_to(2).len(), 1);
    for round in 0..20 {
        let mut again = Vec::new();
        for _ in 0..5 {
            node.wait(settings().heartbeat_interval);
            node.receive(3, 1, heartbeat_reply(1));
            again.extend(node.appends_to(2));
        }
        assert!(!again.is_empty(), "round {round}");
    }
    // The probe finds that the entry was lost, and it goes out again.
    node.receive(2, 1, conflict(node.last_request(2), 2, id(1, 1)));
    assert_eq!(ids(&node.appends_to(2)[0].chunks), ids_of(2, &[1]));
    node.acknowledge(2, 2);
    assert_eq!(node.commit(), 2);
}

/// [S5.3.5]
#[test]
fn after_a_silence_the_probe_carries_no_entries_and_none_goes_twice() {
    let mut node = Node::leading();
    node.propose(b"x");
    node.sent();
    node.wait(settings().resend_after);
    node.wait(settings().heartbeat_interval);
    node.propose(b"y");
    let probes = node.appends_to(2);
    assert_eq!(probes.len(), 1);
    assert_eq!(ids(&probes[0].chunks), []);
    assert_eq!(probes[0].previous, id(2, 1));
    // It had arrived after all: what follows goes out, and nothing before it.
    node.acknowledge(2, 2);
    let sent = node.appends_to(2);
    assert_eq!(ids(&sent[0].chunks), ids_of(3, &[1]));
    assert_eq!(sent.len(), 1);
}

/// [S5.3.5]
#[test]
fn a_lost_connection_makes_the_leader_ask_at_once() {
    let mut node = Node::leading();
    node.propose(b"x");
    node.sent();
    node.step(Input::ConnectionLost(NodeId::new(2)));
    let sent = node.appends_to(2);
    assert_eq!((sent.len(), sent[0].previous), (1, id(2, 1)));
}

/// [S5.3.22]
#[test]
fn a_leader_gives_each_index_once_and_in_order() {
    let mut node = Node::in_role(Role::Leader);
    let tickets: Vec<_> = (0..5).map(|_| node.propose(b"x")).collect();
    node.sent();
    node.acknowledge(2, 8);
    for (at, ticket) in (4..).zip(tickets) {
        assert_eq!(node.outcome(ticket), Some(Outcome::Committed(id(at, 6))));
    }
    assert_eq!(node.terms(), [1, 2, 6, 6, 6, 6, 6, 6]);
}

/// [F2.LEAD.2]
#[test]
fn a_command_is_appended_and_answered_once_it_is_committed_and_applied_then() {
    let mut node = Node::leading();
    let ticket = node.propose(b"x");
    assert_eq!(node.terms(), [1, 1]);
    assert_eq!(node.outcome(ticket), None, "not before");
    assert_eq!(node.applied.len(), 1);
    node.sent();
    node.acknowledge(2, 2);
    assert_eq!(node.outcome(ticket), Some(Outcome::Committed(id(2, 1))));
    assert_eq!(node.applied[1], (id(2, 1), b"x".to_vec()));
}

/// [F2.STATE.8]
#[test]
fn an_acknowledgement_from_an_earlier_term_of_the_same_leader_counts_for_nothing() {
    let mut node = Node::leading();
    node.propose(b"x");
    let request = node.appends_to(2)[0].request;
    // Deposed, and elected again: the entry may have been overwritten on node 2 meanwhile.
    node.receive(3, 2, heartbeat_reply(1));
    assert_eq!(node.hull.role(), Role::Follower);
    assert_eq!(node.elect(), 3);
    node.receive(2, 1, matched(request, 2));
    assert_eq!(match_index(&node, 2), 0);
    assert_eq!(node.commit(), 1);
}

#[test]
fn an_acknowledgement_of_entries_never_sent_is_dropped() {
    let mut node = Node::leading();
    node.receive(2, 1, matched(node.last_request(2), 9));
    assert_eq!(node.drops().last(), Some(&Dropped::Impossible));
    assert_eq!(match_index(&node, 2), 1);
}

#[test]
fn an_acknowledgement_of_a_stranger_counts_for_nothing() {
    let mut node = Node::leading();
    node.propose(b"x");
    node.receive(7, 1, matched(1, 2));
    node.receive(8, 1, matched(1, 2));
    assert_eq!(node.commit(), 1);
}

#[test]
fn a_stale_term_told_in_the_leaders_own_term_is_dropped() {
    let mut node = Node::leading();
    let verdict = AppendVerdict::StaleTerm;
    let reply = AppendEntriesReply {
        request: 1,
        verdict,
    };
    node.receive(2, 1, Body::AppendEntriesReply(reply));
    assert_eq!(node.drops().last(), Some(&Dropped::StaleReply));
    assert_eq!(node.hull.role(), Role::Leader);
}

#[test]
fn a_vote_that_comes_late_changes_nothing_for_a_leader() {
    let mut node = Node::leading();
    node.receive(3, 1, vote_reply(true));
    assert_eq!(node.drops().last(), Some(&Dropped::StaleReply));
    assert_eq!((node.hull.role(), node.term()), (Role::Leader, 1));
}

#[test]
fn a_full_window_waits_for_answers_and_moves_on_with_them() {
    let mut node = Node::leading_with(Settings {
        max_appends_in_flight: 2,
        ..settings()
    });
    let requests = send_each(&mut node, 4);
    assert_eq!(requests.len(), 2, "the window is full");
    node.receive(2, 1, matched(requests[0], 2));
    let sent = node.appends_to(2);
    assert_eq!(ids(&sent[0].chunks), ids_of(4, &[1, 1]));
    // One answer made room for one request, however often it comes.
    node.receive(2, 1, matched(requests[0], 2));
    assert_eq!(send_each(&mut node, 1), []);
    // An index covers all requests up to it, whichever of them is answered.
    node.receive(2, 1, matched(requests[0], 5));
    assert_eq!(send_each(&mut node, 3).len(), 2);
}

/// Behind a gap everything is refused and sent again: where requests overtake each other, a wide
/// window is little but waste.
#[test]
fn a_refusal_among_many_requests_narrows_the_window_until_others_are_answered() {
    let mut node = Node::leading();
    let requests = send_each(&mut node, 4);
    assert_eq!(requests.len(), 4);
    // The second has overtaken the first.
    node.receive(2, 1, conflict(requests[1], 2, id(1, 1)));
    assert_eq!(node.appends_to(2).len(), 1, "a probe");
    node.acknowledge(2, 5);
    let requests = send_each(&mut node, 4);
    assert_eq!(requests.len(), 2, "half of what was under way");
    // Each request that is answered makes room for two.
    node.receive(2, 1, matched(requests[0], 6));
    assert_eq!(node.appends_to(2).len(), 1, "what has waited goes as one");
    assert_eq!(send_each(&mut node, 2).len(), 1);
}

#[test]
fn a_refusal_of_a_request_never_sent_is_dropped() {
    let mut node = Node::leading();
    send_each(&mut node, 2);
    node.drops();
    node.receive(2, 1, conflict(77, 2, id(1, 1)));
    assert_eq!(node.drops(), [Dropped::StaleReply]);
    assert_eq!(node.appends_to(2), []);
}

#[test]
fn a_window_of_lost_requests_is_free_again_after_a_probe() {
    let mut node = Node::leading_with(Settings {
        max_appends_in_flight: 2,
        ..settings()
    });
    send_each(&mut node, 2);
    node.wait(settings().resend_after);
    node.wait(settings().heartbeat_interval);
    node.sent();
    node.receive(2, 1, conflict(node.last_request(2), 3, id(1, 1)));
    let sent = node.appends_to(2);
    assert_eq!(ids(&sent[0].chunks), ids_of(2, &[1, 1]));
    node.acknowledge(2, 3);
    assert_eq!(send_each(&mut node, 2).len(), 2);
}

#[test]
fn bytes_in_flight_bound_the_window_but_let_one_request_through() {
    let mut node = Node::leading_with(Settings {
        max_bytes_in_flight: 64,
        max_append_bytes: 64,
        ..settings()
    });
    node.propose(&[7; 1000]);
    let first = node.appends_to(2);
    assert_eq!(first.len(), 1, "larger than the window, and alone");
    node.propose(b"x");
    assert_eq!(node.appends_to(2), []);
    node.receive(2, 1, matched(first[0].request, 2));
    assert_eq!(node.appends_to(2).len(), 1);
}

/// [F2.LEAD.3] [S5.3.24]
#[test]
fn a_bounded_request_takes_entries_in_order_and_leaves_none_out() {
    let mut node = Node::leading_with(Settings {
        max_append_bytes: 100,
        ..settings()
    });
    let mut expected = Vec::new();
    for (at, size) in (2..).zip([10, 300, 10, 40, 40, 500, 10]) {
        node.propose(&vec![0; size]);
        expected.push(id(at, 1));
    }
    let sent = node.appends_to(2);
    assert!(sent.len() > 3, "{}", sent.len());
    let mut previous = id(1, 1);
    let mut entries = Vec::new();
    for append in sent {
        assert_eq!(append.previous, previous);
        entries.extend(ids(&append.chunks));
        previous = *entries.last().unwrap();
    }
    assert_eq!(entries, expected);
}

#[test]
fn a_probe_waits_for_its_answer() {
    let mut node = Node::in_role(Role::Leader);
    assert_eq!(node.appends_to(2).len(), 1);
    node.propose(b"x");
    assert_eq!(node.appends_to(2), []);
    // An answer to something else does not end the wait.
    node.receive(2, 6, conflict(77, 2, id(0, 0)));
    assert_eq!(node.appends_to(2), []);
    node.acknowledge(2, 3);
    assert_eq!(ids(&node.appends_to(2)[0].chunks), ids_of(4, &[6]));
}

#[test]
fn a_heartbeat_reply_moves_no_match_index() {
    let mut node = Node::in_role(Role::Leader);
    node.sent();
    node.receive(2, 6, heartbeat_reply(0));
    node.receive(3, 6, heartbeat_reply(0));
    assert_eq!((match_index(&node, 2), node.commit()), (0, 0));
}

#[test]
fn an_acknowledgement_of_something_sent_before_the_probe_does_not_end_it() {
    let mut node = Node::leading();
    let requests = send_each(&mut node, 2);
    node.step(Input::ConnectionLost(NodeId::new(2)));
    assert_eq!(node.appends_to(2)[0].previous, id(3, 1));
    node.receive(2, 1, matched(requests[0], 2));
    assert_eq!(match_index(&node, 2), 2);
    assert_eq!(node.appends_to(2), [], "entry 3 would go out twice");
    // Where it leaves nothing to find out, it does.
    node.receive(2, 1, matched(requests[1], 3));
    node.propose(b"z");
    assert_eq!(ids(&node.appends_to(2)[0].chunks), ids_of(4, &[1]));
}

#[test]
fn a_refusal_of_what_is_known_to_match_is_dropped() {
    let mut node = Node::leading();
    node.propose(b"x");
    let request = node.appends_to(2)[0].request;
    node.drops();
    node.receive(2, 1, conflict(request, 1, id(0, 0)));
    assert_eq!(node.drops(), [Dropped::StaleReply]);
    node.propose(b"y");
    assert_eq!(
        ids(&node.appends_to(2)[0].chunks),
        ids_of(3, &[1]),
        "no probe"
    );
}

/// Proposes `count` commands, each sent on its own to node 2; the numbers of the requests sent.
fn send_each(node: &mut Node, count: usize) -> Vec<u64> {
    let mut requests = Vec::new();
    for _ in 0..count {
        node.propose(b"x");
        requests.extend(node.appends_to(2).iter().map(|append| append.request));
    }
    requests
}

fn match_index(node: &Node, follower: u64) -> u64 {
    node.hull
        .match_index(NodeId::new(follower))
        .map_or(u64::MAX, LogIndex::get)
}

#[test]
fn a_leader_shows_what_it_knows_of_a_follower_and_others_show_nothing() {
    let mut node = Node::leading();
    let (two, stranger) = (NodeId::new(2), NodeId::new(9));
    let shown = |node: &Node| {
        let hull = &node.hull;
        (hull.next_index(two), hull.bytes_in_flight(two))
    };
    assert_eq!(shown(&node), (Some(index(2)), Some(0)));
    node.propose(b"x");
    let sent = node.appends_to(2);
    let bytes: usize = sent[0].chunks.iter().map(Chunk::pinned_bytes).sum();
    assert!(bytes > 1);
    assert_eq!(shown(&node), (Some(index(3)), Some(bytes)));
    node.acknowledge(2, 2);
    assert_eq!(shown(&node), (Some(index(3)), Some(0)));
    assert_eq!(node.hull.next_index(stranger), None);
    node.hear(3, 9);
    assert_eq!(shown(&node), (None, None));
}

/// Drivers look at no others, and would look again and again at one with nothing to come.
#[test]
fn a_follower_with_nothing_to_come_is_no_destination() {
    let mut node = Node::leading_with(Settings {
        max_appends_in_flight: 1,
        ..settings()
    });
    assert_eq!(node.destinations(), [], "at rest");
    node.propose(b"x");
    node.sent();
    node.propose(b"y");
    let two = NodeId::new(2);
    assert_eq!(node.destinations(), [], "the window is full");
    assert_eq!(node.hull.next_send(two, Lane::Entries, usize::MAX), None);
    node.acknowledge(2, 2);
    assert_eq!(node.destinations(), [two]);
}
