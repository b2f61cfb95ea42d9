//! A cluster that nobody wants anything of falls silent, and finds out what has failed meanwhile as
//! soon as somebody does (`Settings::quiescent_after`; docs/deviations.md).

use std::sync::Arc;
use std::time::Duration;

use raft_core::configuration::Configuration;
use raft_core::hull::{Input, Reconfigure};
use raft_core::ids::{NodeId, Ticket};
use raft_core::log::memory::MemoryLog;
use raft_core::message::{Body, Heartbeat, HeartbeatReply, PreVoteReply, Removed, RequestVote};
use raft_core::settings::{Settings, SettingsProblem};
use raft_core::states::Role;

use crate::support::{
    Node, append, chunks, configuration_entry, heartbeat, heartbeat_reply, id, index, peer,
    pre_vote, removed, settings, setup, setup_with_witness,
};

const HOUR: Duration = Duration::from_secs(3_600);
const PATIENCE: Duration = Duration::from_secs(2);

/// A thing that can happen to a node.
type Happening = fn(&mut Node);

fn quiescent() -> Settings {
    Settings {
        quiescent_after: Some(PATIENCE),
        ..settings()
    }
}

fn farewell(round: u64, commit: u64) -> Body {
    Body::Heartbeat(Heartbeat {
        round,
        commit: index(commit),
        quiet: true,
    })
}

/// The heartbeats that go out now: to whom, of which round, and whether they take leave.
fn heartbeats(node: &mut Node) -> Vec<(u64, u64, bool)> {
    let sent = node.sent().into_iter();
    sent.filter_map(|message| match message.body {
        Body::Heartbeat(beat) => Some((message.to.id.get(), beat.round, beat.quiet)),
        _ => None,
    })
    .collect()
}

/// Lets a heartbeat round pass, which these nodes answer. Whether the leader took leave in it.
fn round(node: &mut Node, answering: &[u64]) -> bool {
    node.time_out();
    let beats = heartbeats(node);
    for (to, round, _) in &beats {
        if answering.contains(to) {
            node.receive(*to, node.term(), heartbeat_reply(*round));
        }
    }
    assert_eq!(beats.len(), 2, "each follower gets one: {beats:?}");
    beats.iter().all(|(_, _, quiet)| *quiet)
}

/// A leader of three that has fallen quiet, and the rounds that it took.
fn quiet_leader() -> (Node, usize) {
    let mut node = Node::leading_with(quiescent());
    let rounds = (1..100).find(|_| {
        round(&mut node, &[2, 3]);
        node.hull.is_quiet()
    });
    (node, rounds.unwrap())
}

/// A follower of node 2 in term 5, of two committed entries, that waits for nothing.
fn quiet_follower() -> Node {
    let mut setup = setup(1, 3);
    setup.settings = Arc::new(quiescent());
    let log = Node::holding(5, &[1, 2]).log;
    let mut node = Node::with_setup(setup, log);
    node.settle();
    node.receive(2, 5, append(id(2, 2), Vec::new(), 2));
    node.receive(2, 5, farewell(7, 2));
    node.sent();
    assert!(node.hull.is_quiet());
    node
}

#[test]
fn a_leader_of_whom_nobody_wants_anything_takes_leave_and_falls_silent() {
    let (mut node, rounds) = quiet_leader();
    // The first tick finds it at rest, and the one that completes the time takes leave.
    let interval = settings().heartbeat_interval;
    assert_eq!(interval * rounds as u32, PATIENCE + interval);
    assert_eq!(node.hull.deadline(), None);
    node.wait(HOUR);
    assert_eq!(node.sent(), []);
    assert_eq!(node.hull.role(), Role::Leader);
}

#[test]
fn without_the_setting_nobody_ever_takes_leave() {
    let mut node = Node::leading();
    let left = (0..200).any(|_| round(&mut node, &[2, 3]));
    assert!(!left && !node.hull.is_quiet());
}

#[test]
fn a_leader_speaks_on_until_all_have_answered_its_farewell() {
    let mut node = Node::leading_with(quiescent());
    while !round(&mut node, &[2]) {
        // The other answers whatever does not take leave.
        let term = node.term();
        node.receive(3, term, heartbeat_reply(1));
    }
    assert!(!node.hull.is_quiet());
    let leaves = (0..5).filter(|_| round(&mut node, &[2])).count();
    assert_eq!(leaves, 5, "it was heard lately");
    let leaves = (0..20).filter(|_| round(&mut node, &[2])).count();
    assert!(leaves < 10, "then it is gone, and those left need a leader");
    assert!(!round(&mut node, &[2]));
    assert!(!node.hull.is_quiet());
}

#[test]
fn a_leader_that_takes_leave_and_is_wanted_begins_its_rest_anew() {
    let mut node = Node::leading_with(quiescent());
    while !round(&mut node, &[2]) {
        // The other answers whatever does not take leave.
        let term = node.term();
        node.receive(3, term, heartbeat_reply(1));
    }
    node.propose(b"a");
    node.answer_all(&[2, 3]);
    node.sent();
    let rounds = (0..100).take_while(|_| !round(&mut node, &[2, 3])).count();
    let interval = settings().heartbeat_interval;
    assert!(interval * rounds as u32 >= PATIENCE, "{rounds} rounds");
}

#[test]
fn a_leader_with_something_under_way_takes_no_leave() {
    let begun: [(&str, Happening); 3] = [
        ("an entry", |node| {
            node.propose(b"a");
            node.sent();
        }),
        ("a follower behind", |node| {
            node.propose(b"a");
            node.sent();
            node.acknowledge(2, 2);
        }),
        ("a write", |node| {
            node.auto_sync = false;
            node.propose(b"a");
            node.sent();
            node.acknowledge(2, 2);
            node.acknowledge(3, 2);
        }),
    ];
    for (what, begin) in begun {
        let mut node = Node::leading_with(quiescent());
        begin(&mut node);
        for _ in 0..40 {
            node.time_out();
            for (to, round, quiet) in heartbeats(&mut node) {
                assert!(!quiet, "{what}");
                node.receive(to, 1, heartbeat_reply(round));
            }
        }
    }
}

#[test]
fn whatever_is_wanted_of_a_quiet_leader_wakes_it() {
    let wanted: [(&str, Happening); 8] = [
        ("a command", |node| {
            node.propose(b"a");
        }),
        ("a read", |node| {
            node.read();
        }),
        ("a transfer", |node| {
            node.hand_over(Some(2));
        }),
        ("other members", |node| {
            let (ticket, target) = (Ticket::new(9), node.hull.configuration().members.clone());
            node.step(Input::Reconfigure(Reconfigure { ticket, target }));
        }),
        ("something elsewhere", |node| node.step(Input::Rouse)),
        ("a lost connection", |node| {
            node.step(Input::ConnectionLost(NodeId::new(3)));
        }),
        ("a follower that was woken", |node| {
            let call = HeartbeatReply::NO_ROUND;
            node.receive(2, 1, Body::HeartbeatReply(call));
        }),
        ("a node that wants to lead", |node| {
            node.receive(3, 1, pre_vote(1, id(1, 1)));
        }),
    ];
    for (what, want) in wanted {
        let (mut node, _) = quiet_leader();
        node.wait(HOUR);
        want(&mut node);
        assert_eq!(node.hull.deadline(), Some(node.now), "{what}");
        node.wait(Duration::ZERO);
        let mut beats = heartbeats(&mut node);
        beats.dedup_by_key(|(to, _, _)| *to);
        assert_eq!(beats.len(), 2, "{what}");
        assert!(beats.iter().all(|(_, _, quiet)| !quiet), "{what}");
    }
}

/// Networks double letters: the second answer to a farewell says what the first one did.
#[test]
fn an_answer_to_its_own_word_wakes_no_quiet_leader() {
    let (mut node, rounds) = quiet_leader();
    let term = node.term();
    for round in [1, rounds as u64] {
        node.receive(2, term, heartbeat_reply(round));
        assert!(node.hull.is_quiet(), "an answer to round {round}");
        assert_eq!(heartbeats(&mut node), []);
    }
}

#[test]
fn a_leader_that_was_quiet_for_hours_gives_up_when_nobody_answers_it_any_more_and_not_sooner() {
    let (mut node, _) = quiet_leader();
    node.wait(HOUR);
    node.propose(b"a");
    node.wait(settings().election_timeout - Duration::from_millis(1));
    assert_eq!(node.hull.role(), Role::Leader);
    node.wait(settings().heartbeat_interval);
    assert_eq!(node.hull.role(), Role::Follower);
}

#[test]
fn to_be_quiet_again_and_again_is_no_absence() {
    let (mut node, _) = quiet_leader();
    for _ in 0..5 {
        node.wait(HOUR);
        node.read();
        while !node.hull.is_quiet() {
            round(&mut node, &[2, 3]);
        }
    }
    assert_eq!(node.hull.role(), Role::Leader);
}

#[test]
fn a_follower_answers_the_farewell_and_waits_for_nothing() {
    let mut node = quiet_follower();
    assert_eq!(node.hull.deadline(), None);
    node.wait(HOUR);
    assert_eq!(node.sent(), []);
    assert_eq!(node.hull.role(), Role::Follower);
    assert_eq!(node.hull.leader(), Some(NodeId::new(2)));
    assert_eq!(node.hull.why_no_leader(node.now), []);
}

/// It has heard something later from that leader: its farewell.
#[test]
fn a_quiet_follower_sleeps_on_when_something_comes_late_or_twice() {
    for (what, body, sleeps) in [
        ("twice", farewell(7, 2), true),
        ("late", heartbeat(6, 2), true),
        ("later", heartbeat(8, 2), false),
    ] {
        let mut node = quiet_follower();
        node.receive(2, 5, body);
        let answers = usize::from(!sleeps);
        assert_eq!(
            node.sent().len(),
            answers,
            "a round is answered once: {what}"
        );
        assert_eq!(node.hull.is_quiet(), sleeps, "{what}");
    }
}

#[test]
fn a_farewell_that_comes_late_or_twice_or_does_not_fit_puts_nobody_to_sleep() {
    let mut node = quiet_follower();
    node.receive(2, 5, heartbeat(8, 2));
    for (what, body) in [
        ("late", farewell(7, 2)),
        ("twice", farewell(8, 2)),
        ("of less than the log", farewell(9, 1)),
        ("of more than the log", farewell(10, 3)),
    ] {
        node.receive(2, 5, body);
        assert!(node.hull.deadline().is_some(), "{what}");
    }
    node.receive(2, 5, append(id(2, 2), chunks(3, &[5]), 2));
    node.receive(2, 5, farewell(11, 2));
    assert!(!node.hull.is_quiet(), "an entry may still be taken back");
    node.receive(2, 5, farewell(12, 3));
    assert!(node.hull.is_quiet());
    let mut awake = Node::in_role(Role::Follower);
    awake.receive(2, 5, append(id(2, 2), Vec::new(), 2));
    awake.receive(2, 5, farewell(3, 2));
    assert!(
        awake.hull.is_quiet(),
        "the leader decides, by its own settings"
    );
}

/// Whoever asked for pre-votes meanwhile still knows what it had heard in this term.
#[test]
fn a_late_farewell_puts_nobody_to_sleep_who_had_given_its_leader_up() {
    let mut node = quiet_follower();
    node.receive(2, 5, heartbeat(9, 2));
    node.time_out();
    assert_eq!(node.hull.role(), Role::PreCandidate);
    node.time_out();
    assert_eq!(node.hull.role(), Role::PreCandidate);
    node.receive(2, 5, heartbeat(6, 2));
    assert_eq!(node.hull.role(), Role::Follower);
    node.receive(2, 5, farewell(8, 2));
    assert!(!node.hull.is_quiet(), "that is of before");
    node.receive(2, 5, farewell(10, 2));
    assert!(node.hull.is_quiet());
}

#[test]
fn a_dead_leader_is_found_out_on_the_next_use_of_any_follower() {
    let uses: [(&str, Happening); 4] = [
        ("a command", |node| {
            node.propose(b"a");
        }),
        ("a read", |node| {
            node.read();
        }),
        ("something elsewhere", |node| node.step(Input::Rouse)),
        ("a lost connection", |node| {
            node.step(Input::ConnectionLost(NodeId::new(2)));
        }),
    ];
    for (what, happen) in uses {
        let mut node = quiet_follower();
        node.wait(HOUR);
        happen(&mut node);
        let calls = node.sent_to(2);
        let call = Body::HeartbeatReply(HeartbeatReply::NO_ROUND);
        assert_eq!(calls, [call], "{what}");
        node.wait(2 * settings().election_timeout);
        assert_eq!(node.hull.role(), Role::PreCandidate, "{what}");
    }
}

#[test]
fn a_quiet_follower_whose_leader_answers_goes_on_with_it() {
    let mut node = quiet_follower();
    node.wait(HOUR);
    node.step(Input::Rouse);
    for round in 8..40 {
        node.wait(settings().heartbeat_interval);
        node.receive(2, 5, heartbeat(round, 2));
    }
    assert_eq!(node.hull.role(), Role::Follower);
    node.receive(2, 5, farewell(40, 2));
    assert!(node.hull.is_quiet());
}

/// Whether the answer that goes to node 3 grants its pre-vote.
fn granted(node: &mut Node) -> Option<bool> {
    node.sent_to(3).iter().find_map(|body| match body {
        Body::PreVoteReply(PreVoteReply { granted, .. }) => Some(*granted),
        _ => None,
    })
}

#[test]
fn a_quiet_follower_looks_after_its_leader_before_it_helps_another_to_be_one() {
    let mut node = quiet_follower();
    node.wait(HOUR);
    node.receive(3, 5, pre_vote(1, id(2, 2)));
    assert!(!node.hull.is_quiet());
    assert_eq!(granted(&mut node), Some(false));
    node.wait(settings().election_timeout);
    node.receive(3, 5, pre_vote(2, id(2, 2)));
    assert_eq!(granted(&mut node), Some(true), "the leader said nothing");
}

#[test]
fn a_quiet_follower_gives_no_vote_against_its_leader_and_learns_no_later_term() {
    let mut node = quiet_follower();
    node.wait(HOUR);
    let last = id(2, 2);
    let transfer = false;
    node.receive(3, 6, Body::RequestVote(RequestVote { last, transfer }));
    assert_eq!((node.term(), node.hull.is_quiet()), (5, false));
}

#[test]
fn a_quiet_follower_has_a_timer_again_whoever_speaks_in_a_later_term() {
    let last = id(2, 2);
    let transfer = true;
    for (from, body) in [
        (3, Body::RequestVote(RequestVote { last, transfer })),
        (3, append(last, chunks(3, &[6]), 2)),
        (3, heartbeat(1, 2)),
        (2, heartbeat_reply(1)),
    ] {
        let mut node = quiet_follower();
        node.wait(HOUR);
        let name = body.name();
        node.receive(from, 6, body);
        assert_eq!(node.term(), 6, "{name}");
        assert!(node.hull.deadline().is_some(), "{name}");
    }
}

#[test]
fn a_restarted_node_of_a_quiet_cluster_waits_for_a_leader_like_any() {
    let mut node = quiet_follower();
    node.restart();
    assert!(node.hull.deadline().is_some());
    node.wait(2 * settings().election_timeout);
    assert_eq!(
        node.hull.role(),
        Role::PreCandidate,
        "and so wakes the leader"
    );
}

#[test]
fn who_is_alone_falls_quiet_alone() {
    let mut setup = setup(1, 1);
    setup.settings = Arc::new(quiescent());
    let mut node = Node::with_setup(setup, MemoryLog::new());
    node.settle();
    node.wait(10 * PATIENCE);
    assert_eq!(node.hull.role(), Role::Leader);
    assert!(node.hull.is_quiet());
    node.propose(b"a");
    assert_eq!((node.commit(), node.hull.is_quiet()), (2, false));
}

#[test]
fn rest_needs_pre_votes_and_patience() {
    let problems = Settings {
        quiescent_after: Some(Duration::from_millis(999)),
        pre_vote: false,
        check_quorum: false,
        ..settings()
    };
    let quiescent_after = Duration::from_millis(999);
    let election_timeout = settings().election_timeout;
    assert_eq!(
        problems.validate(),
        [
            SettingsProblem::QuietTooSoon {
                quiescent_after,
                election_timeout
            },
            SettingsProblem::QuietWithoutPreVote { quiescent_after },
        ]
    );
    assert_eq!(quiescent().validate(), []);
}

/// A witness of a cluster of three that was restarted while all were silent: it can't ask for pre-votes.
fn restarted_witness() -> Node {
    let mut setup = setup_with_witness(3);
    setup.settings = Arc::new(quiescent());
    let mut node = Node::with_setup(setup, MemoryLog::new());
    node.settle();
    node
}

/// Whoever leads is silent, or has died and is missed by nobody: any voter may be the one to find out.
#[test]
fn who_may_not_lead_and_hears_nobody_calls_all_voters() {
    let mut node = restarted_witness();
    let call = Body::HeartbeatReply(HeartbeatReply::NO_ROUND);
    for _ in 0..3 {
        node.wait(2 * settings().election_timeout);
        let mut sent = node.sent();
        sent.dedup();
        let to: Vec<u64> = sent.iter().map(|message| message.to.id.get()).collect();
        assert_eq!(to, [1, 2]);
        assert!(sent.iter().all(|message| message.body == call));
    }
    node.receive(2, 1, heartbeat(1, 0));
    node.sent();
    node.receive(2, 1, farewell(2, 0));
    node.sent();
    node.wait(HOUR);
    assert_eq!(node.sent(), [], "it was heard");
}

/// It would wake the others for ever, and none of them is to answer.
#[test]
fn who_knows_of_no_cluster_or_is_removed_calls_nobody() {
    let mut setup = setup(4, 0);
    setup.settings = Arc::new(quiescent());
    let mut node = Node::with_setup(setup, MemoryLog::new());
    node.settle();
    node.wait(HOUR);
    assert_eq!(node.sent(), []);
    let mut node = restarted_witness();
    node.receive(
        2,
        1,
        Body::Removed(Removed {
            configuration: index(7),
        }),
    );
    node.wait(HOUR);
    assert_eq!(node.sent(), []);
}

#[test]
fn who_calls_without_being_a_member_is_told() {
    let mut node = Node::holding(1, &[1]);
    let smaller = configuration_entry(2, 1, &Configuration::of_voters([1, 2].map(peer)));
    node.receive(2, 1, append(id(1, 1), vec![smaller], 0));
    node.receive(2, 1, heartbeat(1, 2));
    for (body, told) in [
        (heartbeat_reply(1), None),
        (
            Body::HeartbeatReply(HeartbeatReply::NO_ROUND),
            Some(removed(2)),
        ),
    ] {
        node.sent();
        node.receive(3, 1, body);
        assert_eq!(node.sent_to(3).first(), told.as_ref());
    }
}

#[test]
fn a_call_has_a_quiet_follower_look_after_its_leader() {
    let call = Body::HeartbeatReply(HeartbeatReply::NO_ROUND);
    let mut node = quiet_follower();
    node.wait(HOUR);
    node.receive(3, 5, call.clone());
    assert_eq!(node.sent_to(2), [call]);
    node.wait(2 * settings().election_timeout);
    assert_eq!(node.hull.role(), Role::PreCandidate);
}
