//! The desk between handles and driver: requests in, outcomes out, behind one mutex.
//!
//! A slab of slots holds what is under way, so that a submission costs no channel and no
//! allocation of its own. A slot is free again when its outcome was taken or nobody wants it.
//!
//! - The driver answers each slot exactly once, abandoned or not.
//! - Slots under way are at most the limit, and so are the bytes of their commands.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

use crate::error::{NotSent, SubmitError};
use crate::handle::{STOPPED, SessionCommand};
use crate::session::CONTROL_SESSION;
use crate::status::{Phase, Status};

/// See the module.
#[derive(Debug)]
pub(crate) struct Desk {
    inner: Mutex<Inner>,
    limits: DeskLimits,
}

/// What the desk takes at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DeskLimits {
    pub(crate) requests: usize,
    pub(crate) bytes: usize,
    pub(crate) payload_bytes: usize,
    /// It takes nothing then.
    pub(crate) is_witness: bool,
}

#[derive(Debug)]
struct Inner {
    inbox: Vec<Request>,
    slots: Vec<Slot>,
    free: Vec<u32>,
    under_way: usize,
    bytes: usize,
    driver: Option<Waker>,
    shutdown: bool,
    wants_snapshot: bool,
    closed: bool,
    status: Status,
}

#[derive(Debug)]
struct Slot {
    generation: u32,
    bytes: usize,
    state: SlotState,
}

#[derive(Debug)]
enum SlotState {
    Free,
    Waiting(Option<Waker>),
    Abandoned,
    Done(Result<Answered, SubmitError>),
}

/// A slot in one of its lives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Ask {
    slot: u32,
    generation: u32,
}

/// What someone wants of the driver.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) ask: Ask,
    pub(crate) sought: Sought,
}

/// What can be wanted.
#[derive(Debug)]
pub(crate) enum Sought {
    Submit { payload: Bytes },
    SubmitAs(SessionCommand),
    OpenSession,
}

/// What can be wanted of a driver beside what has an outcome.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Wishes {
    pub(crate) shutdown: bool,
    pub(crate) snapshot: bool,
}

/// A success.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Answered {
    Reply(Bytes),
    Session(u64),
}

/// An outcome on its way to whoever asked.
pub(crate) type Settled = (Ask, Result<Answered, SubmitError>);

impl Desk {
    pub(crate) fn new(limits: DeskLimits, status: Status) -> Self {
        let inner = Inner {
            inbox: Vec::new(),
            slots: Vec::new(),
            free: Vec::new(),
            under_way: 0,
            bytes: 0,
            driver: None,
            shutdown: false,
            wants_snapshot: false,
            closed: false,
            status,
        };
        Self {
            inner: Mutex::new(inner),
            limits,
        }
    }

    /// Whether this is a witness's desk: it answers nobody.
    pub(crate) const fn is_witness(&self) -> bool {
        self.limits.is_witness
    }

    /// Queues a request.
    pub(crate) fn ask(&self, sought: Sought) -> Result<Ask, SubmitError> {
        let bytes = match &sought {
            Sought::Submit { payload } => payload.len(),
            Sought::SubmitAs(command) if command.session == CONTROL_SESSION => {
                return Err(SubmitError::NoSession);
            }
            Sought::SubmitAs(command) => command.payload.len(),
            Sought::OpenSession => 0,
        };
        if bytes > self.limits.payload_bytes {
            return Err(SubmitError::TooLarge {
                bytes,
                limit: self.limits.payload_bytes,
            });
        }
        let mut inner = self.lock();
        if inner.closed {
            return Err(STOPPED);
        }
        if self.limits.is_witness {
            return Err(SubmitError::NotSent(NotSent::Witness));
        }
        inner.check_room(bytes, self.limits)?;
        let ask = inner.open_slot(bytes);
        inner.inbox.push(Request { ask, sought });
        let waker = inner.driver.take();
        drop(inner);
        wake(waker);
        Ok(ask)
    }

    /// The outcome, once there is one; only once.
    pub(crate) fn poll_answer(
        &self,
        ask: Ask,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Answered, SubmitError>> {
        let mut inner = self.lock();
        let Some(slot) = inner.slot(ask) else {
            return Poll::Ready(Err(STOPPED));
        };
        match &mut slot.state {
            SlotState::Waiting(waker) => {
                match waker {
                    Some(waker) => waker.clone_from(cx.waker()),
                    None => *waker = Some(cx.waker().clone()),
                }
                Poll::Pending
            }
            SlotState::Free | SlotState::Abandoned => Poll::Ready(Err(STOPPED)),
            SlotState::Done(_) => Poll::Ready(inner.free_slot(ask).unwrap_or(Err(STOPPED))),
        }
    }

    /// Nobody wants the outcome any more.
    pub(crate) fn abandon(&self, ask: Ask) {
        let mut inner = self.lock();
        let Some(slot) = inner.slot(ask) else {
            return;
        };
        match &slot.state {
            SlotState::Waiting(_) => slot.state = SlotState::Abandoned,
            SlotState::Done(_) => {
                inner.free_slot(ask);
            }
            SlotState::Free | SlotState::Abandoned => {}
        }
    }

    pub(crate) fn ask_for_shutdown(&self) {
        let mut inner = self.lock();
        inner.shutdown = true;
        let waker = inner.driver.take();
        drop(inner);
        wake(waker);
    }

    pub(crate) fn ask_for_snapshot(&self) {
        let mut inner = self.lock();
        inner.wants_snapshot = true;
        let waker = inner.driver.take();
        drop(inner);
        wake(waker);
    }

    pub(crate) fn wake_driver(&self) {
        let waker = self.lock().driver.take();
        wake(waker);
    }

    pub(crate) fn status(&self) -> Status {
        self.lock().status.clone()
    }

    /// For the driver: moves what was asked to `into` and remembers whom to wake for more.
    /// What else was asked for.
    pub(crate) fn take(&self, into: &mut Vec<Request>, cx: &mut Context<'_>) -> Wishes {
        let mut inner = self.lock();
        into.append(&mut inner.inbox);
        match &mut inner.driver {
            Some(driver) => driver.clone_from(cx.waker()),
            None => inner.driver = Some(cx.waker().clone()),
        }
        Wishes {
            shutdown: inner.shutdown,
            snapshot: core::mem::take(&mut inner.wants_snapshot),
        }
    }

    /// For the driver: hands out outcomes, and shows its status.
    pub(crate) fn settle(&self, outcomes: &mut Vec<Settled>, status: Option<&Status>) {
        let mut inner = self.lock();
        let mut wakers = Vec::new();
        for (ask, outcome) in outcomes.drain(..) {
            wakers.extend(inner.finish(ask, outcome));
        }
        if let Some(status) = status {
            inner.status.clone_from(status);
        }
        drop(inner);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// For the driver's end: takes no more requests, answers those not taken yet.
    pub(crate) fn close(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        inner.status.phase = Phase::Stopped;
        let mut wakers = Vec::new();
        for request in core::mem::take(&mut inner.inbox) {
            wakers.extend(inner.finish(request.ask, Err(STOPPED)));
        }
        drop(inner);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// How many slots there ever were at a time.
    #[cfg(test)]
    pub(crate) fn slots(&self) -> usize {
        self.lock().slots.len()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn check_room(&self, bytes: usize, limits: DeskLimits) -> Result<(), SubmitError> {
        let (under_way, limit) = if self.under_way >= limits.requests {
            (self.under_way, limits.requests)
        } else if self.bytes.saturating_add(bytes) > limits.bytes {
            (self.bytes, limits.bytes)
        } else {
            return Ok(());
        };
        Err(SubmitError::Overloaded { under_way, limit })
    }

    fn open_slot(&mut self, bytes: usize) -> Ask {
        self.under_way = self.under_way.saturating_add(1);
        self.bytes = self.bytes.saturating_add(bytes);
        let waiting = SlotState::Waiting(None);
        if let Some(number) = self.free.pop() {
            if let Some(slot) = self.slots.get_mut(number as usize) {
                slot.state = waiting;
                slot.bytes = bytes;
                return Ask {
                    slot: number,
                    generation: slot.generation,
                };
            }
        }
        // The limit on requests keeps this far below 2^32: slots with an outcome that nobody has
        // fetched yet come on top, and those hold a future each.
        let slot = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        self.slots.push(Slot {
            generation: 0,
            bytes,
            state: waiting,
        });
        Ask {
            slot,
            generation: 0,
        }
    }

    fn finish(&mut self, ask: Ask, outcome: Result<Answered, SubmitError>) -> Option<Waker> {
        let slot = self.slot(ask)?;
        let bytes = core::mem::take(&mut slot.bytes);
        let waker = match &mut slot.state {
            SlotState::Waiting(waker) => {
                let waker = waker.take();
                slot.state = SlotState::Done(outcome);
                waker
            }
            SlotState::Abandoned => {
                self.free_slot(ask);
                None
            }
            SlotState::Free | SlotState::Done(_) => return None,
        };
        self.under_way = self.under_way.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
        waker
    }

    fn slot(&mut self, ask: Ask) -> Option<&mut Slot> {
        self.slots
            .get_mut(ask.slot as usize)
            .filter(|slot| slot.generation == ask.generation)
    }

    fn free_slot(&mut self, ask: Ask) -> Option<Result<Answered, SubmitError>> {
        let slot = self.slot(ask)?;
        slot.generation = slot.generation.wrapping_add(1);
        let state = core::mem::replace(&mut slot.state, SlotState::Free);
        self.free.push(ask.slot);
        match state {
            SlotState::Done(outcome) => Some(outcome),
            SlotState::Free | SlotState::Waiting(_) | SlotState::Abandoned => None,
        }
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

#[cfg(test)]
mod tests;
