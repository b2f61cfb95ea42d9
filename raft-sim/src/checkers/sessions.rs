//! Client sessions (thesis 6.3), kept a second time from the log alone: which session is open at
//! each entry, which commands are new, and what may be told of those that are not.
//!
//! The checks of each node compare nodes with each other; they would not see a mistake that all
//! make alike, such as a session that ends too early, or never.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use raft_core::ids::{EntryId, LogIndex, NodeId};
use raft_core::time::{LogTime, Time};
use raft_node::session::SessionLimits;

use super::model::LogModel;
use super::{Checks, Observation, Violation, property};
use crate::markers::Marker;
use crate::spy::{AppliedFact, EntryFact};

/// The sessions of a world, as its committed log has them.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    /// None where nobody drives sessions, and nothing is checked.
    limits: Option<SessionLimits>,
    /// The last entry looked at.
    seen: LogIndex,
    /// How many commands were new so far.
    executed: usize,
    open: BTreeMap<u64, Open>,
    /// The length of each reply, by the entry of its command, until that is looked at.
    replies: BTreeMap<LogIndex, u64>,
    told: Told,
    reached: Reached,
}

/// An open session.
#[derive(Debug)]
struct Open {
    /// Who opened it: a fingerprint of the opening's payload, and its serial.
    opener: (u64, u64),
    opened_at: LogTime,
    used: LogIndex,
    used_at: LogTime,
    settled: u64,
    /// The serials answered and not settled, with the bytes kept of each answer, if they are.
    answers: BTreeMap<u64, Option<u64>>,
}

/// What clients may be told.
#[derive(Debug, Default)]
struct Told {
    /// Commands that met no open session.
    expired: BTreeSet<(u64, u64)>,
    /// Commands whose replies are kept no more.
    forgotten: BTreeSet<(u64, u64)>,
    /// Up to where each session has settled.
    settled: BTreeMap<u64, u64>,
    /// Sessions that were open when their clients said that they were there, or used them.
    kept: BTreeSet<u64>,
}

/// How a client's command ended without a reply, by its session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ending {
    /// The session is over.
    Expired,
    /// The client had said that it knows the answer.
    Settled,
    /// The reply was too much to keep.
    Forgotten,
}

/// How often sessions came to what is rare.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Reached {
    /// Sessions that ended for want of use.
    idle: u64,
    /// Sessions used for longer than they may be unused.
    kept_up: u64,
}

impl Checks {
    /// The world's nodes have sessions, with these limits.
    pub(crate) fn expect_sessions(&mut self, limits: SessionLimits) {
        self.sessions.expect(limits);
    }

    /// A client was told on `node` that a command has no reply because of its session.
    ///
    /// # Errors
    ///
    /// The log says otherwise.
    pub(crate) fn told_of_session(
        &self,
        now: Time,
        node: NodeId,
        command: (u64, u64),
        ending: Ending,
    ) -> Result<(), Violation> {
        let told = self.sessions.told(command.0, command.1, ending);
        told.map_err(|text| violation(now, node, text))
    }

    /// A client that had said on `node` that it is there was told that its session is open.
    ///
    /// # Errors
    ///
    /// The log does not say so.
    pub(crate) fn told_kept(&self, now: Time, node: NodeId, session: u64) -> Result<(), Violation> {
        let told = self.sessions.told_kept(session);
        told.map_err(|text| violation(now, node, text))
    }

    pub(super) fn take_replies(&mut self, node: NodeId) {
        for (index, bytes) in self.model.node_mut(node).journal.take_replies() {
            self.sessions.replied(index, bytes);
        }
    }

    /// Looks at what a node knows to be committed.
    pub(super) fn check_sessions(
        &mut self,
        now: Time,
        node: NodeId,
        after: Option<&Observation>,
    ) -> Result<(), Violation> {
        let (Some(after), Some(own)) = (after, self.model.node(node)) else {
            return Ok(());
        };
        let checked = self
            .sessions
            .committed(&own.log, after.commit, self.model.applied());
        let Reached { idle, kept_up } = std::mem::take(&mut self.sessions.reached);
        self.watch.reached.mark_times(Marker::SessionIdle, idle);
        self.watch
            .reached
            .mark_times(Marker::SessionKeptUp, kept_up);
        checked.map_err(|text| violation(now, node, text))
    }
}

impl Sessions {
    /// Begins to check, with the limits that the world's nodes share.
    fn expect(&mut self, limits: SessionLimits) {
        self.limits = Some(limits);
    }

    /// A state machine replied to the command of this entry.
    fn replied(&mut self, index: LogIndex, bytes: u64) {
        if self.limits.is_some() && index > self.seen {
            self.replies.insert(index, bytes);
        }
    }

    /// Looks at what is committed in a log and was not looked at, as far as what is new was applied.
    fn committed(
        &mut self,
        log: &LogModel,
        commit: LogIndex,
        applied: &[AppliedFact],
    ) -> Result<(), String> {
        let Some(limits) = self.limits else {
            return Ok(());
        };
        while self.seen < commit {
            let Some(chained) = log.entry(self.seen.next()) else {
                return Ok(());
            };
            let entry = chained.entry;
            self.expire(entry.time, limits.idle_time);
            let next = applied.get(self.executed);
            let is_new = self.is_new(&entry, limits);
            match next {
                // No node has come this far.
                None if is_new => return Ok(()),
                Some(next) if is_new && next.id != entry.id => {
                    return Err(not_applied(&entry, next.id));
                }
                Some(next) if !is_new && next.id == entry.id => {
                    return Err(applied_wrongly(&entry, self.open.get(&entry.session)));
                }
                None | Some(_) => {}
            }
            self.enter(&entry, is_new, limits);
            self.seen = entry.id.index;
        }
        Ok(())
    }

    /// A client was told that its command has no reply, and why.
    fn told(&self, session: u64, serial: u64, ending: Ending) -> Result<(), String> {
        if self.limits.is_none() {
            return Ok(());
        }
        let name = (session, serial);
        let settled = self.told.settled.get(&session).copied().unwrap_or(0);
        let (is_true, what) = match ending {
            Ending::Expired => (
                self.told.expired.contains(&name),
                "that the session is over, which no copy of it has met",
            ),
            Ending::Settled => (
                serial < settled,
                "that it was settled, which nobody has said",
            ),
            Ending::Forgotten => (
                self.told.forgotten.contains(&name),
                "that its reply is forgotten, which need not have been",
            ),
        };
        match is_true {
            true => Ok(()),
            false => Err(format!(
                "command {serial} of session {session} was told {what}"
            )),
        }
    }

    /// A client that said it was there was told that its session is open.
    fn told_kept(&self, session: u64) -> Result<(), String> {
        match self.limits.is_none() || self.told.kept.contains(&session) {
            true => Ok(()),
            false => Err(format!(
                "session {session} is said to be kept, but nothing of its client has met it open"
            )),
        }
    }

    /// Whether the user's state machine must meet this entry's command.
    fn is_new(&self, entry: &EntryFact, limits: SessionLimits) -> bool {
        self.open.get(&entry.session).is_some_and(|open| {
            let settled = open.settled.max(entry.settled);
            let answers = open.answers.range(settled..).count() as u64;
            entry.serial > 0
                && entry.serial >= settled
                && !open.answers.contains_key(&entry.serial)
                && answers < u64::from(limits.max_answers)
        })
    }

    fn enter(&mut self, entry: &EntryFact, is_new: bool, limits: SessionLimits) {
        let EntryFact {
            session, serial, ..
        } = *entry;
        if session == 0 {
            if entry.payload != 0 {
                self.opened(entry, limits);
            }
            return;
        }
        let Some(open) = self.open.get_mut(&session) else {
            self.told.expired.insert((session, serial));
            return;
        };
        open.used = entry.id.index;
        open.used_at = entry.time;
        open.settled = open.settled.max(entry.settled);
        open.answers = open.answers.split_off(&open.settled);
        self.told.settled.insert(session, open.settled);
        let idle_time = limits.idle_time.unwrap_or(Duration::MAX);
        // Whatever is used is kept: a command that settles what came before answers for a word, too.
        self.told.kept.insert(session);
        if open.opened_at.after(idle_time) < entry.time {
            self.reached.kept_up += 1;
            open.opened_at = entry.time;
        }
        if is_new {
            self.executed += 1;
            let reply = self.replies.remove(&entry.id.index).unwrap_or(0);
            let forgotten = open.keep(serial, reply, limits.max_answer_bytes);
            let forgotten = forgotten.into_iter().map(|serial| (session, serial));
            self.told.forgotten.extend(forgotten);
            return;
        }
        let is_known = serial < open.settled.max(1) || open.answers.contains_key(&serial);
        if !is_known {
            // One answer more than may stand: the session ends as a whole.
            self.open.remove(&session);
            self.told.expired.insert((session, serial));
        }
    }

    fn opened(&mut self, entry: &EntryFact, limits: SessionLimits) {
        let opener = (entry.payload, entry.serial);
        if self.open.values().any(|open| open.opener == opener) {
            return;
        }
        while self.open.len() as u64 >= u64::from(limits.max_sessions.max(1)) {
            let least = self.open.iter().min_by_key(|(_, open)| open.used);
            let Some(least) = least.map(|(number, _)| *number) else {
                break;
            };
            self.open.remove(&least);
        }
        let open = Open {
            opener,
            opened_at: entry.time,
            used: entry.id.index,
            used_at: entry.time,
            settled: 0,
            answers: BTreeMap::new(),
        };
        self.open.insert(entry.id.index.get(), open);
    }

    fn expire(&mut self, now: LogTime, idle_time: Option<Duration>) {
        let Some(idle_time) = idle_time else {
            return;
        };
        let before = self.open.len();
        self.open
            .retain(|_, open| open.used_at.after(idle_time) >= now);
        self.reached.idle += before.abs_diff(self.open.len()) as u64;
    }
}

impl Open {
    /// Keeps a reply. Which serials lose theirs for it.
    fn keep(&mut self, serial: u64, reply: u64, most: u64) -> Vec<u64> {
        self.answers.insert(serial, Some(reply));
        let mut kept: u64 = self.answers.values().flatten().sum();
        let mut forgotten = Vec::new();
        for (serial, reply) in &mut self.answers {
            if kept <= most {
                break;
            }
            if let Some(bytes) = reply.take() {
                kept -= bytes;
                forgotten.push(*serial);
            }
        }
        forgotten
    }
}

fn violation(now: Time, node: NodeId, text: String) -> Violation {
    Violation {
        property: property::SESSIONS,
        node: Some(node),
        time: now,
        text,
    }
}

fn not_applied(entry: &EntryFact, next: EntryId) -> String {
    format!(
        "{} (session {} serial {}) is new in an open session, and {next} was applied next",
        entry.id, entry.session, entry.serial
    )
}

fn applied_wrongly(entry: &EntryFact, open: Option<&Open>) -> String {
    let why = match open {
        None => "whose session is not open",
        Some(open) if entry.serial < open.settled.max(entry.settled).max(1) => "which is settled",
        Some(open) if open.answers.contains_key(&entry.serial) => "which was answered before",
        Some(_) => "which ends its session",
    };
    format!(
        "applied {} (session {} serial {}), {why}",
        entry.id, entry.session, entry.serial
    )
}

#[cfg(test)]
mod tests;
