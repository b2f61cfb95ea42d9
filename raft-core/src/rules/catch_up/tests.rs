//! A new member looked at again and again, as the leader does.

use super::*;

extern crate std;

const PATIENCE: Patience = Patience {
    short_round: Duration::from_millis(100),
    standstill: Duration::from_millis(1_000),
};

fn seen(matched: u64, last: u64, now: u64) -> Seen {
    Seen {
        matched: LogIndex::new(matched),
        last: LogIndex::new(last),
        now: Time::from_millis(now),
    }
}

/// [T4.2.1.22]
#[test]
fn a_round_ends_with_what_the_leader_held_when_it_began() {
    let mut rounds = Rounds::begin(&seen(0, 10, 0));
    assert_eq!(rounds.observe(&seen(9, 12, 50), &PATIENCE), Verdict::Behind);
    assert_eq!(
        rounds.observe(&seen(10, 14, 60), &PATIENCE),
        Verdict::CaughtUp
    );
    // The next one began then, and is for what the leader held then.
    assert_eq!(
        rounds.observe(&seen(13, 20, 159), &PATIENCE),
        Verdict::CaughtUp
    );
    assert_eq!(
        rounds.observe(&seen(13, 20, 160), &PATIENCE),
        Verdict::Behind
    );
    assert_eq!(
        rounds.observe(&seen(14, 20, 161), &PATIENCE),
        Verdict::Behind,
        "that round was long"
    );
}

/// [T4.2.1.26]
#[test]
fn a_round_of_an_election_timeout_is_long_and_one_of_less_is_short() {
    let mut long = Rounds::begin(&seen(0, 10, 0));
    assert_eq!(long.observe(&seen(10, 10, 100), &PATIENCE), Verdict::Behind);
    // Nothing is missing: the next round is over at once.
    assert_eq!(
        long.observe(&seen(10, 10, 100), &PATIENCE),
        Verdict::CaughtUp
    );
    let mut short = Rounds::begin(&seen(0, 10, 0));
    assert_eq!(
        short.observe(&seen(10, 15, 99), &PATIENCE),
        Verdict::CaughtUp
    );
}

#[test]
fn who_asks_is_told_how_long_it_has_gone_on() {
    let mut rounds = Rounds::begin(&seen(0, 10, 0));
    for round in 1..=3 {
        rounds.observe(&seen(round * 10, round * 10 + 10, round * 100), &PATIENCE);
        assert_eq!(u64::from(rounds.long_rounds()), round);
    }
    rounds.observe(&seen(30, 40, 350), &PATIENCE);
    let now = Time::from_millis(370);
    assert_eq!(rounds.still(now), Duration::from_millis(70));
}

/// [T4.2.1.22] Its disk was damaged: what it was found to hold says nothing any more.
#[test]
fn who_loses_what_it_held_begins_anew() {
    let mut rounds = Rounds::begin(&seen(0, 10, 0));
    assert_eq!(
        rounds.observe(&seen(10, 10, 50), &PATIENCE),
        Verdict::CaughtUp
    );
    assert_eq!(rounds.observe(&seen(0, 10, 60), &PATIENCE), Verdict::Behind);
    assert_eq!(rounds.observe(&seen(9, 12, 90), &PATIENCE), Verdict::Behind);
    assert_eq!(
        rounds.observe(&seen(10, 12, 110), &PATIENCE),
        Verdict::CaughtUp
    );
}

/// [T4.2.1.25]
#[test]
fn ten_long_rounds_in_a_row_are_enough() {
    let mut rounds = Rounds::begin(&seen(0, 10, 0));
    let mut verdicts = alloc::vec::Vec::new();
    for round in 1..=10 {
        let at = seen(round * 10, round * 10 + 10, round * 100);
        verdicts.push(rounds.observe(&at, &PATIENCE));
    }
    assert_eq!(verdicts[..9], [Verdict::Behind; 9]);
    assert_eq!(verdicts[9], Verdict::TooSlow);
    // One short round begins the count anew.
    let mut rounds = Rounds::begin(&seen(0, 10, 0));
    for round in 1..=9 {
        rounds.observe(&seen(round * 10, round * 10 + 10, round * 100), &PATIENCE);
    }
    rounds.observe(&seen(100, 110, 950), &PATIENCE);
    let after = rounds.observe(&seen(110, 120, 1_050), &PATIENCE);
    assert_eq!(after, Verdict::Behind);
}

/// [T4.2.1.15]
#[test]
fn who_stands_still_is_given_up_and_who_moves_is_not() {
    let mut rounds = Rounds::begin(&seen(0, 10, 0));
    assert_eq!(
        rounds.observe(&seen(1, 10, 900), &PATIENCE),
        Verdict::Behind
    );
    assert_eq!(
        rounds.observe(&seen(1, 10, 1_899), &PATIENCE),
        Verdict::Behind
    );
    assert_eq!(
        rounds.observe(&seen(1, 10, 1_900), &PATIENCE),
        Verdict::TooSlow
    );
}

/// [T4.2.1.22] The leader looks again whenever anything happens, and commands come faster than the
/// member's answers: what the round is for stays what it was for.
#[test]
fn a_round_goes_on_while_the_leader_looks_and_finds_nothing_new() {
    let mut rounds = Rounds::begin(&seen(0, 10, 0));
    for (last, now) in [(20, 10), (30, 20), (40, 30)] {
        assert_eq!(
            rounds.observe(&seen(0, last, now), &PATIENCE),
            Verdict::Behind
        );
    }
    assert_eq!(
        rounds.observe(&seen(10, 50, 40), &PATIENCE),
        Verdict::CaughtUp
    );
}

/// [T4.2.1.26] The round lasts since it began, and not since the leader looked in vain.
#[test]
fn a_round_is_no_shorter_for_being_looked_at() {
    let mut rounds = Rounds::begin(&seen(0, 10, 0));
    assert_eq!(rounds.observe(&seen(0, 10, 90), &PATIENCE), Verdict::Behind);
    assert_eq!(
        rounds.observe(&seen(10, 20, 100), &PATIENCE),
        Verdict::Behind
    );
    assert_eq!(rounds.long_rounds(), 1);
}

/// [T4.2.1.25] The rounds it has had are counted whatever became of its log: who loses it again and
/// again is not waited for without end.
#[test]
fn who_loses_its_log_gets_no_more_rounds_for_it() {
    let mut rounds = Rounds::begin(&seen(0, 10, 0));
    for round in 1..=9 {
        let held = seen(10, 10, round * 200 - 100);
        assert_eq!(rounds.observe(&held, &PATIENCE), Verdict::Behind, "{round}");
        let lost = seen(0, 10, round * 200);
        assert_eq!(rounds.observe(&lost, &PATIENCE), Verdict::Behind, "{round}");
    }
    assert_eq!(
        rounds.observe(&seen(10, 10, 1_900), &PATIENCE),
        Verdict::TooSlow
    );
}

/// [T4.2.1.15] To lose what it held is not to move.
#[test]
fn who_loses_its_log_and_then_stands_still_is_given_up_as_soon() {
    let mut rounds = Rounds::begin(&seen(0, 10, 0));
    assert_eq!(
        rounds.observe(&seen(9, 10, 100), &PATIENCE),
        Verdict::Behind
    );
    assert_eq!(
        rounds.observe(&seen(0, 10, 1_000), &PATIENCE),
        Verdict::Behind
    );
    assert_eq!(
        rounds.observe(&seen(0, 10, 1_100), &PATIENCE),
        Verdict::TooSlow
    );
}

/// [T4.2.1.15] Who holds all that there is can not move.
#[test]
fn who_lacks_nothing_does_not_stand_still() {
    let mut rounds = Rounds::begin(&seen(0, 10, 0));
    rounds.observe(&seen(10, 10, 50), &PATIENCE);
    let after_silence = rounds.observe(&seen(10, 10, 2_000), &PATIENCE);
    assert_eq!(after_silence, Verdict::Behind, "and not given up");
    assert_eq!(
        rounds.observe(&seen(10, 11, 2_050), &PATIENCE),
        Verdict::CaughtUp
    );
}

/// What is told apart is what goes on differently: once a round is long, and once who stands still is
/// given up, it is the same for how long.
#[test]
fn ages_count_up_to_where_they_change_nothing_any_more() {
    let rounds = Rounds::begin(&seen(0, 10, 0));
    let at = |now| {
        let mut hasher = std::hash::DefaultHasher::new();
        let ages = rounds.ages(Time::from_millis(now), &PATIENCE);
        core::hash::Hash::hash(&ages, &mut hasher);
        core::hash::Hasher::finish(&hasher)
    };
    assert_ne!(at(98), at(99), "a round ends in time, or not");
    assert_ne!(at(998), at(999), "who stands still is waited for, or not");
    assert_eq!(at(1_000), at(1_001));
}
