//! What a node says that a change of members will go through, before anybody asks for it: what each
//! phase needs and survives is counted anew, and when the change is made, it went through that.

use std::collections::BTreeSet;

use raft_core::configuration::{Configuration, Members as MemberSet};
use raft_core::ids::{EntryId, LogIndex, NodeId};

use super::Checks;
use super::members::{Members, in_words};

/// One phase, as a node has promised it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Promised {
    pub(crate) configuration: Configuration,
    /// How many are needed of how many voters, of each half.
    pub(crate) quorums: Vec<(usize, usize)>,
    /// How many voters may fail, whichever they are.
    pub(crate) tolerated: usize,
}

/// What is wrong with a plan whatever comes of it.
pub(crate) fn wrong(phases: &[Promised], target: &MemberSet) -> Option<String> {
    let ends = phases.last().map(|phase| &phase.configuration);
    let leads_there = ends.is_some_and(|last| last.is_settled() && last.members == *target);
    if !leads_there {
        let ends = ends.map_or_else(|| "nowhere".to_owned(), in_words);
        let target = in_words(&Configuration::new(target.clone()));
        return Some(format!("a plan ends at {ends}, and {target} are wanted"));
    }
    phases.iter().find_map(wrong_phase)
}

fn wrong_phase(phase: &Promised) -> Option<String> {
    let halves: Vec<BTreeSet<NodeId>> = phase.configuration.halves().map(voters).collect();
    let counted = halves.iter().map(|half| (half.len() / 2 + 1, half.len()));
    let all: Vec<NodeId> = halves
        .iter()
        .flatten()
        .copied()
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    let survives = |failures: usize| {
        let mut sets = (0..1_u32 << all.len()).filter(|set| set.count_ones() as usize == failures);
        sets.all(|set| {
            let fails = |id: &NodeId| {
                all.iter()
                    .position(|one| one == id)
                    .is_some_and(|at| set & (1 << at) != 0)
            };
            halves.iter().all(|half| {
                let left = half.iter().filter(|id| !fails(id)).count();
                left * 2 > half.len()
            })
        })
    };
    let tolerated = phase.tolerated;
    let right = counted.eq(phase.quorums.iter().copied())
        && survives(tolerated)
        && (tolerated == all.len() || !survives(tolerated + 1));
    (!right).then(|| {
        format!(
            "a plan says that {} need {:?} and survive {tolerated} failures",
            in_words(&phase.configuration),
            phase.quorums
        )
    })
}

fn voters(members: &MemberSet) -> BTreeSet<NodeId> {
    let voting = members.iter().filter(|(_, member)| member.role.votes());
    voting.map(|(id, _)| *id).collect()
}

impl Checks {
    /// Who asked for other members was told that since this entry there are no others, and promised
    /// before that the change goes this way from where the log ended.
    ///
    /// # Errors
    ///
    /// It went another.
    pub(crate) fn went_as(
        &self,
        phases: &[Promised],
        since: LogIndex,
        entry: EntryId,
    ) -> Result<(), String> {
        let wrong = self.members.wrong_way(phases, since, entry);
        wrong.map_or(Ok(()), Err)
    }
}

impl Members {
    /// What is wrong with a plan for a change that is made since the entry `id`. When it was asked for,
    /// the log ended at `since`.
    fn wrong_way(&self, phases: &[Promised], since: LogIndex, id: EntryId) -> Option<String> {
        // One leader has made all of it, and nothing else meanwhile.
        let its_own = |other: &EntryId| other.term == id.term && other.index > since;
        let first = EntryId::new(id.term, since);
        let went: Vec<&Configuration> = self
            .configurations(first, id)
            .filter(|(other, _)| its_own(other))
            .map(|(_, configuration)| configuration)
            .collect();
        let promised = phases.iter().map(|phase| &phase.configuration);
        (!promised.eq(went.iter().copied())).then(|| {
            let words = |all: &[&Configuration]| -> Vec<String> {
                all.iter().map(|one| in_words(one)).collect()
            };
            let promised: Vec<&Configuration> = phases.iter().map(|it| &it.configuration).collect();
            format!(
                "a change went through {:?}, and the plan was {:?}",
                words(&went),
                words(&promised)
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use raft_core::configuration::Member;
    use raft_core::ids::{Incarnation, Term};

    use super::*;

    fn members<const N: usize>(ids: [u64; N]) -> MemberSet {
        let member = |id: u64| (NodeId::new(id), Member::voter(Incarnation::new(id.into())));
        ids.map(member).into_iter().collect()
    }

    /// From three voters to two others, by way of both.
    fn way() -> Vec<Promised> {
        let (before, after) = (members([1, 2, 3]), members([3, 4]));
        let joint = Configuration {
            outgoing: Some(before),
            ..Configuration::new(after.clone())
        };
        vec![
            Promised {
                configuration: joint,
                quorums: vec![(2, 2), (2, 3)],
                tolerated: 0,
            },
            Promised {
                configuration: Configuration::new(after),
                quorums: vec![(2, 2)],
                tolerated: 0,
            },
        ]
    }

    #[test]
    fn a_plan_is_counted_anew() {
        let target = members([3, 4]);
        assert_eq!(wrong(&way(), &target), None);
        assert!(wrong(&way(), &members([3])).is_some(), "it ends elsewhere");
        assert!(wrong(&way()[..1], &target).is_some(), "it ends halfway");
        assert!(wrong(&[], &target).is_some(), "there is none");
        let changed = |change: fn(&mut Promised)| {
            let mut way = way();
            change(&mut way[0]);
            wrong(&way, &target).is_some()
        };
        assert!(changed(|phase| phase.tolerated = 1));
        assert!(changed(|phase| phase.quorums = vec![(2, 2)]));
        assert!(changed(|phase| phase.quorums[1] = (1, 3)));
        let five = Promised {
            configuration: Configuration::new(members([1, 2, 3, 4, 5])),
            quorums: vec![(3, 5)],
            tolerated: 1,
        };
        assert!(wrong_phase(&five).is_some(), "it survives two");
    }

    #[test]
    fn a_change_goes_as_planned_or_not() {
        let way = way();
        let at = |term, index| EntryId::new(Term::new(term), LogIndex::new(index));
        let steps = [
            (at(2, 5), way[0].configuration.clone()),
            (at(2, 7), way[1].configuration.clone()),
        ];
        let known = Members::knowing(&Configuration::new(members([1, 2, 3])), &steps);
        let wrong = |phases: &[Promised], since| {
            known
                .wrong_way(phases, LogIndex::new(since), at(2, 7))
                .is_some()
        };
        assert!(!wrong(&way, 4));
        assert!(wrong(&way[1..], 4), "there was a step more");
        assert!(wrong(&way, 5), "the first was there before");
        let [first, second] = [0, 1].map(|place: usize| way[place].clone());
        assert!(wrong(&[second, first], 4), "in another order");
    }
}
