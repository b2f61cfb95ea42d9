//! The driver: one poll loop over a hull and the world.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use raft_core::comms::Comms;
use raft_core::hull::Hull;
use raft_core::log::{Log, Recovered};
use raft_core::trace::Event;

use crate::clock::Clock;
use crate::desk::{Desk, DeskLimits};
use crate::error::{Exit, StartError};
use crate::handle::{Handle, ReadDesk};
use crate::letter::Letter;
use crate::settings::NodeSetup;
use crate::state_machine::StateMachine;
use crate::status::Status;

/// One node at work. Poll it; it ends when the node does.
pub struct Driver<L, C, K, S> {
    parts: Parts<L, C, K, S>,
    desk: Arc<Desk>,
}

/// What a driver works with.
pub struct Parts<L, C, K, S> {
    /// Where the log is kept.
    pub log: L,
    /// What carries letters.
    pub comms: C,
    /// The clock.
    pub clock: K,
    /// What is replicated.
    pub state_machine: S,
}

impl<L: Log, C: Comms<Letter>, K: Clock, S: StateMachine> Driver<L, C, K, S> {
    /// Starts a node on what its log has recovered.
    ///
    /// # Errors
    ///
    /// See [`StartError`]; nothing was changed.
    pub fn start(
        setup: NodeSetup,
        parts: Parts<L, C, K, S>,
        recovered: Recovered,
    ) -> Result<(Self, Handle<S>), StartError> {
        let _ = recovered;
        let limits = DeskLimits {
            requests: setup.settings.max_requests,
            bytes: setup.settings.max_request_bytes,
            payload_bytes: setup.settings.raft.max_payload_bytes,
        };
        let desk = Arc::new(Desk::new(limits, Status::new(setup.id)));
        let reads = Arc::new(ReadDesk::new(setup.settings.max_requests));
        let handle = Handle::new(desk.clone(), reads);
        Ok((Self { parts, desk }, handle))
    }

    /// The hull, once the cluster is founded.
    pub fn hull(&self) -> Option<&Hull> {
        None
    }

    /// The user's state machine, as far as it has been applied.
    pub fn state_machine(&self) -> &S {
        &self.parts.state_machine
    }

    /// The hull's events since the last call, at most
    /// [`NodeSettings::kept_events`](crate::settings::NodeSettings::kept_events) of them.
    pub fn take_events(&mut self) -> Vec<Event> {
        Vec::new()
    }
}

impl<L: Log, C: Comms<Letter>, K: Clock, S: StateMachine> Future for Driver<L, C, K, S> {
    type Output = Exit;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Exit> {
        if self.desk.take(&mut Vec::new(), cx) {
            return Poll::Ready(Exit::Shutdown);
        }
        Poll::Pending
    }
}

// Nothing in a driver is pinned in place.
impl<L, C, K, S> Unpin for Driver<L, C, K, S> {}
