//! Each check finds what it is there for.

use super::*;

/// Voters 1, 2 and 3, a bit each.
const FOUNDING: Sets = Sets {
    members: 0b111,
    outgoing: 0,
    target: 0,
};
/// On the way from them to 1, 2 and 4.
const JOINT: Sets = Sets {
    members: 0b1011,
    outgoing: 0b111,
    target: 0,
};
const CHANGED: Sets = Sets {
    members: 0b1011,
    outgoing: 0,
    target: 0,
};

fn entry(index: u64, term: u64, sets: Option<Sets>) -> Entry {
    let content = u8::from(sets.is_some());
    Entry {
        index,
        term,
        content,
        sets,
    }
}

/// A follower of a term whose log is on its disk, and who has voted for nobody.
fn view(term: u64, log: &[Entry]) -> View {
    View {
        role: Role::Follower,
        witness: false,
        term,
        durable_term: term,
        durable_vote: None,
        counts_contact: false,
        counts_answers: false,
        commit: 0,
        founding: FOUNDING,
        settled: None,
        base: 0,
        log: log.to_vec(),
        durable: log.to_vec(),
        lost: Vec::new(),
        writes: 0,
        stalled: false,
        reading: false,
        can_wait: false,
    }
}

/// What was committed by now: these entries.
fn past(committed: &[Entry]) -> Past {
    let mut leader = view(9, committed);
    leader.commit = committed.len();
    Past::default().after(0, &leader, &leader, &[]).unwrap()
}

fn property(breach: Option<Breach>) -> Option<&'static str> {
    breach.map(|breach| breach.property)
}

#[test]
fn a_joint_configuration_needs_a_majority_of_each_half() {
    let enough = |set| (FOUNDING.is_quorum(set), JOINT.is_quorum(set));
    assert_eq!(enough(0b0101), (true, false));
    assert_eq!(enough(0b1001), (false, false));
    assert_eq!(enough(0b0011), (true, true));
    assert_eq!(enough(0b1101), (true, true));
}

#[test]
fn a_replaced_voter_needs_a_joint_configuration_between() {
    assert!(FOUNDING.meets(JOINT) && JOINT.meets(CHANGED));
    assert!(!FOUNDING.meets(CHANGED));
}

#[test]
fn one_comes_or_one_goes_or_both() {
    let of = |voters, nodes| wishes(voters, nodes).collect::<Vec<u8>>();
    assert_eq!(of(0b01, 2), [0b10, 0b11]);
    assert_eq!(of(0b011, 3), [0b001, 0b010, 0b101, 0b110, 0b111]);
    let swap = |place| [1, 0][usize::from(place)];
    assert_eq!(renamed(0b01, swap), 0b10);
    assert_eq!(places_of_members(0b101), [1, 3]);
}

fn places_of_members(set: u8) -> Vec<u64> {
    members_of(set).iter().map(|(id, _)| id.get()).collect()
}

#[test]
fn whoever_is_elected_has_the_votes_of_a_quorum() {
    let log = [entry(1, 1, Some(JOINT))];
    let said = |voters: &[usize]| {
        let mut views: Vec<View> = (0..4).map(|_| view(2, &log)).collect();
        for voter in voters {
            views[*voter].durable_vote = Some(NodeId::new(1));
        }
        let before = view(2, &log);
        views[0].role = Role::Leader;
        let views: Vec<&View> = views.iter().collect();
        property(elected_by_too_few(0, &before, &views))
    };
    assert_eq!(said(&[0, 1]), None);
    assert_eq!(said(&[0, 2]), Some(property::ELECTION_SAFETY));
    assert_eq!(said(&[0, 3]), Some(property::ELECTION_SAFETY));
    assert_eq!(said(&[0, 2, 3]), None);
}

#[test]
fn what_is_committed_is_on_the_disks_of_a_quorum() {
    let log = [entry(1, 1, Some(JOINT))];
    let said = |holders: &[usize]| {
        let held = |place: &usize| holders.contains(place);
        let of = |place: usize| if held(&place) { &log[..] } else { &[] };
        let views: Vec<View> = (0..4).map(|place| view(1, of(place))).collect();
        let views: Vec<&View> = views.iter().collect();
        let (known, past) = (past(&[]), past(&log));
        property(committed_by_too_few(&known, &past, views[0], 0, &views))
    };
    assert_eq!(said(&[0, 1]), None);
    assert_eq!(said(&[0, 2]), Some(property::DURABILITY));
}

#[test]
fn a_log_has_one_configuration_that_is_not_committed() {
    let log = [entry(1, 1, Some(JOINT)), entry(2, 1, Some(CHANGED))];
    let views = [view(1, &log)];
    let views: Vec<&View> = views.iter().collect();
    assert_eq!(property(two_open(&past(&log[..1]), &views)), None);
    let wrong = property(two_open(&past(&[]), &views));
    assert_eq!(wrong, Some(property::MEMBERSHIP));
}

#[test]
fn nobody_could_be_elected_without_what_is_committed() {
    let log = [entry(1, 1, None), entry(2, 1, None)];
    let said = |holders: usize| {
        let of = |place: usize| &log[..if place < holders { 2 } else { 1 }];
        let views: Vec<View> = (0..3).map(|place| view(1, of(place))).collect();
        let views: Vec<&View> = views.iter().collect();
        property(could_lead_without(&past(&log), &views))
    };
    assert_eq!(said(2), None);
    assert_eq!(said(1), Some(property::LEADER_COMPLETENESS));
}

/// n1 has a joint configuration that nobody else knows of; n4, which may not lead, has an entry of a
/// later leader, n2: while that is away, n1 and n3 could decide with n4, which refuses n1.
#[test]
fn who_only_receives_the_log_bars_nobody() {
    let first = entry(1, 1, None);
    let alone = [first, entry(2, 1, Some(JOINT))];
    let later = [first, entry(2, 2, None)];
    let logs: [&[Entry]; 4] = [&alone, &later, &alone[..1], &later];
    let views = logs.map(|log| view(2, log));
    let views: Vec<&View> = views.iter().collect();
    let past = past(&alone[..1]);
    let wrong = property(nobody_could_lead(&past, &views));
    assert_eq!(wrong, Some(property::LIVENESS));
}

/// n1 and n4 are a majority of the members that are committed, and know nothing of them.
#[test]
fn somebody_can_be_elected_by_any_quorum() {
    let first = entry(1, 1, None);
    let whole = [first, entry(2, 1, Some(JOINT)), entry(3, 1, Some(CHANGED))];
    let said = |logs: [&[Entry]; 4]| {
        let views = logs.map(|log| view(1, log));
        let views: Vec<&View> = views.iter().collect();
        property(nobody_could_lead(&past(&whole), &views))
    };
    assert_eq!(said([&whole, &whole, &whole[..1], &[]]), None);
    let wrong = said([&whole[..1], &whole, &whole[..1], &whole[..1]]);
    assert_eq!(wrong, Some(property::LIVENESS));
}
