//! Each invariant, broken by hand, is told: what no sequence of inputs is known to bring about.

use super::*;
use crate::checksum::crc32c;
use crate::chunk::ChunkBuilder;
use crate::common::Common;
use crate::common::applying::Applying;
use crate::common::disk::Disk;
use crate::configuration::{Configuration, Member, MemberRole};
use crate::error::Fault;
use crate::hull::{Input, Setup};
use crate::ids::{EntryId, Incarnation, Peer};
use crate::log::Recovered;
use crate::message::{AppendEntries, Body, Message, PreVoteReply, RequestVote, RequestVoteReply};
use crate::settings::Settings;
use crate::states::Role;
use crate::time::{LogTime, Time};

fn peer(id: u64) -> Peer {
    Peer::new(NodeId::new(id), Incarnation::new(u128::from(id)))
}

fn hull() -> Hull {
    let setup = Setup {
        me: peer(1),
        founding: Configuration::of_voters((1..=3).map(peer)),
        settings: Settings::default().into(),
        seed: 1,
        checksum: crc32c,
        witness: false,
    };
    Hull::open(setup, Recovered::default(), Time::ZERO).unwrap()
}

/// The hull after it was asked for its vote.
fn asked(mut hull: Hull, candidate: u64, term: u64) -> Hull {
    let body = Body::RequestVote(RequestVote {
        last: EntryId::ORIGIN,
        transfer: false,
    });
    let message = Message {
        from: peer(candidate),
        to: peer(1),
        term: Term::new(term),
        body,
    };
    hull.step(Time::ZERO, Input::Message(message));
    assert_eq!(hull.fault(), None);
    hull
}

/// What the hull says to having been `before`, if anything.
fn objection(mut hull: Hull, before: &Hull) -> Option<alloc::string::String> {
    check(&mut hull, &Before::of(before));
    match hull.fault() {
        Some(Fault::Invariant(broken)) => {
            assert!(!broken.last_inputs.is_empty());
            Some(broken.statement.clone())
        }
        other => {
            assert_eq!(other, None);
            None
        }
    }
}

#[test]
fn going_on_is_no_offence_and_going_back_is() {
    let earlier = asked(hull(), 2, 5);
    let later = asked(earlier.clone(), 3, 6);
    assert_eq!(objection(later.clone(), &earlier), None);
    assert_eq!(objection(later.clone(), &later), None);
    let told = objection(earlier, &later).unwrap();
    assert!(told.contains("the term T5 is no less than T6"), "{told}");
}

#[test]
fn another_vote_in_one_term_is_an_offence() {
    let (two, three) = (asked(hull(), 2, 5), asked(hull(), 3, 5));
    let told = objection(two, &three).unwrap();
    assert!(told.contains("the vote of T5 stays"), "{told}");
}

#[test]
fn a_way_that_figure_4_does_not_have_is_an_offence() {
    let mut hull = asked(hull(), 2, 5);
    arrow(hull.common_mut(), Role::Follower, Role::PreCandidate);
    assert_eq!(hull.fault(), None);
    arrow(hull.common_mut(), Role::Follower, Role::Leader);
    assert!(matches!(hull.fault(), Some(Fault::Invariant(_))));
}

#[test]
fn another_boot_is_an_offence() {
    let before = asked(hull(), 2, 5);
    let mut after = before.clone();
    after.common_mut().hard.change().boot = Boot::new(9);
    let told = objection(after, &before).unwrap();
    assert!(told.contains("the boot stays"), "{told}");
}

#[test]
fn what_was_committed_or_applied_may_not_be_taken_back() {
    let before = applied();
    let uncommitted = broken(&before, |common| common.commit_index = LogIndex::new(1));
    assert!(uncommitted.contains("the commit index i1 is no less than i2"));
    let unapplied = broken(&before, |common| {
        common.applying = Applying::new(LogIndex::new(1));
    });
    assert!(unapplied.contains("the applied index i1 is no less than i2"));
    let removed = broken(&before, |common| common.truncate(LogIndex::new(2)));
    assert!(removed.contains("what was committed stays: i1"));
}

/// Nothing else is looked at when the state machine says how far it is.
#[test]
fn what_is_applied_grows_and_was_handed_out_and_might_be() {
    let told = |before: u64, offend: fn(&mut Common)| {
        let mut hull = applied();
        offend(hull.common_mut());
        checks::applied(hull.common_mut(), LogIndex::new(before));
        hull.fault().map(alloc::string::ToString::to_string)
    };
    assert_eq!(told(2, |_| {}), None);
    assert_eq!(told(1, |_| {}), None);
    let taken_back = told(3, |_| {}).unwrap();
    assert!(
        taken_back.contains("applied before i3 <= now i2"),
        "{taken_back}"
    );
    let too_early = told(2, |common| common.commit_index = LogIndex::new(1)).unwrap();
    assert!(too_early.contains("handed out i2 <= i1"), "{too_early}");
    let not_durable = told(2, |common| {
        common.disk = Disk::new(LogIndex::new(1));
    });
    assert!(not_durable.is_some());
}

#[test]
fn a_leaders_log_may_not_shrink() {
    let before = leading();
    let told = broken(&before, |common| common.truncate(LogIndex::new(1)));
    assert!(told.contains("a leader's log only grows: i0"), "{told}");
}

#[test]
fn what_a_hull_says_of_its_log_must_lie_in_it() {
    type Offence = fn(&mut Common);
    let offences: [(Offence, &str); 4] = [
        (
            |common| common.commit_index = LogIndex::new(9),
            "commit i9 lies in the log",
        ),
        (
            |common| common.disk = Disk::new(LogIndex::new(9)),
            "durable i9 lies in the log",
        ),
        (
            |common| common.applying = Applying::new(LogIndex::new(9)),
            "applied i9 <= handed out i9 <= commit i2",
        ),
        (
            |common| common.disk = Disk::new(LogIndex::new(1)),
            "handed out i2 <= commit i2, durable i1",
        ),
    ];
    for (offend, expected) in offences {
        let told = broken(&applied(), offend);
        assert!(told.contains(expected), "{told}");
    }
    // Compared with itself, so that only the present instant can be wrong.
    let mut hull = applied();
    hull.common_mut().hard.change().term = Term::new(1);
    let told = objection(hull.clone(), &hull).unwrap();
    assert!(
        told.contains("the term T1 is no less than the last entry's"),
        "{told}"
    );
}

#[test]
fn terms_that_fall_along_the_log_are_an_offence() {
    let told = broken(&applied(), |common| {
        let mut records = ChunkBuilder::new();
        records.push_no_op().unwrap();
        let first = common.last().index.next();
        let earlier = records.seal(Term::new(1), first, LogTime::ZERO, crc32c);
        common.entries.append(earlier.unwrap());
    });
    assert!(told.contains("are told by their first entries"), "{told}");
}

#[test]
fn memory_that_is_counted_wrong_is_an_offence() {
    let told = broken(&applied(), |common| {
        let mut records = ChunkBuilder::new();
        records.push_no_op().unwrap();
        let first = common.last().index.next();
        let next = records.seal(Term::new(5), first, LogTime::ZERO, crc32c);
        common.entries.append(next.unwrap());
        common.entries.miscount();
    });
    assert!(told.contains("is counted right"), "{told}");
}

#[test]
fn what_is_handed_out_or_lies_between_snapshots_counted_wrong_is_an_offence() {
    let told = broken(&applied(), |common| common.applying.miscount());
    assert!(told.contains("what is handed out"), "{told}");
    let told = broken(&applied(), |common| common.snapshots.miscount());
    assert!(told.contains("between snapshots"), "{told}");
}

#[test]
fn a_configuration_beyond_the_log_is_an_offence() {
    let mut hull = applied();
    let mut builder = ChunkBuilder::new();
    let voters = Configuration::of_voters((1..=3).map(peer));
    builder.push_config(&voters).unwrap();
    let chunk = builder.seal(Term::new(5), LogIndex::new(9), LogTime::ZERO, crc32c);
    let common = hull.common_mut();
    common.configurations.on_append(common.me, &chunk.unwrap());
    let told = objection(hull.clone(), &hull).unwrap();
    assert!(told.contains("the configuration of Some(i9)"), "{told}");
}

#[test]
fn a_leader_has_its_own_vote_and_a_log_that_ends_in_its_term() {
    let leader = leading();
    assert_eq!(objection(leader.clone(), &leader), None);
    let mut faithless = leader.clone();
    faithless.common_mut().hard.change().vote = Some(NodeId::new(2));
    let told = objection(faithless.clone(), &faithless).unwrap();
    assert!(told.contains("a leader voted for itself"), "{told}");
    let mut ahead = leader;
    ahead.common_mut().hard.change().term = Term::new(7);
    let told = objection(ahead.clone(), &ahead).unwrap();
    assert!(
        told.contains("a leader's log ends in its own term T7"),
        "{told}"
    );
}

#[test]
fn a_leader_sends_to_all_of_the_configuration_and_to_nobody_else() {
    for size in [2, 4] {
        let mut leader = leading();
        let last = leader.last().index.next();
        let mut builder = ChunkBuilder::new();
        let voters = Configuration::of_voters((1..=size).map(peer));
        builder.push_config(&voters).unwrap();
        let chunk = builder.seal(Term::new(1), last, LogTime::ZERO, crc32c);
        leader.common_mut().append(chunk.unwrap());
        let told = objection(leader.clone(), &leader).unwrap();
        assert!(told.contains("nobody else: [n2, n3]"), "{told}");
    }
}

/// Whom it sends to, and as what, is looked at again when its log changes.
#[test]
fn a_leader_that_takes_a_member_for_what_it_is_not_is_told_with_its_next_entry() {
    let leader = leading();
    let another_life = Member::voter(Incarnation::new(9));
    let a_learner = Member {
        role: MemberRole::Learner,
        ..Member::voter(Incarnation::new(3))
    };
    for third in [another_life, a_learner] {
        let mut settled = Configuration::of_voters((1..=2).map(peer));
        settled.members.insert(NodeId::new(3), third);
        let joint = Configuration {
            outgoing: Some(settled.members.clone()),
            ..settled.clone()
        };
        for next in [settled, joint] {
            let mut later = leader.clone();
            let last = later.last().index.next();
            let mut builder = ChunkBuilder::new();
            builder.push_config(&next).unwrap();
            let chunk = builder.seal(Term::new(1), last, LogTime::ZERO, crc32c);
            later.common_mut().append(chunk.unwrap());
            let told = objection(later, &leader).unwrap();
            assert!(told.contains("nobody else: [n2, n3]"), "{told}");
        }
    }
}

#[test]
fn a_configuration_that_may_not_follow_is_an_offence() {
    let voters = |last| Configuration::of_voters((1..=last).map(peer));
    let told = |next: &Configuration, hull: &mut Hull| {
        follows(hull.common_mut(), next);
        hull.fault().is_some()
    };
    let joint = Configuration {
        outgoing: Some(voters(3).members),
        ..voters(5)
    };
    assert!(!told(&joint, &mut applied()));
    assert!(told(&voters(4), &mut applied()));
    // Nothing follows what is not committed.
    let mut hull = applied();
    let mut builder = ChunkBuilder::new();
    builder.push_config(&joint).unwrap();
    let chunk = builder.seal(Term::new(5), LogIndex::new(3), LogTime::ZERO, crc32c);
    hull.common_mut().append(chunk.unwrap());
    assert!(told(&voters(5), &mut hull.clone()));
    hull.common_mut().commit_index = LogIndex::new(3);
    assert!(!told(&voters(5), &mut hull));
}

/// The bug of 2015, whatever a leader appends one for.
#[test]
fn a_configuration_before_an_entry_of_the_own_term_is_committed_is_an_offence() {
    let joint = Configuration {
        outgoing: Some(Configuration::of_voters((1..=3).map(peer)).members),
        ..Configuration::of_voters((1..=5).map(peer))
    };
    let mut hull = applied();
    hull.common_mut().adopt_term(Term::new(6));
    follows(hull.common_mut(), &joint);
    assert!(hull.fault().is_some());
}

#[test]
fn the_first_offence_is_the_one_that_is_told() {
    let mut hull = applied();
    hull.common_mut().commit_index = LogIndex::new(9);
    let now = Before::of(&hull);
    check(&mut hull, &now);
    let first = hull.fault().cloned();
    hull.common_mut().hard.change().term = Term::ZERO;
    check(&mut hull, &now);
    assert_eq!(hull.fault().cloned(), first);
}

/// Nothing else is looked at when a follower's write is durable.
#[test]
fn what_is_durable_grows_and_lies_in_the_log() {
    let told = |before: u64, durable: u64| {
        let mut hull = applied();
        hull.common_mut().disk = Disk::new(LogIndex::new(durable));
        checks::durable(hull.common_mut(), LogIndex::new(before));
        hull.fault().map(alloc::string::ToString::to_string)
    };
    assert_eq!(told(1, 2), None);
    assert_eq!(told(2, 2), None);
    let taken_back = told(2, 1).unwrap();
    assert!(taken_back.contains("before i2 <= now i1"), "{taken_back}");
    let beyond = told(2, 3).unwrap();
    assert!(beyond.contains("now i3, in the log, to 2@T5"), "{beyond}");
}

/// What is told of this offence against what was before.
fn broken(before: &Hull, offend: impl FnOnce(&mut Common)) -> alloc::string::String {
    let mut after = before.clone();
    offend(after.common_mut());
    objection(after, before).unwrap()
}

/// A follower in term 5 that has applied two entries.
fn applied() -> Hull {
    let mut hull = asked(hull(), 2, 5);
    let mut builder = ChunkBuilder::new();
    builder.push_no_op().unwrap();
    builder.push_no_op().unwrap();
    let first = LogIndex::new(1);
    let chunk = builder.seal(Term::new(5), first, LogTime::ZERO, crc32c);
    let request = AppendEntries {
        request: 1,
        previous: EntryId::ORIGIN,
        commit: LogIndex::new(2),
        chunks: chunk.unwrap().into(),
    };
    receive(&mut hull, 2, 5, Body::AppendEntries(request));
    make_durable(&mut hull);
    let apply = hull.next_apply(1 << 20).unwrap();
    hull.step(Time::ZERO, Input::Applied(apply.last_index()));
    assert_eq!(hull.applied_index(), LogIndex::new(2));
    assert_eq!(hull.fault(), None);
    hull
}

/// The leader of term 1, whose no-op is durable here.
fn leading() -> Hull {
    let mut hull = hull();
    make_durable(&mut hull);
    let now = hull.deadline().unwrap();
    hull.step(now, Input::DeadlinePassed);
    let reply = PreVoteReply {
        attempt: 1,
        asked: Term::new(1),
        granted: true,
    };
    receive(&mut hull, 2, 0, Body::PreVoteReply(reply));
    make_durable(&mut hull);
    let reply = RequestVoteReply { granted: true };
    receive(&mut hull, 2, 1, Body::RequestVoteReply(reply));
    make_durable(&mut hull);
    assert_eq!((hull.role(), hull.fault()), (Role::Leader, None));
    hull
}

fn receive(hull: &mut Hull, from: u64, term: u64, body: Body) {
    let message = Message {
        from: peer(from),
        to: peer(1),
        term: Term::new(term),
        body,
    };
    hull.step(Time::ZERO, Input::Message(message));
}

fn make_durable(hull: &mut Hull) {
    while let Some(write) = hull.next_write() {
        hull.step(Time::ZERO, Input::Durable(write.receipt.synced()));
    }
}
