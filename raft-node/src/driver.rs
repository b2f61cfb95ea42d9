//! The driver: one poll loop over a hull and the world.
//!
//! Each poll takes turns. A turn looks at everything once, always in the same order: requests,
//! letters, the log's acknowledgements, entries loaded, what the store of snapshots has done, the founding, proposals, the hull's
//! outputs, time. Turns follow each other until one leaves nothing behind that no waker would
//! tell of. Letters and bytes applied are bounded per turn, so that a flood of either starves
//! neither the log nor the timers.
//!
//! The clock is read *after* an input was taken: a process that was stopped between the two must
//! not act on a stale "now".
//!
//! What is promised by a message waits for the disk inside the hull, so this loop may send
//! whatever it pulls. It decides no rule of Raft.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use raft_core::comms::Comms;
use raft_core::hull::{Hull, Setup};
use raft_core::ids::{Boot, ClusterId, EntryId, NodeId, Term};
use raft_core::log::{Loading, Log, Recovered};
use raft_core::store::SnapshotStore;
use raft_core::time::Time;
use raft_core::trace::Event;

use crate::applier::Applier;
use crate::clock::Clock;
use crate::desk::{Desk, DeskLimits, Request, Sought};
use crate::error::{Exit, NodeFault, StartError, Uncertain};
use crate::explain::{Explanation, Inquiries};
use crate::first_state::FirstState;
use crate::genesis::Genesis;
use crate::handle::{Handle, Leadership, ReadDesk, STOPPED};
use crate::identity::GenesisRecord;
use crate::letter::{Letter, Packet};
use crate::membership::Changes;
use crate::rare::Site;
use crate::settings::NodeSetup;
use crate::snapshots::Snapshots;
use crate::state_machine::StateMachine;
use crate::status::{Phase, Status};
use crate::tickets::{TicketLimits, Tickets};
use crate::transfer::Transfers;

mod letters;
mod outputs;
mod snapshots;
mod start;

/// One node at work. Poll it; it ends when the node does, and then everything that was under way
/// has its outcome.
///
/// - There is a hull exactly when the founding is complete and the state that was stored is restored.
/// - While there is none, at most one write is outstanding: the identity's.
pub struct Driver<L, C, K, S> {
    setup: NodeSetup,
    log: L,
    comms: C,
    clock: K,
    desk: Arc<Desk>,
    reads: Arc<ReadDesk<S>>,
    inquiries: Arc<Inquiries>,
    leadership: Leadership,
    transfers: Transfers,
    changes: Changes,
    /// The entry of the configuration whose members the network was told to reach.
    reached: Option<EntryId>,
    genesis: Genesis,
    hull: Option<Hull>,
    cluster: Option<ClusterId>,
    /// What the log found, until the hull opens with it.
    recovered: Recovered,
    tickets: Tickets,
    applier: Applier<S>,
    snapshots: Snapshots<S>,
    loading: Vec<(u64, Loading)>,
    requests: Vec<Request>,
    /// The leader and term that requests were last sent in.
    leader: (Option<NodeId>, Term),
    events: VecDeque<Event>,
    /// Whether the hull or the tickets were touched since their outputs were last pulled.
    touched: bool,
    /// Whether they were pulled since the status was last shown.
    pulled: bool,
    status: Status,
    exit: Option<Exit>,
}

/// What a driver works with.
pub struct Parts<L, C, K, S> {
    /// Where the log is kept; already open.
    pub log: L,
    /// Where snapshots are kept; already open. The newest one stands in [`Recovered::stored`].
    pub snapshots: Box<dyn SnapshotStore>,
    /// What carries letters.
    pub comms: C,
    /// The clock.
    pub clock: K,
    /// What is replicated, and what opening the store found of it.
    pub state: FirstState<S>,
}

impl<L: Log, C: Comms<Letter>, K: Clock, S: StateMachine> Driver<L, C, K, S> {
    /// Starts a node on what its log has recovered: founds its cluster with the other founders on
    /// the first start, opens the hull at once on all later ones.
    ///
    /// # Errors
    ///
    /// See [`StartError`]; nothing was changed.
    pub fn start(
        setup: NodeSetup,
        parts: Parts<L, C, K, S>,
        recovered: Recovered,
    ) -> Result<(Self, Handle<S>), StartError> {
        let genesis = start::genesis(&setup, &recovered)?;
        let settings = &setup.settings;
        let limits = DeskLimits {
            requests: settings.max_requests,
            bytes: settings.max_request_bytes,
            payload_bytes: settings.raft.max_payload_bytes,
            is_witness: setup.witnesses.contains(&setup.id),
        };
        let status = Status::new(setup.id);
        let desk = Arc::new(Desk::new(limits, status.clone()));
        let reads = Arc::new(ReadDesk::new(settings.max_requests));
        let inquiries = Arc::new(Inquiries::new(settings.max_requests));
        let leadership = Leadership::default();
        let asked = leadership.clone();
        let handle = Handle::new(desk.clone(), reads.clone(), inquiries.clone(), asked);
        // [T3.8.9] The state machine starts from the newest snapshot.
        let stored = recovered.stored.as_ref();
        let (sessions, is_restored) = parts.state.made_of(stored, settings.sessions)?;
        let part_bytes = settings.max_apply_bytes_per_turn;
        let mut snapshots = Snapshots::new(parts.snapshots, part_bytes);
        if let Some(stored) = recovered.stored.clone().filter(|_| !is_restored) {
            snapshots.restore(stored, &sessions);
        }
        let mut driver = Self {
            tickets: Tickets::new(TicketLimits::new(settings)),
            setup,
            log: parts.log,
            comms: parts.comms,
            clock: parts.clock,
            desk,
            reads,
            inquiries,
            leadership,
            transfers: Transfers::default(),
            changes: Changes::default(),
            reached: None,
            genesis,
            hull: None,
            cluster: None,
            recovered,
            applier: Applier::new(sessions),
            snapshots,
            loading: Vec::new(),
            requests: Vec::new(),
            leader: (None, Term::ZERO),
            events: VecDeque::new(),
            touched: true,
            pulled: true,
            status,
            exit: None,
        };
        if let Some(record) = driver.record_to_open() {
            driver.open_hull(record)?;
        }
        driver.refresh_status();
        driver.desk.settle(&mut Vec::new(), Some(&driver.status));
        Ok((driver, handle))
    }

    /// The hull, once the cluster is founded.
    pub const fn hull(&self) -> Option<&Hull> {
        self.hull.as_ref()
    }

    /// The user's state machine, as far as it has been applied.
    pub const fn state_machine(&self) -> &S {
        self.applier.sessions.machine()
    }

    /// What the node says of itself, as of the last turn.
    pub const fn status(&self) -> &Status {
        &self.status
    }

    /// The hull's events since the last call, at most
    /// [`NodeSettings::kept_events`](crate::settings::NodeSettings::kept_events) of them.
    pub fn take_events(&mut self) -> Vec<Event> {
        self.events.drain(..).collect()
    }

    /// Looks at everything once. Whether to look again: each step says so if what it did may have
    /// made work for one before it, or if it stopped at a bound.
    fn turn(&mut self, cx: &mut Context<'_>) -> Result<bool, Exit> {
        // The desk comes before the reads: it remembers whom to wake for both.
        let wishes = self.desk.take(&mut self.requests, cx);
        if wishes.shutdown {
            return Err(Exit::Shutdown);
        }
        if wishes.snapshot {
            self.ask_for_snapshot();
        }
        self.answer_inquiries();
        let mut again = self.take_requests();
        again |= self.take_letters(cx)?;
        again |= self.take_durable(cx)?;
        again |= self.take_loaded(cx);
        again |= self.take_stored(cx)?;
        again |= self.found()?;
        again |= self.propose();
        // What nothing has touched since it was last emptied is empty.
        if core::mem::take(&mut self.touched) | again {
            self.pulled = true;
            again |= self.pull()?;
        }
        again |= self.take_time(cx);
        Ok(again)
    }

    fn take_requests(&mut self) -> bool {
        let now = self.clock.now();
        let mut again = !self.requests.is_empty();
        for Request { ask, sought } in self.requests.drain(..) {
            match sought {
                Sought::Submit { payload } => self.tickets.submit(ask, payload, now),
                Sought::SubmitAs(command) => self.tickets.submit_as(ask, command, now),
                Sought::OpenSession => self.tickets.open_session(ask, now),
            }
        }
        again |= self.applier.take_reads(&self.reads, &mut self.tickets, now);
        if self.hull.is_some() {
            self.tickets.assign(now);
        }
        let Leadership { transfers, members } = &self.leadership;
        let hull = self.hull.as_mut();
        again |= self.transfers.take_from(transfers, hull, now);
        let hull = self.hull.as_mut();
        again |= self.changes.take_from(members, hull, now);
        again
    }

    /// Says what was asked of how the node stands. Changes nothing, so that nobody need look again.
    fn answer_inquiries(&mut self) {
        let inquiries = self.inquiries.take();
        if inquiries.is_empty() {
            return;
        }
        self.refresh_status();
        let now = self.clock.now();
        for inquiry in inquiries {
            let (status, entry) = (self.status.clone(), inquiry.entry);
            inquiry.answer(match &self.hull {
                Some(hull) => Explanation::of_hull(status, hull, entry, now),
                None => Explanation::of_status(status, None, entry),
            });
        }
    }

    /// Moves the founding on: writes and letters out of it, and the hull when it is complete.
    fn found(&mut self) -> Result<bool, Exit> {
        let mut busy = false;
        if let Some(identity) = self.genesis.next_identity() {
            let hard = self.recovered.hard;
            self.log
                .begin(raft_core::log::Write::of_identity(hard, identity));
            busy = true;
        }
        while let Some((to, news)) = self.genesis.next_letter() {
            self.send(to, Packet::Genesis(news));
            busy = true;
        }
        if let Some(record) = self.record_to_open() {
            self.open_hull(record)
                .map_err(|error| Exit::Fault(NodeFault::Open(error)))?;
            busy = true;
        }
        Ok(busy)
    }

    /// The record of the cluster, when there can be a hull and is none.
    fn record_to_open(&self) -> Option<GenesisRecord> {
        let waits = self.hull.is_some() || self.snapshots.is_restoring();
        let founded = self.genesis.founded().filter(|_| !waits);
        founded.cloned()
    }

    fn open_hull(&mut self, record: GenesisRecord) -> Result<(), raft_core::error::OpenError> {
        let me = self.genesis.me();
        let setup = Setup {
            me,
            founding: record.founders,
            settings: self.setup.settings.raft.into(),
            seed: self.setup.seed,
            checksum: crc32c::crc32c_append,
            witness: self.setup.witnesses.contains(&me.id),
        };
        let hull = Hull::open(setup, self.recovered.clone(), self.clock.now())?;
        let sessions = record.shared.sessions;
        self.applier.sessions.set_limits(sessions);
        self.tickets
            .set_opener(me, hull.boot(), sessions.max_answers);
        self.cluster = Some(record.cluster);
        self.recovered = Recovered {
            hard: self.recovered.hard,
            ..Recovered::default()
        };
        tracing::info!(cluster = %record.cluster, boot = %hull.boot(), "opened the hull of {me:?}");
        self.hull = Some(hull);
        self.reach_members();
        Ok(())
    }

    /// Tells the network where the members of the configuration in force are reached.
    fn reach_members(&mut self) {
        let Some(hull) = &self.hull else {
            return;
        };
        let configuration = hull.configuration();
        for id in configuration.ids() {
            let member = configuration.member(id);
            let address = member.map_or("", |member| member.address.as_str());
            if id != self.setup.id && !address.is_empty() {
                self.comms.reach(id, address);
            }
        }
        self.reached = Some(hull.configured_by());
        self.status.configuration = Arc::new(configuration.clone());
    }

    fn boot(&self) -> Boot {
        self.hull
            .as_ref()
            .map_or(self.recovered.hard.boot, Hull::boot)
    }

    fn send(&mut self, to: NodeId, packet: Packet) {
        let letter = Letter {
            // The founding has no cluster yet, and speaks also to those that have none.
            cluster: self
                .cluster
                .filter(|_| !matches!(packet, Packet::Genesis(_))),
            from: self.genesis.me(),
            boot: self.boot(),
            to,
            packet,
        };
        let lane = letter.packet.lane();
        self.comms.send(to, lane, letter);
    }

    fn refresh_status(&mut self) {
        let status = &mut self.status;
        status.cluster = self.cluster;
        status.requests = self.tickets.under_way();
        if !self.genesis.is_unborn() {
            status.me = Some(self.genesis.me());
        }
        let Some(hull) = &self.hull else {
            status.boot = self.recovered.hard.boot;
            status.missing_founders = self.genesis.missing();
            if self.snapshots.is_restoring() {
                status.phase = Phase::Restoring;
            } else if !self.genesis.is_unborn() {
                status.phase = match self.genesis.is_joining() {
                    true => Phase::Joining,
                    false => Phase::Founding,
                };
            }
            return;
        };
        status.phase = Phase::Running;
        status.missing_founders.clear();
        status.boot = hull.boot();
        status.role = Some(hull.role());
        status.term = hull.term();
        status.leader = hull.leader();
        status.transferring_to = hull.transferring_to();
        status.commit_index = hull.commit_index();
        status.applied_index = self.applier.sessions.applied();
        status.durable_index = hull.durable_index();
        status.last = hull.last();
        status.first_index = hull.forgotten().index.next();
        status.snapshot = hull.stored_snapshot().map(|snapshot| snapshot.id.last);
    }
}

impl<L, C, K, S> Driver<L, C, K, S> {
    /// Gives everything under way its outcome. Nothing comes after this.
    fn end(&mut self, exit: Exit) {
        self.desk.close();
        for request in self.requests.drain(..) {
            self.tickets.outcomes.push((request.ask, Err(STOPPED)));
        }
        self.tickets.end_all(Uncertain::Stopped);
        self.applier.stop(&self.reads);
        self.transfers.stop(&self.leadership.transfers);
        self.changes.stop(&self.leadership.members);
        self.status.phase = Phase::Stopped;
        self.status.requests = 0;
        if let Exit::Fault(fault) = &exit {
            tracing::error!(%fault, "{} stops", self.setup.id);
            self.status.fault = Some(fault.clone());
        }
        self.exit = Some(exit);
        let hull = self.hull.as_ref().map(|hull| hull.status(Time::ZERO));
        let last_word = Explanation::of_status(self.status.clone(), hull, None);
        self.inquiries.close(&last_word);
        self.desk
            .settle(&mut self.tickets.outcomes, Some(&self.status));
    }
}

impl<L: Log, C: Comms<Letter>, K: Clock, S: StateMachine> Future for Driver<L, C, K, S> {
    type Output = Exit;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Exit> {
        if let Some(exit) = &self.exit {
            return Poll::Ready(exit.clone());
        }
        let mut turns = 0;
        loop {
            turns += 1;
            match self.turn(cx) {
                Ok(true) if turns < MAX_TURNS_PER_POLL && !self.clock.rarely(Site::EndPoll) => {}
                Ok(again) => {
                    // What was never pulled has nothing new to show.
                    let pulled = core::mem::take(&mut self.pulled);
                    if pulled {
                        self.refresh_status();
                    }
                    let driver = &mut *self;
                    let outcomes = &mut driver.tickets.outcomes;
                    let later = !outcomes.is_empty() && driver.clock.rarely(Site::SettleLater);
                    if !later && (pulled || !outcomes.is_empty()) {
                        driver.desk.settle(outcomes, Some(&driver.status));
                    }
                    if again | later {
                        // Others on this thread have their turn first.
                        cx.waker().wake_by_ref();
                    }
                    return Poll::Pending;
                }
                Err(exit) => {
                    self.refresh_status();
                    self.end(exit.clone());
                    return Poll::Ready(exit);
                }
            }
        }
    }
}

// Nothing in a driver is pinned in place.
impl<L, C, K, S> Unpin for Driver<L, C, K, S> {}

impl<L, C, K, S> Drop for Driver<L, C, K, S> {
    fn drop(&mut self) {
        if self.exit.is_none() {
            self.end(Exit::Shutdown);
        }
    }
}

impl<L, C, K, S> core::fmt::Debug for Parts<L, C, K, S> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Parts").finish_non_exhaustive()
    }
}

impl<L, C, K, S> core::fmt::Debug for Driver<L, C, K, S> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Driver")
            .field("status", &self.status)
            .field("tickets", &self.tickets)
            .finish_non_exhaustive()
    }
}

/// After this many turns the driver lets others run.
const MAX_TURNS_PER_POLL: usize = 16;

#[cfg(test)]
mod tests;
