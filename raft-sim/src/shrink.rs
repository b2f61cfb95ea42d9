//! The minimiser: from a plan whose world violates a property to a small plan whose world violates
//! the same property.
//!
//! Every step proposes a simpler plan, runs it, and keeps it if the same property (by name) is
//! violated, no later than before by much. What is tried, in this order, again and again until
//! nothing gets simpler or the budget is spent:
//!
//! - cut off what comes after the violation, and what comes long before it (`leaps`);
//! - take out nodes, faults, operations and clients (`nodes`, `lists`);
//! - put calm defaults for what the network, the disks, the clocks and the settings do, one field at
//!   a time; halve spans of time, pull later events earlier, lose less in crashes (`calm`);
//! - make limits smaller where that does with fewer operations (`tight`);
//! - let all messages take the same time, and list the few whose fate matters instead (`fates`).
//!
//! A world is a function of its plan, and lots are functions of names, so that what is left in a
//! plan mostly fares as before. Where it does not, the same smaller plan is tried with a few other
//! seeds: a shrunk plan shows the same property violated, not always by the same accident.
//!
//! The size of a plan is [`Size::events`]: its operations, its faults, and the messages whose fate
//! it names. Messages whose fate is drawn by a rate that is not zero are not counted, but said, in
//! [`Size::is_spelled_out`].

use std::time::Duration;

use crate::checkers::Violation;
use crate::plan::{Delay, Plan};
use crate::world::{Bounds, Outcome};

mod attempt;
mod calm;
mod fates;
mod leaps;
mod lists;
mod nodes;
mod paste;
mod tight;

use attempt::Attempts;
pub use paste::test_of;

/// Runs a plan within bounds: whoever has the worlds says how.
pub type Run<'a> = &'a dyn Fn(Plan, Bounds) -> Outcome;

/// How much may be spent on shrinking one plan.
#[derive(Clone, Copy)]
pub struct Budget<'a> {
    /// The most worlds that are run.
    pub runs: u64,
    /// What has been spent since shrinking began, by any measure, such as a processor's seconds.
    pub spent: &'a dyn Fn() -> Duration,
    /// The most of that.
    pub most: Duration,
}

impl Budget<'_> {
    /// So many worlds, however long that takes: the same on every machine.
    pub const fn runs(runs: u64) -> Self {
        Self {
            runs,
            spent: &|| Duration::ZERO,
            most: Duration::MAX,
        }
    }
}

/// What shrinking came to.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The smallest plan found.
    pub plan: Plan,
    /// What its world violates: the same property as the plan that was given.
    pub violation: Violation,
    /// How large the plan was that was given.
    pub before: Size,
    /// How large [`Self::plan`] is.
    pub after: Size,
    /// How many worlds were run.
    pub tried: u64,
    /// Whether nothing more could be found, and the budget was not what ended it.
    pub done: bool,
}

/// How large a plan and its world are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Size {
    /// Nodes.
    pub nodes: usize,
    /// Clients.
    pub clients: usize,
    /// Operations of clients.
    pub operations: usize,
    /// Faults.
    pub faults: usize,
    /// Messages whose fate the plan names.
    pub fates: usize,
    /// Whether all messages that it does not name take the same time and arrive once.
    pub is_spelled_out: bool,
    /// What happens in the world until the violation: messages that arrive, syncs, alarms.
    pub happenings: u64,
    /// The world's time of the violation.
    pub time: Duration,
}

impl Size {
    /// The size of a plan whose world ended so.
    pub(crate) fn of(plan: &Plan, happenings: u64, time: Duration) -> Self {
        let network = &plan.network;
        let rates = [
            network.drop_per_mille,
            network.double_per_mille,
            network.straggle_per_mille,
            network.slow_kind.map_or(0, |(_, per_mille)| per_mille),
        ];
        let even = matches!(network.delay, Delay::Even(least, most) if least == most);
        Self {
            nodes: plan.nodes.len(),
            clients: plan.clients.len(),
            operations: plan.operations.len(),
            faults: plan.faults.len(),
            fates: plan.fates.len(),
            is_spelled_out: even && rates.into_iter().all(|rate| rate == 0),
            happenings,
            time,
        }
    }

    /// What the plan says that happens: operations, faults, and messages with a fate of their own.
    pub const fn events(&self) -> usize {
        self.operations + self.faults + self.fates
    }
}

/// Shrinks a plan. Answers `None` when its world violates nothing.
pub fn shrink(plan: &Plan, run: Run<'_>, budget: Budget<'_>) -> Option<Shrunk> {
    let mut attempts = Attempts::begin(plan, run, budget)?;
    let before = attempts.size();
    leaps::to_the_point(&mut attempts);
    nodes::drop_nodes(&mut attempts, 4);
    calm::calm_network(&mut attempts, LUCK);
    let mut luck = LUCK / 4;
    let done = loop {
        let weight = attempts.weight();
        lists::drop_things(&mut attempts, luck);
        nodes::drop_nodes(&mut attempts, luck);
        calm::calm_network(&mut attempts, luck);
        calm::calm(&mut attempts);
        calm::shorten(&mut attempts);
        fates::spell_out(&mut attempts);
        tight::tighten(&mut attempts);
        if attempts.is_spent() {
            break false;
        }
        if attempts.weight() >= weight {
            if luck >= LUCK {
                break true;
            }
            luck *= 2;
        }
    };
    calm::tidy(&mut attempts);
    let after = attempts.size();
    let tried = attempts.tried();
    let (plan, violation) = attempts.end();
    Some(Shrunk {
        plan,
        violation,
        before,
        after,
        tried,
        done,
    })
}

/// How many other seeds a change is worth that would leave much out.
const LUCK: u64 = 64;

#[cfg(test)]
mod tests;
