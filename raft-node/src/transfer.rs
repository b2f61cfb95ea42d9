//! Requests to hand over leadership, between whoever asks and the hull (thesis 3.10).

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_channel::oneshot;
use raft_core::hull::{Hull, Input, Outcome, Resolved, Transfer};
use raft_core::ids::{NodeId, Ticket};
use raft_core::time::Time;

use crate::error::TransferError;
use crate::waiting::{MAX_WAITING, Waiting};

/// A request to hand over, under way. Resolves exactly once: to who was told to take over, or to
/// why leadership was not handed over. Dropping it takes nothing back.
#[derive(Debug)]
#[must_use = "the outcome is only known by awaiting it"]
pub struct HandingOver(oneshot::Receiver<Result<NodeId, TransferError>>);

impl Future for HandingOver {
    type Output = Result<NodeId, TransferError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0)
            .poll(cx)
            .map(|answer| answer.unwrap_or(Err(TransferError::Stopped)))
    }
}

/// Who waits for the outcome.
type Answer = oneshot::Sender<Result<NodeId, TransferError>>;

/// Where requests wait for the driver.
#[derive(Debug, Default)]
pub(crate) struct TransferDesk(Waiting<Asked>);

/// One request. Who asked is told that the node has stopped when this is dropped.
#[derive(Debug)]
struct Asked {
    to: Option<NodeId>,
    answer: Answer,
}

impl TransferDesk {
    /// Queues a request. A node hands over once at a time, so that few can be of use.
    pub(crate) fn ask(&self, to: Option<NodeId>) -> HandingOver {
        let (answer, outcome) = oneshot::channel();
        if let Err(Asked { answer, .. }) = self.0.push(Asked { to, answer }) {
            let limit = MAX_WAITING;
            let _ = answer.send(Err(TransferError::Overloaded { limit }));
        }
        HandingOver(outcome)
    }

    /// Takes no more requests, and gives those queued their outcome.
    pub(crate) fn close(&self) {
        self.0.close();
    }
}

/// The requests that the hull has, by their tickets.
///
/// - A ticket of these is never one of a proposal's: see [`FIRST_TICKET`].
#[derive(Debug, Default)]
pub(crate) struct Transfers {
    under_way: BTreeMap<Ticket, Answer>,
    asked: u64,
}

impl Transfers {
    /// Hands the hull all that was asked; whether there was any.
    pub(crate) fn take_from(
        &mut self,
        desk: &TransferDesk,
        hull: Option<&mut Hull>,
        now: Time,
    ) -> bool {
        let asked = desk.0.take();
        let Some(hull) = hull else {
            for Asked { answer, .. } in asked {
                let _ = answer.send(Err(TransferError::NotFounded));
            }
            return false;
        };
        let any = !asked.is_empty();
        for Asked { to, answer } in asked {
            let ticket = Ticket::new(FIRST_TICKET | self.asked);
            self.asked = self.asked.wrapping_add(1) % FIRST_TICKET;
            self.under_way.insert(ticket, answer);
            hull.step(now, Input::Transfer(Transfer { ticket, to }));
        }
        any
    }

    /// Tells who asked what became of it, if the ticket is of a request to hand over.
    pub(crate) fn on_resolved(&mut self, resolved: &Resolved) -> bool {
        let Some(answer) = self.under_way.remove(&resolved.ticket) else {
            return false;
        };
        let outcome = match resolved.outcome {
            Outcome::HandedOver { to } => Ok(to),
            Outcome::NotHandedOver(why) => Err(TransferError::Failed(why)),
            Outcome::Refused(refusal) => Err(TransferError::Refused(refusal)),
            // The outcomes of proposals and reads, which these are not.
            _ => Err(TransferError::Stopped),
        };
        // Nobody may be waiting any more; that is theirs to decide.
        let _ = answer.send(outcome);
        true
    }

    /// Gives everything its outcome: the node stops.
    pub(crate) fn stop(&mut self, desk: &TransferDesk) {
        desk.close();
        self.under_way.clear();
    }
}

/// Tickets from here on are of requests to hand over. Those of proposals and reads end below it:
/// their upper half counts how often a slot was used, and begins again in time.
pub(crate) const FIRST_TICKET: u64 = 1 << 63;
