//! What a change of members goes through, before anybody asks for it (paper 6; thesis 4.2).
//!
//! The phases are those that a leader would append ([`reconfigure`]), by the same functions.

use alloc::vec::Vec;
use core::iter;

use crate::configuration::{Configuration, Members};
use crate::ids::NodeId;
use crate::quorum;
use crate::rules::reconfigure::{self, TargetProblem};

/// What a change goes through, in order, and what is risky about it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// The configurations that will be in force one after the other; the last one is the target.
    pub phases: Vec<Phase>,
    /// What to think of before.
    pub warnings: Vec<Warning>,
}

/// One configuration on the way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Phase {
    /// Who counts, who only receives the log.
    pub configuration: Configuration,
    /// What each half needs, the incoming one first.
    pub quorums: Vec<Quorum>,
    /// How many voters may fail, whichever they are, and the others still decide.
    pub tolerated: usize,
}

/// What a set of members needs to decide.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Quorum {
    /// So many of the voters must agree.
    pub needed: usize,
    /// So many voters there are.
    pub voters: usize,
}

/// What is risky about a change. None of it keeps the change from being made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Warning {
    /// Two voters need each other: the failure of either stops the cluster, and two fail more often
    /// than one. Choose one or three.
    #[error("of two voters neither may fail")]
    TwoVoters,
    /// One voter more than an odd count costs a bigger quorum, and no further failure is tolerated
    /// for it.
    #[error("{voters} voters tolerate no more failures than {} would", voters.saturating_sub(1))]
    EvenVoters {
        /// How many voters the target has.
        voters: usize,
    },
    /// The cluster will live with fewer failures than now.
    #[error("{target} failures will be tolerated, where it is {current} now")]
    ToleratesFewer {
        /// How many now.
        current: usize,
        /// How many in the end.
        target: usize,
    },
    /// Witnesses keep no payloads: while so many voters that do are away, what is committed may be
    /// on so few disks. Those hold what the cluster cannot do without.
    #[error(
        "while {away} voters that keep payloads are away, what is committed is on {disks} disks only"
    )]
    FewDisks {
        /// How many of the voters that keep payloads.
        away: usize,
        /// On how many disks it is then, at least.
        disks: usize,
    },
    /// No voter stays: once the change is made, all that was committed is only on new disks.
    #[error("no voter stays a voter")]
    NobodyStays,
    /// A member that is to vote lacks a great many entries. The change waits for it, and is given
    /// up if it is too slow.
    #[error("{node}, which is to vote, lacks {entries} entries")]
    FarBehind {
        /// The member.
        node: NodeId,
        /// How many entries it is not known to hold.
        entries: u64,
    },
}

/// Plans the way from `current` to `target`. `behind`: how many entries a member is not known to
/// hold, where that is known at all.
///
/// # Errors
///
/// The target can't be; a leader would refuse it for the same reason.
pub fn plan(
    current: &Members,
    target: &Members,
    behind: impl Fn(NodeId) -> Option<u64>,
) -> Result<Plan, TargetProblem> {
    if let Some(problem) = reconfigure::objection(current, target) {
        return Err(problem);
    }
    let first = reconfigure::begin(current, target);
    let awaited = reconfigure::awaited(&first);
    let following = |phase: &Configuration| reconfigure::next(phase, true);
    let phases: Vec<Phase> = iter::successors(Some(first), following)
        .map(Phase::of)
        .collect();
    let mut warnings = risks(current, target);
    let lag = |node: NodeId| behind(node).map(|entries| (node, entries));
    let late = awaited.into_iter().filter_map(lag);
    warnings.extend(
        late.filter(|(_, entries)| *entries >= FAR_BEHIND)
            .map(|(node, entries)| Warning::FarBehind { node, entries }),
    );
    Ok(Plan { phases, warnings })
}

impl Phase {
    fn of(configuration: Configuration) -> Self {
        let quorums: Vec<Quorum> = configuration.halves().map(Quorum::of).collect();
        // All that fail may be of the same half.
        let tolerated = quorums.iter().map(Quorum::tolerated).min();
        Self {
            tolerated: tolerated.unwrap_or_default(),
            quorums,
            configuration,
        }
    }
}

impl Quorum {
    fn of(members: &Members) -> Self {
        let voters = quorum::voters(members).count();
        Self {
            needed: quorum::majority(voters),
            voters,
        }
    }

    const fn tolerated(&self) -> usize {
        self.voters.saturating_sub(self.needed)
    }
}

fn risks(current: &Members, target: &Members) -> Vec<Warning> {
    let [before, after] = [current, target].map(Quorum::of);
    let (tolerated, voters) = (before.tolerated(), after.voters);
    let stays = |id| quorum::voters(target).any(|other| other == id);
    let risks = [
        (voters == 2, Warning::TwoVoters),
        (
            voters > 2 && voters % 2 == 0,
            Warning::EvenVoters { voters },
        ),
        (
            after.tolerated() < tolerated,
            Warning::ToleratesFewer {
                current: tolerated,
                target: after.tolerated(),
            },
        ),
        (!quorum::voters(current).any(stays), Warning::NobodyStays),
    ];
    let risks = risks.into_iter().filter(|(holds, _)| *holds);
    let risks = risks.map(|(_, warning)| warning);
    risks.chain(few_disks(target)).collect()
}

/// On how few disks witnesses let something be committed.
fn few_disks(target: &Members) -> Option<Warning> {
    let roles = target.values().map(|member| member.role);
    let witnesses = roles.clone().filter(|role| role.is_witness()).count();
    let full = roles.filter(|role| role.may_lead()).count();
    // A majority with all the witnesses in it, and with a leader.
    let disks = Quorum::of(target).needed.saturating_sub(witnesses).max(1);
    (witnesses > 0).then(|| Warning::FewDisks {
        away: full.saturating_sub(disks),
        disks,
    })
}

/// From so many missing entries on, a member is far behind.
pub const FAR_BEHIND: u64 = 10_000;

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::configuration::{Member, MemberRole};
    use crate::ids::{Incarnation, Peer};
    use crate::quorum::Tally;

    fn voters(ids: &[u64]) -> Members {
        let peers = ids
            .iter()
            .map(|id| Peer::new(NodeId::new(*id), Incarnation::new(u128::from(*id))));
        Configuration::of_voters(peers).members
    }

    fn planned(current: &[u64], target: &[u64]) -> Plan {
        plan(&voters(current), &voters(target), |_| None).unwrap()
    }

    #[test]
    fn the_phases_say_what_each_needs_and_survives() {
        let plan = planned(&[1, 2, 3], &[3, 4, 5, 6, 7]);
        let needs: Vec<(Vec<(usize, usize)>, usize)> = plan
            .phases
            .iter()
            .map(|phase| {
                let quorums = phase.quorums.iter();
                let quorums = quorums.map(|quorum| (quorum.needed, quorum.voters));
                (quorums.collect(), phase.tolerated)
            })
            .collect();
        let expected = [
            (vec![(2, 3)], 1),
            (vec![(3, 5), (2, 3)], 1),
            (vec![(3, 5)], 2),
        ];
        assert_eq!(needs, expected);
        assert_eq!(plan.warnings, []);
        assert!(plan.phases[0].configuration.target.is_some());
    }

    /// What is said to be tolerated is exactly that, whichever voters fail: counted out for each
    /// phase of each change between up to five voters.
    #[test]
    fn so_many_failures_are_tolerated_and_no_more() {
        let of =
            |mask: u32| -> Vec<u64> { (1..=5).filter(|id| mask >> (id - 1) & 1 == 1).collect() };
        for (old, new) in (1..32).flat_map(|old| (1..32).map(move |new| (old, new))) {
            for phase in planned(&of(old), &of(new)).phases {
                let decides = |alive: u32| {
                    let agrees = |id: NodeId| (alive >> (id.get() - 1) & 1 == 1).then_some(true);
                    quorum::tally(&phase.configuration, agrees) == Tally::Won
                };
                let survives = |failures: u32| {
                    (0_u32..32)
                        .filter(|failed| failed.count_ones() == failures)
                        .all(|failed| decides(!failed & 31))
                };
                let most = (0..5).rev().find(|failures| survives(*failures));
                assert_eq!(most, Some(phase.tolerated as u32), "{phase:?}");
            }
        }
    }

    #[test]
    fn risks_are_told_and_nothing_else_is() {
        assert_eq!(planned(&[1], &[1, 2, 3]).warnings, []);
        assert_eq!(planned(&[1, 2, 3], &[4, 2, 3]).warnings, []);
        assert_eq!(planned(&[1], &[1, 2]).warnings, [Warning::TwoVoters]);
        let even = Warning::EvenVoters { voters: 4 };
        assert_eq!(planned(&[1, 2, 3], &[1, 2, 3, 4]).warnings, [even]);
        let fewer = Warning::ToleratesFewer {
            current: 2,
            target: 1,
        };
        assert_eq!(planned(&[1, 2, 3, 4, 5], &[1, 2, 3]).warnings, [fewer]);
        assert_eq!(planned(&[1], &[2]).warnings, [Warning::NobodyStays]);
    }

    #[test]
    fn who_is_to_vote_and_lacks_much_is_named() {
        let mut current = voters(&[1, 2, 3, 4, 5]);
        for id in [4, 5] {
            let member = Member::voter(Incarnation::new(id));
            let learner = Member {
                role: MemberRole::Learner,
                ..member
            };
            current.insert(NodeId::new(id as u64), learner);
        }
        // Node 2 lacks as much, and has its vote already.
        let behind = |id: NodeId| {
            Some([0, FAR_BEHIND, 0, FAR_BEHIND, FAR_BEHIND - 1][id.get() as usize - 1])
        };
        let plan = plan(&current, &voters(&[1, 2, 3, 4, 5]), behind).unwrap();
        let late = Warning::FarBehind {
            node: NodeId::new(4),
            entries: FAR_BEHIND,
        };
        assert_eq!(plan.warnings, [late]);
    }

    #[test]
    fn what_a_leader_would_refuse_is_not_planned() {
        let nobody = plan(&voters(&[1]), &Members::new(), |_| None);
        assert_eq!(nobody, Err(TargetProblem::NobodyMayLead));
    }
}
