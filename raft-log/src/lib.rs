//! A durable Raft log: a segmented write-ahead log over a small asynchronous file system.
//!
//! | module | part |
//! |---|---|
//! | [`fs`] | what the log asks of a disk, as a trait: real files, or a simulator's disk |
//! | [`wal`] | the write-ahead log, an implementation of [`raft_core::log::Log`] |
//! | [`async_log`] | a log of your own in two asynchronous methods, and what makes a `Log` of it |
//! | [`store`] | snapshots in files, an implementation of [`raft_core::store::SnapshotStore`] |
//! | [`error`] | why a log or a store could not be opened |
//! | [`settings`] | what is wrong with settings |
//! | `examine` | with the feature `cli`: looking into a folder, for the command line `raft-log` |
//!
//! `docs/log-format.md` says what every byte on disk means, and `docs/assumptions.md` what the log
//! takes for granted of a disk. Outside [`fs`]'s real files nothing here knows threads, clocks or
//! operating-system files, so that a simulator runs the very code that users run.

#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::string_slice,
        clippy::todo,
        clippy::unimplemented,
        clippy::unreachable,
        clippy::unwrap_used
    )
)]

pub mod async_log;
pub mod error;
#[cfg(all(feature = "cli", unix))]
pub mod examine;
pub mod fs;
pub mod rare;
mod reader;
pub mod settings;
pub mod store;
pub mod wal;

pub use async_log::{Adapted, AsyncLog};
pub use error::{StoreError, WalError};
#[cfg(unix)]
pub use fs::std_fs::{FsSettings, RunOn, StdFs, WritePath, Writes};
pub use fs::{Answer, Completion, Fs, FsError, Operation};
pub use settings::SettingsProblem;
pub use store::{FileStore, StoreSettings};
pub use wal::{Wal, WalSettings};
