//! Clients at work: each does one operation of the plan after the other, and stays with it until
//! it is answered, refused for good, or given up.
//!
//! A client with a session tries again under the same serial wherever it likes; one without takes
//! every doubt as its answer. What a client may conclude from an answer is [`judge`]'s, in one
//! place, because the histories that are checked rest on it.

use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use raft_core::time::Time;
use raft_node::error::{NotSent, ReadError, SubmitError, Uncertain};
use raft_node::handle::{
    Handle, KeepingSession, OpeningSession, Reading, SessionCommand, Submission,
};
use raft_node::state_machine::StateMachine;

use crate::checkers::sessions::Ending;
use crate::checkers::{Due, SubmissionId};
use crate::history::OperationId;
use crate::spy::SpyMachine;
use crate::subject::Glance;
use crate::window::{Shared, Ticket};
use crate::workload::{ClientPlan, Manner};
use crate::world::Asked;

/// The handle of a node that runs `M`.
pub(crate) type NodeHandle<M> = Handle<SpyMachine<M>>;

/// One client.
pub(crate) struct Client<M> {
    pub(crate) plan: ClientPlan,
    /// The operations that wait for it, by number.
    pub(crate) queue: VecDeque<usize>,
    /// The operation it is at.
    pub(crate) current: Option<Current<M>>,
    /// The word that it is there, while that is under way.
    pub(crate) keeping: Option<Keeping>,
    /// How often it has said that it is there.
    words: u32,
    /// Its session, and whoever shares it.
    window: Shared,
    /// How often it has turned to a node: tells which of its impatiences is meant.
    pub(crate) attempt: u64,
    pub(crate) waker: Waker,
}

/// A client's word that it is there.
pub(crate) struct Keeping {
    word: KeepingSession,
    session: u64,
    /// The node that was told, by number.
    pub(crate) node: usize,
}

/// What came of a client's word that it is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kept {
    /// Its session is open.
    Open(u64),
    /// Its session is no more.
    Ended(u64),
    /// Nobody knows.
    Unknown,
}

/// An operation that a client is at.
pub(crate) struct Current<M> {
    /// Its number in the history.
    pub(crate) entry: OperationId,
    pub(crate) asked: Asked,
    /// How to read, if it is a read.
    pub(crate) read: Option<Glance<M>>,
    /// What it is called in its session, once it was submitted under one.
    ticket: Option<Ticket>,
    /// How often it was tried.
    pub(crate) tries: u32,
    /// Whether an earlier try may have been applied.
    pub(crate) doubtful: bool,
    pub(crate) waiting: Option<Waiting>,
    /// The node that is asked, by number.
    pub(crate) node: usize,
    /// When it was, by its own clock.
    pub(crate) since: Time,
    /// The present try, as the checks know it; only commands have one.
    pub(crate) submission: Option<SubmissionId>,
}

/// What a client waits for.
pub(crate) enum Waiting {
    Session(OpeningSession),
    Answer(Submission),
    /// A read, and what it must show.
    Read {
        /// The answer, and how many commands it shows.
        reading: Reading<(Bytes, usize)>,
        due: Due,
    },
}

/// What came of one try.
pub(crate) enum Outcome {
    /// The session is open; now the command itself can be submitted.
    SessionOpened,
    /// The answer of the state machine.
    Answered(Bytes),
    /// The answer to a read, what it must show, and how many commands it does.
    Read { reply: Bytes, due: Due, seen: usize },
    /// Nothing.
    Failed(Conclusion),
    /// Nothing, since the time is over that the node had for it.
    TimedOut(Conclusion),
    /// It has no reply, because of its session.
    Ended {
        /// Session and serial.
        command: (u64, u64),
        /// Why.
        ending: Ending,
    },
}

/// What a client may conclude from a try without answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Conclusion {
    /// Nothing was done by this try, and it may be tried again.
    Harmless,
    /// Nothing was done by this try, and none will fare better.
    Refused,
    /// Nothing was done by this try, and the session is no more.
    Expired,
    /// It may have been done, or may yet be.
    Doubtful,
    /// It may have been done, and no try will ever be answered.
    Forgotten,
}

impl<M: StateMachine> Client<M> {
    pub(crate) fn new(plan: ClientPlan, waker: Waker, window: Shared) -> Self {
        Self {
            plan,
            queue: VecDeque::new(),
            current: None,
            keeping: None,
            words: 0,
            window,
            attempt: 0,
            waker,
        }
    }

    /// Where to turn with the next try.
    pub(crate) fn next_node(&self, nodes: usize) -> usize {
        let tries = self.current.as_ref().map_or(0, |current| current.tries);
        (usize::from(self.plan.home) + tries as usize) % nodes.max(1)
    }

    /// Turns to a node, whose clock shows this: submits, reads, or opens a session first.
    ///
    /// Answers the command if one was submitted. `due`: what a read must show, if it is one.
    pub(crate) fn turn_to(
        &mut self,
        (node, since): (usize, Time),
        handle: &NodeHandle<M>,
        due: Option<Due>,
    ) -> Option<Bytes> {
        let current = self.current.as_mut()?;
        (current.node, current.since) = (node, since);
        let payload = &current.asked.command;
        if let (Some(read), Some(due)) = (current.read.clone(), due) {
            let look = move |machine: &SpyMachine<M>| (read(machine.inner()), machine.applied());
            let reading = handle.read(look);
            current.waiting = Some(Waiting::Read { reading, due });
            return None;
        }
        let waiting = match self.plan.manner {
            Manner::Plain => Waiting::Answer(handle.submit(payload.clone())),
            Manner::Session => {
                let mut window = self.window.borrow_mut();
                current.ticket = match current.ticket {
                    Some(ticket) => Some(window.renew(ticket)),
                    None => window.draw(),
                };
                match current.ticket {
                    None => Waiting::Session(handle.open_session()),
                    Some(ticket) => Waiting::Answer(handle.submit_as(SessionCommand {
                        session: ticket.session,
                        serial: ticket.serial,
                        settled: ticket.settled,
                        payload: payload.clone(),
                    })),
                }
            }
        };
        let submits = matches!(waiting, Waiting::Answer(_));
        current.waiting = Some(waiting);
        submits.then(|| current.asked.command.clone())
    }

    /// Looks whether there is an answer.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Outcome> {
        let Some(current) = &mut self.current else {
            return Poll::Pending;
        };
        let outcome = match &mut current.waiting {
            None => return Poll::Pending,
            Some(Waiting::Session(opening)) => match Pin::new(opening).poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(session)) => {
                    self.window.borrow_mut().enter(session);
                    Outcome::SessionOpened
                }
                // An open session that nobody uses harms nobody.
                Poll::Ready(Err(error)) if is_late(&error) => {
                    Outcome::TimedOut(Conclusion::Harmless)
                }
                Poll::Ready(Err(_)) => Outcome::Failed(Conclusion::Harmless),
            },
            Some(Waiting::Answer(submission)) => match Pin::new(submission).poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(reply)) => Outcome::Answered(reply),
                Poll::Ready(Err(error)) => judge(&error),
            },
            Some(Waiting::Read { reading, due }) => match Pin::new(reading).poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok((reply, seen))) => Outcome::Read {
                    reply,
                    due: *due,
                    seen,
                },
                Poll::Ready(Err(ReadError::TimedOut)) => Outcome::TimedOut(Conclusion::Harmless),
                Poll::Ready(Err(
                    ReadError::Overloaded { .. }
                    | ReadError::Witness
                    | ReadError::Removed
                    | ReadError::Stopped,
                )) => Outcome::Failed(Conclusion::Harmless),
            },
        };
        current.waiting = None;
        Poll::Ready(outcome)
    }

    /// Where to say next that it is there: who was no help is not asked twice in a row.
    pub(crate) const fn next_listener(&mut self, nodes: usize) -> usize {
        self.words = self.words.wrapping_add(1);
        let nodes = if nodes == 0 { 1 } else { nodes };
        (self.plan.home as usize + self.words as usize) % nodes
    }

    /// Says to a node that it is there, if it has a session. What it has said before and not heard
    /// of, it never will.
    pub(crate) fn keep(&mut self, node: usize, handle: &NodeHandle<M>) -> bool {
        let kept = self.window.borrow().settled();
        self.keeping = kept.map(|(session, settled)| Keeping {
            word: handle.keep_session(session, settled),
            session,
            node,
        });
        self.keeping.is_some()
    }

    /// Looks what came of its word that it is there.
    pub(crate) fn poll_keeping(&mut self, cx: &mut Context<'_>) -> Poll<Kept> {
        let Some(keeping) = &mut self.keeping else {
            return Poll::Pending;
        };
        let session = keeping.session;
        let kept = match Pin::new(&mut keeping.word).poll(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(())) => Kept::Open(session),
            Poll::Ready(Err(SubmitError::SessionExpired { .. })) => Kept::Ended(session),
            Poll::Ready(Err(_)) => Kept::Unknown,
        };
        self.keeping = None;
        if kept == Kept::Ended(session) {
            self.window.borrow_mut().end(session);
        }
        Poll::Ready(kept)
    }

    /// Forgets the session of what it is at: it has expired.
    pub(crate) fn leave_session(&mut self) {
        let ticket = self
            .current
            .as_mut()
            .and_then(|current| current.ticket.take());
        if let Some(ticket) = ticket {
            self.window.borrow_mut().leave(ticket);
        }
    }

    /// Ends what it is at: it is answered or given up.
    pub(crate) fn finish(&mut self) -> Option<Current<M>> {
        let current = self.current.take()?;
        if let Some(ticket) = current.ticket {
            self.window.borrow_mut().close(ticket);
        }
        Some(current)
    }

    /// Whether it can't submit before its session is open.
    pub(crate) fn lacks_session(&self) -> bool {
        let Some(current) = &self.current else {
            return false;
        };
        self.plan.manner == Manner::Session
            && current.read.is_none()
            && current.ticket.is_none()
            && !self.window.borrow().has_session()
    }

    /// Whether it waits for a session that it opens, to be used by this other client as well.
    pub(crate) fn opens_for(&self, other: &Self) -> bool {
        let waiting = self.current.as_ref().and_then(|one| one.waiting.as_ref());
        matches!(waiting, Some(Waiting::Session(_))) && Rc::ptr_eq(&self.window, &other.window)
    }

    /// What it is at, for a report.
    pub(crate) fn describe(&self) -> String {
        match &self.current {
            None => "for a new operation".to_owned(),
            Some(current) => {
                let what = match current.waiting {
                    None => "nothing yet",
                    Some(Waiting::Session(_)) => "a session",
                    Some(Waiting::Answer(_)) => "an answer",
                    Some(Waiting::Read { .. }) => "a read",
                };
                format!(
                    "for {what} of node {}, try {}",
                    current.node + 1,
                    current.tries
                )
            }
        }
    }
}

impl<M> Current<M> {
    pub(crate) const fn new(entry: OperationId, asked: Asked, read: Option<Glance<M>>) -> Self {
        Self {
            entry,
            asked,
            read,
            ticket: None,
            tries: 0,
            doubtful: false,
            waiting: None,
            node: 0,
            since: Time::ZERO,
            submission: None,
        }
    }
}

/// Whether the time is over that the node had.
const fn is_late(error: &SubmitError) -> bool {
    matches!(
        error,
        SubmitError::NotSent(NotSent::NoLeader)
            | SubmitError::Unknown {
                why: Uncertain::TimedOut,
                ..
            }
    )
}

/// What a client may conclude from an error.
const fn judge(error: &SubmitError) -> Outcome {
    let (session, serial, ending) = match *error {
        SubmitError::NotSent(NotSent::NoLeader) => {
            return Outcome::TimedOut(Conclusion::Harmless);
        }
        SubmitError::Overloaded { .. } | SubmitError::NotSent(_) => {
            return Outcome::Failed(Conclusion::Harmless);
        }
        SubmitError::Unknown { .. } if is_late(error) => {
            return Outcome::TimedOut(Conclusion::Doubtful);
        }
        SubmitError::TooLarge { .. } | SubmitError::NoSession => {
            return Outcome::Failed(Conclusion::Refused);
        }
        SubmitError::Unknown { .. } => return Outcome::Failed(Conclusion::Doubtful),
        SubmitError::SessionExpired { session, serial } => (session, serial, Ending::Expired),
        SubmitError::Settled { session, serial } => (session, serial, Ending::Settled),
        SubmitError::ReplyForgotten { session, serial } => (session, serial, Ending::Forgotten),
    };
    Outcome::Ended {
        command: (session, serial),
        ending,
    }
}

impl Ending {
    /// What a client may conclude.
    pub(crate) const fn conclusion(self) -> Conclusion {
        match self {
            Self::Expired => Conclusion::Expired,
            Self::Settled | Self::Forgotten => Conclusion::Forgotten,
        }
    }
}
