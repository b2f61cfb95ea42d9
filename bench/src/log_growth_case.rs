//! Case `log-growth`: whether an append and a read cost the same after thousands and after millions of
//! entries in the log.
//!
//! The logs are on a disk, and all sizes take turns, so that a slow moment of the machine falls on
//! all. What an append costs is the CPU time of the thread that asks for it: the disk's own time does not
//! depend on what is in the log, and hides the rest. What a read costs is the wall's time, since another
//! thread reads. Beside it stands what the system takes for the same bytes of the same files: that grows,
//! too, with what its memory and the processor's hold of them.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::{Args, value_parser};
use raft_core::ids::LogIndex;

use raft_log::RunOn;

use crate::clusters::Failure;
use crate::meter::{cost_of, freed_by_dropping, median};
use crate::open_case::Reader;
use crate::open_case::quorate::Opened;
use crate::report::{Figure, Report};

mod bare;
use bare::Bare;

/// What can be chosen.
#[derive(Debug, Args)]
pub(crate) struct LogGrowthOptions {
    /// Entries in the log before it is measured, separated by commas.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "10000,100000,1000000,10000000",
        value_parser = value_parser!(u32).range(1_000..=20_000_000)
    )]
    entries: Vec<u32>,
    /// Entries in one append, in the filling too.
    #[arg(long, default_value_t = 16, value_parser = value_parser!(u32).range(1..=4096))]
    at: u32,
    /// Bytes of each entry's payload.
    #[arg(long, default_value_t = 64, value_parser = value_parser!(u32).range(1..=1 << 16))]
    payload: u32,
    /// Rounds, each of which measures each size.
    #[arg(long, default_value_t = 9, value_parser = value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Leave nothing to another thread: a read costs what it costs without waking that, and an append
    /// what the disk takes, too.
    #[arg(long)]
    callers_thread: bool,
    /// A folder on the disk to be measured: a new one in it is used, and removed.
    #[arg(long, default_value = "target")]
    folder: PathBuf,
}

/// A log of one size.
struct Sample {
    entries: u32,
    log: Opened,
    folder: PathBuf,
    /// The last write.
    number: u64,
    payload: Vec<u8>,
    appends: Vec<f64>,
    reads: Vec<f64>,
    bare_reads: Vec<f64>,
}

/// Measures all sizes.
pub(crate) fn run(options: &LogGrowthOptions) -> Result<Report, Box<dyn Error>> {
    let folder = options
        .folder
        .join(format!("bench-log-growth-{}", std::process::id()));
    let measured = measure(options, &folder);
    // Whatever came of it, nothing is left behind.
    let _ = fs::remove_dir_all(&folder);
    let notes = vec![
        format!(
            "one log on a disk, {} entries of {} B in an append; medians of {} alternated rounds, and the \
             most, in {}",
            options.at,
            options.payload,
            options.rounds,
            options.folder.display()
        ),
        format!(
            "append: {APPENDS} in a row, each durable before the next; CPU time of the thread that asks"
        ),
        format!(
            "read: {READS} entries anywhere in the log, one by one; time of the wall; files in the system's \
             memory; bare: one pread each of such bytes at such places of the same files, all of them open"
        ),
        "memory: what dropping the log gives back".to_owned(),
    ];
    Ok(Report {
        bench: "log-growth",
        notes,
        figures: measured?,
    })
}

fn measure(options: &LogGrowthOptions, folder: &Path) -> Result<Vec<Figure>, Failure> {
    let sample = |entries: &u32| Sample::new(options, &folder.join(entries.to_string()), *entries);
    let samples: Result<Vec<Sample>, Failure> = options.entries.iter().map(sample).collect();
    let mut samples = samples?;
    for round in 0..=options.rounds {
        for sample in &mut samples {
            let append = sample.appends(options.at as usize)?;
            let read = sample.reads(round)?;
            let bare = sample.bare_reads(round, options.at)?;
            // The first round warms up.
            if round > 0 {
                sample.appends.push(append);
                sample.reads.push(read);
                sample.bare_reads.push(bare);
            }
        }
    }
    let (mut append, mut read, mut bare) = (None, None, None);
    Ok(samples
        .into_iter()
        .flat_map(|sample| {
            let appends = sample.figures(&sample.appends, "ns/entry appended", &mut append);
            let reads = sample.figures(&sample.reads, "ns/entry read", &mut read);
            let bare = sample.figures(&sample.bare_reads, "ns/bare read", &mut bare);
            let memory = sample.memory();
            appends.into_iter().chain(reads).chain(bare).chain([memory])
        })
        .collect())
}

impl Sample {
    /// A log of so many entries.
    fn new(options: &LogGrowthOptions, folder: &Path, entries: u32) -> Result<Self, Failure> {
        fs::create_dir_all(folder)?;
        let run_on = match options.callers_thread {
            true => RunOn::CallersThread,
            false => RunOn::OWN_THREAD,
        };
        let mut sample = Self {
            entries,
            log: Opened::open_on(folder, run_on)?,
            folder: folder.to_owned(),
            number: 0,
            payload: vec![7; options.payload as usize],
            appends: Vec::new(),
            reads: Vec::new(),
            bare_reads: Vec::new(),
        };
        let appends = u64::from(entries.div_ceil(options.at));
        for number in 1..=appends {
            sample.begin(options.at as usize)?;
            if number % UNDER_WAY == 0 || number == appends {
                sample.log.finish(sample.number)?;
            }
        }
        // Direct writes go past the system's memory: what is read must come to be there.
        sample.log.read_all()?;
        Ok(sample)
    }

    fn begin(&mut self, at: usize) -> Result<(), Failure> {
        self.number += 1;
        self.log.begin(self.number, at, &self.payload)
    }

    /// Nanoseconds of an entry, over some appends.
    fn appends(&mut self, at: usize) -> Result<f64, Failure> {
        let mut outcome = Ok(());
        let cost = cost_of(|| {
            outcome = (0..APPENDS).try_for_each(|_| {
                self.begin(at)?;
                self.log.finish(self.number)
            });
        });
        outcome?;
        // These went past the system's memory, too.
        let new = self.log.last.get() + 1 - (APPENDS * at) as u64;
        self.log.read_from(LogIndex::new(new))?;
        Ok(cost.nanoseconds as f64 / (APPENDS * at) as f64)
    }

    /// Nanoseconds of an entry, over some that stand anywhere.
    fn reads(&self, round: u32) -> Result<f64, Failure> {
        each_anywhere(round, self.log.last, |index| {
            let found = self.log.load(index, index.next())?;
            if found.first().is_none_or(|one| one.first_index() != index) {
                return Err(format!("entry {index} is not there").into());
            }
            Ok(())
        })
    }

    /// The same without the log: over others, which the reads before have not brought nearer.
    fn bare_reads(&self, round: u32, at: u32) -> Result<f64, Failure> {
        let one = self.log.load(LogIndex::new(1), LogIndex::new(2))?;
        let chunk = one.first().ok_or("no entries")?.pinned_bytes();
        let mut bare = Bare::open(&self.folder, u64::from(at), chunk)?;
        each_anywhere(BARE | round, self.log.last, |index| bare.read(index))
    }

    /// Bytes that each append takes in memory.
    fn memory(self) -> Figure {
        let appends = self.number as f64;
        Figure {
            case: format!("{} entries", self.entries),
            system: "quorate".to_owned(),
            value: freed_by_dropping(self.log) as f64 / appends,
            unit: "B of memory/append",
        }
    }

    fn figures(&self, all: &[f64], unit: &'static str, first: &mut Option<f64>) -> [Figure; 3] {
        let most = all.iter().copied().fold(0.0, f64::max);
        let median = median(all.to_vec());
        let share = median / *first.get_or_insert(median);
        let figure = |value, unit| Figure {
            case: format!("{} entries", self.entries),
            system: "quorate".to_owned(),
            value,
            unit,
        };
        [
            figure(median, unit),
            figure(most, "at most"),
            figure(share, "of the first"),
        ]
    }
}

/// Does something with entries that stand anywhere up to the last. Nanoseconds of one.
fn each_anywhere(
    round: u32,
    last: LogIndex,
    mut act: impl FnMut(LogIndex) -> Result<(), Failure>,
) -> Result<f64, Failure> {
    let start = Instant::now();
    for number in 0..READS {
        let place = (u64::from(round) << 32 | number).wrapping_mul(SPREAD) % last.get() + 1;
        act(LogIndex::new(place))?;
    }
    Ok(start.elapsed().as_nanos() as f64 / READS as f64)
}

const APPENDS: usize = 64;
const READS: u64 = 512;
/// Makes other rounds of those in which nothing but the files is read.
const BARE: u32 = 1 << 31;
/// How many appends are under way while a log is filled.
const UNDER_WAY: u64 = 256;
/// Spreads numbers that follow one another.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
