//! One attempt after the other: runs a simpler plan, and keeps it if it still shows the violation.

use std::time::Duration;

use super::{Budget, Run, Size};
use crate::checkers::Violation;
use crate::lot::mix;
use crate::plan::{FatePlan, Plan};
use crate::world::{Bounds, Outcome};

/// The best plan so far, and what may still be tried.
pub(super) struct Attempts<'a> {
    run: Run<'a>,
    budget: Budget<'a>,
    plan: Plan,
    violation: Violation,
    /// How many events its world has until the violation.
    happenings: u64,
    tried: u64,
    /// How many other seeds were tried: no two attempts try the same ones.
    seeds: u64,
}

impl<'a> Attempts<'a> {
    /// Begins with a plan, if its world violates something.
    pub(super) fn begin(plan: &Plan, run: Run<'a>, budget: Budget<'a>) -> Option<Self> {
        plan.validate().ok()?;
        let outcome = run(plan.clone(), Bounds::default());
        let violation = outcome.violation?;
        let mut begun = Self {
            run,
            budget,
            plan: plan.clone(),
            violation,
            happenings: outcome.counters.events,
            tried: 1,
            seeds: 0,
        };
        begun.cut_after();
        Some(begun)
    }

    /// The best plan so far.
    pub(super) const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The world's time of the violation.
    pub(super) fn time(&self) -> Duration {
        Duration::from_nanos(self.violation.time.as_nanos())
    }

    pub(super) fn size(&self) -> Size {
        Size::of(&self.plan, self.happenings, self.time())
    }

    /// What must fall from round to round: what the plan says, then how much happens.
    pub(super) fn weight(&self) -> (usize, u64, usize) {
        let size = self.size();
        let things = size.nodes * 4 + size.clients + size.events();
        let rates = usize::from(!size.is_spelled_out);
        (things + rates, self.happenings / 8, self.plan.nodes.len())
    }

    pub(super) const fn tried(&self) -> u64 {
        self.tried
    }

    /// Whether nothing more may be tried.
    pub(super) fn is_spent(&self) -> bool {
        self.tried >= self.budget.runs || (self.budget.spent)() >= self.budget.most
    }

    /// Whether this part, in a hundred, of the budget is spent.
    pub(super) fn is_spent_to(&self, percent: u32) -> bool {
        self.tried >= self.budget.runs / 100 * u64::from(percent)
            || (self.budget.spent)() >= self.budget.most / 100 * percent
    }

    pub(super) fn end(self) -> (Plan, Violation) {
        (self.plan, self.violation)
    }

    /// Tries the best plan with this change; keeps it if it still violates the property.
    pub(super) fn change(&mut self, change: impl FnOnce(&mut Plan)) -> bool {
        let mut plan = self.plan.clone();
        change(&mut plan);
        plan != self.plan && self.take(plan)
    }

    /// As [`Self::change`], and with a few other seeds if it does not.
    pub(super) fn change_with_luck(&mut self, tries: u64, change: impl FnOnce(&mut Plan)) -> bool {
        let mut plan = self.plan.clone();
        change(&mut plan);
        if plan == self.plan {
            return false;
        }
        if self.take(plan.clone()) {
            return true;
        }
        (0..tries).any(|_| {
            self.seeds += 1;
            plan.seed = mix(self.seeds) >> 32;
            self.take(plan.clone())
        })
    }

    /// Runs a plan and keeps it if it violates the same property.
    pub(super) fn take(&mut self, plan: Plan) -> bool {
        if self.is_spent() || plan.validate().is_err() {
            return false;
        }
        let outcome = self.outcome_of(plan.clone(), None);
        self.keep(plan, outcome)
    }

    fn keep(&mut self, plan: Plan, outcome: Outcome) -> bool {
        let same = |found: &Violation| found.property == self.violation.property;
        let Some(violation) = outcome.violation.filter(same) else {
            return false;
        };
        self.plan = plan;
        self.violation = violation;
        self.happenings = outcome.counters.events;
        self.cut_after();
        true
    }

    /// What becomes of the messages of the best plan's world, save those that take this long.
    pub(super) fn fates(&mut self, usual: Duration) -> Vec<FatePlan> {
        self.outcome_of(self.plan.clone(), Some(usual)).fates
    }

    fn outcome_of(&mut self, plan: Plan, usual_delay: Option<Duration>) -> Outcome {
        self.tried += 1;
        let time = self.time();
        let bounds = Bounds {
            until: time + time / 4 + SLACK,
            events: self.happenings * 2 + MORE_EVENTS,
            usual_delay,
        };
        (self.run)(plan, bounds)
    }

    /// Takes out of the plan what would come after the violation: it did not happen.
    fn cut_after(&mut self) {
        let time = self.time();
        let plan = &mut self.plan;
        plan.operations.retain(|operation| operation.at <= time);
        plan.faults.retain(|fault| fault.at <= time);
        if time < plan.duration {
            plan.duration = time + Duration::from_nanos(1);
        }
    }
}

/// How much later than before a simpler plan may show the violation, beside a fourth.
const SLACK: Duration = Duration::from_millis(500);

/// How many more events it may have, beside twice as many.
const MORE_EVENTS: u64 = 2_000;
