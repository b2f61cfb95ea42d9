//! Why a node does not get on, for whoever is called at night: what the hull says of it, with the
//! node around it, as one value that prints as a few lines.
//!
//! The driver answers between two turns, so that what is said belongs together. A node whose driver
//! gets no turns says nothing; its [`Status`] then stays what it was.

use core::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use futures_channel::oneshot;
use raft_core::explain::{HullStatus, NoLeader, NotChanged, NotCommitted, NotReadable};
use raft_core::hull::Hull;
use raft_core::ids::LogIndex;
use raft_core::time::Time;

use crate::error::ReadError;
use crate::status::{Phase, Status};

/// What a node knows of why it does not get on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Explanation {
    /// The node.
    pub status: Status,
    /// Its hull, once there is one.
    pub hull: Option<HullStatus>,
    /// Why it neither leads nor hears a leader; empty when it does, while there is no hull, and
    /// after the node has stopped, when [`Status::fault`] says all.
    pub no_leader: Vec<NoLeader>,
    /// The entry that was asked about; otherwise the first one of its log that it does not count as
    /// committed, if there is one.
    pub entry: Option<LogIndex>,
    /// Why it does not count that entry as committed; empty when it does.
    pub not_committed: Vec<NotCommitted>,
    /// Why a linearizable read would wait at its hull or be refused there. What is read on a
    /// follower is confirmed by the leader it names.
    pub not_readable: Vec<NotReadable>,
    /// Why the change of members that is under way is not over; empty when none is.
    pub not_changed: Vec<NotChanged>,
}

impl Explanation {
    /// What a node says of itself whose hull is not there yet, or no longer at work.
    pub(crate) const fn of_status(
        status: Status,
        hull: Option<HullStatus>,
        entry: Option<LogIndex>,
    ) -> Self {
        Self {
            status,
            hull,
            no_leader: Vec::new(),
            entry,
            not_committed: Vec::new(),
            not_readable: Vec::new(),
            not_changed: Vec::new(),
        }
    }

    /// What a node with a hull at work says.
    pub(crate) fn of_hull(status: Status, hull: &Hull, entry: Option<LogIndex>, now: Time) -> Self {
        let first = hull.commit_index().next();
        let entry = entry.or_else(|| Some(first).filter(|first| *first <= hull.last().index));
        let why = |index| hull.why_not_committed(index, now);
        Self {
            status,
            hull: Some(hull.status(now)),
            no_leader: hull.why_no_leader(now),
            entry,
            not_committed: entry.map_or_else(Vec::new, why),
            not_readable: hull.why_not_readable(),
            not_changed: hull.why_not_changed(now),
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = &self.status;
        match (&self.hull, status.phase) {
            (Some(hull), _) => write!(
                f,
                "{} is {:?} in {}: log to {}, durable to {}, committed to {}, applied to {}",
                status.id,
                hull.role,
                hull.term,
                hull.last,
                hull.durable_index,
                hull.commit_index,
                status.applied_index
            )?,
            (None, Phase::Founding | Phase::Joining) => waits(f, status)?,
            (None, phase) => write!(f, "{} is {phase:?}", status.id)?,
        }
        if let Some(fault) = &status.fault {
            write!(f, "\nit has stopped: {fault}")?;
        }
        if !self.no_leader.is_empty() {
            f.write_str("\nit knows no leader that it hears:")?;
        }
        self.no_leader
            .iter()
            .try_for_each(|why| write!(f, "\n- {why}"))?;
        if let (Some(entry), false) = (self.entry, self.not_committed.is_empty()) {
            write!(f, "\n{entry} does not count as committed:")?;
        }
        self.not_committed
            .iter()
            .try_for_each(|why| write!(f, "\n- {why}"))?;
        // That others lead is no news to who reads of a follower.
        let news = |why: &&NotReadable| {
            !matches!(
                why,
                NotReadable::LeaderConfirms { .. } | NotReadable::NobodyLeads
            )
        };
        let mut waits = self.not_readable.iter().filter(news).peekable();
        if waits.peek().is_some() {
            f.write_str("\nreads wait:")?;
        }
        waits.try_for_each(|why| write!(f, "\n- {why}"))?;
        if !self.not_changed.is_empty() {
            f.write_str("\na change of members is under way:")?;
        }
        self.not_changed
            .iter()
            .try_for_each(|why| write!(f, "\n- {why}"))
    }
}

/// What a node waits for that has no cluster yet.
fn waits(f: &mut fmt::Formatter<'_>, status: &Status) -> fmt::Result {
    let id = status.id;
    let names = status.missing_founders.iter();
    let names: String = names.map(|name| format!(" {name}")).collect();
    match (status.phase, status.me) {
        (Phase::Joining, Some(me)) => write!(
            f,
            "{id} waits to be added to the cluster, as {me:?}: it asks{names} how that began"
        ),
        _ => write!(
            f,
            "{id} waits for the cluster to be founded, for which all founders must be up:{names} \
             did not agree yet"
        ),
    }
}

/// An explanation under way.
#[derive(Debug)]
#[must_use = "the explanation is only known by awaiting it"]
pub struct Explaining(oneshot::Receiver<Result<Explanation, ReadError>>);

impl Future for Explaining {
    type Output = Result<Explanation, ReadError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0)
            .poll(cx)
            .map(|answer| answer.unwrap_or(Err(ReadError::Stopped)))
    }
}

/// Where whoever asks for explanations waits for the driver.
#[derive(Debug)]
pub(crate) struct Inquiries {
    inner: Mutex<Queue>,
    limit: usize,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Vec<Inquiry>,
    /// What is told once the driver has ended.
    end: Option<Box<Explanation>>,
}

/// What is asked, and where the answer goes.
#[derive(Debug)]
pub(crate) struct Inquiry {
    pub(crate) entry: Option<LogIndex>,
    answer: oneshot::Sender<Result<Explanation, ReadError>>,
}

impl Inquiry {
    pub(crate) fn answer(self, explanation: Explanation) {
        // Nobody may be waiting any more; that is theirs to decide.
        let _ = self.answer.send(Ok(explanation));
    }
}

impl Inquiries {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            inner: Mutex::default(),
            limit,
        }
    }

    /// Asks about an entry, or in general. The caller wakes the driver.
    pub(crate) fn ask(&self, entry: Option<LogIndex>) -> Explaining {
        let (answer, explaining) = oneshot::channel();
        let mut queue = self.lock();
        let (under_way, limit) = (queue.waiting.len(), self.limit);
        if let Some(end) = &queue.end {
            let end = Explanation {
                entry,
                ..Explanation::clone(end)
            };
            let _ = answer.send(Ok(end));
        } else if under_way >= limit {
            let _ = answer.send(Err(ReadError::Overloaded { under_way, limit }));
        } else {
            queue.waiting.push(Inquiry { entry, answer });
        }
        Explaining(explaining)
    }

    /// For the driver: what was asked since.
    pub(crate) fn take(&self) -> Vec<Inquiry> {
        core::mem::take(&mut self.lock().waiting)
    }

    /// For the driver's end: the last word, also to those who will ask.
    pub(crate) fn close(&self, end: &Explanation) {
        let waiting = {
            let mut queue = self.lock();
            queue.end = Some(Box::new(end.clone()));
            core::mem::take(&mut queue.waiting)
        };
        for inquiry in waiting {
            inquiry.answer(end.clone());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
