//! The kit for logs.

use std::error::Error;
use std::fmt;

use raft_core::log::memory::MemoryLog;
use raft_core::log::{Log, Recovered};

use super::broken::{Broken, Contract};
use super::disk::TestDisk;
use crate::lot::Lot;

mod clauses;
mod crashes;
mod faults;
mod judge;
mod late;
mod life;
mod workload;

pub use life::wait;
use life::{Found, Life};

/// Holds one kind of log to the contract of [`Log`].
///
/// `open` opens the log in a folder, as a process does that starts there, and says what it found.
#[derive(Clone, Copy, Debug)]
pub struct LogKit<O> {
    open: O,
    seed: u64,
    samples: u32,
    points: u32,
    in_memory: bool,
}

/// A log and what opening it found.
type Opened<L> = (L, Recovered);

impl<L, E, O> LogKit<O>
where
    L: Log,
    E: Into<Box<dyn Error>>,
    O: Fn(TestDisk) -> Result<(L, Recovered), E>,
{
    /// A kit for the logs that `open` opens.
    pub const fn new(open: O) -> Self {
        Self {
            open,
            seed: 0,
            samples: 64,
            points: u32::MAX,
            in_memory: false,
        }
    }

    /// Draws what is drawn by another seed than 0.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// How many parts of what was not synced are tried where there are too many to try them all: 64 where nothing
    /// is said. Each costs a few openings of the log.
    #[must_use]
    pub fn samples(self, samples: u32) -> Self {
        Self { samples, ..self }
    }

    /// In each life of the log the power fails at so many moments, drawn, or at each where nothing is said: for
    /// logs that do much to their disk, or take long to open.
    #[must_use]
    pub fn points(self, points: u32) -> Self {
        Self { points, ..self }
    }

    /// The log is in memory alone: [`clauses`](Self::clauses) does not ask what is left of it once it was
    /// closed. All else does, since a disk is what can fail there, and finds that such a log loses what it
    /// calls durable.
    #[must_use]
    pub fn in_memory(self) -> Self {
        Self {
            in_memory: true,
            ..self
        }
    }

    /// Asks for each clause of the contract that can be asked for without a failure, and for the table of
    /// boundary cases.
    ///
    /// # Errors
    ///
    /// The log breaks the contract.
    pub fn clauses(&self) -> Result<Report, Broken> {
        clauses::check(self)
    }

    /// Fails the power after each change that a log makes to its disk, with each part of what was not synced (or
    /// a number of them, where there are many), and again at each change that the next opening makes. What is
    /// found must be a state that the log was in, none before the last that it called durable; and it must be
    /// possible to go on from it.
    ///
    /// # Errors
    ///
    /// The log breaks the contract.
    pub fn crash_points(&self) -> Result<Report, Broken> {
        crashes::check(self)
    }

    /// Answers of the disk come late and in any order that the file system allows; many writes are under way.
    ///
    /// # Errors
    ///
    /// The log breaks the contract.
    pub fn late_answers(&self) -> Result<Report, Broken> {
        late::check(self)
    }

    /// Lets each operation on the disk fail in turn: the disk breaks, is full, or takes half of a write. A log may
    /// say so or bear it, but nothing that it called durable may be lost, and an error is final.
    ///
    /// # Errors
    ///
    /// The log breaks the contract.
    pub fn faults(&self) -> Result<Report, Broken> {
        faults::check(self)
    }

    fn opened(&self, disk: &TestDisk) -> Result<Opened<L>, Broken> {
        (self.open)(disk.clone()).map_err(|error| {
            let text = format!("it does not open: {}", error.into());
            Broken::new(
                Clause::Durable,
                text,
                "a log, with all that was called durable",
            )
        })
    }

    /// A log in a new folder.
    fn born(&self) -> Result<Life<L>, Broken> {
        self.born_on(TestDisk::new())
    }

    fn born_on(&self, disk: TestDisk) -> Result<Life<L>, Broken> {
        let opened = self.opened(&disk)?;
        let found = Found::of(&opened)?;
        let life = Life::new(disk, opened.0, MemoryLog::new());
        judge::is_one_of(&found, life.states(), 0)?;
        Ok(life)
    }

    fn lot(&self, of: &[u64]) -> Lot {
        Lot::of(self.seed, of)
    }
}

/// What is drawn, and by which seed.
impl<O> fmt::Display for LogKit<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { samples, seed, .. } = self;
        write!(f, "up to {samples} samples each, of seed {seed}")
    }
}

/// What a log was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// Moments at which something failed.
    pub points: u64,
    /// How often the log was opened after that.
    pub openings: u64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { points, openings } = self;
        write!(
            f,
            "{points} points of failure, {openings} openings after one"
        )
    }
}

/// A clause of the contract of [`Log`], by its number there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Clause {
    /// 1: a write is there whole or not at all.
    Atomic = 1,
    /// 2: writes take effect in order.
    InOrder = 2,
    /// 3: what is acknowledged is durable.
    Durable = 3,
    /// 4: truncation comes first, and what was removed stays so.
    TruncationFirst = 4,
    /// 5: a gap is refused.
    Contiguous = 5,
    /// 6: a failure is final.
    FailureIsFinal = 6,
    /// 7: reads see what was begun.
    SeesWhatWasBegun = 7,
    /// 8: reads are bounded.
    Bounded = 8,
}

impl Contract for Clause {
    const OF: &'static str = "Log";

    fn number(self) -> u8 {
        self as u8
    }
}

/// Tests that a log keeps the contract of [`Log`]: four tests, for what opens it as
/// [`LogKit::new`] takes it. Each prints how often something failed, how often the log was opened then, and by
/// which seed that was drawn (`cargo test -- --nocapture`, which says itself how long it took).
///
/// ```
/// mod my_log {
///     # use raft_core::log::memory::MemoryLog;
///     # use raft_core::log::Recovered;
///     # use raft_sim::conformance::TestDisk;
///     fn open(disk: TestDisk) -> Result<(MemoryLog, Recovered), std::io::Error> {
///         // …
///         # Ok((MemoryLog::new(), Recovered::default()))
///     }
///
///     raft_sim::log_conformance!(open);
/// }
/// ```
#[macro_export]
macro_rules! log_conformance {
    ($open:expr) => {
        $crate::log_conformance!(clauses, $open);
        $crate::log_conformance!(crash_points, $open);
        $crate::log_conformance!(late_answers, $open);
        $crate::log_conformance!(faults, $open);
    };
    ($part:ident, $open:expr) => {
        #[test]
        fn $part() -> Result<(), $crate::conformance::Broken> {
            let kit = $crate::conformance::LogKit::new($open);
            let report = kit.$part()?;
            println!("{report}; {kit}");
            Ok(())
        }
    };
}

#[cfg(test)]
mod tests;
