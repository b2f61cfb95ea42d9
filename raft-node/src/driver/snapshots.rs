//! Snapshots between hull, state machine and store.

use std::task::{Context, Poll};

use raft_core::comms::Comms;
use raft_core::hull::Input;
use raft_core::log::Log;
use raft_core::snapshot::Snapshot;

use super::Driver;
use crate::clock::Clock;
use crate::error::{Exit, NodeFault};
use crate::letter::Letter;
use crate::rare::Site;
use crate::session::Sessions;
use crate::snapshots::Progress;
use crate::state_machine::StateMachine;

impl<L: Log, C: Comms<Letter>, K: Clock, S: StateMachine> Driver<L, C, K, S> {
    /// Takes what the store has done, up to a bound; whether there may be more.
    pub(super) fn take_stored(&mut self, cx: &mut Context<'_>) -> Result<bool, Exit> {
        for _ in 0..MAX_STORED_PER_TURN {
            let progress = match self.snapshots.poll(cx) {
                Poll::Pending => return Ok(false),
                Poll::Ready(progress) => progress,
            };
            match progress.map_err(|error| Exit::Fault(NodeFault::Restore(error)))? {
                Progress::Done(done) => {
                    self.touched = true;
                    let now = self.clock.now();
                    if let Some(hull) = &mut self.hull {
                        hull.step(now, Input::Snapshot(done));
                    }
                }
                Progress::Restored(snapshot, sessions) => self.on_restored(&snapshot, sessions),
                Progress::Nothing => {}
            }
            if self.clock.rarely(Site::OneStored) {
                break;
            }
        }
        Ok(true)
    }

    /// Begins what the hull wants done with snapshots; whether there was anything.
    pub(super) fn pull_snapshot_jobs(&mut self) -> bool {
        let Some(hull) = &mut self.hull else {
            return false;
        };
        let mut busy = false;
        while let Some(job) = hull.next_snapshot_job() {
            busy = true;
            if let Some(done) = self.snapshots.begin(job, &self.applier.sessions) {
                hull.step(self.clock.now(), Input::Snapshot(done));
                self.touched = true;
            }
        }
        busy
    }

    pub(super) fn ask_for_snapshot(&mut self) {
        if let Some(hull) = &mut self.hull {
            hull.step(self.clock.now(), Input::TakeSnapshot);
            self.touched = true;
        }
    }

    /// The state is another: as of the snapshot's last entry.
    fn on_restored(&mut self, snapshot: &Snapshot, sessions: Sessions<S>) {
        let last = snapshot.id.last;
        tracing::info!(node = %self.setup.id, %last, "restored the state from a snapshot");
        self.applier.sessions = sessions;
        self.touched = true;
        // At the start there is no hull yet, and nobody waits for anything.
        if let Some(hull) = &mut self.hull {
            hull.step(self.clock.now(), Input::Applied(last.index));
            self.tickets.on_restored(&self.applier.sessions);
        }
    }
}

const MAX_STORED_PER_TURN: usize = 16;
