//! Case `log-growth`: whether an append and a read cost the same after thousands and after millions of
//! entries in the log.
//!
//! The logs are on a disk, and all sizes take turns, so that a slow moment of the machine falls on
//! all. What an append costs is the CPU time of the thread that asks for it: the disk's own time does not
//! depend on what is in the log, and hides the rest. What a read costs is the wall's time, since another
//! thread reads.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::{Args, value_parser};
use raft_core::ids::LogIndex;

use crate::clusters::Failure;
use crate::meter::{cost_of, median};
use crate::open_case::Reader;
use crate::open_case::quorate::Opened;
use crate::report::{Figure, Report};

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
    /// A folder on the disk to be measured: a new one in it is used, and removed.
    #[arg(long, default_value = "target")]
    folder: PathBuf,
}

/// A log of one size.
struct Sample {
    entries: u32,
    log: Opened,
    /// The last write.
    number: u64,
    payload: Vec<u8>,
    appends: Vec<f64>,
    reads: Vec<f64>,
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
             memory"
        ),
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
            // The first round warms up.
            if round > 0 {
                sample.appends.push(append);
                sample.reads.push(read);
            }
        }
    }
    let (mut append, mut read) = (None, None);
    Ok(samples
        .iter()
        .flat_map(|sample| {
            let appends = sample.figures(&sample.appends, "ns/entry appended", &mut append);
            let reads = sample.figures(&sample.reads, "ns/entry read", &mut read);
            appends.into_iter().chain(reads)
        })
        .collect())
}

impl Sample {
    /// A log of so many entries.
    fn new(options: &LogGrowthOptions, folder: &Path, entries: u32) -> Result<Self, Failure> {
        fs::create_dir_all(folder)?;
        let mut sample = Self {
            entries,
            log: Opened::open(folder)?,
            number: 0,
            payload: vec![7; options.payload as usize],
            appends: Vec::new(),
            reads: Vec::new(),
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
        outcome.map(|()| cost.nanoseconds as f64 / (APPENDS * at) as f64)
    }

    /// Nanoseconds of an entry, over some that stand anywhere.
    fn reads(&self, round: u32) -> Result<f64, Failure> {
        let last = self.log.last.get();
        let start = Instant::now();
        for number in 0..READS {
            let place = (u64::from(round) << 32 | number).wrapping_mul(SPREAD) % last + 1;
            let index = LogIndex::new(place);
            let found = self.log.load(index, index.next())?;
            if found.first().is_none_or(|one| one.first_index() != index) {
                return Err(format!("entry {place} is not there").into());
            }
        }
        Ok(start.elapsed().as_nanos() as f64 / READS as f64)
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

const APPENDS: usize = 64;
const READS: u64 = 512;
/// How many appends are under way while a log is filled.
const UNDER_WAY: u64 = 256;
/// Spreads numbers that follow one another.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
