//! One patch, tried: built, searched with our own assertions and without, and its kill made small.

use std::path::{Path, PathBuf};

use super::exhibit::Exhibit;
use super::hunt::Hunt;
use super::record::{RANGE, Record};
use super::simulator::Simulator;
use super::small;
use super::workshop::{Assertions, Bench, number_of};
use crate::error::TaskError;

/// Processor seconds between two times that what is known is kept.
const PORTION: f64 = 10.0;

/// Where the first range was killed, each other one may take this many times as long…
const SHARE: f64 = 10.0;

/// …and at least this many processor seconds.
const LEAST_SHARE: f64 = 20.0;

/// How far to search.
#[derive(Clone, Copy, Debug)]
pub(super) enum Extent {
    /// So many processor seconds for each of so many ranges of seeds.
    Time {
        /// Processor seconds for a range.
        budget: f64,
        /// How many ranges.
        ranges: u64,
        /// With our own assertions too, or only without.
        with_assertions: bool,
    },
    /// So many seeds of the first range, with our own assertions.
    Seeds(u64),
}

/// How all patches are tried.
pub(super) struct Examination {
    /// How far to search.
    pub(super) extent: Extent,
    /// Whether kills are made small.
    pub(super) shrink: bool,
    /// Where what is known is kept.
    pub(super) results: PathBuf,
    /// The number of the code.
    pub(super) code: String,
    /// The code as it is, with our own assertions and without.
    pub(super) sound: (Simulator, Simulator),
}

impl Examination {
    /// What is kept of `exhibit`, or a new record.
    fn record(&self, exhibit: &Exhibit) -> Result<Record, TaskError> {
        let change = number_of(exhibit.change.as_bytes())?;
        let open = |folder: &Path| Record::open(folder, &exhibit.id, &self.code, &change);
        Ok(open(&self.results))
    }

    /// Forgets what is kept of `exhibit` if it is to begin anew. That it could not be tried is
    /// forgotten in any case: it may have been the disk's fault.
    pub(super) fn begin(&self, exhibit: &Exhibit, anew: bool) -> Result<(), TaskError> {
        let mut record = self.record(exhibit)?;
        let was_unusable = record.unusable.take().is_some();
        if anew {
            record.with.clear();
            record.without.clear();
            record.small = None;
        }
        if anew || was_unusable {
            record.keep(&self.results)?;
        }
        Ok(())
    }

    /// Tries `exhibit` as far as `extent` says, and goes on from what is kept.
    pub(super) fn run(
        &self,
        exhibit: &Exhibit,
        bench: &Bench<'_>,
        extent: Extent,
    ) -> Result<Record, TaskError> {
        let mut record = self.record(exhibit)?;
        if record.unusable.is_some() {
            return Ok(record);
        }
        let done = match extent {
            Extent::Seeds(seeds) => self.survive(exhibit, bench, &mut record, seeds),
            Extent::Time { .. } => self.search(exhibit, bench, &mut record, extent),
        };
        match done {
            Ok(()) => {}
            // A patch that can't be built says so; the others go on.
            Err(Trouble::Patch(problem)) => record.unusable = Some(problem),
            Err(Trouble::Task(error)) => return Err(error),
        }
        record.keep(&self.results)?;
        Ok(record)
    }

    fn survive(
        &self,
        exhibit: &Exhibit,
        bench: &Bench<'_>,
        record: &mut Record,
        seeds: u64,
    ) -> Result<(), Trouble> {
        if record.with.is_empty() {
            record.with.push(Hunt::new(0));
        }
        let Some(so_far) = record.with.first() else {
            return Ok(());
        };
        if so_far.next >= seeds || so_far.is_over(f64::INFINITY) {
            return Ok(());
        }
        let patched = patched(exhibit, bench, record, Assertions::In)?;
        while let Some(hunt) = record.with.first_mut() {
            let more = hunt.go_towards(&patched, &self.sound.0, seeds)?;
            record.keep(&self.results)?;
            if !more {
                break;
            }
        }
        Ok(())
    }

    fn search(
        &self,
        exhibit: &Exhibit,
        bench: &Bench<'_>,
        record: &mut Record,
        extent: Extent,
    ) -> Result<(), Trouble> {
        let Extent::Time {
            with_assertions, ..
        } = extent
        else {
            return Ok(());
        };
        if with_assertions {
            self.ranges(exhibit, bench, record, (Assertions::In, extent))?;
            if record.score().is_none() {
                // The checkers outside have judged every one of these worlds too.
                return Ok(());
            }
        }
        self.ranges(exhibit, bench, record, (Assertions::Out, extent))?;
        if self.shrink && record.small.is_none() {
            self.make_small(exhibit, bench, record)?;
        }
        Ok(())
    }

    /// Searches the first range; if that ends with a kill, the others, each with a share.
    fn ranges(
        &self,
        exhibit: &Exhibit,
        bench: &Bench<'_>,
        record: &mut Record,
        (assertions, extent): (Assertions, Extent),
    ) -> Result<(), Trouble> {
        let Extent::Time { budget, ranges, .. } = extent else {
            return Ok(());
        };
        let sound = match assertions {
            Assertions::In => &self.sound.0,
            Assertions::Out => &self.sound.1,
        };
        let mut program = None;
        let mut limit = budget;
        for range in 0..ranges {
            loop {
                let hunts = record.hunts(assertions);
                if hunts.iter().all(|hunt| hunt.from != range * RANGE) {
                    hunts.push(Hunt::new(range * RANGE));
                }
                let mut here = hunts.iter().filter(|hunt| hunt.from == range * RANGE);
                if here.all(|hunt| hunt.is_over(limit)) {
                    break;
                }
                let patched = match &program {
                    Some(patched) => patched,
                    None => program.insert(patched(exhibit, bench, record, assertions)?),
                };
                let mut hunts = record.hunts(assertions).iter_mut();
                if let Some(hunt) = hunts.find(|hunt| hunt.from == range * RANGE) {
                    let portion = (hunt.cpu_seconds + PORTION).min(limit);
                    hunt.go_on(patched, sound, portion)?;
                }
                record.keep(&self.results)?;
            }
            if let Some(first) = record.hunts(assertions).first().filter(|_| range == 0) {
                if first.kill.is_none() {
                    break;
                }
                limit = (first.cpu_seconds * SHARE).max(LEAST_SHARE).min(budget);
            }
        }
        Ok(())
    }

    fn make_small(
        &self,
        exhibit: &Exhibit,
        bench: &Bench<'_>,
        record: &mut Record,
    ) -> Result<(), Trouble> {
        let inside = record.with.first().and_then(|hunt| hunt.kill.clone());
        let outside = record.without.first().and_then(|hunt| hunt.kill.clone());
        let (kill, assertions) = match (inside, outside) {
            (Some(kill), _) => (kill, Assertions::In),
            (None, Some(kill)) => (kill, Assertions::Out),
            (None, None) => return Ok(()),
        };
        let patched = patched(exhibit, bench, record, assertions)?;
        let plan = self.results.join(&self.code).join(&record.change);
        record.small = small::make(&patched, &kill, &plan.with_extension("plan"))?;
        Ok(())
    }
}

/// Why a patch was not tried.
enum Trouble {
    /// It does not apply or does not build.
    Patch(String),
    /// The task itself can't go on.
    Task(TaskError),
}

impl From<TaskError> for Trouble {
    fn from(error: TaskError) -> Self {
        Self::Task(error)
    }
}

fn patched(
    exhibit: &Exhibit,
    bench: &Bench<'_>,
    record: &Record,
    assertions: Assertions,
) -> Result<Simulator, Trouble> {
    let built = bench.patched(exhibit, &record.change, assertions);
    built.map_err(|error| match unusable(error) {
        Ok(problem) => Trouble::Patch(problem),
        Err(error) => Trouble::Task(error),
    })
}

/// Why a patch could not be built, if it is the patch's fault.
pub(super) fn unusable(error: TaskError) -> Result<String, TaskError> {
    match error {
        TaskError::Command { command, output } => {
            let what = match command.contains("apply") {
                true => "does not apply",
                false => "does not build",
            };
            let mut lines = output.lines().filter(|line| line.contains("error"));
            let why = lines.next().unwrap_or("no reason was given");
            Ok(format!("{what}: {why}"))
        }
        error @ (TaskError::File { .. } | TaskError::Malformed { .. }) => Err(error),
    }
}

impl Record {
    fn hunts(&mut self, assertions: Assertions) -> &mut Vec<Hunt> {
        match assertions {
            Assertions::In => &mut self.with,
            Assertions::Out => &mut self.without,
        }
    }
}
