//! What witnesses hear, counted out over small clusters.

use super::*;
use crate::configuration::Member;
use crate::ids::Incarnation;

extern crate std;

fn cluster(full: u64, witnesses: u64) -> Configuration {
    let member = |id: u64| {
        let mut member = Member::voter(Incarnation::new(u128::from(id)));
        if id > full {
            member.role = MemberRole::Witness;
        }
        (NodeId::new(id), member)
    };
    Configuration::new((1..=full + witnesses).map(member))
}

fn through(configuration: &Configuration, durable: u64, held: &[(u64, bool)]) -> u64 {
    let voter = |id: NodeId| {
        let (matched, is_late) = held[id.get() as usize - 1];
        Voter {
            matched: LogIndex::new(matched),
            is_late,
        }
    };
    told_through(configuration, LogIndex::new(durable), voter).get()
}

/// The reason for all of it. Whatever the voters hold, none of them late, and whichever fail of
/// as many as the cluster tolerates: one that is left holds all that witnesses were told, and with
/// the others left it is a majority. So it is elected, and has the payloads.
#[test]
fn whoever_fails_somebody_is_left_who_holds_all_that_witnesses_heard() {
    for (full, witnesses) in [(2, 1), (3, 1), (3, 2), (4, 1), (4, 2), (4, 3), (5, 2)] {
        let configuration = cluster(full, witnesses);
        assert!(are_few(&configuration.members));
        let size = full + witnesses;
        let tolerated = size as u32 - quorum::majority(size as usize) as u32;
        for code in 0..3_u64.pow(full as u32) {
            let held: Vec<(u64, bool)> = (0..full as u32)
                .map(|at| (code / 3_u64.pow(at) % 3, false))
                .collect();
            let told = through(&configuration, held[0].0, &held);
            for failed in (0..1_u32 << size).filter(|failed| failed.count_ones() == tolerated) {
                let mut left = (0..full as usize).filter(|at| failed >> at & 1 == 0);
                assert!(
                    left.any(|at| held[at].0 >= told),
                    "{full} and {witnesses}: told {told} of {held:?}, {failed:b} fail"
                );
            }
        }
    }
}

/// While nobody is late, a majority of payloads holds what a witness is told: its acknowledgement
/// decides nothing.
#[test]
fn while_nobody_is_late_witnesses_hear_what_is_on_as_many_disks_as_without_them() {
    let three_and_two = cluster(3, 2);
    assert_eq!(
        through(&three_and_two, 9, &[(9, false), (8, false), (5, false)]),
        5
    );
    let four_and_one = cluster(4, 1);
    let held = [(9, false), (8, false), (5, false), (1, false)];
    assert_eq!(through(&four_and_one, 9, &held), 5, "three are enough");
}

#[test]
fn who_is_late_is_not_waited_for_but_the_leaders_own_disk_always_is() {
    let two_and_one = cluster(2, 1);
    assert_eq!(through(&two_and_one, 9, &[(9, false), (4, true)]), 9);
    assert_eq!(through(&two_and_one, 7, &[(7, false), (9, false)]), 7);
    // Also where it is no member of this half, or all others are late.
    assert_eq!(through(&two_and_one, 7, &[(9, true), (9, true)]), 7);
}

#[test]
fn in_a_joint_configuration_each_half_must_hold_it() {
    let mut joint = cluster(2, 1);
    joint.outgoing = Some(cluster(3, 0).members);
    let held = |third| [(9, false), (9, false), (third, false)];
    assert_eq!(through(&joint, 9, &held(3)), 9, "a majority of the others");
    let held = [(9, false), (4, true), (3, false)];
    assert_eq!(through(&joint, 9, &held), 3);
}

#[test]
fn witnesses_are_fewer_than_those_that_may_lead() {
    let verdicts = [(1, 1), (1, 2), (2, 2), (2, 1), (3, 2), (3, 3)]
        .map(|(full, witnesses)| are_few(&cluster(full, witnesses).members));
    assert_eq!(verdicts, [false, false, false, true, true, false]);
    assert!(are_few(&cluster(1, 0).members));
}

fn at(now: u64) -> Moment {
    Moment {
        now: Time::from_millis(now),
        patience: Duration::from_millis(100),
    }
}

/// Looks at a voter: what it holds, of how much, when; and whether it is late each time.
fn lateness<const N: usize>(looks: [(u64, u64, u64); N]) -> [bool; N] {
    let mut pace = Pace::begin(LogIndex::new(looks[0].1), Time::from_millis(looks[0].2));
    looks.map(|(matched, last, now)| {
        pace.observe(LogIndex::new(matched), LogIndex::new(last), at(now));
        pace.is_late()
    })
}

#[test]
fn who_does_not_end_a_round_in_time_is_late_until_it_does() {
    let silent = [(0, 5, 0), (0, 6, 99), (0, 7, 100), (0, 9, 900)];
    assert_eq!(lateness(silent), [false, false, true, true]);
    // It moves all the time, and has further to go than it comes.
    let slow = [(0, 50, 0), (20, 60, 60), (40, 70, 120), (50, 80, 160)];
    assert_eq!(lateness(slow), [false, false, true, true]);
    // That round was long; the next one, to 80, is not.
    let better = [(0, 50, 0), (50, 80, 160), (80, 81, 259), (81, 81, 300)];
    assert_eq!(lateness(better), [false, true, false, false]);
}

#[test]
fn nobody_is_late_who_lacks_nothing_for_long() {
    let looks = [(5, 5, 0), (5, 5, 9_000), (5, 6, 20_000), (5, 6, 20_099)];
    assert_eq!(lateness(looks), [false; 4]);
    let looks = [(5, 5, 0), (5, 5, 9_000), (5, 6, 20_000), (5, 6, 20_100)];
    assert_eq!(lateness(looks), [false, false, false, true]);
}

#[test]
fn who_is_lost_is_late_until_it_holds_something_new() {
    let mut pace = Pace::begin(LogIndex::new(5), Time::ZERO);
    pace.observe(LogIndex::new(5), LogIndex::new(5), at(10));
    pace.lose(LogIndex::new(5), Time::from_millis(10));
    pace.observe(LogIndex::new(5), LogIndex::new(5), at(20));
    assert!(pace.is_late());
    pace.observe(LogIndex::new(6), LogIndex::new(6), at(30));
    assert!(!pace.is_late());
}

/// To catch up with what was lacking is not enough, and while no command comes there is nothing new to
/// hold, however often the leader looks.
#[test]
fn who_is_lost_stays_late_while_there_is_nothing_new() {
    let last = LogIndex::new(5);
    let mut pace = Pace::begin(last, Time::ZERO);
    pace.observe(LogIndex::new(3), last, at(10));
    pace.lose(last, Time::from_millis(10));
    for (matched, now) in [(3, 20), (5, 30), (5, 40), (5, 5_000)] {
        pace.observe(LogIndex::new(matched), last, at(now));
        assert!(pace.is_late(), "{now}");
    }
}

/// It is measured from when there was something to wait for: how long nothing came says nothing of
/// how fast it is, nor does how long it was away.
#[test]
fn who_was_lost_is_waited_for_again_once_it_is_as_fast() {
    let mut pace = Pace::begin(LogIndex::new(5), Time::ZERO);
    pace.lose(LogIndex::new(5), Time::from_millis(10));
    let mut look = |matched, last, now| {
        pace.observe(LogIndex::new(matched), LogIndex::new(last), at(now));
        pace.is_late()
    };
    assert!(look(3, 5, 9_000), "nothing new in all that time");
    assert!(look(3, 6, 9_010), "here it is");
    assert!(!look(6, 6, 9_050));
}

/// The leader's patience begins with its term, and not with what it first hears of the voter.
#[test]
fn who_was_never_looked_at_is_waited_for_no_longer_than_others() {
    let mut pace = Pace::begin(LogIndex::new(5), Time::ZERO);
    pace.observe(LogIndex::new(3), LogIndex::new(5), at(100));
    assert!(pace.is_late());
}

/// What is told apart is what goes on differently: once a round is long, it is the same for how long.
#[test]
fn ages_count_up_to_where_they_change_nothing_any_more() {
    let pace = Pace::begin(LogIndex::new(5), Time::ZERO);
    let age = |now| {
        let mut hasher = std::hash::DefaultHasher::new();
        core::hash::Hash::hash(&pace.age(at(now)), &mut hasher);
        core::hash::Hasher::finish(&hasher)
    };
    assert_ne!(age(98), age(99), "in time, or not");
    assert_eq!(age(100), age(101));
}
