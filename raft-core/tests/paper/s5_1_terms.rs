//! Terms, roles and who may speak to whom (paper 5.1; Figure 2 State and All Servers; Figure 4).

use std::time::Duration;

use raft_core::error::Dropped;
use raft_core::hull::{Input, Outcome, Refusal};
use raft_core::ids::{Incarnation, NodeId, Peer, Term};
use raft_core::log::memory::MemoryLog;
use raft_core::message::{
    AppendEntriesReply, AppendVerdict, Body, HeartbeatReply, Message, RequestVote, RequestVoteReply,
};
use raft_core::states::Role;
use raft_core::trace::EventKind;

use crate::support::{
    self, Node, append, chunks, conflict, every_body, heartbeat, heartbeat_reply, id, matched,
    peer, pre_vote, request_vote, settings, vote_reply,
};

const ROLES: [Role; 4] = [
    Role::Follower,
    Role::PreCandidate,
    Role::Candidate,
    Role::Leader,
];

/// [F2.STATE.1]
#[test]
fn the_term_starts_at_zero() {
    assert_eq!(Node::new(1, 3).term(), 0);
}

/// [F2.STATE.1]
#[test]
fn a_message_of_an_earlier_term_changes_nothing() {
    for role in ROLES {
        for body in every_body() {
            if matches!(body, Body::PreVoteReply(_) | Body::Removed(_)) {
                // They answer an attempt (thesis 9.6), and tell what is committed for good.
                continue;
            }
            let mut node = Node::in_role(role);
            let (vote, terms) = (node.hull.vote(), node.terms());
            let (term, deadline) = (node.term(), node.hull.deadline());
            node.receive(2, 4, body.clone());
            let name = body.name();
            assert_eq!(node.hull.role(), role, "{name}");
            assert_eq!(node.term(), term, "{name}");
            assert_eq!(node.hull.vote(), vote, "{name}");
            assert_eq!(node.terms(), terms, "{name}");
            assert_eq!(node.commit(), 0, "{name}");
            assert_eq!(node.hull.deadline(), deadline, "{name}");
        }
    }
}

/// [F2.STATE.2]
#[test]
fn a_new_term_clears_the_vote() {
    let mut node = Node::new(1, 3);
    node.receive(2, 1, request_vote(id(0, 0)));
    assert_eq!(node.hull.vote(), Some(NodeId::new(2)));
    node.hear(3, 2);
    assert_eq!(node.hull.vote(), None);
}

/// [F2.STATE.2]
#[test]
fn the_leader_of_the_same_term_leaves_the_vote_as_it_is() {
    let mut node = Node::new(1, 3);
    node.receive(2, 1, request_vote(id(0, 0)));
    node.hear(2, 1);
    assert_eq!(node.hull.vote(), Some(NodeId::new(2)));
    node.receive(3, 1, request_vote(id(9, 1)));
    assert_eq!(node.hull.vote(), Some(NodeId::new(2)));
}

/// [F2.STATE.2]
#[test]
fn a_candidate_that_yields_in_its_own_term_keeps_its_vote() {
    let mut node = Node::new(1, 3);
    let term = node.stand();
    node.hear(2, term);
    assert_eq!(node.hull.role(), Role::Follower);
    assert_eq!(node.hull.vote(), Some(NodeId::new(1)));
}

/// [F2.ALL.2]
#[test]
fn a_later_term_in_any_message_makes_a_follower_of_that_term() {
    for role in ROLES {
        for body in every_body() {
            let asks = matches!(body, Body::RequestVote(_));
            if matches!(body, Body::PreVote(_)) || (asks && role == Role::Leader) {
                continue; // thesis 9.6 and 4.2.3 except these
            }
            let mut node = Node::in_role(role);
            node.receive(2, 9, body.clone());
            assert_eq!(node.hull.role(), Role::Follower, "{role:?} {}", body.name());
            assert_eq!(node.term(), 9, "{role:?} {}", body.name());
            assert_eq!(node.hard().term, Term::new(9), "durable");
        }
    }
}

#[test]
fn a_term_that_leaves_no_room_to_campaign_is_not_followed() {
    for term in [u64::MAX / 2, u64::MAX] {
        for body in every_body() {
            let mut node = Node::in_role(Role::Candidate);
            node.drops();
            node.sent();
            node.receive(2, term, body);
            assert_eq!(node.term(), 6);
            assert_eq!(node.drops(), [Dropped::Impossible]);
            assert_eq!(node.sent(), []);
        }
    }
}

#[test]
fn a_message_that_boasts_of_an_entry_from_a_term_its_sender_has_not_reached_is_dropped() {
    let impossible = [
        pre_vote(1, id(9, 7)),
        request_vote(id(9, 7)),
        append(id(2, 7), Vec::new(), 2),
        conflict(1, 2, id(1, 7)),
    ];
    for body in impossible {
        for role in ROLES {
            let mut node = Node::in_role(role);
            node.sent();
            node.drops();
            let before = (node.hull.role(), node.term(), node.hull.vote());
            node.receive(2, 6, body.clone());
            assert_eq!(node.drops(), [Dropped::Impossible], "{}", body.name());
            assert_eq!((node.hull.role(), node.term(), node.hull.vote()), before);
            assert_eq!(node.sent(), []);
        }
    }
}

/// [F2.RV.1]
#[test]
fn a_candidate_of_an_earlier_term_is_refused_and_told_the_present_one() {
    let mut node = Node::holding(5, &[1]);
    node.receive(2, 4, request_vote(id(9, 4)));
    let sent = node.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].term, Term::new(5));
    assert_eq!(sent[0].body, vote_reply(false));
}

/// [F2.AE.1]
#[test]
fn entries_of_an_earlier_term_are_refused_and_their_sender_told_the_present_one() {
    let mut node = Node::holding(5, &[1]);
    node.receive(2, 4, append(id(1, 1), chunks(2, &[4]), 2));
    let sent = node.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].term, Term::new(5));
    let verdict = AppendVerdict::StaleTerm;
    let reply = AppendEntriesReply {
        request: 1,
        verdict,
    };
    assert_eq!(sent[0].body, Body::AppendEntriesReply(reply));
    assert_eq!((node.terms(), node.commit()), (vec![1], 0));
}

/// [F2.AE.1]
#[test]
fn a_late_request_of_an_earlier_term_takes_back_no_refusal() {
    let mut node = Node::holding(5, &[1]);
    node.auto_sync = false;
    node.receive(2, 6, append(id(9, 5), Vec::new(), 0));
    node.receive(2, 5, append(id(1, 1), Vec::new(), 0));
    node.sync();
    assert_eq!(node.sent_to(2), [conflict(1, 9, id(1, 1))]);
}

/// [F2.RV.1]
#[test]
fn what_else_waits_for_a_candidate_of_an_earlier_term_does_not_leave_it_unanswered() {
    let mut node = Node::holding(5, &[1]);
    node.auto_sync = false;
    node.receive(2, 6, append(id(9, 5), Vec::new(), 0));
    node.wait(settings().election_timeout);
    node.receive(2, 5, request_vote(id(9, 5)));
    node.sync();
    let sent = node.sent_to(2);
    assert!(sent.contains(&vote_reply(false)), "{sent:?}");
    assert_eq!(sent.len(), 2);
}

/// [F2.AE.1]
#[test]
fn a_heartbeat_of_an_earlier_term_is_answered_with_the_present_one() {
    let mut node = Node::holding(5, &[1]);
    node.receive(2, 4, heartbeat(7, 1));
    let sent = node.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].term, Term::new(5));
    let reply = HeartbeatReply::NO_ROUND;
    assert_eq!(sent[0].body, Body::HeartbeatReply(reply));
    assert_eq!((node.hull.leader(), node.commit()), (None, 0));
}

/// [S5.1.2]
#[test]
fn a_deposed_leader_does_nothing_a_leader_does() {
    let mut node = Node::leading();
    node.propose(b"left behind");
    let request = node.appends_to(2)[0].request;
    node.receive(2, 2, heartbeat(1, 0));
    assert_eq!(node.hull.role(), Role::Follower);
    node.sent();
    // What it asked as leader is answered late, under its old term and under the new one.
    node.receive(3, 1, matched(request, 2));
    node.receive(3, 2, matched(request, 2));
    node.wait(Duration::from_millis(500));
    assert_eq!(node.commit(), 1);
    assert_eq!(node.sent(), []);
    assert_eq!(node.hull.match_index(NodeId::new(3)), None);
}

/// [F4.1]
#[test]
fn roles_follow_each_other_along_the_arrows() {
    let mut node = Node::new(1, 3);
    node.elect();
    node.receive(2, 2, heartbeat(1, 0));
    let roles: Vec<(Role, u64)> = node
        .events
        .iter()
        .filter_map(|event| match event.kind {
            EventKind::BecameRole { role, term } => Some((role, term.get())),
            _ => None,
        })
        .collect();
    let expected = [
        (Role::PreCandidate, 0),
        (Role::Candidate, 1),
        (Role::Leader, 1),
        (Role::Follower, 2),
    ];
    assert_eq!(roles, expected);
}

/// [S5.1.4]
#[test]
fn a_follower_says_nothing_of_its_own_accord() {
    let mut node = Node::holding(5, &[1, 2]);
    assert_eq!(node.sent(), []);
    node.hear(2, 5);
    assert_eq!(node.sent_to(2), [heartbeat_reply(1)]);
    node.wait(Duration::from_millis(999));
    assert_eq!(node.sent(), []);
}

/// [S5.1.5]
#[test]
fn who_does_not_lead_refuses_a_command_and_names_the_leader() {
    let refused = |leader: Option<u64>| {
        let leader = leader.map(NodeId::new);
        Some(Outcome::Refused(Refusal::NotLeader { leader }))
    };
    let mut node = Node::holding(5, &[1]);
    let ticket = node.propose(b"x");
    assert_eq!(node.outcome(ticket), refused(None));
    node.hear(2, 5);
    let ticket = node.propose(b"x");
    assert_eq!(node.outcome(ticket), refused(Some(2)));
    for role in [Role::PreCandidate, Role::Candidate] {
        let mut node = Node::in_role(role);
        let ticket = node.propose(b"x");
        assert_eq!(node.outcome(ticket), refused(None));
        assert_eq!(node.terms(), [1, 2], "nothing was appended");
    }
}

/// [S5.1.18]
#[test]
fn every_message_carries_its_senders_term() {
    for role in ROLES {
        let mut node = Node::in_role(role);
        let term = node.term();
        node.receive(2, 4, request_vote(id(9, 4)));
        node.receive(3, 4, heartbeat(1, 0));
        node.wait(Duration::from_millis(100));
        let sent = node.sent();
        assert!(sent.len() >= 2, "{role:?}");
        for message in sent {
            assert_eq!((message.from, message.term.get()), (peer(1), term));
        }
    }
}

/// [S5.1.24]
#[test]
fn a_silent_follower_holds_up_no_other() {
    let mut node = Node::new(1, 3);
    node.elect();
    for at in 1..20 {
        node.acknowledge(3, at);
        node.propose(b"x");
        let sent = node.sent();
        let to_3 =
            |message: &&Message| message.to == peer(3) && message.body.name() == "AppendEntries";
        assert_eq!(sent.iter().filter(to_3).count(), 1, "entry {}", at + 1);
        assert_eq!(node.commit(), at, "with 3's answers alone");
    }
}

/// [T3.8.11] What asks for nothing is all that would count for a member.
#[test]
fn an_answer_from_another_life_of_a_member_is_dropped() {
    let asks = [
        "PreVote",
        "RequestVote",
        "AppendEntries",
        "InstallSnapshot",
        "Heartbeat",
    ];
    let answers = every_body().into_iter();
    for body in answers.filter(|body| !asks.contains(&body.name())) {
        let mut node = Node::holding(5, &[1, 2]);
        let stranger = Peer::new(NodeId::new(2), Incarnation::new(7));
        node.step(Input::Message(Message {
            from: stranger,
            to: node.hull.me(),
            term: Term::new(9),
            body,
        }));
        assert_eq!(node.drops(), [Dropped::Stranger]);
        assert_eq!(node.term(), 5);
        assert_eq!(node.sent(), []);
    }
}

/// [T3.8.11] Not even for itself, where it alone would be a majority.
#[test]
fn another_life_of_a_member_is_not_elected_in_its_place() {
    for size in [1, 3] {
        let mut setup = support::setup(1, size);
        setup.me = Peer::new(NodeId::new(1), Incarnation::new(7));
        let mut node = Node::with_setup(setup, MemoryLog::new());
        node.settle();
        node.wait(settings().election_timeout * 20);
        assert_eq!((node.hull.role(), node.term()), (Role::Follower, 0));
        assert_eq!(node.sent(), []);
    }
}

#[test]
fn a_message_for_another_life_of_this_node_or_another_node_is_dropped() {
    let other_life = Peer::new(NodeId::new(1), Incarnation::new(7));
    for to in [other_life, peer(2)] {
        let mut node = Node::holding(5, &[1, 2]);
        node.step(Input::Message(Message {
            from: peer(3),
            to,
            term: Term::new(9),
            body: request_vote(id(9, 9)),
        }));
        assert_eq!(node.drops(), [Dropped::NotForMe]);
        assert_eq!(node.term(), 5);
        assert_eq!(node.sent(), []);
    }
}

#[test]
fn a_message_in_this_nodes_own_name_is_dropped() {
    let mut node = Node::new(1, 3);
    let term = node.stand();
    node.drops();
    node.receive(1, term, vote_reply(true));
    assert_eq!(node.drops(), [Dropped::Stranger]);
    assert_eq!(node.hull.role(), Role::Candidate);
}

#[test]
fn a_second_leader_in_one_term_is_dropped() {
    let mut node = Node::holding(5, &[1]);
    node.hear(2, 5);
    node.sent();
    node.drops();
    node.receive(3, 5, append(id(1, 1), chunks(2, &[5]), 2));
    node.receive(3, 5, heartbeat(1, 1));
    assert_eq!(node.drops(), [Dropped::Impossible, Dropped::Impossible]);
    assert_eq!(node.hull.leader(), Some(NodeId::new(2)));
    assert_eq!((node.terms(), node.commit()), (vec![1], 0));
    assert_eq!(node.sent(), []);
}

#[test]
fn a_leader_drops_entries_of_another_in_its_own_term() {
    let mut node = Node::leading();
    node.receive(2, 1, append(id(0, 0), chunks(1, &[1, 1]), 2));
    node.receive(2, 1, heartbeat(1, 1));
    assert_eq!(node.drops().last(), Some(&Dropped::Impossible));
    assert_eq!((node.hull.role(), node.terms()), (Role::Leader, vec![1]));
}

/// [F2.RV.2]
#[test]
fn a_leader_grants_no_vote_in_its_own_term() {
    let mut node = Node::leading();
    node.receive(
        2,
        1,
        Body::RequestVote(RequestVote {
            last: id(9, 1),
            transfer: true,
        }),
    );
    let refusal = RequestVoteReply { granted: false };
    assert_eq!(node.sent_to(2), [Body::RequestVoteReply(refusal)]);
    assert_eq!(node.hull.role(), Role::Leader);
}
