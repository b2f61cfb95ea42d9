//! The rare situations that a world is made for.

use raft_core::states::Role;

use super::Situations;
use super::members::in_force;
use super::node::Entry;
use super::past::{Past, holds};
use super::table::View;

impl Situations {
    pub(super) fn add(&mut self, other: &Self) {
        self.figure_8_c += other.figure_8_c;
        self.figure_8_d += other.figure_8_d;
        self.figure_8_e += other.figure_8_e;
        self.two_leaders += other.two_leaders;
        self.lost_writes += other.lost_writes;
        self.members_changed += other.members_changed;
        self.elected_in_joint += other.elected_in_joint;
        self.configuration_cut += other.configuration_cut;
        self.committed_lost += other.committed_lost;
        self.removed_again += other.removed_again;
        self.repaired += other.repaired;
        self.asked_too_late += other.asked_too_late;
        self.reads_answered += other.reads_answered;
        self.installed += other.installed;
        self.installed_over_others += other.installed_over_others;
    }
}

/// One step, for telling which situation it leads to.
#[derive(Debug)]
pub(super) struct Seen<'a> {
    pub(super) own: usize,
    pub(super) members_change: bool,
    pub(super) own_before: &'a View,
    pub(super) views: &'a [&'a View],
    /// What was committed before the step.
    pub(super) known: &'a Past,
    pub(super) past: &'a Past,
}

impl Seen<'_> {
    /// Counts what the step led to; `lost_writes` was seen by whoever knows what was done.
    pub(super) fn count(&self, lost_writes: bool, all: &mut Situations) {
        self.count_figure_8(lost_writes, all);
        if self.members_change {
            self.count_changes(all);
        }
        self.count_damage(all);
        self.count_reads(all);
        self.count_snapshots(all);
    }

    fn count_changes(&self, all: &mut Situations) {
        let own = self.views[self.own];
        let settled = |past: &Past| {
            let mut latest = past.committed().iter().rev();
            latest.find_map(|(entry, _)| entry.sets?.settled())
        };
        let changed = settled(self.past) != settled(self.known);
        let was = (self.own_before.role, self.own_before.term);
        let elected = own.role == Role::Leader && was != (own.role, own.term);
        let in_joint = in_force(&self.own_before.log, own.founding).is_joint();
        let configured = |entry: &&Entry| entry.sets.is_some();
        let mut before = self.own_before.log.iter().filter(configured);
        let cut = before.any(|entry| !holds(&own.log, entry));
        all.members_changed += u64::from(changed);
        all.elected_in_joint += u64::from(elected && in_joint);
        all.configuration_cut += u64::from(cut);
    }

    fn count_damage(&self, all: &mut Situations) {
        let (before, own) = (self.own_before, self.views[self.own]);
        let fresh = |entry: &Entry| !before.lost.contains(entry);
        let mut lost = own.lost.iter().filter(|entry| fresh(entry)).peekable();
        let damaged = lost.peek().is_some();
        let committed = |entry: &Entry| {
            let mut committed = self.past.committed().iter();
            committed.any(|(known, _)| known.is(entry))
        };
        let again = |entry: &Entry| !holds(&before.durable, entry);
        all.committed_lost += u64::from(lost.any(committed));
        all.removed_again += u64::from(damaged && own.durable.iter().any(again));
        all.repaired += u64::from(!before.lost.is_empty() && own.lost.is_empty());
    }

    fn count_reads(&self, all: &mut Situations) {
        let (before, own) = (self.own_before, self.views[self.own]);
        let mut others = self.views.iter();
        let replaced = others.any(|view| view.role == Role::Leader && view.term > own.term);
        let leads = own.role == Role::Leader && before.role == Role::Leader;
        all.asked_too_late += u64::from(replaced && own.reading && !before.reading);
        all.reads_answered += u64::from(leads && before.reading && !own.reading);
    }

    fn count_snapshots(&self, all: &mut Situations) {
        let (before, own) = (self.own_before, self.views[self.own]);
        let last = own.base.checked_sub(1).and_then(|at| own.log.get(at));
        let lacked = |last: &Entry| own.base > before.base && !holds(&before.log, last);
        let installed = last.is_some_and(lacked);
        let others = before.log.iter().any(|entry| !holds(&own.log, entry));
        all.installed += u64::from(installed);
        all.installed_over_others += u64::from(installed && others);
    }

    fn count_figure_8(&self, lost_writes: bool, all: &mut Situations) {
        let seen = [
            self.figure_8_c(),
            self.figure_8_d(),
            self.figure_8_e(),
            self.two_leaders(),
            lost_writes,
        ];
        let counts = [
            &mut all.figure_8_c,
            &mut all.figure_8_d,
            &mut all.figure_8_e,
            &mut all.two_leaders,
            &mut all.lost_writes,
        ];
        for (count, seen) in counts.into_iter().zip(seen) {
            *count += u64::from(seen);
        }
    }

    fn figure_8_c(&self) -> bool {
        let committed = self.past.committed().len();
        self.views.iter().any(|leader| {
            let mut old = leader.log.iter().skip(committed);
            leader.role == Role::Leader
                && old.any(|entry| {
                    let holders = self.views.iter();
                    let holders = holders.filter(|view| holds(&view.durable, entry)).count();
                    let rival = |view: &&View| {
                        let last = view.log.last().map_or(0, |last| last.term);
                        last > entry.term && !holds(&view.log, entry)
                    };
                    entry.term < leader.term
                        && holders * 2 > self.views.len()
                        && self.views.iter().any(rival)
                })
        })
    }

    fn figure_8_d(&self) -> bool {
        let committed = self.past.committed().len();
        let own = self.views[self.own];
        self.own_before.durable.iter().skip(committed).any(|entry| {
            let others = self.views.iter().enumerate();
            let others = others
                .filter(|(at, view)| *at != self.own && holds(&view.durable, entry))
                .count();
            !holds(&own.durable, entry)
                && others * 2 <= self.views.len()
                && (others + 1) * 2 > self.views.len()
        })
    }

    fn figure_8_e(&self) -> bool {
        let own = self.views[self.own];
        let fresh = self.past.committed().iter();
        let mut fresh = fresh.skip(self.known.committed().len());
        own.role == Role::Leader && fresh.any(|(entry, _)| entry.term < own.term)
    }

    fn two_leaders(&self) -> bool {
        let leaders = self.views.iter().filter(|view| view.role == Role::Leader);
        leaders.count() > 1
    }
}
