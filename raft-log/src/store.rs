//! Snapshots in files: written aside, synced, renamed, and the folder synced; only then do they
//! count (paper 7).
//!
//! The store does one job after the other and knows nothing of what content means. Each block of
//! content has its own checksum, so that nothing that rotted is ever handed out, and what was
//! received of a snapshot before a crash can be told from what was not. It shares the log's folder
//! and leaves the log's files alone.
//!
//! What is left out: a job that waits for the disk holds up those behind it, reads too.

mod draft;
mod folder;
mod format;
#[cfg(all(feature = "cli", unix))]
pub(crate) mod look;
mod read;
mod shelf;

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use raft_core::hull::{SnapshotAnswer, SnapshotDone};
use raft_core::snapshot::Snapshot;
use raft_core::store::{SnapshotStore, StartReader, StoreJob};

use crate::error::StoreError;
use crate::fs::Fs;
use crate::settings::{self, SettingsProblem};
use shelf::Shelf;

/// A store of snapshots in one folder.
///
/// It has no task of its own: [`SnapshotStore::poll_done`] moves it on, and must be polled after
/// each [`SnapshotStore::begin`].
///
/// - The shelf is either here, idle, or with the job under way.
pub struct FileStore<F: Fs> {
    queue: VecDeque<StoreJob>,
    idle: Option<Shelf<F>>,
    running: Option<Running<F>>,
    damage: Option<StoreError>,
    failure: Option<StoreError>,
    waker: Option<Waker>,
}

impl<F: Fs> FileStore<F> {
    /// Finds the newest intact snapshot of a folder and removes what is left of older ones. What was
    /// received of a newer one stays; what is damaged is set aside ([`FileStore::damage`]). Durable
    /// when it returns.
    ///
    /// The folder must have been taken for this process: open its log first.
    ///
    /// Whether the log can go on from what was found, [`Wal::join`](crate::Wal::join) finds out.
    ///
    /// Reads all of that snapshot, a part at a time: one that can't be restored must not count. Who
    /// is to go on from it had better take its content at once ([`FileStore::open_reading`]).
    ///
    /// # Errors
    ///
    /// The folder can't be used, or a later version wrote there. See [`StoreError`].
    pub async fn open(
        fs: F,
        settings: StoreSettings,
    ) -> Result<(Self, Option<Snapshot>), StoreError> {
        Self::open_reading(fs, settings, &mut Nobody).await
    }

    /// [`FileStore::open`], with somebody who takes the content of the snapshot that is found.
    ///
    /// # Errors
    ///
    /// See [`FileStore::open`].
    pub async fn open_reading(
        fs: F,
        settings: StoreSettings,
        reader: &mut dyn StartReader,
    ) -> Result<(Self, Option<Snapshot>), StoreError> {
        let problems = settings.validate();
        if !problems.is_empty() {
            return Err(StoreError::Settings { problems });
        }
        let shelf = Shelf::open(fs, settings, reader).await?;
        let newest = shelf.newest().cloned();
        let damage = shelf.damage().cloned();
        let store = Self {
            damage,
            queue: VecDeque::new(),
            idle: Some(shelf),
            running: None,
            failure: None,
            waker: None,
        };
        Ok((store, newest))
    }

    /// The damage that this opening found, if it found any. What was damaged is set aside, in files
    /// that end in `.damaged`: nothing removes them.
    pub const fn damage(&self) -> Option<&StoreError> {
        self.damage.as_ref()
    }

    /// Why the last job that failed did.
    pub const fn failure(&self) -> Option<&StoreError> {
        self.failure.as_ref()
    }

    /// Begins the next job, if none is under way.
    fn advance(&mut self) {
        if self.running.is_some() {
            return;
        }
        let Some(job) = self.queue.pop_front() else {
            return;
        };
        let Some(mut shelf) = self.idle.take() else {
            return;
        };
        self.running = Some(Box::pin(async move {
            let StoreJob { number, work } = job;
            let is_answered = work.is_answered();
            let result = shelf.work(work).await;
            let job = Asked {
                number,
                is_answered,
            };
            Done { shelf, job, result }
        }));
    }
}

impl<F: Fs> SnapshotStore for FileStore<F> {
    fn begin(&mut self, job: StoreJob) {
        self.queue.push_back(job);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn poll_done(&mut self, cx: &mut Context<'_>) -> Poll<SnapshotDone> {
        loop {
            self.advance();
            let Some(running) = &mut self.running else {
                match &mut self.waker {
                    Some(waker) => waker.clone_from(cx.waker()),
                    waker => *waker = Some(cx.waker().clone()),
                }
                return Poll::Pending;
            };
            let Poll::Ready(Done { shelf, job, result }) = running.as_mut().poll(cx) else {
                return Poll::Pending;
            };
            self.running = None;
            self.idle = Some(shelf);
            let answer = match result {
                Ok(answer) => answer,
                Err(failure) => {
                    self.failure = Some(failure);
                    job.is_answered.then_some(SnapshotAnswer::Failed)
                }
            };
            if let Some(answer) = answer {
                let number = job.number;
                return Poll::Ready(SnapshotDone { number, answer });
            }
        }
    }
}

impl<F: Fs> fmt::Debug for FileStore<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileStore")
            .field("queued", &self.queue.len())
            .field("working", &self.running.is_some())
            .field("failure", &self.failure)
            .finish_non_exhaustive()
    }
}

/// Has no use for what is read.
struct Nobody;

impl StartReader for Nobody {
    fn begin(&mut self, _: &Snapshot) {}

    fn read(&mut self, _: &[u8]) {}
}

/// A job under way.
type Running<F> = Pin<Box<dyn Future<Output = Done<F>> + Send>>;

/// What a job leaves.
struct Done<F> {
    shelf: Shelf<F>,
    job: Asked,
    result: Result<Option<SnapshotAnswer>, StoreError>,
}

/// Who waits for a job.
struct Asked {
    number: u64,
    is_answered: bool,
}

/// What can be tuned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StoreSettings {
    /// Bytes of one block of content with its checksum, which is what a read of any part of it
    /// costs at least. A power of two from 256 to 1 MiB. May change between openings.
    pub block_bytes: u32,
    /// Bytes after which what is written of a snapshot is made durable, so that the last sync has
    /// little left to do, and a crash of the machine leaves something to go on from. At least 1;
    /// smaller values cost more syncs.
    pub sync_bytes: u64,
}

impl StoreSettings {
    /// All that is wrong with these settings; empty when they can be used.
    pub fn validate(&self) -> Vec<SettingsProblem> {
        settings::problems([
            (
                format::is_block_size(self.block_bytes),
                SettingsProblem::BlockBytes {
                    block_bytes: self.block_bytes,
                    least: format::MIN_BLOCK_BYTES,
                    greatest: format::MAX_BLOCK_BYTES,
                },
            ),
            (self.sync_bytes > 0, SettingsProblem::NoSyncBytes),
        ])
    }
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            block_bytes: 16 << 10,
            sync_bytes: 8 << 20,
        }
    }
}
