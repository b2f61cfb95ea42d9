//! Case `log`: what a durable append costs, as a share of what the disk takes for the same bytes.
//!
//! Each append is durable before the next begins, except where four are in flight: then before the fourth
//! after it begins. Rounds alternate between the systems, so that a slow
//! moment of the disk falls on all, and every round has a folder of its own. The time is the wall's:
//! most of it is the disk's.

use std::collections::BTreeSet;
use std::error::Error;
use std::num::NonZeroU8;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::{Args, value_parser};
use raft_log::RunOn;

use crate::clusters::Failure;
use crate::logs::{Appender, fjall, floor, quorate, raft_engine, redb};
use crate::meter::median;
use crate::report::{Figure, Report};

/// What can be chosen.
#[derive(Debug, Args)]
pub(crate) struct LogOptions {
    /// Bytes of each entry's payload.
    #[arg(long, default_value_t = 256, value_parser = value_parser!(u32).range(1..=1 << 20))]
    payload: u32,
    /// Entries in one durable append, separated by commas.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "1,16,256,1024,4096",
        value_parser = value_parser!(u32).range(1..=65_536)
    )]
    at: Vec<u32>,
    /// Rounds, each of which measures each system.
    #[arg(long, default_value_t = 7, value_parser = value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// MiB of entries that are kept: twice as many, and half are let go of, as a node does that takes
    /// snapshots. With 0 the logs only grow.
    #[arg(long, default_value_t = 16, value_parser = value_parser!(u32).range(0..=4_096))]
    keep: u32,
    /// A folder on the disk to be measured: a new one in it is used, and removed.
    #[arg(long, default_value = "target")]
    folder: PathBuf,
    /// Measure these systems only, separated by commas, besides the floor.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<System>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
enum System {
    Floor,
    DirectFloor,
    DirectFloorFour,
    Quorate,
    QuorateCaller,
    QuorateFour,
    RaftEngine,
    Redb,
    Fjall,
}

impl System {
    const ALL: [Self; SYSTEMS] = [
        Self::Floor,
        Self::DirectFloor,
        Self::DirectFloorFour,
        Self::Quorate,
        Self::QuorateCaller,
        Self::QuorateFour,
        Self::RaftEngine,
        Self::Redb,
        Self::Fjall,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Floor => "the disk: write, fdatasync",
            Self::DirectFloor => "the disk: O_DIRECT, O_DSYNC",
            Self::DirectFloorFour => "the disk: O_DIRECT, O_DSYNC, four in flight",
            Self::Quorate => "quorate",
            Self::QuorateCaller => "quorate, on the caller's thread",
            Self::QuorateFour => "quorate, four in flight",
            Self::RaftEngine => "raft-engine 0.4",
            Self::Redb => "redb 4",
            Self::Fjall => "fjall 3",
        }
    }

    fn open(self, folder: &Path, load: &Load) -> Result<Box<dyn Appender>, Failure> {
        Ok(match self {
            Self::Floor => Box::new(floor::Floor::open(folder, load, false)?),
            Self::DirectFloor => Box::new(floor::Floor::open(folder, load, true)?),
            Self::DirectFloorFour => Box::new(floor::Several::open(folder, load, FOUR.get())?),
            Self::Quorate => Box::new(quorate::Log::open(folder, RunOn::OWN_THREAD)?),
            Self::QuorateFour => Box::new(quorate::Log::open(folder, RunOn::OwnThreads(FOUR))?),
            Self::QuorateCaller => Box::new(quorate::Log::open(folder, RunOn::CallersThread)?),
            Self::RaftEngine => Box::new(raft_engine::Log::open(folder)?),
            Self::Redb => Box::new(redb::Log::open(folder)?),
            Self::Fjall => Box::new(fjall::Log::open(folder)?),
        })
    }
}

/// What one round appends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) payload: usize,
    pub(crate) at: usize,
    /// How often, and how often before it is measured.
    pub(crate) times: usize,
    pub(crate) before: usize,
    /// How many entries are kept; more than all, if the log only grows.
    pub(crate) keep: usize,
}

impl Load {
    fn new(options: &LogOptions, at: u32) -> Self {
        let (payload, at) = (options.payload as usize, at as usize);
        let mut load = Self {
            payload,
            at,
            times: 0,
            before: 0,
            keep: usize::MAX,
        };
        let keep = (options.keep as usize) << 20;
        if keep > 0 {
            load.keep = (keep / load.bytes()).max(1) * at;
        }
        // Until what is let go of is used again, if it is.
        load.before = 3 * keep / load.bytes() + 16;
        load.times = (MOST_BYTES / load.bytes()).clamp(32, MOST_TIMES);
        load
    }

    /// How many bytes of whole blocks one append has, with what a log must keep beside a payload.
    pub(crate) const fn bytes(&self) -> usize {
        let bytes = FRAME_BYTES + self.at * (self.payload + ENTRY_BYTES);
        bytes.next_multiple_of(BLOCK_BYTES)
    }
}

/// Measures all systems.
pub(crate) fn run(options: &LogOptions) -> Result<Report, Box<dyn Error>> {
    std::fs::create_dir_all(&options.folder)?;
    let folder = options
        .folder
        .join(format!("bench-log-{}", std::process::id()));
    let mut figures = Vec::new();
    let mut ways = BTreeSet::new();
    for at in &options.at {
        let load = Load::new(options, *at);
        let measured = measure(options, &folder, load, &mut ways);
        // Whatever came of it, nothing is left behind.
        let _ = std::fs::remove_dir_all(&folder);
        figures.extend(measured?);
    }
    let mut notes = vec![
        format!(
            "durable appends of {} B entries to one log, each durable before the next begins (with four in \
             flight: the fourth after it); medians of {} alternated rounds in {}",
            options.payload,
            options.rounds,
            options.folder.display()
        ),
        "share: of the disk's own time for one write and fdatasync of as many bytes, in whole blocks, to a file \
         that was written before, in the same round"
            .to_owned(),
        "checksums: quorate CRC-32C over all bytes; raft-engine without compression; redb durability \
         Immediate; fjall SyncData"
            .to_owned(),
    ];
    notes.extend(ways);
    Ok(Report {
        bench: "log",
        notes,
        figures,
    })
}

/// Puts what the systems say of their writes to `ways`.
fn measure(
    options: &LogOptions,
    folder: &Path,
    load: Load,
    ways: &mut BTreeSet<String>,
) -> Result<Vec<Figure>, Failure> {
    let mut rounds: [Vec<f64>; SYSTEMS] = Default::default();
    let mut shares: [Vec<f64>; SYSTEMS] = Default::default();
    for _ in 0..options.rounds {
        let mut floor = None;
        let measured = rounds.iter_mut().zip(&mut shares);
        for (system, (rounds, shares)) in System::ALL.into_iter().zip(measured) {
            let wanted = options.only.is_empty() || options.only.contains(&system);
            if !wanted && system != System::Floor {
                continue;
            }
            let (nanoseconds, writes) = round(system, folder, &load)?;
            ways.extend(writes.map(|way| format!("writes of {}: {way}", system.name())));
            let floor = *floor.get_or_insert(nanoseconds);
            rounds.push(nanoseconds);
            shares.push(floor / nanoseconds * 100.0);
        }
    }
    let case = format!("{} B, {} at a time", load.payload, load.at);
    let mut figures = Vec::new();
    for (system, (rounds, shares)) in System::ALL.into_iter().zip(rounds.into_iter().zip(shares)) {
        if rounds.is_empty() {
            continue;
        }
        let figure = |value, unit| Figure {
            case: case.clone(),
            system: system.name().to_owned(),
            value,
            unit,
        };
        let nanoseconds = median(rounds);
        figures.push(figure(nanoseconds / 1_000.0, "us/append"));
        figures.push(figure(load.at as f64 * 1e9 / nanoseconds, "entries/s"));
        figures.push(figure(median(shares), "% of the disk"));
    }
    Ok(figures)
}

/// Nanoseconds of one append, and which way it went to the disk, if the system says so.
fn round(system: System, folder: &Path, load: &Load) -> Result<(f64, Option<String>), Failure> {
    let folder = folder.join("log");
    std::fs::create_dir_all(&folder)?;
    let payload = vec![7; load.payload];
    let mut log = system.open(&folder, load)?;
    let (mut first, mut last) = (1, 0);
    let mut append = |log: &mut dyn Appender| -> Result<(), Failure> {
        log.append(&payload, load.at)?;
        last += load.at;
        if last + 1 - first > load.keep.saturating_mul(2) {
            first = last + 1 - load.keep;
            log.compact(first as u64 - 1)?;
        }
        Ok(())
    };
    for _ in 0..load.before {
        append(&mut *log)?;
    }
    log.settle()?;
    let start = Instant::now();
    for _ in 0..load.times {
        append(&mut *log)?;
    }
    log.settle()?;
    let taken = start.elapsed();
    let entries = ((load.before + load.times) * load.at) as u64;
    let (found, writes) = (log.last()?, log.writes());
    drop(log);
    std::fs::remove_dir_all(&folder)?;
    if found != entries {
        return Err(format!("{}: {found} entries, of {entries}", system.name()).into());
    }
    Ok((taken.as_nanos() as f64 / load.times as f64, writes))
}

const SYSTEMS: usize = 9;
/// So many appends are in flight in the rows that say so.
const FOUR: NonZeroU8 = NonZeroU8::new(4).unwrap();
/// About so many bytes are appended in a round, in at most so many appends.
const MOST_BYTES: usize = 48 << 20;
const MOST_TIMES: usize = 4_096;
const BLOCK_BYTES: usize = 4_096;
/// What stands beside the entries of an append, and beside each of them.
const FRAME_BYTES: usize = 128 + 64;
const ENTRY_BYTES: usize = 24 + 8;
