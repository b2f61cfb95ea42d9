//! Counting: which index a quorum holds, which round it has answered, what it has promised, and
//! whether a vote is won (paper 5.2, 5.3, 6; thesis 6.4).
//!
//! Pure functions of a [`Configuration`] and what is known of each member. In a joint
//! configuration both halves must agree, each by its own majority (paper 6).

use crate::configuration::{Configuration, Members};
use crate::ids::{LogIndex, NodeId};
use crate::time::Time;

/// What the votes so far amount to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tally {
    /// Neither won nor lost yet.
    Pending,
    /// A majority (of each half) granted.
    Won,
    /// So many refused that no majority can be reached any more.
    Lost,
}

/// The number of votes that is a majority of `voters`.
pub const fn majority(voters: usize) -> usize {
    (voters / 2).saturating_add(1)
}

/// Counts votes: `vote` answers for each voter whether it granted, refused, or has not answered.
pub fn tally(configuration: &Configuration, vote: impl Fn(NodeId) -> Option<bool>) -> Tally {
    configuration
        .halves()
        .map(|half| tally_half(half, &vote))
        .fold(Tally::Won, |both, half| match (both, half) {
            (Tally::Lost, _) | (_, Tally::Lost) => Tally::Lost,
            (Tally::Pending, _) | (_, Tally::Pending) => Tally::Pending,
            (Tally::Won, Tally::Won) => Tally::Won,
        })
}

/// The highest index that a majority (of each half) is known to hold: the N of Figure 2's last
/// rule for leaders, before its condition on the term. Zero when there are no voters.
pub fn committed_index(
    configuration: &Configuration,
    matched: impl Fn(NodeId) -> LogIndex,
) -> LogIndex {
    configuration
        .halves()
        .map(|half| reached_by_majority(half, &matched))
        .min()
        .unwrap_or_default()
}

/// The last heartbeat round that a majority (of each half) has answered, or a later one; zero when
/// there are no voters.
pub fn answered_round(configuration: &Configuration, answered: impl Fn(NodeId) -> u64) -> u64 {
    configuration
        .halves()
        .map(|half| reached_by_majority(half, &answered))
        .min()
        .unwrap_or_default()
}

/// Until when a majority (of each half) has promised to give no vote; the origin of time when there
/// are no voters.
pub fn lease_end(configuration: &Configuration, promised_until: impl Fn(NodeId) -> Time) -> Time {
    configuration
        .halves()
        .map(|half| reached_by_majority(half, &promised_until))
        .min()
        .unwrap_or_default()
}

/// The members that count.
pub(crate) fn voters(half: &Members) -> impl Iterator<Item = NodeId> {
    // [S6.33b] Learners are sent entries like all members, and no majority is counted of them.
    half.iter()
        .filter(|(_, member)| member.role.votes())
        .map(|(id, _)| *id)
}

fn tally_half(half: &Members, vote: impl Fn(NodeId) -> Option<bool>) -> Tally {
    let answered = |answer| voters(half).filter(|id| vote(*id) == Some(answer)).count();
    let needed = majority(voters(half).count());
    let within_reach = voters(half).count().saturating_sub(answered(false));
    if answered(true) >= needed {
        Tally::Won
    } else if within_reach < needed {
        Tally::Lost
    } else {
        Tally::Pending
    }
}

/// The highest value that a majority of one half has reached.
fn reached_by_majority<T: Ord + Copy + Default>(
    half: &Members,
    reached: impl Fn(NodeId) -> T,
) -> T {
    // As few as there mostly are have room here, and are asked once each.
    let mut values = [T::default(); A_FEW];
    let mut voters = voters(half);
    let mut count: usize = 0;
    for (value, voter) in values.iter_mut().zip(&mut voters) {
        *value = reached(voter);
        count = count.saturating_add(1);
    }
    if voters.next().is_some() {
        return reached_by_majority_of_many(half, reached);
    }
    let values = values.get_mut(..count).unwrap_or_default();
    values.sort_unstable();
    // So many have reached less that those from here on are just a majority.
    let others = count.checked_sub(majority(count));
    let value = others.and_then(|others| values.get(others));
    value.copied().unwrap_or_default()
}

/// The same, of any number.
fn reached_by_majority_of_many<T: Ord + Copy + Default>(
    half: &Members,
    reached: impl Fn(NodeId) -> T,
) -> T {
    let needed = majority(voters(half).count());
    let beyond = |value| voters(half).filter(|id| reached(*id) >= value).count();
    let by_majority = |value: &T| beyond(*value) >= needed;
    let highest = voters(half).map(&reached).filter(by_majority).max();
    highest.unwrap_or_default()
}

/// So many voters at most are counted without a second look.
const A_FEW: usize = 7;

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::configuration::MemberRole;
    use crate::ids::{Incarnation, Peer};

    fn voters_of(ids: &[u64]) -> Members {
        Configuration::of_voters(
            ids.iter()
                .map(|id| Peer::new(NodeId::new(*id), Incarnation::new(u128::from(*id)))),
        )
        .members
    }

    /// Every configuration of `half` and every assignment of three values to its voters, against
    /// the definition: won when a majority granted, lost when a majority can't be reached.
    #[test]
    fn tally_agrees_with_the_definition_for_up_to_five_voters() {
        for size in 1..=5u32 {
            let ids: Vec<u64> = (1..=u64::from(size)).collect();
            let configuration = Configuration {
                members: voters_of(&ids),
                outgoing: None,
                target: None,
            };
            for code in 0..3u32.pow(size) {
                let vote = |id: NodeId| match code / 3u32.pow(id.get() as u32 - 1) % 3 {
                    0 => None,
                    1 => Some(true),
                    _ => Some(false),
                };
                let granted = ids
                    .iter()
                    .filter(|id| vote(NodeId::new(**id)) == Some(true))
                    .count();
                let refused = ids
                    .iter()
                    .filter(|id| vote(NodeId::new(**id)) == Some(false))
                    .count();
                let expected = if granted * 2 > ids.len() {
                    Tally::Won
                } else if (ids.len() - refused) * 2 <= ids.len() {
                    Tally::Lost
                } else {
                    Tally::Pending
                };
                assert_eq!(
                    tally(&configuration, vote),
                    expected,
                    "size {size} code {code}"
                );
            }
        }
    }

    #[test]
    fn committed_index_is_the_highest_that_more_than_half_hold() {
        for size in 1..=5u32 {
            let ids: Vec<u64> = (1..=u64::from(size)).collect();
            let configuration = Configuration {
                members: voters_of(&ids),
                outgoing: None,
                target: None,
            };
            for code in 0..4u64.pow(size) {
                let matched = |id: NodeId| LogIndex::new(code / 4u64.pow(id.get() as u32 - 1) % 4);
                let expected = (0..4)
                    .rev()
                    .map(LogIndex::new)
                    .find(|index| {
                        let holders = ids
                            .iter()
                            .filter(|id| matched(NodeId::new(**id)) >= *index)
                            .count();
                        holders * 2 > ids.len()
                    })
                    .unwrap_or(LogIndex::ZERO);
                assert_eq!(committed_index(&configuration, matched), expected);
            }
        }
    }

    /// Three of them are learners, who reach more than anybody.
    #[test]
    fn any_number_of_voters_is_counted_by_the_definition() {
        for size in 1..=12u64 {
            let ids: Vec<u64> = (1..=size + 3).collect();
            let mut half = voters_of(&ids);
            for member in half.values_mut().rev().take(3) {
                member.role = MemberRole::Learner;
            }
            for round in 1..200u64 {
                let reached = |id: NodeId| match id.get() {
                    voter if voter <= size => voter.wrapping_mul(round * round + 7) % 11,
                    _ => 99,
                };
                let is_reached = |value: &u64| {
                    let beyond = (1..=size).filter(|id| reached(NodeId::new(*id)) >= *value);
                    beyond.count() as u64 * 2 > size
                };
                let expected = (0..11).rev().find(is_reached);
                assert_eq!(
                    Some(reached_by_majority(&half, reached)),
                    expected,
                    "{size}"
                );
            }
        }
    }

    /// [S8.20]
    #[test]
    fn a_round_is_answered_when_more_than_half_answered_it_or_a_later_one() {
        let five = Configuration {
            members: voters_of(&[1, 2, 3, 4, 5]),
            outgoing: None,
            target: None,
        };
        let answered = |id: NodeId| [9, 7, 4, 4, 0][id.get() as usize - 1];
        assert_eq!(answered_round(&five, answered), 4);
        let joint = Configuration {
            members: voters_of(&[1, 2]),
            outgoing: Some(voters_of(&[3, 4, 5])),
            target: None,
        };
        assert_eq!(answered_round(&joint, answered), 4);
        assert_eq!(answered_round(&Configuration::new([]), answered), 0);
    }

    /// [T6.4.1.6]
    #[test]
    fn a_lease_lasts_as_long_as_the_promises_of_more_than_half_of_each_half() {
        let five = Configuration {
            members: voters_of(&[1, 2, 3, 4, 5]),
            outgoing: None,
            target: None,
        };
        let until = |id: NodeId| Time::from_millis([9, 7, 4, 3, 0][id.get() as usize - 1]);
        assert_eq!(lease_end(&five, until), Time::from_millis(4));
        let joint = Configuration {
            members: voters_of(&[1, 2]),
            outgoing: Some(voters_of(&[3, 4, 5])),
            target: None,
        };
        assert_eq!(lease_end(&joint, until), Time::from_millis(3));
        assert_eq!(lease_end(&Configuration::new([]), until), Time::ZERO);
    }

    /// [S6.16]
    #[test]
    fn a_joint_configuration_needs_both_halves() {
        let configuration = Configuration {
            members: voters_of(&[3, 4, 5]),
            outgoing: Some(voters_of(&[1, 2, 3])),
            target: None,
        };
        let granted_by =
            |ids: &'static [u64]| move |id: NodeId| ids.contains(&id.get()).then_some(true);
        assert_eq!(
            tally(&configuration, granted_by(&[3, 4, 5])),
            Tally::Pending
        );
        assert_eq!(
            tally(&configuration, granted_by(&[1, 2, 3])),
            Tally::Pending
        );
        assert_eq!(tally(&configuration, granted_by(&[2, 3, 4])), Tally::Won);
        let held = |id: NodeId| LogIndex::new(if id.get() >= 3 { 9 } else { 4 });
        assert_eq!(committed_index(&configuration, held), LogIndex::new(4));
    }

    /// [S6.33b]
    #[test]
    fn learners_count_for_nothing_and_witnesses_count() {
        let mut members = voters_of(&[1, 2, 3, 4, 5]);
        for (id, role) in [
            (4, MemberRole::Learner),
            (5, MemberRole::Learner),
            (3, MemberRole::Witness),
        ] {
            if let Some(member) = members.named_mut(&NodeId::new(id)) {
                member.role = role;
            }
        }
        let configuration = Configuration {
            members,
            outgoing: None,
            target: Some(voters_of(&[6, 7, 8, 9])),
        };
        // Nodes 6 to 9 are to become voters, and are none yet.
        let learners = |id: NodeId| (id.get() == 1 || id.get() >= 4).then_some(true);
        assert_eq!(tally(&configuration, learners), Tally::Pending);
        let held = |id: NodeId| LogIndex::new(if id.get() == 1 || id.get() >= 4 { 9 } else { 2 });
        assert_eq!(committed_index(&configuration, held), LogIndex::new(2));
        let witness = |id: NodeId| (id.get() == 1 || id.get() == 3).then_some(true);
        assert_eq!(tally(&configuration, witness), Tally::Won);
    }
}
