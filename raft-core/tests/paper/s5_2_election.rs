//! Elections (paper 5.2; Figure 2 RequestVote, Followers and Candidates).

use std::collections::BTreeSet;
use std::time::Duration;

use raft_core::configuration::{Configuration, Member, MemberRole};
use raft_core::hull::Input;
use raft_core::ids::NodeId;
use raft_core::log::memory::MemoryLog;
use raft_core::message::{
    AppendEntriesReply, AppendVerdict, Body, HeartbeatReply, Lane, Message, RequestVote,
};
use raft_core::states::Role;
use raft_core::time::Time;

use crate::support::{
    self, Node, append, chunks, heartbeat, heartbeat_reply, id, matched, peer, request_vote,
    settings, vote_reply,
};

/// [S5.2.2]
#[test]
fn a_node_starts_as_a_follower_whatever_it_was_before() {
    for role in [Role::PreCandidate, Role::Candidate, Role::Leader] {
        let mut node = Node::in_role(role);
        node.restart();
        assert_eq!(node.hull.role(), Role::Follower);
        assert_eq!(node.hull.leader(), None);
    }
}

/// [F2.FOL.1]
#[test]
fn a_follower_answers_candidates_and_leaders() {
    let mut node = Node::holding(5, &[1]);
    node.receive(2, 5, request_vote(id(1, 1)));
    assert_eq!(node.sent_to(2), [vote_reply(true)]);
    node.receive(2, 5, append(id(1, 1), chunks(2, &[5]), 0));
    assert_eq!(node.sent_to(2), [matched(1, 2)]);
    node.receive(2, 5, heartbeat(3, 0));
    assert_eq!(node.sent_to(2), [heartbeat_reply(3)]);
    assert_eq!(node.hull.leader(), Some(NodeId::new(2)));
}

/// [F2.FOL.2]
#[test]
fn a_follower_that_hears_nobody_campaigns_after_its_election_timeout() {
    let mut node = Node::new(1, 3);
    let deadline = node.hull.deadline().unwrap();
    node.now = just_before(deadline);
    node.step(Input::DeadlinePassed);
    assert_eq!(node.hull.role(), Role::Follower, "not before");
    node.now = deadline;
    node.step(Input::DeadlinePassed);
    assert_eq!(node.hull.role(), Role::PreCandidate);
}

/// [F2.FOL.2]
#[test]
fn hearing_the_leader_restarts_the_election_timer() {
    let mut node = Node::holding(5, &[1]);
    for body in [heartbeat(1, 0), append(id(1, 1), Vec::new(), 0)] {
        node.now = just_before(node.hull.deadline().unwrap());
        node.receive(2, 5, body);
        let left = node.hull.deadline().unwrap().since(node.now);
        assert!(left >= settings().election_timeout, "{left:?}");
    }
    node.wait(Duration::from_millis(999));
    assert_eq!(node.hull.role(), Role::Follower);
}

/// [F2.FOL.2]
#[test]
fn granting_a_vote_restarts_the_election_timer() {
    let mut node = Node::holding(5, &[1]);
    node.now = just_before(node.hull.deadline().unwrap());
    node.receive(2, 5, request_vote(id(1, 1)));
    let left = node.hull.deadline().unwrap().since(node.now);
    assert!(left >= settings().election_timeout, "{left:?}");
}

/// [F2.FOL.2]
#[test]
fn what_is_refused_does_not_restart_the_election_timer() {
    let refused = [
        (5, request_vote(id(0, 0))),
        (9, request_vote(id(0, 0))),
        (4, heartbeat(1, 0)),
        (4, append(id(1, 1), Vec::new(), 0)),
        (5, support::pre_vote(1, id(0, 0))),
        (5, support::pre_vote(1, id(1, 1))),
        (5, vote_reply(true)),
    ];
    for (term, body) in refused {
        let mut node = Node::holding(5, &[1]);
        let deadline = node.hull.deadline();
        node.wait(Duration::from_millis(900));
        node.receive(2, term, body.clone());
        assert_eq!(node.hull.deadline(), deadline, "{}", body.name());
    }
}

/// [F2.CAN.1]
#[test]
fn an_election_raises_the_term_by_one() {
    let mut node = Node::holding(5, &[1]);
    assert_eq!(node.stand(), 6);
    assert_eq!(node.hull.role(), Role::Candidate);
}

/// [F2.CAN.2]
#[test]
fn a_candidate_votes_for_itself() {
    let mut node = Node::holding(5, &[1]);
    node.stand();
    assert_eq!(node.hull.vote(), Some(NodeId::new(1)));
    assert_eq!(node.hard().vote, Some(NodeId::new(1)), "durably");
    node.sent();
    node.receive(2, 6, request_vote(id(9, 5)));
    assert_eq!(node.sent_to(2), [vote_reply(false)]);
}

/// [F2.CAN.3]
#[test]
fn each_election_waits_for_a_time_drawn_anew() {
    let mut node = Node::new(1, 3);
    let mut waits = BTreeSet::new();
    for _ in 0..8 {
        node.stand();
        let wait = node.hull.deadline().unwrap().since(node.now);
        assert!(wait >= settings().election_timeout);
        assert!(wait < settings().election_timeout * 2);
        waits.insert(wait);
        node.time_out();
    }
    assert!(waits.len() > 6, "{waits:?}");
}

/// [F2.CAN.4]
#[test]
fn a_candidate_asks_all_others() {
    let mut node = Node::new(1, 5);
    node.stand();
    let sent = node.sent();
    let asked: Vec<u64> = sent.iter().map(|message| message.to.id.get()).collect();
    assert_eq!(asked, [2, 3, 4, 5]);
    for message in sent {
        assert_eq!(
            (message.term.get(), message.body),
            (1, request_vote(id(0, 0)))
        );
    }
}

/// [F2.CAN.5]
#[test]
fn votes_of_a_majority_make_a_leader_and_fewer_do_not() {
    for size in 2..=6 {
        let mut node = Node::new(1, size);
        let term = node.stand();
        for from in 2..=size {
            let votes = from - 1;
            let is_majority = votes * 2 > size;
            let role = if is_majority {
                Role::Leader
            } else {
                Role::Candidate
            };
            assert_eq!(node.hull.role(), role, "{votes} of {size}");
            node.receive(from, term, vote_reply(true));
        }
        assert_eq!(node.hull.role(), Role::Leader);
    }
}

/// [F2.CAN.5]
#[test]
fn a_majority_that_refuses_makes_no_leader() {
    for refusals in [2..=4, 2..=5, 3..=5] {
        let mut node = Node::new(1, 5);
        let term = node.stand();
        for from in refusals {
            node.receive(from, term, vote_reply(false));
            assert_eq!(node.hull.role(), Role::Candidate, "{from}");
        }
    }
}

/// [F2.CAN.6]
#[test]
fn a_candidate_that_hears_the_leader_of_its_term_follows_it() {
    for body in [heartbeat(1, 0), append(id(1, 1), chunks(2, &[6]), 0)] {
        let mut node = Node::holding(5, &[1]);
        assert_eq!(node.stand(), 6);
        node.receive(3, 6, body);
        assert_eq!(node.hull.role(), Role::Follower);
        assert_eq!(node.hull.leader(), Some(NodeId::new(3)));
        // Its own election is over: a vote that comes late elects nobody.
        node.receive(2, 6, vote_reply(true));
        assert_eq!(node.hull.role(), Role::Follower);
    }
}

/// [F2.CAN.7]
#[test]
fn a_candidate_without_majority_starts_over_in_a_new_term() {
    let mut node = Node::new(1, 5);
    assert_eq!(node.stand(), 1);
    node.receive(2, 1, vote_reply(true));
    node.receive(3, 1, vote_reply(false));
    node.receive(4, 1, vote_reply(false));
    node.receive(5, 1, vote_reply(false));
    assert_eq!(node.hull.role(), Role::Candidate, "lost, but nobody leads");
    node.time_out();
    assert_eq!(node.hull.role(), Role::PreCandidate);
    assert_eq!(node.stand(), 2);
    // The votes of the old term are gone.
    node.receive(3, 2, vote_reply(true));
    assert_eq!(node.hull.role(), Role::Candidate);
    node.receive(4, 2, vote_reply(true));
    assert_eq!(node.hull.role(), Role::Leader);
}

/// [F2.LEAD.1]
#[test]
fn a_leader_speaks_to_everyone_at_once_and_again_before_they_time_out() {
    let mut node = Node::new(1, 5);
    node.win();
    for _ in 0..5 {
        let sent = node.sent();
        for to in 2..=5 {
            let heard = sent
                .iter()
                .any(|message| message.to == peer(to) && message.body.name() == "Heartbeat");
            assert!(heard, "{to}");
            node.receive(to, 1, heartbeat_reply(1));
        }
        node.wait(Duration::ZERO);
        assert_eq!(node.sent(), [], "and no more than that");
        node.wait(settings().heartbeat_interval);
    }
}

/// [S5.2.10]
#[test]
fn a_voters_answer_counts_once_however_often_it_comes() {
    let mut node = Node::new(1, 5);
    let term = node.stand();
    for _ in 0..5 {
        node.receive(2, term, vote_reply(true));
    }
    assert_eq!(node.hull.role(), Role::Candidate);
}

/// [S5.2.10]
#[test]
fn a_vote_given_in_an_earlier_term_does_not_count() {
    let mut node = Node::new(1, 3);
    assert_eq!(node.stand(), 1);
    node.time_out();
    assert_eq!(node.stand(), 2);
    node.receive(2, 1, vote_reply(true));
    assert_eq!(node.hull.role(), Role::Candidate);
}

/// [S5.2.10]
#[test]
fn votes_of_learners_and_of_nodes_outside_the_cluster_do_not_count() {
    let voter = |id: u64| (NodeId::new(id), Member::voter(peer(id).incarnation));
    let learner = |id: u64| {
        let (id, member) = voter(id);
        let role = MemberRole::Learner;
        (id, Member { role, ..member })
    };
    let members = [voter(1), voter(2), voter(3), learner(4), learner(5)];
    let mut setup = support::setup(1, 3);
    setup.founding = Configuration::new(members);
    let mut node = Node::with_setup(setup, MemoryLog::new());
    let term = node.stand();
    for from in [4, 5, 6, 7] {
        node.receive(from, term, vote_reply(true));
    }
    assert_eq!(node.hull.role(), Role::Candidate);
    node.receive(2, term, vote_reply(true));
    assert_eq!(node.hull.role(), Role::Leader);
}

#[test]
fn a_learner_and_a_witness_never_campaign() {
    for role in [MemberRole::Learner, MemberRole::Witness] {
        let mut setup = support::setup(1, 3);
        let members = &mut setup.founding.members;
        members.named_mut(&NodeId::new(1)).unwrap().role = role;
        setup.witness = role == MemberRole::Witness;
        let mut node = Node::with_setup(setup, MemoryLog::new());
        node.settle();
        node.wait(settings().election_timeout * 20);
        assert_eq!(node.hull.role(), Role::Follower, "{role:?}");
        assert_eq!(node.term(), 0, "{role:?}");
        let calls = |message: &Message| matches!(message.body, Body::HeartbeatReply(_));
        assert!(
            node.sent().iter().all(calls),
            "it asks for no vote: {role:?}"
        );
    }
}

/// [S5.2.17]
#[test]
fn a_candidate_refuses_a_leader_of_an_earlier_term_and_goes_on() {
    let mut node = Node::holding(5, &[1]);
    node.stand();
    node.sent();
    node.receive(2, 5, heartbeat(4, 0));
    assert_eq!(node.hull.role(), Role::Candidate);
    let reply = HeartbeatReply::NO_ROUND;
    assert_eq!(node.sent_to(2), [Body::HeartbeatReply(reply)]);
    let deadline = node.hull.deadline();
    node.receive(2, 5, append(id(1, 1), chunks(2, &[5]), 1));
    assert_eq!((node.hull.role(), node.term()), (Role::Candidate, 6));
    assert_eq!((node.terms(), node.commit()), (vec![1], 0));
    assert_eq!(node.hull.deadline(), deadline, "nor does it wait longer");
    assert!(matches!(
        node.sent_to(2)[..],
        [Body::AppendEntriesReply(AppendEntriesReply {
            verdict: AppendVerdict::StaleTerm,
            ..
        })]
    ));
    node.receive(2, 6, vote_reply(true));
    assert_eq!(node.hull.role(), Role::Leader);
}

/// [S5.2.22] Nor does a node that starts again wait as it did before.
#[test]
fn every_follower_that_waits_anew_draws_anew() {
    let mut node = Node::holding(5, &[1]);
    let mut waits = BTreeSet::new();
    for round in 0..40 {
        node.receive(2, 5, heartbeat(round, 0));
        waits.insert(node.hull.deadline().unwrap().since(node.now));
    }
    assert!(waits.len() > 36, "{}", waits.len());
    let before = waits.len();
    for _ in 0..8 {
        node.restart();
        waits.insert(node.hull.deadline().unwrap().since(node.now));
    }
    assert!(waits.len() > before + 6, "{}", waits.len());
}

/// [S5.2.22]
#[test]
fn election_timeouts_differ_and_stay_within_once_and_twice_the_setting() {
    let mut waits = BTreeSet::new();
    for seed in 0..64 {
        let mut setup = support::setup(1, 3);
        setup.seed = seed;
        let node = Node::with_setup(setup, MemoryLog::new());
        let wait = node.hull.deadline().unwrap().since(node.now);
        assert!(wait >= settings().election_timeout, "{wait:?}");
        assert!(wait < settings().election_timeout * 2, "{wait:?}");
        waits.insert(wait);
    }
    assert!(waits.len() > 60, "the seed decides");
    let longest = waits.last().unwrap().as_millis();
    let shortest = waits.first().unwrap().as_millis();
    assert!(longest - shortest > 800, "over the whole interval");
}

/// [F2.RV.2]
#[test]
fn one_vote_a_term_goes_to_the_first_who_asks() {
    let mut node = Node::holding(5, &[1]);
    node.receive(2, 6, request_vote(id(1, 1)));
    node.receive(3, 6, request_vote(id(9, 5)));
    assert_eq!(node.sent_to(3), [vote_reply(false)]);
    assert_eq!(node.hull.vote(), Some(NodeId::new(2)));
}

/// [F2.STATE.2] [F2.RV.2]
#[test]
fn a_new_term_has_a_vote_to_give() {
    let mut node = Node::holding(5, &[1]);
    for (term, candidate) in [(6, 2), (7, 3), (9, 2)] {
        node.receive(candidate, term, request_vote(id(1, 1)));
        assert_eq!(node.sent_to(candidate), [vote_reply(true)], "{term}");
        assert_eq!(node.hard().vote, Some(NodeId::new(candidate)), "durably");
        node.restart();
        node.settle();
        assert_eq!(node.hull.vote(), Some(NodeId::new(candidate)));
    }
}

/// [F2.RV.2]
#[test]
fn a_vote_outlives_a_restart() {
    let mut node = Node::holding(5, &[1]);
    node.receive(2, 6, request_vote(id(1, 1)));
    node.restart();
    node.settle();
    node.receive(3, 6, request_vote(id(9, 5)));
    assert_eq!(node.sent_to(3), [vote_reply(false)]);
    node.receive(2, 6, request_vote(id(1, 1)));
    assert_eq!(node.sent_to(2), [vote_reply(true)]);
}

/// [F2.STATE.4]
#[test]
fn a_vote_leaves_only_when_it_is_durable() {
    let mut node = Node::holding(5, &[1]);
    node.auto_sync = false;
    node.receive(2, 6, request_vote(id(1, 1)));
    assert_eq!(node.sent(), []);
    assert_eq!(node.hard().term.get(), 5);
    node.sync();
    assert_eq!(node.sent_to(2), [vote_reply(true)]);
    assert_eq!(node.hard().vote, Some(NodeId::new(2)));
}

/// [F2.STATE.4]
#[test]
fn a_vote_that_waits_for_the_disk_is_not_taken_back_by_a_late_request() {
    let mut node = Node::holding(5, &[1]);
    node.auto_sync = false;
    node.receive(2, 6, request_vote(id(1, 1)));
    node.receive(2, 4, request_vote(id(1, 1)));
    assert_eq!(node.sent(), [], "nor does it leave sooner");
    node.sync();
    assert_eq!(node.sent_to(2), [vote_reply(true)]);
}

/// [F2.STATE.4]
#[test]
fn a_vote_that_waits_for_the_disk_is_not_taken_back_when_the_request_comes_again() {
    let mut node = Node::holding(5, &[1]);
    node.auto_sync = false;
    let request = RequestVote {
        last: id(1, 1),
        transfer: true,
    };
    node.receive(2, 6, Body::RequestVote(request));
    // By now another leads the term, and this log has grown past the candidate's.
    node.receive(3, 6, append(id(1, 1), chunks(2, &[6]), 0));
    node.receive(2, 6, Body::RequestVote(request));
    node.sync();
    assert_eq!(node.sent_to(2), [vote_reply(true)]);
}

/// [F2.STATE.4]
#[test]
fn a_refusal_waits_for_the_term_it_speaks_in() {
    let mut node = Node::holding(5, &[1]);
    node.auto_sync = false;
    node.receive(2, 6, request_vote(id(0, 0)));
    assert_eq!(node.sent(), []);
    node.sync();
    assert_eq!(node.sent_to(2), [vote_reply(false)]);
}

/// [F2.STATE.4]
#[test]
fn a_request_for_votes_waits_for_term_vote_and_the_entries_it_boasts_of() {
    let mut node = Node::holding(5, &[1]);
    node.auto_sync = false;
    node.receive(2, 5, append(id(1, 1), chunks(2, &[5, 5]), 0));
    node.stand();
    assert_eq!(node.sent(), [], "nothing is durable");
    node.write_one();
    assert_eq!(node.sent(), [], "the entries are");
    node.sync();
    let request = RequestVote {
        last: id(3, 5),
        transfer: false,
    };
    assert_eq!(node.sent_to(3), [Body::RequestVote(request)]);
    assert_eq!(node.log.last_id(), id(3, 5));
}

/// [F2.STATE.4]
#[test]
fn a_candidates_own_vote_counts_only_when_it_is_durable() {
    let mut node = Node::new(1, 3);
    node.settle();
    node.ask();
    node.auto_sync = false;
    node.pre_vote(2, true);
    assert_eq!(node.hull.role(), Role::Candidate);
    node.receive(2, 1, vote_reply(true));
    assert_eq!(node.hull.role(), Role::Candidate);
    node.sync();
    assert_eq!(node.hull.role(), Role::Leader);
}

#[test]
fn nothing_leaves_a_node_before_its_boot_is_durable() {
    let mut node = Node::new(1, 3);
    node.auto_sync = false;
    node.hear(2, 0);
    assert_eq!(node.sent(), []);
    node.receive(3, 0, support::pre_vote(1, id(0, 0)));
    assert_eq!(node.sent(), []);
    node.sync();
    assert_eq!(node.sent().len(), 2);
    assert_eq!(node.hard().boot, node.boot());
}

/// [F2.FOL.2]
#[test]
fn a_pre_candidate_that_refuses_a_vote_goes_on_asking() {
    let mut node = Node::in_role(Role::PreCandidate);
    let deadline = node.hull.deadline();
    node.receive(2, 5, request_vote(id(1, 2)));
    assert_eq!(node.hull.role(), Role::PreCandidate);
    assert_eq!(node.hull.deadline(), deadline);
}

/// [F2.FOL.2]
#[test]
fn a_pre_candidate_that_grants_a_vote_waits_for_its_winner() {
    let mut node = Node::in_role(Role::PreCandidate);
    node.sent();
    node.receive(2, 5, request_vote(id(2, 2)));
    assert_eq!(node.sent_to(2), [vote_reply(true)]);
    assert_eq!(node.hull.role(), Role::Follower);
    let left = node.hull.deadline().unwrap().since(node.now);
    assert!(left >= settings().election_timeout, "{left:?}");
}

#[test]
fn of_each_kind_one_answer_waits_and_kinds_do_not_displace_each_other() {
    let mut node = Node::new(1, 3);
    node.auto_sync = false;
    for round in 0..50 {
        node.receive(2, 0, support::pre_vote(round, id(0, 0)));
        node.receive(2, 0, heartbeat(round, 0));
    }
    node.sync();
    let sent = node.sent_to(2);
    assert_eq!(sent.len(), 2, "{sent:?}");
    assert!(sent.contains(&heartbeat_reply(49)));
}

#[test]
fn strangers_however_many_take_bounded_room_and_none_of_the_members() {
    let mut node = Node::new(1, 3);
    node.auto_sync = false;
    let ask = |node: &mut Node, from: u64| {
        node.receive(from, 0, support::pre_vote(1, id(0, 0)));
    };
    (100..3_100).for_each(|from| ask(&mut node, from));
    ask(&mut node, 2);
    node.sync();
    let sent = node.sent();
    assert!(sent.len() < 2_000, "{}", sent.len());
    assert!(sent.iter().any(|message| message.to == peer(2)));
    // Once they are answered there is room for the next.
    ask(&mut node, 99_999);
    assert_eq!(node.sent_to(99_999).len(), 1);
}

#[test]
fn a_node_whose_disk_stalls_does_not_campaign() {
    let mut node = Node::holding(5, &[1]);
    node.auto_sync = false;
    node.receive(2, 6, append(id(1, 1), chunks(2, &[6]), 0));
    node.wait(settings().stalled_write_after);
    node.wait(settings().election_timeout * 4);
    assert_eq!(node.hull.role(), Role::Follower);
    node.sync();
    node.wait(settings().election_timeout * 2);
    assert_eq!(node.hull.role(), Role::PreCandidate);
}

#[test]
fn only_control_messages_wait_in_the_control_lane() {
    let mut node = Node::new(1, 3);
    node.stand();
    let to = NodeId::new(2);
    for lane in [Lane::Entries, Lane::Snapshot] {
        assert_eq!(node.hull.next_send(to, lane, usize::MAX), None);
    }
    assert_eq!(node.hull.next_send(to, Lane::Control, 0), None, "no room");
    assert!(node.hull.next_send(to, Lane::Control, 1).is_some());
}

fn just_before(time: Time) -> Time {
    Time::from_nanos(time.as_nanos() - 1)
}
