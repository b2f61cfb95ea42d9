//! Applies what is committed, and answers reads from what has been applied.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use raft_core::hull::Apply;
use raft_core::ids::LogIndex;
use raft_core::time::Time;

use crate::error::ReadError;
use crate::handle::{ReadDesk, ReadJob};
use crate::session::{Applied, Halt, Sessions};
use crate::state_machine::StateMachine;
use crate::tickets::{ReadVerdict, Tickets};

/// The replicated state, and the reads that wait for it.
///
/// - Each read stands in one group until it is answered, and is answered once.
/// - `waiting` holds the groups whose index is known and not applied yet.
pub(crate) struct Applier<S> {
    pub(crate) sessions: Sessions<S>,
    /// Those that were taken just now.
    taken: Vec<ReadJob<S>>,
    queued: Vec<Queued<S>>,
    /// Reads that are asked about together, under the number their tickets have.
    groups: BTreeMap<u64, Vec<Queued<S>>>,
    waiting: BTreeSet<(LogIndex, u64)>,
    last_number: u64,
    /// Reads answered since the desk was last told.
    answered: usize,
}

impl<S> Applier<S> {
    pub(crate) const fn new(sessions: Sessions<S>) -> Self {
        Self {
            sessions,
            taken: Vec::new(),
            queued: Vec::new(),
            groups: BTreeMap::new(),
            waiting: BTreeSet::new(),
            last_number: 0,
            answered: 0,
        }
    }

    /// Answers all reads that wait: the node stops.
    pub(crate) fn stop(&mut self, desk: &ReadDesk<S>) {
        let groups = core::mem::take(&mut self.groups);
        let queued = core::mem::take(&mut self.queued);
        let jobs = queued.into_iter().chain(groups.into_values().flatten());
        let jobs = jobs.map(|queued| queued.job);
        for job in jobs.chain(desk.close()) {
            (job.run)(Err(ReadError::Stopped));
        }
        self.waiting.clear();
    }
}

impl<S: StateMachine> Applier<S> {
    /// Takes the reads that were asked for. Stale ones are answered at once. The others share one
    /// ticket with all that wait for the same: those for which nothing was sent yet, or those that
    /// come while the tickets allowed are all under way. Whether there was any.
    pub(crate) fn take_reads(
        &mut self,
        desk: &ReadDesk<S>,
        tickets: &mut Tickets,
        now: Time,
    ) -> bool {
        desk.take(&mut self.taken, core::mem::take(&mut self.answered));
        let newcomers = !self.taken.is_empty();
        for job in self.taken.drain(..) {
            if job.stale {
                (job.run)(Ok(self.sessions.machine()));
                self.answered = self.answered.saturating_add(1);
            } else {
                self.queued.push(Queued { job, since: now });
            }
        }
        newcomers | self.group_reads(tickets, now)
    }

    fn group_reads(&mut self, tickets: &mut Tickets, now: Time) -> bool {
        let Some(since) = self.queued.iter().map(|queued| queued.since).min() else {
            return false;
        };
        if tickets.may_join_read(self.last_number, now) {
            let group = self.groups.entry(self.last_number).or_default();
            group.append(&mut self.queued);
            return true;
        }
        if self.groups.len() >= MAX_GROUPS {
            return false;
        }
        self.last_number = self.last_number.saturating_add(1);
        let group = core::mem::take(&mut self.queued);
        self.groups.insert(self.last_number, group);
        tickets.read(self.last_number, since, now);
        true
    }

    /// Applies entries, in order, and tells those who wait for them. Returns the last index.
    ///
    /// # Errors
    ///
    /// An entry can't be applied by this build; those before it were.
    pub(crate) fn apply(&mut self, apply: &Apply, tickets: &mut Tickets) -> Result<LogIndex, Halt> {
        for chunk in &apply.chunks {
            for entry in chunk.entries() {
                let applied = self.sessions.apply(entry)?;
                if tickets.awaits_no_command() {
                    continue;
                }
                match applied {
                    Applied::Nothing => {}
                    Applied::Opened { opener, session } => tickets.on_opened(opener, session),
                    Applied::Command {
                        session,
                        serial,
                        answer,
                    } => tickets.on_applied(session, serial, answer),
                }
            }
        }
        Ok(apply.last_index())
    }

    /// Answers the reads whose verdict is in, as far as this node has applied.
    pub(crate) fn answer_reads(&mut self, tickets: &mut Tickets, now: Time) -> bool {
        let mut answered = false;
        let verdicts = core::mem::take(&mut tickets.reads);
        for (number, verdict) in verdicts {
            match verdict {
                ReadVerdict::At(index) => {
                    self.waiting.insert((index, number));
                }
                ReadVerdict::TimedOut => {
                    answered = true;
                    self.waiting.retain(|(_, waiting)| *waiting != number);
                    self.time_out(number, tickets.read_timeout(), now);
                }
                ReadVerdict::Removed => {
                    answered = true;
                    self.waiting.retain(|(_, waiting)| *waiting != number);
                    let group = self.groups.remove(&number).unwrap_or_default();
                    self.answered = self.answered.saturating_add(group.len());
                    for Queued { job, .. } in group {
                        (job.run)(Err(ReadError::Removed));
                    }
                }
            }
        }
        while let Some((index, number)) = self.waiting.first().copied() {
            // [T6.4.23] A read waits for this node's own state machine.
            if index > self.sessions.applied() {
                break;
            }
            self.waiting.pop_first();
            answered = true;
            tickets.end_read(number);
            let group = self.groups.remove(&number).unwrap_or_default();
            self.answered = self.answered.saturating_add(group.len());
            for Queued { job, .. } in group {
                (job.run)(Ok(self.sessions.machine()));
            }
        }
        answered
    }

    /// The time of a group is over, which is that of the first of it. Those that have any left are asked about
    /// anew.
    fn time_out(&mut self, number: u64, timeout: Duration, now: Time) {
        for queued in self.groups.remove(&number).unwrap_or_default() {
            if now < queued.since.after(timeout) {
                self.queued.push(queued);
            } else {
                self.answered = self.answered.saturating_add(1);
                (queued.job.run)(Err(ReadError::TimedOut));
            }
        }
    }
}

/// A read, and when it came.
struct Queued<S> {
    job: ReadJob<S>,
    since: Time,
}

/// Groups of reads under way; more only pays when letters are lost.
const MAX_GROUPS: usize = 4;
