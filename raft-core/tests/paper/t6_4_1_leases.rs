//! Leases (thesis 6.4.1): reads that ask nobody, on the strength of promises.

use std::sync::Arc;
use std::time::Duration;

use raft_core::hull::{Hull, Input, Outcome, Setup};
use raft_core::ids::NodeId;
use raft_core::log::memory::MemoryLog;
use raft_core::message::{Body, Heartbeat, HeartbeatReply, RequestVote, TimeoutNow};
use raft_core::settings::{Lease, Settings, SettingsProblem};
use raft_core::states::Role;

use crate::support::{
    Node, heartbeat, heartbeat_reply, id, index, peer, pre_vote, request_vote, settings, setup,
    vote_reply,
};

/// Promises of 900 ms, by clocks that may run apart so far that 750 ms of them count.
const LEASE: Lease = Lease {
    duration: millis(900),
    max_drift_per_mille: 200,
};

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn with_lease() -> Settings {
    Settings {
        lease: Some(LEASE),
        ..settings()
    }
}

fn lease_setup(size: u64) -> Setup {
    let mut setup = setup(1, size);
    setup.settings = Arc::new(with_lease());
    setup
}

fn promising(round: u64) -> Body {
    Body::HeartbeatReply(HeartbeatReply {
        round: Some(round),
        promise: LEASE.duration,
    })
}

fn read_at(at: u64) -> Option<Outcome> {
    Some(Outcome::ReadAt(index(at)))
}

/// Whether a read that comes now is answered at once.
fn reads_at_once(node: &mut Node) -> bool {
    let read = node.read();
    node.outcome(read).is_some()
}

/// Lets the leader's next round begin and go out; its number.
fn next_round(node: &mut Node) -> u64 {
    node.time_out();
    let rounds = node.rounds();
    rounds[0].1
}

/// Leader of three, at the moment in which it has begun a round that went out; the round.
fn leading() -> (Node, u64) {
    let mut node = Node::leading_with(with_lease());
    // What was asked first must be answered before anything later counts from later.
    for from in [2, 3] {
        node.receive(from, 1, heartbeat_reply(0));
    }
    let round = next_round(&mut node);
    (node, round)
}

/// Follower of node 2 in term 5, which it has just promised to give no vote.
fn promised() -> Node {
    let mut node = Node::with_setup(lease_setup(3), MemoryLog::new());
    node.settle();
    node.receive(2, 5, heartbeat(1, 0));
    let sent = node.sent_to(2);
    assert_eq!(sent, [promising(1)]);
    node
}

/// [T6.4.1.7]
#[test]
fn while_its_lease_lasts_a_leader_answers_reads_without_a_word() {
    let (mut node, round) = leading();
    node.receive(2, 1, promising(round));
    let read = node.read();
    assert_eq!(node.outcome(read), read_at(1));
    assert_eq!(node.sent(), []);
}

/// [T6.4.1.7]
#[test]
fn without_a_lease_reads_ask_a_majority_as_ever() {
    let (mut node, _) = leading();
    let read = node.read();
    assert_eq!(node.outcome(read), None);
    let round = node.rounds()[0].1;
    node.receive(2, 1, heartbeat_reply(round));
    assert_eq!(node.outcome(read), read_at(1));
}

/// [T6.4.1.7] What earlier leaders have committed is not known before.
#[test]
fn a_lease_is_good_for_nothing_before_an_entry_of_the_own_term_is_committed() {
    let mut node = Node::with_setup(lease_setup(3), MemoryLog::new());
    node.settle();
    node.win();
    let rounds = node.rounds();
    let (_, round) = rounds[0];
    node.receive(2, 1, promising(round));
    let read = node.read();
    assert_eq!(node.outcome(read), None);
    node.acknowledge(2, 1);
    assert_eq!(node.commit(), 1);
    assert!(reads_at_once(&mut node));
}

/// [T6.4.1.6]
#[test]
fn a_lease_begins_when_the_round_began_and_not_when_it_is_answered() {
    let (mut node, round) = leading();
    let begun = node.now;
    // Rounds go on meanwhile, and nobody answers them.
    node.wait(millis(350));
    node.receive(2, 1, promising(round));
    node.wait(begun.after(millis(749)).since(node.now));
    assert!(reads_at_once(&mut node));
    node.wait(millis(1));
    assert!(!reads_at_once(&mut node), "750 of 900 ms count");
}

/// [T6.4.1.6] Where answers take longer than heartbeats are apart, each is of an older round than the
/// last one asked.
#[test]
fn to_ask_again_takes_back_nothing_that_was_asked_before() {
    let (mut node, round) = leading();
    for _ in 0..3 {
        assert!(next_round(&mut node) > round);
    }
    node.receive(2, 1, promising(round));
    assert!(reads_at_once(&mut node));
}

/// [T6.4.1.6]
#[test]
fn each_answered_round_extends_the_lease() {
    let (mut node, round) = leading();
    node.receive(2, 1, promising(round));
    for _ in 0..20 {
        let round = next_round(&mut node);
        assert!(reads_at_once(&mut node));
        node.receive(3, 1, promising(round));
    }
    let end = node.now.after(millis(750));
    while node.now < end {
        assert!(reads_at_once(&mut node));
        node.wait(millis(50));
    }
    assert!(!reads_at_once(&mut node));
}

/// [T6.4.1.6] The answer to an older round was given on the strength of an older heartbeat.
#[test]
fn an_answer_that_comes_late_or_twice_extends_no_lease() {
    let (mut node, round) = leading();
    let begun = node.now;
    node.receive(2, 1, promising(round));
    next_round(&mut node);
    let after_another = node.now;
    for _ in 0..3 {
        node.receive(2, 1, promising(round));
    }
    node.wait(begun.after(millis(750)).since(node.now));
    assert!(node.now < after_another.after(millis(750)));
    assert!(!reads_at_once(&mut node));
}

/// [T6.4.1.6]
#[test]
fn a_majority_must_have_promised_and_each_counts_once() {
    let mut node = Node::with_setup(lease_setup(5), MemoryLog::new());
    node.settle();
    node.elect();
    for from in [2, 3] {
        node.acknowledge(from, 1);
    }
    node.sent();
    let round = next_round(&mut node);
    for _ in 0..3 {
        node.receive(2, 1, promising(round));
    }
    assert!(!reads_at_once(&mut node));
    let mut stranger = peer(3);
    stranger.incarnation = peer(9).incarnation;
    for from in [peer(6), stranger] {
        node.step(Input::Message(raft_core::message::Message {
            from,
            to: node.hull.me(),
            term: node.hull.term(),
            body: promising(round),
        }));
    }
    assert!(!reads_at_once(&mut node));
    node.receive(4, 1, promising(round));
    assert!(reads_at_once(&mut node));
}

/// [T6.4.1.6]
#[test]
fn in_a_joint_configuration_both_majorities_must_have_promised() {
    for (half, other) in [([2, 3], 4), ([4, 5], 2)] {
        let mut node = Node::leading_with(with_lease());
        node.grow_to([1, 4, 5]);
        for from in 2..=5 {
            node.receive(from, 1, heartbeat_reply(0));
        }
        let round = next_round(&mut node);
        for from in half {
            node.receive(from, 1, promising(round));
        }
        assert!(!reads_at_once(&mut node), "{half:?} alone");
        node.receive(other, 1, promising(round));
        assert!(node.hull.configuration().is_joint());
        assert!(reads_at_once(&mut node));
    }
}

/// [T6.4.1.6] Who answers without a promise may vote for another the moment after.
#[test]
fn an_answer_without_a_promise_or_without_a_round_gives_no_lease() {
    let (mut node, round) = leading();
    node.receive(2, 1, heartbeat_reply(round));
    node.receive(3, 1, heartbeat_reply(round));
    assert!(!reads_at_once(&mut node));
    let nameless = HeartbeatReply {
        promise: LEASE.duration,
        ..HeartbeatReply::NO_ROUND
    };
    node.receive(2, 1, Body::HeartbeatReply(nameless));
    assert!(!reads_at_once(&mut node));
}

#[test]
fn who_has_no_leases_in_its_settings_neither_promises_nor_trusts_promises() {
    let mut node = Node::leading();
    let round = next_round(&mut node);
    node.receive(2, 1, promising(round));
    assert!(!reads_at_once(&mut node));
    let mut node = Node::holding(5, &[1]);
    node.receive(2, 5, heartbeat(1, 0));
    assert_eq!(node.sent_to(2), [heartbeat_reply(1)]);
    assert_eq!(node.hard().promise.span(), Duration::ZERO);
}

#[test]
fn who_is_a_majority_alone_always_has_a_lease() {
    let mut node = Node::with_setup(lease_setup(1), MemoryLog::new());
    node.settle();
    node.ask();
    node.settle();
    assert_eq!(node.hull.role(), Role::Leader);
    node.wait(millis(5_000));
    assert!(reads_at_once(&mut node));
}

/// [T6.4.1.6] A later term is heard of, and the leader forgotten: the promise was to give no vote.
#[test]
fn a_promise_holds_in_later_terms() {
    let mut node = promised();
    node.receive(3, 7, vote_reply(false));
    assert_eq!((node.term(), node.hull.leader()), (7, None));
    node.wait(millis(899));
    node.receive(3, 8, request_vote(id(9, 7)));
    node.receive(3, 8, pre_vote(4, id(9, 7)));
    assert_eq!((node.term(), node.hull.vote()), (7, None));
    assert!(matches!(
        node.sent_to(3)[..],
        [Body::PreVoteReply(reply)] if !reply.granted
    ));
    node.wait(millis(1));
    node.receive(3, 8, request_vote(id(9, 7)));
    assert_eq!(node.sent_to(3), [vote_reply(true)]);
}

/// [T6.4.1.6]
#[test]
fn a_lost_connection_ends_no_promise() {
    let mut node = promised();
    let until = node.now.after(LEASE.duration);
    node.step(Input::ConnectionLost(NodeId::new(2)));
    node.receive(3, 6, request_vote(id(9, 5)));
    assert_eq!((node.term(), node.sent_to(3)), (5, vec![]));
    while node.now < until {
        assert_eq!(node.hull.role(), Role::Follower);
        node.time_out();
    }
    node.ask();
    let since = node.now.since(until);
    assert!(
        since < settings().heartbeat_interval,
        "{since:?}: soon then"
    );
}

/// [T6.4.1.6]
#[test]
fn a_promise_outlives_a_restart_whatever_the_settings_are_then() {
    let first = promised();
    assert_eq!(first.hard().promise.span(), LEASE.duration);
    for settings in [with_lease(), settings()] {
        let mut setup = lease_setup(3);
        setup.settings = Arc::new(settings);
        let mut node = Node::with_setup(setup, first.log.clone());
        node.settle();
        node.wait(millis(899));
        node.receive(3, 6, request_vote(id(9, 5)));
        assert_eq!((node.hull.vote(), node.sent_to(3)), (None, vec![]));
        node.wait(millis(1));
        node.receive(3, 6, request_vote(id(9, 5)));
        assert_eq!(node.sent_to(3), [vote_reply(true)]);
    }
}

/// [T6.4.1.6] Nor does what it promises then, which may be for less.
#[test]
fn a_promise_of_a_start_with_a_shorter_one_ends_none_that_is_longer() {
    let mut setup = lease_setup(3);
    Arc::make_mut(&mut setup.settings).lease = Some(Lease {
        duration: millis(300),
        ..LEASE
    });
    let mut node = Node::with_setup(setup, promised().log);
    node.settle();
    node.hear(2, 5);
    // It keeps no faith with its leader but for what it promised.
    node.step(Input::ConnectionLost(NodeId::new(2)));
    node.sent();
    node.wait(millis(899));
    node.receive(3, 6, request_vote(id(9, 5)));
    assert_eq!((node.term(), node.sent_to(3)), (5, vec![]));
}

/// [T6.4.1.6] A start that promises nothing must not let the next one forget what the one before it
/// has promised.
#[test]
fn a_promise_outlives_two_restarts_in_a_row_and_is_forgotten_in_the_end() {
    let first = promised();
    let mut node = Node::with_setup(setup(1, 3), first.log.clone());
    node.settle();
    assert_eq!(node.hard().promise.span(), LEASE.duration);
    let mut node = Node::with_setup(setup(1, 3), node.log.clone());
    node.settle();
    node.receive(3, 6, request_vote(id(9, 5)));
    assert_eq!(node.sent_to(3), []);
    node.wait(millis(900));
    node.hear(2, 7);
    assert_eq!(node.hard().promise.span(), Duration::ZERO, "it is over");
}

/// [T6.4.1.8]
#[test]
fn who_has_told_another_to_take_over_trusts_no_promise_in_this_term() {
    let (mut node, round) = leading();
    node.receive(2, 1, promising(round));
    node.receive(3, 1, promising(round));
    node.hand_over(Some(2));
    assert!(reads_at_once(&mut node), "it is not told yet");
    let told = node.sent_to(2);
    assert!(matches!(told[..], [Body::TimeoutNow(_)]), "{told:?}");
    assert!(!reads_at_once(&mut node));
    // Nothing comes of it, and all promise anew: the word may still be on its way.
    for _ in 0..15 {
        let round = next_round(&mut node);
        node.receive(2, 1, promising(round));
        node.receive(3, 1, promising(round));
    }
    assert_eq!(node.hull.role(), Role::Leader);
    assert_eq!(node.hull.transferring_to(), None);
    assert!(!reads_at_once(&mut node));
}

/// [T6.4.1.8] What was promised is to vote for nobody unless the leader wants it.
#[test]
fn a_promise_keeps_nobody_from_doing_what_the_leader_asks_for() {
    let mut node = promised();
    let wanted = RequestVote {
        last: id(9, 5),
        transfer: true,
    };
    node.receive(3, 6, Body::RequestVote(wanted));
    assert_eq!(node.sent_to(3), [vote_reply(true)]);
    let mut node = promised();
    let told = TimeoutNow {
        round: 1,
        last: node.hull.last(),
    };
    node.receive(2, 5, Body::TimeoutNow(told));
    assert_eq!((node.hull.role(), node.term()), (Role::Candidate, 6));
}

/// [T6.4.1.9]
#[test]
fn settings_without_a_usable_bound_on_drift_are_refused() {
    let problems = |lease: Lease| {
        Settings {
            lease: Some(lease),
            ..settings()
        }
        .validate()
    };
    assert_eq!(problems(LEASE), []);
    for max_drift_per_mille in [0, 1_001] {
        let unbounded = Lease {
            max_drift_per_mille,
            ..LEASE
        };
        let problem = SettingsProblem::LeaseWithoutDriftBound {
            max_drift_per_mille,
        };
        assert_eq!(problems(unbounded), [problem]);
        let setup = Setup {
            settings: Arc::new(Settings {
                lease: Some(unbounded),
                ..settings()
            }),
            ..setup(1, 3)
        };
        let opened = Hull::open(setup, MemoryLog::new().recovered(), Default::default());
        assert!(opened.is_err());
    }
    let wide = Lease {
        max_drift_per_mille: 1_000,
        ..LEASE
    };
    assert_eq!(problems(wide), []);
}

#[test]
fn leases_that_would_be_unsafe_or_useless_are_refused() {
    let with = |duration| Lease {
        duration: millis(duration),
        ..LEASE
    };
    let problems = |settings: Settings| settings.validate();
    let lease = |lease| Settings {
        lease: Some(lease),
        ..settings()
    };
    assert_eq!(problems(lease(with(1_000))), []);
    let too_long = SettingsProblem::LeaseTooLong {
        duration: millis(1_001),
        election_timeout: millis(1_000),
    };
    assert_eq!(problems(lease(with(1_001))), [too_long]);
    // However patient elections are.
    let hour = Duration::from_secs(3_600);
    let slow = |duration| Settings {
        election_timeout: hour * 2,
        stalled_write_after: hour * 2,
        catch_up_timeout: hour * 2,
        hand_over_after: None,
        ..lease(Lease { duration, ..LEASE })
    };
    assert_eq!(problems(slow(hour)), []);
    let too_long = SettingsProblem::LeaseTooLong {
        duration: hour + millis(1),
        election_timeout: hour * 2,
    };
    assert_eq!(problems(slow(hour + millis(1))), [too_long]);
    assert_eq!(problems(lease(with(240))), []);
    assert!(matches!(
        problems(lease(with(239)))[..],
        [SettingsProblem::LeaseTooShort { counts_for, .. }] if counts_for.as_micros() == 199_166
    ));
    let votes_for_all = Settings {
        check_quorum: false,
        pre_vote: false,
        ..lease(LEASE)
    };
    assert_eq!(
        problems(votes_for_all),
        [SettingsProblem::LeaseWithoutCheckQuorum]
    );
}

/// With leases, and silent when nobody wants anything for two seconds.
fn quiescent() -> Settings {
    Settings {
        quiescent_after: Some(millis(2_000)),
        ..with_lease()
    }
}

/// Leader of three that has just fallen silent, all of whose heartbeats were answered with promises.
fn quiet_leader() -> Node {
    let mut node = Node::leading_with(quiescent());
    while !node.hull.is_quiet() {
        node.time_out();
        for (to, round) in node.rounds() {
            node.receive(to, 1, promising(round));
        }
    }
    node
}

/// [T6.4.1.6] Nobody is asked any more, so that nothing extends it.
#[test]
fn a_lease_ends_in_silence_as_it_does_in_any_other() {
    let mut node = quiet_leader();
    assert!(reads_at_once(&mut node), "the last promises still hold");
    let mut node = quiet_leader();
    node.wait(millis(750));
    let read = node.read();
    assert_eq!(node.outcome(read), None);
    node.wait(Duration::ZERO);
    let round = node.rounds()[0].1;
    node.receive(2, 1, promising(round));
    assert_eq!(node.outcome(read), read_at(1));
    assert!(reads_at_once(&mut node), "and it has a lease again");
}

/// [T6.4.1.6]
#[test]
fn who_waits_for_nothing_keeps_its_promise() {
    let mut setup = lease_setup(3);
    setup.settings = Arc::new(quiescent());
    let mut node = Node::with_setup(setup, MemoryLog::new());
    node.settle();
    let farewell = Body::Heartbeat(Heartbeat {
        round: 1,
        commit: index(0),
        quiet: true,
    });
    node.receive(2, 5, farewell);
    assert!(node.hull.is_quiet());
    node.sent();
    node.wait(millis(899));
    node.receive(3, 6, request_vote(id(9, 5)));
    assert_eq!((node.term(), node.sent_to(3)), (5, vec![]));
    assert!(!node.hull.is_quiet(), "it looks after its leader");
}
