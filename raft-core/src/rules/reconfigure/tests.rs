//! Every change between any two memberships of up to five nodes, followed step by step.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::*;
use crate::configuration::MemberRole;
use crate::quorum::{self, Tally};

extern crate std;

/// [S6.12] [S6.20] [S6.33a] Whatever the members are and are to be: the voters change by way of a
/// joint configuration or not at all, who is new to voting waits first, and the change ends.
#[test]
fn every_change_between_any_members_of_up_to_five_nodes_ends_where_it_should() {
    let all = memberships(NODES, MemberRole::Learner);
    assert_eq!(
        all.len(),
        3_usize.pow(5) - 2_usize.pow(5),
        "each has a voter"
    );
    for current in &all {
        for target in &all {
            let phases = phases(current, target);
            let waits = phases.iter().filter(|phase| phase.target.is_some()).count();
            let joint = phases.iter().filter(|phase| phase.is_joint()).count();
            let grows = !newcomers(current, target).is_empty();
            let changes = voters(current) != voters(target);
            assert_eq!((waits, joint), (usize::from(grows), usize::from(changes)));
            assert_eq!(phases.last(), Some(&Configuration::new(target.clone())));
            let mut active = Configuration::new(current.clone());
            for phase in phases {
                assert!(may_follow(&active, &phase), "{active:?} to {phase:?}");
                if phase.target.is_some() {
                    assert_eq!(
                        &phase.members, current,
                        "nobody counts who has not caught up"
                    );
                    assert_eq!(withdraw(&phase), Some(Configuration::new(current.clone())));
                } else {
                    assert_eq!(withdraw(&phase), None, "no way back");
                }
                active = phase;
            }
        }
    }
}

/// Whether it fits a chunk is asked of the first only.
#[test]
fn no_phase_of_a_change_takes_more_bytes_than_the_first() {
    let length = |phase: &Configuration| {
        let mut encoded = Vec::new();
        phase.encode(&mut encoded);
        encoded.len()
    };
    let all = memberships(4, MemberRole::Learner);
    for (current, target) in all
        .iter()
        .flat_map(|one| all.iter().map(move |two| (one, two)))
    {
        let phases = phases(current, target);
        let most = length(&phases[0]);
        let back = phases.iter().filter_map(withdraw);
        for phase in phases.iter().cloned().chain(back) {
            assert!(length(&phase) <= most, "{phase:?} after {:?}", phases[0]);
        }
    }
}

/// [S6.16] What the whole change stands on: no two sets of nodes without a common one can decide,
/// one in a phase and one in the next.
#[test]
fn in_every_change_of_up_to_five_voters_the_quorums_of_neighbours_intersect() {
    let every = 1..1_u32 << NODES;
    for (old, new) in every
        .clone()
        .flat_map(|old| every.clone().map(move |new| (old, new)))
    {
        let [current, target] = [old, new].map(voters_of);
        let mut active = Configuration::new(current.clone());
        for phase in phases(&current, &target) {
            assert_eq!(split(&active, &phase), None, "{active:?} to {phase:?}");
            active = phase;
        }
    }
}

/// [S6.16] [S6.33a] Witnesses vote: they, too, come and go by way of a joint configuration, and are
/// waited for before their votes count.
#[test]
fn in_every_change_of_witnesses_the_quorums_of_neighbours_intersect() {
    let mut all = memberships(4, MemberRole::Witness);
    all.retain(|members| objection(&Members::new(), members).is_none());
    let votes = |members: &Members, id: &NodeId| {
        let role = members.get(id).map(|member| member.role);
        matches!(role, Some(MemberRole::Voter | MemberRole::Witness))
    };
    for current in &all {
        for target in all
            .iter()
            .filter(|target| objection(current, target).is_none())
        {
            let phases = phases(current, target);
            let is_new = |id: &&NodeId| votes(target, id) && !votes(current, id);
            let new: BTreeSet<NodeId> = target.keys().filter(is_new).copied().collect();
            assert_eq!(awaited(&phases[0]), new, "{current:?} to {target:?}");
            let mut active = Configuration::new(current.clone());
            for phase in phases {
                assert_eq!(split(&active, &phase), None, "{active:?} to {phase:?}");
                active = phase;
            }
        }
    }
}

/// The same check can fail, and [`may_follow`] fails with it: it allows exactly the steps whose
/// quorums intersect for the reasons that the paper gives.
#[test]
fn what_may_not_follow_is_refused_and_would_often_split() {
    let simple = |mask| Configuration::new(voters_of(mask));
    let joint = |new, old| Configuration {
        outgoing: Some(voters_of(old)),
        ..simple(new)
    };
    let mut splits = 0;
    let mut may = 0;
    let every = 1..1_u32 << NODES;
    for (one, other) in every
        .clone()
        .flat_map(|old| every.clone().map(move |new| (old, new)))
    {
        for (active, next) in [
            (simple(one), simple(other)),
            (simple(one), joint(3, other)),
            (joint(one, 3), simple(other)),
            (joint(one, 3), joint(other, 3)),
        ] {
            let split = split(&active, &next).is_some();
            splits += u32::from(split);
            if may_follow(&active, &next) {
                may += 1;
                assert!(!split, "{active:?} to {next:?}");
            }
        }
    }
    assert_eq!(
        may,
        3 * 31,
        "only to itself, into joint from it, and out of joint into it"
    );
    assert!(splits > 500, "{splits}");
}

#[test]
fn a_target_is_refused_for_a_reason_that_names_the_node() {
    let current = voters_of(0b111);
    let refused = |target: &Members| objection(&current, target);
    assert_eq!(refused(&voters_of(0b11000)), None);
    let mut target = voters_of(0b11);
    for member in target.values_mut() {
        member.role = MemberRole::Learner;
    }
    assert_eq!(refused(&target), Some(TargetProblem::NobodyMayLead));
    assert_eq!(refused(&Members::new()), Some(TargetProblem::NobodyMayLead));
    let witness = |id| Member {
        role: MemberRole::Witness,
        ..member(id)
    };
    let mut target = Members::from([4, 5].map(|id| (NodeId::new(id), witness(id))));
    assert_eq!(refused(&target), Some(TargetProblem::NobodyMayLead));
    target.insert(NodeId::new(1), member(1));
    let witnesses = 2;
    assert_eq!(
        refused(&target),
        Some(TargetProblem::TooManyWitnesses { witnesses })
    );
    let node = NodeId::new(2);
    let mut target = voters_of(0b111);
    target.insert(node, Member::voter(Incarnation::new(99)));
    assert_eq!(refused(&target), Some(TargetProblem::OtherLife { node }));
    let mut target = voters_of(0b111);
    let address = "a".repeat(MAX_ADDRESS_BYTES);
    set_address(&mut target, node, address.clone());
    assert_eq!(refused(&target), None);
    set_address(&mut target, node, address + "a");
    assert_eq!(
        refused(&target),
        Some(TargetProblem::AddressTooLong { node })
    );
    let many = |count: u64| {
        (1..=count)
            .map(|id| (NodeId::new(id), member(id)))
            .collect()
    };
    assert_eq!(refused(&many(128)), None);
    let members = 129;
    assert_eq!(
        refused(&many(129)),
        Some(TargetProblem::TooMany { members })
    );
}

#[test]
fn nothing_follows_what_is_settled_or_waits() {
    let settled = Configuration::new(voters_of(0b111));
    assert_eq!(next(&settled, true), None);
    let waits = begin(&voters_of(0b111), &voters_of(0b1111));
    assert_eq!(awaited(&waits), BTreeSet::from([NodeId::new(4)]));
    assert_eq!(next(&waits, false), None);
    let joint = next(&waits, true).unwrap();
    assert_eq!(awaited(&joint), BTreeSet::new());
}

/// All configurations on the way, as a leader whose new members catch up appends them.
fn phases(current: &Members, target: &Members) -> Vec<Configuration> {
    let mut phases = vec![begin(current, target)];
    while let Some(following) = next(phases.last().unwrap(), true) {
        phases.push(following);
        assert!(phases.len() <= 3);
    }
    phases
}

/// Two sets of nodes without a common one that could decide, one in each configuration.
fn split(one: &Configuration, other: &Configuration) -> Option<(u32, u32)> {
    let everyone = (1 << NODES) - 1;
    (0..=everyone)
        .map(|nodes| (nodes, everyone & !nodes))
        .find(|(nodes, rest)| decide(one, *nodes) && decide(other, *rest))
}

fn decide(configuration: &Configuration, nodes: u32) -> bool {
    let agrees = |id: NodeId| (nodes >> (id.get() - 1) & 1 == 1).then_some(true);
    quorum::tally(configuration, agrees) == Tally::Won
}

/// All memberships of nodes 1 to `nodes`, each absent, a voter or of the other role, of which anybody
/// votes.
fn memberships(nodes: u64, other: MemberRole) -> Vec<Members> {
    let roles = [None, Some(MemberRole::Voter), Some(other)];
    let mut all: Vec<Members> = vec![Members::new()];
    for id in 1..=nodes {
        let with_role = |members: &Members, role| {
            let mut members = members.clone();
            if let Some(role) = role {
                members.insert(NodeId::new(id), Member { role, ..member(id) });
            }
            members
        };
        let grown = |members: &Members| roles.map(|role| with_role(members, role));
        all = all.iter().flat_map(grown).collect();
    }
    all.retain(|members| members.values().any(|member| member.role.votes()));
    all
}

fn voters_of(mask: u32) -> Members {
    let is_in = |id: &u64| mask >> (id - 1) & 1 == 1;
    let ids = (1..=NODES).filter(is_in);
    ids.map(|id| (NodeId::new(id), member(id))).collect()
}

fn member(id: u64) -> Member {
    Member::voter(Incarnation::new(u128::from(id)))
}

fn set_address(members: &mut Members, node: NodeId, address: String) {
    if let Some(member) = members.named_mut(&node) {
        member.address = address;
    }
}

const NODES: u64 = 5;
