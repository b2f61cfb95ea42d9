//! The log of a node: the real write-ahead log, one in memory, or one that a user brings. And beside it the store
//! of snapshots.
//!
//! Whichever it is, it is opened anew at every start of its node over what the last crash left of
//! the node's disk.

use std::fmt;
use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use raft_core::ids::LogIndex;
use raft_core::log::{Durable, Loading, Log, LogError, Recovered, Write};
use raft_core::store::SnapshotStore;
use raft_log::error::{StoreError, WalError};
use raft_log::store::{FileStore, StoreSettings};
use raft_log::wal::{Wal, WalSettings};
use raft_node::first_state::FirstState;
use raft_node::state_machine::StateMachine;

use crate::disk::SimFs;
use crate::in_memory::KeptLog;

/// A log of whichever kind.
pub(crate) enum NodeLog {
    Wal(Box<Wal<SimFs>>),
    InMemory(Box<KeptLog>),
    Own(Box<dyn Log>),
}

impl Log for NodeLog {
    fn begin(&mut self, write: Write) {
        match self {
            Self::Wal(log) => log.begin(write),
            Self::InMemory(log) => log.begin(write),
            Self::Own(log) => log.begin(write),
        }
    }

    fn poll_durable(&mut self, cx: &mut Context<'_>) -> Poll<Result<Durable, LogError>> {
        match self {
            Self::Wal(log) => log.poll_durable(cx),
            Self::InMemory(log) => log.poll_durable(cx),
            Self::Own(log) => log.poll_durable(cx),
        }
    }

    fn load(&self, range: Range<LogIndex>, max_bytes: usize) -> Loading {
        match self {
            Self::Wal(log) => log.load(range, max_bytes),
            Self::InMemory(log) => log.load(range, max_bytes),
            Self::Own(log) => log.load(range, max_bytes),
        }
    }
}

/// A log on its way to being open.
pub(crate) type Opening =
    Pin<Box<dyn Future<Output = Result<(NodeLog, Recovered), NotOpened>> + Send>>;

/// Why a log could not be opened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum NotOpened {
    /// The disk failed; another try may do better.
    DiskFailed(String),
    /// What is there can't be trusted; no other try will do better.
    Refused(String),
}

impl From<WalError> for NotOpened {
    fn from(error: WalError) -> Self {
        match error {
            WalError::Fs { .. } => Self::DiskFailed(error.to_string()),
            WalError::Corrupt { .. }
            | WalError::UnknownVersion { .. }
            | WalError::Settings { .. } => Self::Refused(error.to_string()),
        }
    }
}

impl From<StoreError> for NotOpened {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Fs { .. } => Self::DiskFailed(error.to_string()),
            _ => Self::Refused(error.to_string()),
        }
    }
}

impl From<LogError> for NotOpened {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Storage { .. } | LogError::Full { .. } => Self::DiskFailed(error.to_string()),
            LogError::Corrupt { .. } | LogError::Compacted { .. } | LogError::Impossible { .. } => {
                Self::Refused(error.to_string())
            }
        }
    }
}

impl fmt::Display for NotOpened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::DiskFailed(text) | Self::Refused(text)) = self;
        f.write_str(text)
    }
}

/// How a user's own log is opened.
#[derive(Clone)]
pub struct LogMaker(Arc<dyn Fn(SimFs) -> Opening + Send + Sync>);

impl LogMaker {
    /// Calls `open` at every start of a node, with the node's disk as the last crash left it. What
    /// it opens must be a function of that disk.
    ///
    /// An error of storage lets the node try again later; any other means that the log refuses to
    /// be opened, which is a finding unless the disk was damaged.
    pub fn new<L, F>(open: impl Fn(SimFs) -> F + Send + Sync + 'static) -> Self
    where
        L: Log + 'static,
        F: Future<Output = Result<(L, Recovered), LogError>> + Send + 'static,
    {
        Self(Arc::new(move |fs| {
            let opening = open(fs);
            Box::pin(async move {
                let (log, recovered) = opening.await?;
                Ok((NodeLog::Own(Box::new(log)), recovered))
            })
        }))
    }

    pub(crate) fn open(&self, fs: SimFs) -> Opening {
        (self.0)(fs)
    }
}

impl fmt::Debug for LogMaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogMaker").finish_non_exhaustive()
    }
}

/// What a node keeps on its disk, open: its log, its snapshots, what was found of both, and the
/// state that it starts with.
pub(crate) type Kept<S> = (NodeLog, Box<dyn SnapshotStore>, Recovered, FirstState<S>);

/// All of it on its way to being open.
pub(crate) type OpeningAll<S> = Pin<Box<dyn Future<Output = Result<Kept<S>, NotOpened>> + Send>>;

/// Opens the store of snapshots after the log, in the same folder.
pub(crate) fn with_store<S: StateMachine>(
    log: Opening,
    fs: SimFs,
    settings: StoreSettings,
    witness: bool,
    machine: S,
) -> OpeningAll<S> {
    Box::pin(async move {
        let (log, recovered) = log.await?;
        let mut state = FirstState::new(machine);
        if let NodeLog::InMemory(log) = log {
            // Its store opens with it, and what is in there the driver reads.
            let store: Box<dyn SnapshotStore> = Box::new(log.store());
            return Ok((NodeLog::InMemory(log), store, recovered, state));
        }
        let (store, stored) = FileStore::open_reading(fs, settings, &mut state).await?;
        let (log, recovered) = match log {
            NodeLog::Wal(wal) => {
                let (wal, recovered) = wal.join(recovered, stored, witness).await?;
                (NodeLog::Wal(Box::new(wal)), recovered)
            }
            log @ (NodeLog::InMemory(_) | NodeLog::Own(_)) => {
                let recovered = Recovered {
                    stored,
                    ..recovered
                };
                (log, recovered)
            }
        };
        let store: Box<dyn SnapshotStore> = Box::new(store);
        Ok((log, store, recovered, state))
    })
}

/// Opens what is kept in memory.
pub(crate) fn open_in_memory(fs: SimFs) -> Opening {
    let (log, recovered) = KeptLog::open(fs);
    let opened = (NodeLog::InMemory(Box::new(log)), recovered);
    Box::pin(std::future::ready(Ok(opened)))
}

/// Opens the real write-ahead log.
pub(crate) fn open_wal(fs: SimFs, settings: WalSettings) -> Opening {
    Box::pin(async move {
        let (wal, recovered) = Wal::open(fs, settings).await?;
        Ok((NodeLog::Wal(Box::new(wal)), recovered))
    })
}
