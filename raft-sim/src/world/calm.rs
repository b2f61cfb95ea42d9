//! Elections that nobody needed: after all faults are over, from the moment at which all nodes that
//! run follow one leader, there is no reason for another.
//!
//! `checkers/timers.rs` judges single steps, by what one node could know. This counts what comes of
//! it in a whole cluster, whatever the reason: elections, and the minutes in which there should have
//! been none.

use raft_core::states::Role;
use raft_core::time::Time;

use super::World;
use super::healing::Healing;
use crate::checkers::{Violation, property};
use crate::process::Node;
use crate::subject::Subject;

/// A time without a reason for elections.
#[derive(Clone, Copy, Debug)]
pub(super) struct Calm {
    /// Until when it was counted.
    seen: Time,
    /// How many elections there had been by then.
    elections: u64,
    /// How often processes had been started or ended when it began.
    upheavals: u64,
}

impl<S: Subject> World<'_, S> {
    /// Counts what happened since the last look, if nothing disturbed it.
    pub(super) fn count_calm(&mut self) -> Result<(), Violation> {
        let now = self.schedule.now();
        let upheavals = self.counters.starts + self.counters.crashes;
        let calm = self.healing.as_ref().and_then(|healing| healing.calm);
        let calm = calm.filter(|calm| calm.upheavals == upheavals);
        // Then another is to be elected.
        let hands_over = |healing: &Healing| healing.rests.hand_over();
        let hands_over = self.healing.as_ref().is_some_and(hands_over);
        let calm = calm.filter(|_| !hands_over);
        if let Some(calm) = calm {
            self.counters.calm_nanoseconds += now.since(calm.seen).as_nanos() as u64;
            self.counters.needless_elections += self.counters.elections - calm.elections;
        }
        // What was sent before the faults were over may still have to say something.
        let preferred = self.is_led_as_preferred();
        let undisturbed = preferred && !hands_over && !self.plan.removed_may_disturb();
        let begins = undisturbed && self.network.settled_from() <= now && self.all_follow_one();
        if let Some(healing) = &mut self.healing {
            // Whoever is elected need not be the one that is preferred, and then hands over.
            let goes_on = calm.is_some() && preferred;
            healing.calm = (goes_on || begins).then_some(Calm {
                seen: now,
                elections: self.counters.elections,
                upheavals,
            });
        }
        let needless = self.counters.needless_elections;
        if needless > MOST_NEEDLESS {
            let minutes = self.counters.calm_minutes();
            let text = format!(
                "{needless} elections in {minutes:.2} minutes, though all nodes followed one \
                 leader and nothing failed: {}",
                self.describe()
            );
            return Err(self.violation(property::NEEDLESS_ELECTIONS, text));
        }
        Ok(())
    }

    /// Whether all nodes that run follow one leader, and no disk still has to end a stall that began
    /// before the faults were over: whose disk stands still may not go on leading.
    fn all_follow_one(&self) -> bool {
        if !self.is_settled() {
            return false;
        }
        let mut running = self.running_members();
        let leads = running
            .clone()
            .filter_map(Node::hull)
            .find(|hull| hull.role() == Role::Leader);
        let leads = leads.filter(|leader| leader.transferring_to().is_none());
        leads.is_some_and(|leader| {
            running.all(|node| {
                node.hull().is_some_and(|hull| {
                    (hull.term(), hull.leader()) == (leader.term(), Some(leader.me().id))
                        && hull.durable_index() == hull.last().index
                        && !node.disk.holds()
                })
            })
        })
    }
}

/// More than this in one world is a mistake: one may come of what nobody here can see any more.
const MOST_NEEDLESS: u64 = 1;

#[cfg(test)]
mod tests {
    use super::{Calm, MOST_NEEDLESS};
    use crate::checkers::property;
    use crate::key_value::{KeyValue, KeyValueWorkload};
    use crate::plan::{Plan, Swarm};
    use crate::world::World;

    use raft_core::time::Time;

    /// What is said of a world in which this many elections were held since it grew calm, and
    /// processes were started so often.
    fn said_of(elections: u64, starts: u64) -> Option<&'static str> {
        let plan = Plan::draw(1, &Swarm::default());
        let mut world = World::new(plan, KeyValue::default, KeyValueWorkload::default());
        world.heal().unwrap();
        let calm = Calm {
            seen: Time::ZERO,
            elections: world.counters.elections,
            upheavals: world.counters.starts + world.counters.crashes,
        };
        world.healing.as_mut().unwrap().calm = Some(calm);
        world.counters.elections += elections;
        world.counters.starts += starts;
        world.count_calm().err().map(|wrong| wrong.property)
    }

    #[test]
    fn elections_that_nobody_needs_are_too_many_unless_somebody_came_or_went() {
        assert_eq!(said_of(MOST_NEEDLESS, 0), None);
        let wrong = said_of(MOST_NEEDLESS + 1, 0);
        assert_eq!(wrong, Some(property::NEEDLESS_ELECTIONS));
        assert_eq!(said_of(MOST_NEEDLESS + 1, 1), None);
    }
}
