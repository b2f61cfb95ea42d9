//! Is this a log, are these comms? What anybody's [`raft_core::log::Log`] and [`raft_core::comms::Comms`] can be
//! held to, ours or yours.
//!
//! A log is where most is lost: an acknowledgement too early, a vote that is not written with the entries, an
//! entry that comes back after it was truncated. [`LogKit`] asks a log for the clauses of the contract one by
//! one; fails the power at every change that it makes to its disk, with every part of what was not synced kept or
//! lost; lets answers of the disk come late and out of order; and has each operation fail in turn.
//!
//! ```
//! use raft_core::log::{Log, Recovered};
//! use raft_log::{Wal, WalSettings};
//! use raft_sim::conformance::{LogKit, TestDisk, wait};
//!
//! fn open(disk: TestDisk) -> Result<(impl Log, Recovered), raft_log::WalError> {
//!     let settings = WalSettings { segment_bytes: 8192, ..WalSettings::default() };
//!     wait(Wal::open(disk, settings))
//! }
//!
//! let report = LogKit::new(open).clauses()?;
//! println!("{report}");
//! # Ok::<(), raft_sim::conformance::Broken>(())
//! ```
//!
//! In a test, [`log_conformance!`](crate::log_conformance) asks for all of it. What is checked of a log's disk
//! is only seen if the log is on the kit's: take [`TestDisk`] for its files. A log that opens files by their paths
//! can have a real folder ([`TestDisk::folder`]): then its process is killed, and the power never fails.
//!
//! [`CommsKit`] asks comms whether what arrives is what was sent, and where it was sent to; that what waits holds
//! up nothing else; that there is the room that is said, and word of it when it is back; and that messages pass
//! again after connections were lost in the middle of them. [`comms_conformance!`](crate::comms_conformance) asks
//! for all of it, given a [`TestNetwork`].
//!
//! What is left out: damage by rot (a log need not know of it; ours is tested beside its code), and more than
//! one log in a folder; of comms, hostile peers, and anything that takes a clock.

mod broken;
mod comms;
mod disk;
mod folder;
mod log;
mod platter;

pub use crate::network::Wired;
pub use broken::{Broken, Contract};
pub use comms::{Bell, CLUSTER, Carried, CommsClause, CommsKit, CommsReport, TestNetwork};
pub use disk::{TestDisk, TestFile};
pub use log::{Clause, LogKit, Report, wait};
pub use platter::Image;
