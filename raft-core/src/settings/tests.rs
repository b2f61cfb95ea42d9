//! Each bound: what stands at it is allowed, and what is beyond it is refused by name.

use alloc::vec;

use super::*;

/// What is wrong with the defaults after this change.
fn problems(change: impl FnOnce(&mut Settings)) -> Vec<SettingsProblem> {
    let mut settings = Settings::default();
    change(&mut settings);
    settings.validate()
}

const TICK: Duration = Duration::from_nanos(1);

#[test]
fn the_defaults_can_be_used() {
    assert_eq!(problems(|_| {}), []);
}

/// [S5.6.7] At three heartbeats, and just below.
#[test]
fn an_election_timeout_holds_three_heartbeats() {
    let heartbeat_interval = Duration::from_millis(100);
    let with = |election_timeout| {
        problems(|all| {
            (all.election_timeout, all.heartbeat_interval) = (election_timeout, heartbeat_interval);
        })
    };
    let least = heartbeat_interval * 3;
    assert_eq!(with(least), []);
    let election_timeout = least - TICK;
    let short = SettingsProblem::ElectionTimeoutTooShort {
        election_timeout,
        heartbeat_interval,
    };
    assert_eq!(with(election_timeout), [short]);
}

#[test]
fn heartbeats_are_a_millisecond_apart_at_least() {
    let with = |interval| problems(|all| all.heartbeat_interval = interval);
    let least = Duration::from_millis(1);
    assert_eq!(with(least), []);
    let heartbeat_interval = least - TICK;
    let short = SettingsProblem::HeartbeatTooShort { heartbeat_interval };
    assert_eq!(with(heartbeat_interval), [short]);
}

#[test]
fn entries_are_sent_again_after_a_heartbeat_interval_at_least() {
    let with = |span| problems(|all| all.resend_after = span);
    let heartbeat_interval = Settings::default().heartbeat_interval;
    assert_eq!(with(heartbeat_interval), []);
    let resend_after = heartbeat_interval - TICK;
    let early = SettingsProblem::ResendTooEarly {
        resend_after,
        heartbeat_interval,
    };
    assert_eq!(with(resend_after), [early]);
}

#[test]
fn a_disk_and_a_new_member_have_an_election_timeout_at_least() {
    let election_timeout = Settings::default().election_timeout;
    let short = election_timeout - TICK;
    let disk = |span| problems(|all| all.stalled_write_after = span);
    assert_eq!(disk(election_timeout), []);
    let early = SettingsProblem::StalledWriteTooEarly {
        stalled_write_after: short,
        election_timeout,
    };
    assert_eq!(disk(short), [early]);
    let member = |span| problems(|all| all.catch_up_timeout = span);
    assert_eq!(member(election_timeout), []);
    let impatient = SettingsProblem::CatchUpTooImpatient {
        catch_up_timeout: short,
        election_timeout,
    };
    assert_eq!(member(short), [impatient]);
}

#[test]
fn leadership_stays_for_two_election_timeouts_at_least() {
    let with = |span| problems(|all| all.hand_over_after = span);
    let election_timeout = Settings::default().election_timeout;
    assert_eq!(with(None), []);
    assert_eq!(with(Some(election_timeout * 2)), []);
    let hand_over_after = election_timeout * 2 - TICK;
    let soon = SettingsProblem::HandsOverTooSoon {
        hand_over_after,
        election_timeout,
    };
    assert_eq!(with(Some(hand_over_after)), [soon]);
}

#[test]
fn who_falls_silent_has_rested_for_an_election_timeout_and_asks_for_pre_votes() {
    let with = |span| problems(|all| all.quiescent_after = span);
    let election_timeout = Settings::default().election_timeout;
    assert_eq!(with(Some(election_timeout)), []);
    let quiescent_after = election_timeout - TICK;
    let soon = SettingsProblem::QuietTooSoon {
        quiescent_after,
        election_timeout,
    };
    assert_eq!(with(Some(quiescent_after)), [soon]);
    let quiescent_after = election_timeout;
    let blind = problems(|all| {
        all.quiescent_after = Some(quiescent_after);
        (all.pre_vote, all.check_quorum) = (false, false);
    });
    assert_eq!(
        blind,
        [SettingsProblem::QuietWithoutPreVote { quiescent_after }]
    );
}

#[test]
fn pre_vote_and_check_quorum_are_on_or_off_together() {
    let with = |both: (bool, bool)| problems(|all| (all.pre_vote, all.check_quorum) = both);
    assert_eq!(with((false, false)), []);
    for (pre_vote, check_quorum) in [(true, false), (false, true)] {
        let alone = SettingsProblem::PreVoteWithoutCheckQuorum {
            pre_vote,
            check_quorum,
        };
        assert_eq!(with((pre_vote, check_quorum)), [alone]);
    }
}

#[test]
fn nothing_that_must_be_there_is_zero() {
    type Limit = fn(&mut Settings) -> &mut usize;
    let limits: [(&str, Limit); 4] = [
        ("max_writes_in_flight", |all| &mut all.max_writes_in_flight),
        ("max_appends_in_flight", |all| {
            &mut all.max_appends_in_flight
        }),
        ("max_pending_reads", |all| &mut all.max_pending_reads),
        ("max_applying_bytes", |all| &mut all.max_applying_bytes),
    ];
    for (named, limit) in limits {
        assert_eq!(problems(|all| *limit(all) = 1), [], "{named}");
        let found = problems(|all| *limit(all) = 0);
        let [SettingsProblem::Zero { name, .. }] = found[..] else {
            panic!("{named}: {found:?}");
        };
        assert_eq!(name, named);
    }
    let entries = |most| problems(|all| all.chunk_limits.max_entries = most);
    assert_eq!(entries(1), []);
    let name = "chunk_limits.max_entries";
    let never = "appended";
    assert_eq!(entries(0), [SettingsProblem::Zero { name, never }]);
}

#[test]
fn snapshots_come_after_something() {
    let with = |after_entries, after_bytes| {
        let policy = SnapshotPolicy {
            after_entries,
            after_bytes,
        };
        problems(|all| all.snapshots = Some(policy))
    };
    assert_eq!(with(1, 1), []);
    for nothing in [with(0, 1), with(1, 0)] {
        assert_eq!(nothing, [SettingsProblem::SnapshotsWithoutEnd]);
    }
}

#[test]
fn limits_of_bytes_hold_each_other() {
    let usual = Settings::default();
    let (max_append_bytes, max_payload_bytes) = (usual.max_append_bytes, usual.max_payload_bytes);
    let window = |bytes| problems(|all| all.max_bytes_in_flight = bytes);
    assert_eq!(window(max_append_bytes), []);
    let max_bytes_in_flight = max_append_bytes - 1;
    let small = SettingsProblem::WindowSmallerThanMessage {
        max_bytes_in_flight,
        max_append_bytes,
    };
    assert_eq!(window(max_bytes_in_flight), [small]);

    let uncommitted = |bytes| problems(|all| all.max_uncommitted_bytes = bytes);
    assert_eq!(uncommitted(max_payload_bytes), []);
    let max_uncommitted_bytes = max_payload_bytes - 1;
    let never = SettingsProblem::PayloadNeverFits {
        max_payload_bytes,
        max_uncommitted_bytes,
    };
    assert_eq!(uncommitted(max_uncommitted_bytes), [never]);

    let chunk = |bytes: usize| {
        problems(|all| all.chunk_limits.max_payload_bytes = u32::try_from(bytes).unwrap())
    };
    let least = max_payload_bytes + ClientHeader::BYTES;
    assert_eq!(chunk(least), []);
    let chunk_bytes = least - 1;
    let exceeds = SettingsProblem::PayloadExceedsChunk {
        max_payload_bytes,
        chunk_bytes,
    };
    assert_eq!(chunk(chunk_bytes), [exceeds]);
}

#[test]
fn a_lease_is_within_its_bounds() {
    let usual = Settings::default();
    let (election_timeout, heartbeat_interval) = (usual.election_timeout, usual.heartbeat_interval);
    let with = |duration, max_drift_per_mille| {
        let lease = Lease {
            duration,
            max_drift_per_mille,
        };
        problems(|all| all.lease = Some(lease))
    };
    assert_eq!(with(election_timeout, 1), []);
    let duration = election_timeout + TICK;
    let long = SettingsProblem::LeaseTooLong {
        duration,
        election_timeout,
    };
    assert_eq!(with(duration, 1), [long]);
    // Half of it is left at the greatest drift: two heartbeat intervals.
    assert_eq!(with(heartbeat_interval * 4, 1_000), []);
    let found = with(heartbeat_interval * 4, 1_001);
    let drift = SettingsProblem::LeaseWithoutDriftBound {
        max_drift_per_mille: 1_001,
    };
    assert!(found.contains(&drift), "{found:?}");
    let max_drift_per_mille = 0;
    let none = SettingsProblem::LeaseWithoutDriftBound {
        max_drift_per_mille,
    };
    assert_eq!(with(election_timeout, 0), [none]);
    let found = with(heartbeat_interval * 4 - Duration::from_millis(1), 1_000);
    assert!(
        matches!(found[..], [SettingsProblem::LeaseTooShort { .. }]),
        "{found:?}"
    );
}

#[test]
fn an_hour_is_the_longest_lease() {
    let with = |duration| {
        problems(|all| {
            all.election_timeout = Duration::from_secs(7_200);
            all.heartbeat_interval = Duration::from_secs(60);
            all.resend_after = all.heartbeat_interval;
            all.stalled_write_after = all.election_timeout;
            all.hand_over_after = None;
            all.catch_up_timeout = all.election_timeout;
            all.lease = Some(Lease {
                duration,
                max_drift_per_mille: 1,
            });
        })
    };
    assert_eq!(with(LONGEST_LEASE), []);
    let found = with(LONGEST_LEASE + TICK);
    assert!(
        matches!(found[..], [SettingsProblem::LeaseTooLong { .. }]),
        "{found:?}"
    );
}

/// Without either, leaders would lead on beside others.
#[test]
fn a_lease_needs_check_quorum() {
    let found = problems(|all| {
        (all.pre_vote, all.check_quorum) = (false, false);
        all.lease = Some(Lease {
            duration: all.election_timeout,
            max_drift_per_mille: 1,
        });
    });
    assert_eq!(found, vec![SettingsProblem::LeaseWithoutCheckQuorum]);
}
