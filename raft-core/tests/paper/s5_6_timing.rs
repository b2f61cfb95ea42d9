//! Timing, and what settings may not say (paper 5.6).

use std::sync::Arc;
use std::time::Duration;

use raft_core::configuration::Configuration;
use raft_core::error::OpenError;
use raft_core::hull::{Hull, Input};
use raft_core::ids::{EntryId, LogIndex, Term};
use raft_core::log::{HardState, Recovered};
use raft_core::settings::{Settings, SettingsProblem};
use raft_core::states::Role;
use raft_core::time::Time;

use crate::support::{self, Node, append, chunks, heartbeat, heartbeat_reply, id, settings};

/// [S5.6.7]
#[test]
fn settings_with_fewer_than_three_heartbeats_in_an_election_timeout_are_refused() {
    let with = |election: u64| Settings {
        election_timeout: Duration::from_millis(election),
        ..settings()
    };
    assert_eq!(with(300).validate(), []);
    let mut setup = support::setup(1, 3);
    setup.settings = Arc::new(with(299));
    let problem = SettingsProblem::ElectionTimeoutTooShort {
        election_timeout: Duration::from_millis(299),
        heartbeat_interval: Duration::from_millis(100),
    };
    let error = Hull::open(setup, Recovered::default(), Time::ZERO).unwrap_err();
    let problems = vec![problem];
    assert_eq!(error, OpenError::Settings { problems });
}

/// [S5.6.7]
#[test]
fn heartbeats_come_several_times_within_the_shortest_election_timeout() {
    let mut node = Node::leading();
    let mut heard = 0;
    let end = node.now.after(settings().election_timeout);
    while node.now < end {
        node.wait(settings().heartbeat_interval);
        heard += node.sent_to(2).len();
        node.receive(3, 1, heartbeat_reply(1));
    }
    assert_eq!(heard, 10);
}

/// The word that more is committed goes out between two rounds, and wants no answer.
#[test]
fn a_round_of_heartbeats_is_answered_once() {
    let mut node = Node::holding(5, &[1]);
    node.receive(2, 5, heartbeat(3, 0));
    assert_eq!(node.sent_to(2), [heartbeat_reply(3)]);
    node.receive(2, 5, append(id(1, 1), chunks(2, &[5]), 0));
    node.sent();
    for (what, again) in [("again", heartbeat(3, 2)), ("late", heartbeat(2, 2))] {
        let before = node.hull.deadline();
        node.wait(Duration::from_millis(10));
        node.receive(2, 5, again);
        assert_eq!(node.sent_to(2), [], "{what}");
        assert_ne!(node.hull.deadline(), before, "a sign of life, {what}");
    }
    assert_eq!(node.commit(), 2);
    node.receive(2, 5, heartbeat(4, 2));
    assert_eq!(node.sent_to(2), [heartbeat_reply(4)]);
    // Another leader counts rounds of its own.
    node.receive(3, 6, heartbeat(0, 2));
    assert_eq!(node.sent_to(3), [heartbeat_reply(0)]);
}

#[test]
fn pre_vote_and_check_quorum_are_set_both_or_neither() {
    for (pre_vote, check_quorum) in [(true, false), (false, true)] {
        let settings = Settings {
            pre_vote,
            check_quorum,
            ..settings()
        };
        assert_eq!(settings.validate().len(), 1);
    }
    let neither = Settings {
        pre_vote: false,
        check_quorum: false,
        ..settings()
    };
    assert_eq!(neither.validate(), []);
}

/// How to change a setting that has a bound, the least value that will do, and what is said of one
/// less.
type Bound = (fn(&mut Settings, u64), u64, &'static str);

fn assert_bounds(bounds: &[Bound]) {
    for (change, least, said) in bounds {
        let mut changed = settings();
        change(&mut changed, *least);
        assert_eq!(changed.validate(), [], "the edge of: {said}");
        change(&mut changed, least - 1);
        let problems: Vec<String> = changed.validate().iter().map(ToString::to_string).collect();
        assert_eq!(problems, [*said]);
    }
}

#[test]
fn each_bound_on_times_holds_at_its_edge_and_is_told_beyond() {
    assert_bounds(&[
        (
            |s, us| s.heartbeat_interval = Duration::from_micros(us),
            1_000,
            "heartbeat_interval is 999µs; it must be at least 1 ms",
        ),
        (
            |s, us| s.election_timeout = Duration::from_micros(us),
            300_000,
            "election_timeout is 299.999ms; with heartbeat_interval 100ms it must be at least \
             three times that",
        ),
        (
            |s, us| s.resend_after = Duration::from_micros(us),
            100_000,
            "resend_after is 99.999ms; it must be at least heartbeat_interval, 100ms",
        ),
        (
            |s, us| s.stalled_write_after = Duration::from_micros(us),
            1_000_000,
            "stalled_write_after is 999.999ms; it must be at least election_timeout, 1s",
        ),
        (
            |s, us| s.hand_over_after = Some(Duration::from_micros(us)),
            2_000_000,
            "hand_over_after is 1.999999s; it must be at least twice election_timeout, 1s",
        ),
    ]);
}

#[test]
fn each_limit_of_nothing_is_told() {
    assert_bounds(&[
        (
            |s, n| s.max_writes_in_flight = n as usize,
            1,
            "max_writes_in_flight is 0; it must be at least 1, or nothing could ever be written",
        ),
        (
            |s, n| s.max_appends_in_flight = n as usize,
            1,
            "max_appends_in_flight is 0; it must be at least 1, or nothing could ever be sent",
        ),
        (
            |s, n| s.max_pending_reads = n as usize,
            1,
            "max_pending_reads is 0; it must be at least 1, or nothing could ever be read",
        ),
        (
            |s, n| s.max_applying_bytes = n as usize,
            1,
            "max_applying_bytes is 0; it must be at least 1, or nothing could ever be applied",
        ),
        (
            |s, n| s.chunk_limits.max_entries = n as u32,
            1,
            "chunk_limits.max_entries is 0; it must be at least 1, or nothing could ever be \
             appended",
        ),
    ]);
}

#[test]
fn each_bound_on_limits_holds_at_its_edge_and_is_told_beyond() {
    let append = settings().max_append_bytes as u64;
    let payload = settings().max_payload_bytes as u64;
    assert_bounds(&[
        (
            |s, n| s.max_bytes_in_flight = n as usize,
            append,
            "max_bytes_in_flight is 1048575; it must be at least max_append_bytes, 1048576",
        ),
        (
            |s, n| s.max_uncommitted_bytes = n as usize,
            payload,
            "max_payload_bytes is 8388608; it must be at most max_uncommitted_bytes, 8388607",
        ),
        (
            |s, n| s.chunk_limits.max_payload_bytes = n as u32,
            payload + 24,
            "max_payload_bytes is 8388608; with what a record carries it must fit \
             chunk_limits.max_payload_bytes, 8388631",
        ),
    ]);
}

#[test]
fn all_problems_with_settings_are_told_at_once() {
    let mut wrong = Settings {
        heartbeat_interval: Duration::from_micros(999),
        election_timeout: Duration::from_millis(2),
        resend_after: Duration::ZERO,
        stalled_write_after: Duration::ZERO,
        hand_over_after: Some(Duration::ZERO),
        pre_vote: false,
        max_writes_in_flight: 0,
        max_appends_in_flight: 0,
        max_pending_reads: 0,
        max_applying_bytes: 0,
        max_bytes_in_flight: 0,
        max_uncommitted_bytes: 0,
        ..settings()
    };
    wrong.chunk_limits.max_entries = 0;
    wrong.chunk_limits.max_payload_bytes = 0;
    assert_eq!(wrong.validate().len(), 14, "{:#?}", wrong.validate());
    let mut setup = support::setup(1, 3);
    setup.settings = Arc::new(wrong);
    let error = Hull::open(setup, Recovered::default(), Time::ZERO).unwrap_err();
    let problems = wrong.validate();
    assert_eq!(error, OpenError::Settings { problems });
    // Whoever only prints the error reads every remedy.
    let text = error.to_string();
    for problem in wrong.validate() {
        assert!(text.contains(&problem.to_string()), "{problem} in {text}");
    }
}

/// What these limits are for: each of them at nothing would leave a hull stuck for ever.
#[test]
fn the_least_that_settings_allow_still_gets_on() {
    let mut least = Settings {
        max_writes_in_flight: 1,
        max_appends_in_flight: 1,
        max_pending_reads: 1,
        max_applying_bytes: 1,
        max_append_bytes: 0,
        max_bytes_in_flight: 0,
        max_cached_bytes: 0,
        max_payload_bytes: 8,
        max_uncommitted_bytes: 8,
        ..settings()
    };
    least.chunk_limits.max_entries = 1;
    least.chunk_limits.max_payload_bytes = 32;
    assert_eq!(least.validate(), []);
    let mut node = Node::leading_with(least);
    for at in 2..5 {
        node.propose(b"8 bytes.");
        node.sent();
        node.acknowledge(2, at);
        assert_eq!(
            (node.commit(), node.hull.applied_index()),
            (at, LogIndex::new(at))
        );
    }
}

#[test]
fn a_clock_that_goes_back_counts_as_one_that_stands_still() {
    let mut node = Node::holding(5, &[1]);
    node.wait(Duration::from_millis(500));
    node.step(Input::DeadlinePassed);
    let late = node.now;
    node.now = Time::ZERO;
    node.hear(2, 5);
    let deadline = node.hull.deadline().unwrap();
    assert!(deadline.since(late) >= settings().election_timeout);
}

#[test]
fn a_deadline_that_is_reported_too_early_does_nothing() {
    for role in [
        Role::Follower,
        Role::PreCandidate,
        Role::Candidate,
        Role::Leader,
    ] {
        let mut node = Node::in_role(role);
        node.sent();
        node.events.clear();
        let deadline = node.hull.deadline();
        if role == Role::Leader {
            node.time_out();
            node.sent();
            assert!(node.hull.deadline() > deadline);
        }
        let deadline = node.hull.deadline();
        node.step(Input::DeadlinePassed);
        assert_eq!((node.hull.role(), node.hull.deadline()), (role, deadline));
        assert_eq!(node.sent(), []);
        assert_eq!(node.events, []);
    }
}

#[test]
fn what_a_log_recovers_must_not_contradict_itself() {
    let good = recovered(4, vec![id(1, 1), id(3, 3)]);
    let with = |change: fn(&mut Recovered)| {
        let mut changed = good.clone();
        change(&mut changed);
        changed
    };
    assert_opens(&good);
    assert_opens(&recovered(3, good.runs.clone()));
    assert_opens(&Recovered::default());
    assert_opens(&with(|log| log.configurations = configurations(&[1, 4])));
    let bad = [
        recovered(4, vec![id(2, 1)]),
        recovered(4, vec![id(1, 2), id(3, 1)]),
        recovered(4, vec![id(1, 1), id(3, 1)]),
        recovered(4, vec![id(1, 1), id(1, 2)]),
        recovered(4, vec![id(1, 1), id(2, 2), id(2, 3)]),
        recovered(4, vec![id(1, 1), id(5, 3)]),
        recovered(4, vec![id(1, 4)]),
        recovered(4, Vec::new()),
        with(|log| log.hard.term = Term::new(2)),
        with(|log| log.configurations = configurations(&[4, 1])),
        with(|log| log.configurations = configurations(&[4, 4])),
        with(|log| log.configurations = configurations(&[5])),
        with(|log| log.configurations = configurations(&[0])),
    ];
    bad.iter().for_each(assert_refused);
}

#[test]
fn what_a_log_recovers_follows_its_snapshot() {
    let after = |last, runs| Recovered {
        snapshot: Some(support::empty_snapshot(id(3, 2)).mark()),
        stored: Some(support::empty_snapshot(id(3, 2))),
        ..recovered(last, runs)
    };
    assert_opens(&after(3, Vec::new()));
    assert_opens(&after(5, vec![id(4, 2), id(5, 3)]));
    assert_opens(&after(5, vec![id(4, 3)]));
    let mut outside = after(5, vec![id(4, 2)]);
    outside.configurations = configurations(&[3]);
    let bad = [
        after(2, Vec::new()),
        after(4, Vec::new()),
        after(5, vec![id(4, 1)]),
        after(5, vec![id(5, 2)]),
        after(5, vec![id(3, 2)]),
        after(5, vec![id(4, 2), id(5, 2)]),
        outside,
    ];
    bad.iter().for_each(assert_refused);
}

/// What a log in term 3 recovers whose terms begin at these entries and which ends at `last`.
fn recovered(last: u64, runs: Vec<EntryId>) -> Recovered {
    Recovered {
        hard: HardState {
            term: Term::new(3),
            ..HardState::default()
        },
        runs,
        last: LogIndex::new(last),
        ..Recovered::default()
    }
}

fn configurations(at: &[u64]) -> Vec<(LogIndex, Configuration)> {
    let founding = support::setup(1, 3).founding;
    let at = at.iter().map(|at| LogIndex::new(*at));
    at.map(|at| (at, founding.clone())).collect()
}

fn open(recovered: &Recovered) -> Option<OpenError> {
    Hull::open(support::setup(1, 3), recovered.clone(), Time::ZERO).err()
}

fn assert_opens(recovered: &Recovered) {
    assert_eq!(open(recovered), None, "{recovered:?}");
}

fn assert_refused(recovered: &Recovered) {
    let error = open(recovered);
    assert!(
        matches!(error, Some(OpenError::Recovered { .. })),
        "{recovered:?}"
    );
}
