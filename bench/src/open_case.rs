//! Case `open`: what opening a long log costs, and reading all of it, beside raft-engine; and what verifying
//! it does.
//!
//! Each opening is in a process of its own, whose memory says what it took. The files were written just
//! before, and are in the system's memory as far as they fit: it is the work of opening that is
//! measured, not the disk.

pub(crate) mod quorate;
mod raft_engine;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use clap::{Args, value_parser};
use raft_log::examine::{self, Folders, Verdict};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

use crate::clusters::Failure;
use crate::meter::{cost_of, median};
use crate::report::{Figure, Report};

/// What can be chosen.
#[derive(Debug, Args)]
pub(crate) struct OpenOptions {
    /// Bytes of payload in the log.
    #[arg(long, default_value_t = 1 << 30, value_parser = value_parser!(u64).range(1 << 20..=1 << 34))]
    bytes: u64,
    /// Bytes of each entry's payload.
    #[arg(long, default_value_t = 256, value_parser = value_parser!(u32).range(1..=1 << 20))]
    payload: u32,
    /// Entries in one append, separated by commas.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "1024,16",
        value_parser = value_parser!(u32).range(1..=65_536)
    )]
    at: Vec<u32>,
    /// Rounds, each of which measures each system.
    #[arg(long, default_value_t = 5, value_parser = value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// A folder on the disk to be measured: a new one in it is used, and removed.
    #[arg(long, default_value = "target")]
    folder: PathBuf,
    /// Measure one system only.
    #[arg(long, value_enum)]
    only: Option<System>,
    /// Open what is in the folder, once, and print what that took: what a round's process is told.
    #[arg(long, value_enum, hide = true)]
    once: Option<System>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
enum System {
    Quorate,
    RaftEngine,
}

impl System {
    const ALL: [Self; 2] = [Self::Quorate, Self::RaftEngine];

    const fn name(self) -> &'static str {
        match self {
            Self::Quorate => "quorate",
            Self::RaftEngine => "raft-engine 0.4",
        }
    }

    /// As the command line has it.
    const fn word(self) -> &'static str {
        match self {
            Self::Quorate => "quorate",
            Self::RaftEngine => "raft-engine",
        }
    }

    fn fill(self, folder: &Path, load: &Load) -> Result<(), Failure> {
        match self {
            Self::Quorate => quorate::fill(folder, load),
            Self::RaftEngine => raft_engine::fill(folder, load),
        }
    }

    fn open(self, folder: &Path) -> Result<Box<dyn Reader>, Failure> {
        Ok(match self {
            Self::Quorate => Box::new(quorate::Opened::open(folder)?),
            Self::RaftEngine => Box::new(raft_engine::Opened::open(folder)?),
        })
    }
}

/// A log that was opened.
pub(crate) trait Reader {
    /// Reads all entries, in portions of [`PORTION`]: their payloads' bytes.
    fn read_all(&mut self) -> Result<u64, Failure>;
}

/// What a log is filled with.
#[derive(Clone, Copy, Debug)]
struct Load {
    payload: usize,
    at: usize,
    appends: u64,
}

impl Load {
    const fn bytes(&self) -> u64 {
        self.appends * (self.at * self.payload) as u64
    }
}

/// What one opening took.
struct Opening {
    seconds: f64,
    /// Of all threads' processor time.
    busy: f64,
    /// Of memory, at most while it was opened, and when it was.
    peak: f64,
    kept: f64,
    reading: f64,
    bytes: u64,
}

/// Measures both systems.
pub(crate) fn run(options: &OpenOptions) -> Result<Report, Box<dyn Error>> {
    if let Some(system) = options.once {
        println!("{}", once(system, &options.folder)?);
        return Ok(report(options, Vec::new()));
    }
    fs::create_dir_all(&options.folder)?;
    let folder = format!("bench-open-{}", std::process::id());
    let folder = options.folder.join(folder);
    let mut figures = Vec::new();
    for at in &options.at {
        let measured = measure(options, &folder, *at);
        // Whatever came of it, nothing is left behind.
        let _ = fs::remove_dir_all(&folder);
        figures.extend(measured?);
    }
    Ok(report(options, figures))
}

fn report(options: &OpenOptions, figures: Vec<Figure>) -> Report {
    let notes = vec![
        format!(
            "a log of {} MiB in entries of {} B, opened in a process of its own and read in portions of {} KiB; \
             medians of {} alternated rounds in {}; files in the system's memory",
            options.bytes >> 20,
            options.payload,
            PORTION >> 10,
            options.rounds,
            options.folder.display()
        ),
        "opening: quorate reads every frame and checks every checksum, on two threads; raft-engine reads each \
         batch's header and index, on four, and checks entries when they are read"
            .to_owned(),
        "CPU: processor time of all threads, in the kernel too, which another's load changes less than the wall's"
            .to_owned(),
        "memory: what the process holds more than before, at most while it opens the log, and when it has"
            .to_owned(),
        "verify: what `raft-log verify` does, on one thread; bytes of files by its processor time".to_owned(),
    ];
    Report {
        bench: "open",
        notes,
        figures,
    }
}

fn measure(options: &OpenOptions, folder: &Path, at: u32) -> Result<Vec<Figure>, Failure> {
    let (payload, at) = (options.payload as usize, at as usize);
    let load = Load {
        payload,
        at,
        appends: options.bytes.div_ceil((payload * at) as u64),
    };
    let wanted = |system: &System| options.only.is_none_or(|only| only == *system);
    let systems: Vec<System> = System::ALL.into_iter().filter(wanted).collect();
    for system in &systems {
        let folder = folder.join(system.word());
        fs::create_dir_all(&folder)?;
        system.fill(&folder, &load)?;
    }
    let mut openings: Vec<Vec<Opening>> = systems.iter().map(|_| Vec::new()).collect();
    for _ in 0..options.rounds {
        for (system, openings) in systems.iter().zip(&mut openings) {
            let opening = in_a_process(*system, &folder.join(system.word()))?;
            if opening.bytes != load.bytes() {
                let (name, found) = (system.name(), opening.bytes);
                return Err(format!("{name}: {found} bytes read, of {}", load.bytes()).into());
            }
            openings.push(opening);
        }
    }
    let case = format!("{} B, {} at a time", load.payload, load.at);
    let mut figures = Vec::new();
    for (system, openings) in systems.iter().zip(openings) {
        figures.extend(figures_of(&case, *system, &openings));
    }
    if systems.contains(&System::Quorate) {
        let folder = folder.join(System::Quorate.word());
        figures.push(verify(&case, &folder, options.rounds)?);
    }
    Ok(figures)
}

fn figures_of(case: &str, system: System, openings: &[Opening]) -> [Figure; 5] {
    let of = |value: fn(&Opening) -> f64| median(openings.iter().map(value).collect());
    let figure = |value, unit| Figure {
        case: case.to_owned(),
        system: system.name().to_owned(),
        value,
        unit,
    };
    [
        figure(of(|opening| opening.seconds * 1e3), "ms to open"),
        figure(of(|opening| opening.busy * 1e3), "ms of CPU to open"),
        figure(of(|opening| opening.peak / MIB), "MiB at most meanwhile"),
        figure(of(|opening| opening.kept / MIB), "MiB kept"),
        figure(
            of(|opening| opening.bytes as f64 / opening.reading / GIB),
            "GiB/s read back",
        ),
    ]
}

/// How fast all of our log is verified.
fn verify(case: &str, folder: &Path, rounds: u32) -> Result<Figure, Failure> {
    let mut bytes = 0;
    for file in fs::read_dir(folder)? {
        bytes += file?.metadata()?.len();
    }
    let folders = Folders {
        log: folder,
        snapshots: None,
    };
    let mut rates = Vec::new();
    for _ in 0..rounds {
        let mut told = Vec::new();
        let mut verdict = Ok(Verdict::Damaged);
        let cost = cost_of(|| verdict = examine::verify(&folders, &mut told));
        if verdict? != Verdict::Whole {
            return Err(String::from_utf8_lossy(&told).into());
        }
        rates.push(bytes as f64 / cost.nanoseconds as f64 * 1e9 / GIB);
    }
    Ok(Figure {
        case: case.to_owned(),
        system: System::Quorate.name().to_owned(),
        value: median(rates),
        unit: "GiB/s verified",
    })
}

/// Opens the log in a process of its own.
fn in_a_process(system: System, folder: &Path) -> Result<Opening, Failure> {
    let output = Command::new(std::env::current_exe()?)
        .args(["open", "--json", "--once", system.word(), "--folder"])
        .arg(folder)
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let said: Value = serde_json::from_str(text.lines().next().unwrap_or_default())?;
    let number = |name: &str| said[name].as_f64().ok_or("a process that says nothing");
    Ok(Opening {
        seconds: number("seconds")?,
        busy: number("busy")?,
        peak: number("peak")?,
        kept: number("kept")?,
        reading: number("reading")?,
        bytes: said["bytes"]
            .as_u64()
            .ok_or("a process that read nothing")?,
    })
}

/// Opens the log in this process and reads it.
fn once(system: System, folder: &Path) -> Result<Value, Failure> {
    let (_, before) = memory()?;
    let (start, busy) = (Instant::now(), seconds_of_cpu());
    let mut log = system.open(folder)?;
    let seconds = start.elapsed().as_secs_f64();
    let busy = seconds_of_cpu() - busy;
    let (peak, kept) = memory()?;
    let start = Instant::now();
    let bytes = log.read_all()?;
    let reading = start.elapsed().as_secs_f64();
    Ok(json!({
        "seconds": seconds,
        "busy": busy,
        "peak": peak.saturating_sub(before),
        "kept": kept.saturating_sub(before),
        "reading": reading,
        "bytes": bytes,
    }))
}

/// Processor time that this process took, on all threads.
fn seconds_of_cpu() -> f64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

/// How many bytes this process holds: at most until now, and now.
fn memory() -> Result<(u64, u64), Failure> {
    let status = fs::read_to_string("/proc/self/status")?;
    let kibibytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|line| line.trim().strip_suffix(" kB"));
        number.and_then(|number| number.parse::<u64>().ok())
    };
    let (most, now) = (kibibytes("VmHWM:"), kibibytes("VmRSS:"));
    let (most, now) = most.zip(now).ok_or("a system that tells no memory")?;
    Ok((most << 10, now << 10))
}

/// How many bytes are asked for at a time.
const PORTION: usize = 1 << 20;
const MIB: f64 = (1 << 20) as f64;
const GIB: f64 = (1 << 30) as f64;
