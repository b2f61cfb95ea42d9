//! What the rest of the program holds of a node: submit, read, ask, shut down.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_channel::oneshot;
use raft_core::configuration::Members;
use raft_core::ids::{LogIndex, NodeId};

use crate::desk::{Answered, Ask, Desk, Sought};
use crate::error::{NotSent, ReadError, SubmitError};
use crate::explain::{Explaining, Inquiries};
use crate::membership::{MembershipDesk, Planning, Reconfiguring};
use crate::session::NO_SERIAL;
use crate::state_machine::StateMachine;
use crate::status::Status;
use crate::transfer::{HandingOver, TransferDesk};

/// A node, from outside its driver. Cheap to clone.
///
/// Everything works on any node but a witness, which answers nobody: what only a leader can do is
/// forwarded to it.
pub struct Handle<S> {
    desk: Arc<Desk>,
    reads: Arc<ReadDesk<S>>,
    inquiries: Arc<Inquiries>,
    leadership: Leadership,
}

/// Where requests wait that only a leader can do and that are not forwarded.
#[derive(Clone, Debug, Default)]
pub(crate) struct Leadership {
    pub(crate) transfers: Arc<TransferDesk>,
    pub(crate) members: Arc<MembershipDesk>,
}

impl<S: StateMachine> Handle<S> {
    pub(crate) const fn new(
        desk: Arc<Desk>,
        reads: Arc<ReadDesk<S>>,
        inquiries: Arc<Inquiries>,
        leadership: Leadership,
    ) -> Self {
        Self {
            desk,
            reads,
            inquiries,
            leadership,
        }
    }

    /// Submits a command to the cluster: applied exactly once if the reply is a success, by the
    /// node's own session. The reply is the state machine's, from this node's copy of it.
    ///
    /// The command is under way from this call on, polled or not; dropping the submission only
    /// gives up its reply.
    pub fn submit(&self, payload: Bytes) -> Submission {
        self.ask(Sought::Submit { payload })
    }

    /// Submits a command of a session that this node does not own: for remote clients. The same
    /// session and serial submitted again, here or elsewhere, is applied once and answered alike;
    /// while the first is under way here, both wait for the one outcome.
    pub fn submit_as(&self, command: SessionCommand) -> Submission {
        self.ask(Sought::SubmitAs(command))
    }

    /// Opens a session in the log, for [`Handle::submit_as`]. From the lowest serial that its
    /// client has not settled to the highest it submits there are at most as many as the cluster's
    /// [`SessionLimits::max_answers`](crate::session::SessionLimits::max_answers); one more ends
    /// the session.
    pub fn open_session(&self) -> OpeningSession {
        OpeningSession(self.ask(Sought::OpenSession))
    }

    /// Says that the client of a session is there, so that the session does not end for want of use:
    /// for clients that have nothing to ask for long
    /// ([`SessionLimits::idle_time`](crate::session::SessionLimits::idle_time)). Costs an entry of
    /// the log. `settled` is as in [`SessionCommand::settled`].
    pub fn keep_session(&self, session: u64, settled: u64) -> KeepingSession {
        KeepingSession(self.submit_as(SessionCommand {
            session,
            serial: NO_SERIAL,
            settled,
            payload: Bytes::new(),
        }))
    }

    /// Runs `look` on the state, which then reflects everything that was acknowledged anywhere
    /// before this call (a linearizable read; paper 8). Costs a round of heartbeats for all reads
    /// that are queued together, and writes nothing; docs/reads.md says more.
    ///
    /// `look` runs in the node's own task: while it does, the node does nothing else, and a panic
    /// in it ends the node.
    pub fn read<R: Send + 'static>(
        &self,
        look: impl FnOnce(&S) -> R + Send + 'static,
    ) -> Reading<R> {
        self.queue_read(look, false)
    }

    /// Runs `look` on this node's state as it is, which may be out of date by any amount. It runs as
    /// in [`Handle::read`].
    pub fn read_stale<R: Send + 'static>(
        &self,
        look: impl FnOnce(&S) -> R + Send + 'static,
    ) -> Reading<R> {
        self.queue_read(look, true)
    }

    /// Asks this node, if it leads, to hand leadership over to another: to whoever is fit, of the
    /// highest priority, if nobody is named. Before a node is shut down this spares the cluster an
    /// election timeout without a leader. Until it is done or given up, which takes an election
    /// timeout at most, commands and reads wait. Unlike them it is not forwarded: ask the leader.
    pub fn hand_over(&self, to: Option<NodeId>) -> HandingOver {
        let outcome = self.leadership.transfers.ask(to);
        self.desk.wake_driver();
        outcome
    }

    /// Asks this node, if it leads, to make these *all* the members: those that stay, as
    /// [`Status::configuration`] has them, and those that come, each in the life that its own
    /// [`Status::me`] names and with the address that the others reach it at. A node that comes is
    /// started before, as one that joins
    /// ([`NodeSetup::joins`](crate::settings::NodeSetup::joins)).
    ///
    /// What is wanted stands in the log from the first step on, so that later leaders go on with
    /// it; docs/membership.md has the phases. Not forwarded: ask the leader.
    pub fn reconfigure(&self, target: Members) -> Reconfiguring {
        let outcome = self.leadership.members.change(target);
        self.desk.wake_driver();
        outcome
    }

    /// Asks this node, if it leads, to give up the change of members that waits for new ones to
    /// catch up. Once the voters are touched, the only way is forward: the request is refused.
    pub fn cancel_reconfigure(&self) -> Reconfiguring {
        let outcome = self.leadership.members.cancel();
        self.desk.wake_driver();
        outcome
    }

    /// Asks what a change to these members would go through, what each phase needs and survives,
    /// and what is risky. Changes nothing. How far behind members are only the leader knows.
    pub fn plan(&self, target: Members) -> Planning {
        let plan = self.leadership.members.plan(target);
        self.desk.wake_driver();
        plan
    }

    /// What the node says of itself, as of its driver's last turn.
    pub fn status(&self) -> Status {
        self.desk.status()
    }

    /// Asks why the node does not get on: which leader it lacks and why, and why the first entry
    /// that it does not count as committed is not. The answer prints as a few lines.
    ///
    /// A node whose driver gets no turns does not answer, and its [`Handle::status`] stands still.
    pub fn explain(&self) -> Explaining {
        self.inquire(None)
    }

    /// The same, about the entry at `index`.
    pub fn explain_entry(&self, index: LogIndex) -> Explaining {
        self.inquire(Some(index))
    }

    /// Asks this node to take a snapshot soon, whatever its settings say; before it is backed up,
    /// say. [`Status::snapshot`](crate::status::Status::snapshot) tells when there is one. Nothing
    /// happens if there is nothing new since the last one.
    pub fn take_snapshot(&self) {
        self.desk.ask_for_snapshot();
    }

    /// Asks the driver to end. Everything under way is given its outcome first; the driver then
    /// ends with [`Exit::Shutdown`](crate::error::Exit::Shutdown).
    pub fn shutdown(&self) {
        self.desk.ask_for_shutdown();
    }

    fn ask(&self, sought: Sought) -> Submission {
        Submission {
            desk: self.desk.clone(),
            ask: self.desk.ask(sought),
        }
    }

    fn inquire(&self, entry: Option<LogIndex>) -> Explaining {
        let explaining = self.inquiries.ask(entry);
        self.desk.wake_driver();
        explaining
    }

    fn queue_read<R: Send + 'static>(
        &self,
        look: impl FnOnce(&S) -> R + Send + 'static,
        stale: bool,
    ) -> Reading<R> {
        let (answer, reading) = oneshot::channel();
        let run = Box::new(move |state: Result<&S, ReadError>| {
            // Nobody may be waiting any more; that is theirs to decide.
            let _ = answer.send(state.map(look));
        });
        let job = ReadJob { stale, run };
        if self.desk.is_witness() {
            (job.run)(Err(ReadError::Witness));
        } else {
            self.reads.push(job);
            self.desk.wake_driver();
        }
        Reading(reading)
    }
}

impl<S> Clone for Handle<S> {
    fn clone(&self) -> Self {
        Self {
            desk: self.desk.clone(),
            reads: self.reads.clone(),
            inquiries: self.inquiries.clone(),
            leadership: self.leadership.clone(),
        }
    }
}

impl<S> core::fmt::Debug for Handle<S> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Handle")
            .field("status", &self.desk.status())
            .finish_non_exhaustive()
    }
}

/// A command of a client with a session of its own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionCommand {
    /// The session, from [`Handle::open_session`].
    pub session: u64,
    /// The command's number in it, from 1 on. Each new command has a higher one; a retry has the same.
    pub serial: u64,
    /// The client knows the answers of all serials below this one.
    pub settled: u64,
    /// The command.
    pub payload: Bytes,
}

/// A command under way. Resolves exactly once, to the reply or to why there is none.
#[derive(Debug)]
#[must_use = "the outcome is only known by awaiting it"]
pub struct Submission {
    desk: Arc<Desk>,
    ask: Result<Ask, SubmitError>,
}

impl Submission {
    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Result<Answered, SubmitError>> {
        match &self.ask {
            Ok(ask) => self.desk.poll_answer(*ask, cx),
            Err(error) => Poll::Ready(Err(*error)),
        }
    }
}

impl Future for Submission {
    type Output = Result<Bytes, SubmitError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_answer(cx).map_ok(|answered| match answered {
            Answered::Reply(reply) => reply,
            Answered::Session(_) => Bytes::new(),
        })
    }
}

impl Drop for Submission {
    fn drop(&mut self) {
        if let Ok(ask) = self.ask {
            self.desk.abandon(ask);
        }
    }
}

/// A session being opened. Resolves exactly once, to its number or to why there is none.
#[derive(Debug)]
#[must_use = "the outcome is only known by awaiting it"]
pub struct OpeningSession(Submission);

impl Future for OpeningSession {
    type Output = Result<u64, SubmitError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll_answer(cx).map_ok(|answered| match answered {
            Answered::Session(session) => session,
            Answered::Reply(_) => 0,
        })
    }
}

/// A word that a client is there, under way.
#[derive(Debug)]
#[must_use = "whether the session is still open is only known by awaiting it"]
pub struct KeepingSession(Submission);

impl Future for KeepingSession {
    type Output = Result<(), SubmitError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll_answer(cx).map(|answer| match answer {
            Ok(_) | Err(SubmitError::Settled { .. }) => Ok(()),
            Err(error) => Err(error),
        })
    }
}

/// A read under way.
#[derive(Debug)]
#[must_use = "the answer is only known by awaiting it"]
pub struct Reading<R>(oneshot::Receiver<Result<R, ReadError>>);

impl<R> Future for Reading<R> {
    type Output = Result<R, ReadError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0)
            .poll(cx)
            .map(|answer| answer.unwrap_or(Err(ReadError::Stopped)))
    }
}

/// Where reads wait for the driver.
pub(crate) struct ReadDesk<S> {
    inner: Mutex<ReadQueue<S>>,
    limit: usize,
}

struct ReadQueue<S> {
    jobs: Vec<ReadJob<S>>,
    /// Jobs the driver has taken and not answered yet.
    under_way: usize,
    closed: bool,
}

/// A read and where its answer goes.
pub(crate) struct ReadJob<S> {
    /// Whether any state will do.
    pub(crate) stale: bool,
    pub(crate) run: Look<S>,
}

/// What a reader does with the state, or is told instead.
type Look<S> = Box<dyn FnOnce(Result<&S, ReadError>) + Send>;

impl<S> ReadDesk<S> {
    pub(crate) const fn new(limit: usize) -> Self {
        let queue = ReadQueue {
            jobs: Vec::new(),
            under_way: 0,
            closed: false,
        };
        Self {
            inner: Mutex::new(queue),
            limit,
        }
    }

    fn push(&self, job: ReadJob<S>) {
        let mut queue = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let under_way = queue.jobs.len().saturating_add(queue.under_way);
        let refusal = if queue.closed {
            ReadError::Stopped
        } else if under_way >= self.limit {
            let limit = self.limit;
            ReadError::Overloaded { under_way, limit }
        } else {
            queue.jobs.push(job);
            return;
        };
        drop(queue);
        (job.run)(Err(refusal));
    }

    /// Moves what is queued to `into`; `answered` jobs of those taken before are done.
    pub(crate) fn take(&self, into: &mut Vec<ReadJob<S>>, answered: usize) {
        let mut queue = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        queue.under_way = queue
            .under_way
            .saturating_sub(answered)
            .saturating_add(queue.jobs.len());
        into.append(&mut queue.jobs);
    }

    /// Takes no more reads, and hands out those still queued.
    pub(crate) fn close(&self) -> Vec<ReadJob<S>> {
        let mut queue = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        queue.closed = true;
        core::mem::take(&mut queue.jobs)
    }
}

/// What a submission is told when its node has ended.
pub(crate) const STOPPED: SubmitError = SubmitError::NotSent(NotSent::Stopped);
