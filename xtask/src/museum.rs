//! `cargo xtask museum`: puts historic bugs back, one at a time, and sees whether the simulator
//! finds each of them without a hint. Legal variations must survive as long.
//!
//! A find counts only if the same seed passes on the code as it is. How long one may search is
//! counted in processor time, so that a busy machine doesn't change the verdict.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::error::TaskError;
use crate::tree::Tree;

mod exhibit;
mod hunt;
mod workshop;

use exhibit::Exhibit;
use hunt::{Find, Hunt};
use workshop::Workshop;

const FOLDER: &str = "raft-sim/museum";

/// What to do, from the command line.
#[derive(clap::Args)]
pub(crate) struct MuseumOptions {
    /// The folder with the patches.
    #[arg(default_value = FOLDER)]
    folder: PathBuf,
    /// Only say whether each patch applies.
    #[arg(long)]
    check: bool,
    /// Processor seconds to search for each, such as `600s`.
    #[arg(long, default_value = "600s", value_parser = seconds)]
    budget: f64,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
    /// Only these exhibits, such as `C01,V05`.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// The seed to begin with.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// How many exhibits to search at a time.
    #[arg(long, default_value_t = 1)]
    jobs: usize,
    /// Compile our own assertions out, so that only the checkers outside judge.
    #[arg(long)]
    no_invariants: bool,
}

/// Whether each patch applies, or with a search, whether each was found and no legal one was.
pub(crate) fn run(tree: &Tree, options: &MuseumOptions) -> Result<bool, TaskError> {
    let folder = if options.folder == Path::new(FOLDER) {
        tree.root.join(FOLDER)
    } else {
        options.folder.clone()
    };
    let exhibits = exhibit::all(&folder, &options.only)?;
    if options.check {
        return Ok(check(tree, &exhibits));
    }
    let workshop = Workshop::new(&tree.root, !options.no_invariants);
    let sound = workshop.build("unpatched", None)?;
    let mut programs = Vec::new();
    for exhibit in &exhibits {
        programs.push((exhibit, workshop.build(&exhibit.id, Some(&exhibit.path))?));
    }
    if !options.json {
        println!("{}", hunt::HEADING);
    }
    search_all(&sound, &programs, options)
}

/// Searches for each, several at a time; one line is printed as soon as one is over.
fn search_all(
    sound: &Path,
    programs: &[(&Exhibit, PathBuf)],
    options: &MuseumOptions,
) -> Result<bool, TaskError> {
    let next = AtomicUsize::new(0);
    let work = || -> Result<bool, TaskError> {
        let mut as_meant = true;
        while let Some((exhibit, program)) = programs.get(next.fetch_add(1, Ordering::Relaxed)) {
            as_meant &= search(sound, exhibit, program, options)?;
        }
        Ok(as_meant)
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..options.jobs.max(1))
            .map(|_| scope.spawn(work))
            .collect();
        let mut as_meant = true;
        for worker in workers {
            as_meant &= worker.join().unwrap_or(Ok(false))?;
        }
        Ok(as_meant)
    })
}

fn search(
    sound: &Path,
    exhibit: &Exhibit,
    program: &Path,
    options: &MuseumOptions,
) -> Result<bool, TaskError> {
    let mut hunt = Hunt::new(program, options.from, options.budget);
    let find = hunt.search(sound)?;
    let line = if options.json {
        hunt.as_json(exhibit, &find)
    } else {
        hunt.as_row(exhibit, &find)
    };
    println!("{line}");
    Ok(match find {
        Find::Killed { .. } => !exhibit.is_legal(),
        Find::Survived => exhibit.is_legal(),
        Find::AlsoUnpatched(_) => false,
    })
}

fn check(tree: &Tree, exhibits: &[Exhibit]) -> bool {
    let mut all_apply = true;
    for exhibit in exhibits {
        if let Err(error) = workshop::apply(&tree.root, &exhibit.path, true) {
            println!("{}: {error}", exhibit.id);
            all_apply = false;
        }
    }
    if all_apply {
        println!("museum: all {} patches apply", exhibits.len());
    }
    all_apply
}

/// `600` or `600s`.
fn seconds(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('s').unwrap_or(text);
    match number.parse::<f64>() {
        Ok(seconds) if seconds.is_finite() && seconds > 0.0 => Ok(seconds),
        Ok(_) | Err(_) => Err("a number of seconds above zero, such as 600s".to_owned()),
    }
}
