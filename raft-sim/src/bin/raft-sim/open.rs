//! `raft-sim open`: one world as a page to look at.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Args;
use raft_sim::export;
use raft_sim::failure;
use raft_sim::page;
use raft_sim::plan::Plan;
use raft_sim::script;
use raft_sim::sim::record_plan;
use raft_sim::trace::{KEPT, Recorder, Recording};

use crate::arguments::{DRAWN, World, one_of};
use crate::source;

/// What to look at.
#[derive(Args, Debug)]
#[command(group(one_of(&["recording", "seed", "plan"])))]
pub(crate) struct Open {
    /// A recording, as `replay --export jsonl` writes it, or a script (`*.txt`).
    #[arg(value_name = "FILE", conflicts_with_all = DRAWN, conflicts_with = "last")]
    recording: Option<PathBuf>,
    /// The world of this seed.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// The world of this plan.
    #[arg(long, value_name = "FILE", conflicts_with_all = DRAWN)]
    plan: Option<PathBuf>,
    #[command(flatten)]
    world: World,
    /// How many happenings the page holds, the last ones.
    #[arg(long, value_name = "N", default_value_t = KEPT)]
    last: usize,
    /// Where the page is written; otherwise into target/raft-sim.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Writes the page, says where, and opens it where there is a display; answers whether all is well
/// with the world.
pub(crate) fn open(arguments: &Open) -> Result<bool, io::Error> {
    let (recording, name) = match (&arguments.recording, &arguments.plan) {
        (Some(file), _) => (read(file)?, stem(file)),
        (None, Some(file)) => {
            let replay = format!("raft-sim replay --plan {}", file.display());
            (
                record(source::read(file)?, arguments.last, replay),
                stem(file),
            )
        }
        (None, None) => {
            let seed = arguments.seed.unwrap_or_default();
            let plan = Plan::draw(seed, &arguments.world.swarm());
            let replay = format!("raft-sim replay {seed}{}", arguments.world.words());
            (record(plan, arguments.last, replay), format!("seed-{seed}"))
        }
    };
    let out = match &arguments.out {
        Some(out) => out.clone(),
        None => {
            fs::create_dir_all(failure::FOLDER)?;
            Path::new(failure::FOLDER).join(name).with_extension("html")
        }
    };
    fs::write(&out, page::html(&recording, &page::title(&recording)))
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", out.display())))?;
    writeln!(io::stdout().lock(), "{}", out.display())?;
    show(&out);
    Ok(recording.violation.is_none())
}

fn record(plan: Plan, last: usize, replay: String) -> Recording {
    let (_, mut recording) = record_plan(plan, last);
    recording.replay = replay;
    recording
}

fn read(file: &Path) -> Result<Recording, io::Error> {
    if file.extension().is_some_and(|extension| extension == "txt") {
        return play(file, KEPT);
    }
    let text = fs::read_to_string(file).map_err(|error| unread(file, &error))?;
    export::parse(&text).map_err(|error| {
        let named_so = file
            .extension()
            .is_some_and(|extension| extension == "plan");
        match named_so || Plan::parse(&text).is_ok() {
            true => {
                let file = file.display();
                let text = format!("{file} is no recording. A plan? Use --plan {file}");
                io::Error::new(io::ErrorKind::InvalidData, text)
            }
            false => told(file, io::ErrorKind::InvalidData, &error),
        }
    })
}

/// Why there is nothing to look at. Other commands take a seed in this place.
fn unread(file: &Path, error: &io::Error) -> io::Error {
    match file.to_str().and_then(|name| name.parse::<u64>().ok()) {
        None => told(file, error.kind(), error),
        Some(seed) => {
            let text = format!("{seed}: {error}. A seed? Use --seed {seed}");
            io::Error::new(error.kind(), text)
        }
    }
}

/// Plays a script and records the last happenings of it.
///
/// # Errors
///
/// The file can't be read, or is no script.
pub(crate) fn play(file: &Path, last: usize) -> Result<Recording, io::Error> {
    let text = fs::read_to_string(file).map_err(|error| told(file, error.kind(), &error))?;
    let recorder = Recorder::new(last);
    script::record(&text, &recorder)
        .map_err(|error| told(file, io::ErrorKind::InvalidData, &error))?;
    let mut recording = recorder.take();
    recording.name = stem(file);
    recording.replay = format!("raft-sim script {}", file.display());
    Ok(recording)
}

fn told(file: &Path, kind: io::ErrorKind, error: &dyn std::error::Error) -> io::Error {
    io::Error::new(kind, format!("{}: {error}", file.display()))
}

fn stem(file: &Path) -> String {
    let stem = file.file_stem().unwrap_or_default();
    stem.to_string_lossy().into_owned()
}

/// Opens a page with whatever this machine opens pages with. Where that fails, its path was said.
fn show(page: &Path) {
    let display = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let opener = if cfg!(target_os = "macos") {
        "open"
    } else if display("DISPLAY") || display("WAYLAND_DISPLAY") {
        "xdg-open"
    } else {
        return;
    };
    let mut command = Command::new(opener);
    command
        .arg(page)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if let Err(error) = command.status() {
        eprintln!("raft-sim: {opener} does not start: {error}");
    }
}
