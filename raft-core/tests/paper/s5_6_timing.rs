//! Timing, and what settings may not say (paper 5.6).

use std::time::Duration;

use raft_core::configuration::Configuration;
use raft_core::error::OpenError;
use raft_core::hull::{Hull, Input};
use raft_core::ids::{EntryId, LogIndex, Term};
use raft_core::log::{HardState, Recovered, SnapshotMark};
use raft_core::settings::{Settings, SettingsProblem};
use raft_core::states::Role;
use raft_core::time::Time;

use crate::support::{self, Node, id, settings};

/// [S5.6.7]
#[test]
fn settings_with_fewer_than_three_heartbeats_in_an_election_timeout_are_refused() {
    let with = |election: u64| Settings {
        election_timeout: Duration::from_millis(election),
        ..settings()
    };
    assert_eq!(with(300).validate(), []);
    let mut setup = support::setup(1, 3);
    setup.settings = with(299);
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
        node.receive(3, 1, support::heartbeat_reply(1));
    }
    assert_eq!(heard, 10);
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

#[test]
fn each_bound_on_settings_holds_at_its_edge_and_not_beyond() {
    type Change = fn(&mut Settings, u64);
    let append = settings().max_append_bytes as u64;
    let payload = settings().max_payload_bytes as u64;
    // What to change, and the least value that will do.
    let bounds: [(Change, u64); 9] = [
        (
            |s, us| s.heartbeat_interval = Duration::from_micros(us),
            1_000,
        ),
        (|s, us| s.resend_after = Duration::from_micros(us), 100_000),
        (
            |s, us| s.stalled_write_after = Duration::from_micros(us),
            1_000_000,
        ),
        (
            |s, us| s.hand_over_after = Some(Duration::from_micros(us)),
            2_000_000,
        ),
        (|s, n| s.max_writes_in_flight = n as usize, 1),
        (|s, n| s.max_appends_in_flight = n as usize, 1),
        (|s, n| s.max_bytes_in_flight = n as usize, append),
        (|s, n| s.max_uncommitted_bytes = n as usize, payload),
        (
            |s, n| s.chunk_limits.max_payload_bytes = n as u32,
            payload + 24,
        ),
    ];
    for (number, (change, least)) in bounds.into_iter().enumerate() {
        let mut changed = settings();
        change(&mut changed, least);
        assert_eq!(changed.validate(), [], "bound {number}");
        change(&mut changed, least - 1);
        assert_eq!(changed.validate().len(), 1, "bound {number}");
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
        snapshot: Some(SnapshotMark {
            last: id(3, 2),
            configuration: support::setup(1, 3).founding,
        }),
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
