//! Requests to change the members, between whoever asks and the hull (paper 6; thesis 4).

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_channel::oneshot;
use raft_core::configuration::Members;
use raft_core::hull::{Hull, Input, Outcome, Reconfigure, Resolved};
use raft_core::ids::{EntryId, Ticket};
use raft_core::rules::plan::Plan;
use raft_core::time::Time;

use crate::error::{PlanError, ReconfigureError};
use crate::waiting::{MAX_WAITING, Waiting};

/// A change of members under way, or the end of one. Resolves exactly once: to the entry since
/// which the wanted members decide alone (or those from before, where a change was cancelled), or
/// to why that is not so. Dropping it takes nothing back.
#[derive(Debug)]
#[must_use = "the outcome is only known by awaiting it"]
pub struct Reconfiguring(oneshot::Receiver<Result<EntryId, ReconfigureError>>);

impl Future for Reconfiguring {
    type Output = Result<EntryId, ReconfigureError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0)
            .poll(cx)
            .map(|answer| answer.unwrap_or(Err(ReconfigureError::Stopped)))
    }
}

/// A plan being made.
#[derive(Debug)]
#[must_use = "the plan is only known by awaiting it"]
pub struct Planning(oneshot::Receiver<Result<Plan, PlanError>>);

impl Future for Planning {
    type Output = Result<Plan, PlanError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0)
            .poll(cx)
            .map(|answer| answer.unwrap_or(Err(PlanError::Stopped)))
    }
}

/// Who waits for the outcome of a change.
type Answer = oneshot::Sender<Result<EntryId, ReconfigureError>>;

/// Where requests wait for the driver.
#[derive(Debug, Default)]
pub(crate) struct MembershipDesk(Waiting<Asked>);

/// One request. Who asked is told that the node has stopped when this is dropped.
#[derive(Debug)]
enum Asked {
    Change(Members, Answer),
    Cancel(Answer),
    Plan(Members, oneshot::Sender<Result<Plan, PlanError>>),
}

impl Asked {
    /// Answers that nothing was begun.
    fn refuse(self, error: ReconfigureError, plan_error: PlanError) {
        // Nobody may be waiting any more; that is theirs to decide.
        match self {
            Self::Change(_, answer) | Self::Cancel(answer) => {
                let _ = answer.send(Err(error));
            }
            Self::Plan(_, answer) => {
                let _ = answer.send(Err(plan_error));
            }
        }
    }
}

impl MembershipDesk {
    /// Queues a wish for other members.
    pub(crate) fn change(&self, target: Members) -> Reconfiguring {
        let (answer, outcome) = oneshot::channel();
        self.push(Asked::Change(target, answer));
        Reconfiguring(outcome)
    }

    /// Queues a wish to give up the change under way.
    pub(crate) fn cancel(&self) -> Reconfiguring {
        let (answer, outcome) = oneshot::channel();
        self.push(Asked::Cancel(answer));
        Reconfiguring(outcome)
    }

    /// Queues a question for what a change would go through.
    pub(crate) fn plan(&self, target: Members) -> Planning {
        let (answer, outcome) = oneshot::channel();
        self.push(Asked::Plan(target, answer));
        Planning(outcome)
    }

    /// A cluster changes once at a time, so that few can be of use.
    fn push(&self, asked: Asked) {
        if let Err(asked) = self.0.push(asked) {
            let limit = MAX_WAITING;
            asked.refuse(
                ReconfigureError::Overloaded { limit },
                PlanError::Overloaded { limit },
            );
        }
    }

    /// Takes no more requests, and gives those queued their outcome.
    pub(crate) fn close(&self) {
        self.0.close();
    }
}

/// The requests that the hull has, by their tickets.
///
/// - A ticket of these is never one of a proposal's, nor of a request to hand over: see
///   [`FIRST_TICKET`].
#[derive(Debug, Default)]
pub(crate) struct Changes {
    under_way: BTreeMap<Ticket, Answer>,
    asked: u64,
}

impl Changes {
    /// Hands the hull all that was asked; whether there was any.
    pub(crate) fn take_from(
        &mut self,
        desk: &MembershipDesk,
        hull: Option<&mut Hull>,
        now: Time,
    ) -> bool {
        let asked = desk.0.take();
        let Some(hull) = hull else {
            for asked in asked {
                asked.refuse(ReconfigureError::NotFounded, PlanError::NotFounded);
            }
            return false;
        };
        let any = !asked.is_empty();
        for asked in asked {
            match asked {
                Asked::Change(target, answer) => {
                    let ticket = self.keep(answer);
                    let wish = Reconfigure { ticket, target };
                    hull.step(now, Input::Reconfigure(wish));
                }
                Asked::Cancel(answer) => {
                    let ticket = self.keep(answer);
                    hull.step(now, Input::CancelReconfigure(ticket));
                }
                Asked::Plan(target, answer) => {
                    let _ = answer.send(hull.plan(&target).map_err(PlanError::Target));
                }
            }
        }
        any
    }

    fn keep(&mut self, answer: Answer) -> Ticket {
        let ticket = Ticket::new(FIRST_TICKET | self.asked);
        self.asked = self.asked.wrapping_add(1) & !FIRST_TICKET;
        self.under_way.insert(ticket, answer);
        ticket
    }

    /// Tells who asked what became of it, if the ticket is of a request to change the members.
    pub(crate) fn on_resolved(&mut self, resolved: &Resolved) -> bool {
        let Some(answer) = self.under_way.remove(&resolved.ticket) else {
            return false;
        };
        let outcome = match resolved.outcome {
            Outcome::Committed(id) => Ok(id),
            Outcome::Withdrawn(why) => Err(ReconfigureError::Withdrawn(why)),
            Outcome::Refused(refusal) => Err(ReconfigureError::Refused(refusal)),
            Outcome::Unknown { why, .. } => Err(ReconfigureError::Unknown(why)),
            // The outcomes of reads and of requests to hand over, which these are not.
            Outcome::ReadAt(_) | Outcome::HandedOver { .. } | Outcome::NotHandedOver(_) => {
                Err(ReconfigureError::Stopped)
            }
        };
        let _ = answer.send(outcome);
        true
    }

    /// Gives everything its outcome: the node stops.
    pub(crate) fn stop(&mut self, desk: &MembershipDesk) {
        desk.close();
        self.under_way.clear();
    }
}

/// Tickets from here on are of requests to change the members. Those of requests to hand over begin
/// half as high and count up by one a request: they never get here.
const FIRST_TICKET: u64 = 3 << 62;
