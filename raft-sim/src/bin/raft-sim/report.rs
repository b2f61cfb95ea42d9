//! What `raft-sim run` leaves of worlds that failed: files to look at, and how to see each again.

use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use raft_sim::failure::{self, Files};
use raft_sim::plan::Plan;
use raft_sim::sim::record_plan;
use raft_sim::story;
use raft_sim::trace::KEPT;

use crate::arguments::Run;
use crate::run::{What, failure_of};
use crate::shrink;

/// The seeds that failed and are written down.
#[derive(Default)]
pub(crate) struct Failed {
    /// In the order of seeds.
    kept: Vec<u64>,
    properties: BTreeSet<String>,
    count: u64,
}

impl Failed {
    /// A seed failed: it is kept if it is one of the first, or the first of its property.
    pub(crate) fn add(&mut self, seed: u64, property: &str) {
        self.count += 1;
        let is_new = self.properties.insert(property.to_owned());
        if is_new || self.kept.len() < FIRST {
            self.kept.push(seed);
        }
    }
}

/// Writes the failures down, and says where; the first is told as a story, and shrunk if that is
/// wished.
pub(crate) fn failures(failed: &Failed, what: &What, arguments: &Run) -> Result<(), io::Error> {
    let Some((first, others)) = failed.kept.split_first() else {
        return Ok(());
    };
    // Programs get no files that they did not ask for.
    let folder = arguments.report.clone();
    let folder = folder.or_else(|| (!arguments.json).then(|| failure::FOLDER.into()));
    if let Some(folder) = &folder {
        write(*first, what, folder, arguments, true)?;
        for seed in others {
            write(*seed, what, folder, arguments, false)?;
        }
        let kept = failed.kept.len() as u64;
        if !arguments.json && failed.count > kept {
            let (count, folder) = (failed.count, folder.display());
            say(&format!(
                "\n{count} seeds failed: in {folder} are the first {FIRST}, and the first of each property"
            ))?;
        }
    }
    match arguments.shrink {
        true => shrink_first(*first, &what.plan(*first), folder.as_deref(), arguments),
        false => Ok(()),
    }
}

/// Writes one failing world down, and says where; also its story, if that is wished.
fn write(
    seed: u64,
    what: &What,
    folder: &Path,
    arguments: &Run,
    with_story: bool,
) -> Result<(), io::Error> {
    let plan = what.plan(seed);
    let (outcome, mut recording) = record_plan(plan.clone(), KEPT);
    // Worlds that only differ from themselves violate nothing.
    let Some(violation) = outcome.violation else {
        return Ok(());
    };
    recording.replay = format!("raft-sim replay {}", words(seed, arguments));
    let files = failure::write(folder, &name(seed, arguments), &plan, &recording)?;
    if arguments.json {
        return say(&failure_of(&violation).report(seed, &recording.replay, &files));
    }
    let begin = match with_story {
        true => format!("\n{}", story::one_screen(&recording, &violation)),
        false => format!("\nseed {seed} violates {}", violation.property),
    };
    say(&format!("{begin}\n{}", lines(&recording.replay, &files)))
}

/// Shrinks a world that failed, writes it down, and says what came of it.
fn shrink_first(
    seed: u64,
    plan: &Plan,
    folder: Option<&Path>,
    arguments: &Run,
) -> Result<(), io::Error> {
    let (shrunk, cpu) = shrink::within(plan, SHRINKING);
    // Worlds that only differ from themselves violate nothing.
    let Some(shrunk) = shrunk else {
        return Ok(());
    };
    let files = match folder {
        None => None,
        Some(folder) => {
            let name = failure::shrunk_name(&name(seed, arguments));
            let mut recording = shrink::recording(seed, &shrunk);
            let plan: PathBuf = folder.join(format!("{name}.plan"));
            recording.replay = format!("raft-sim replay --plan {}", plan.display());
            let files = failure::write(folder, &name, &shrunk.plan, &recording)?;
            Some(lines(&recording.replay, &files))
        }
    };
    if arguments.json {
        return say(&shrink::json(seed, &shrunk, cpu));
    }
    let told = shrink::told(seed, &shrunk, cpu);
    match files {
        Some(lines) => say(&format!("\n{told}\n{lines}")),
        None => say(&format!("{}\n{told}", shrunk.plan.to_text())),
    }
}

/// How to see a world again, and where its files are.
fn lines(replay: &str, files: &Files) -> String {
    let (page, plan) = (files.page.display(), files.plan.display());
    format!("  again  {replay}\n  page   {page}\n  plan   {plan}")
}

/// The arguments that fix the same world.
pub(crate) fn words(seed: u64, arguments: &Run) -> String {
    match &arguments.plan {
        Some(file) => format!("--plan {}", file.display()),
        None => format!("{seed}{}", arguments.world.words()),
    }
}

/// What a failing world's files are called. The seed in a plan's file says nothing of where it came
/// from, and nobody's plan is written over.
fn name(seed: u64, arguments: &Run) -> String {
    let stem = arguments.plan.as_ref().and_then(|file| file.file_stem());
    stem.map_or_else(
        || failure::name(seed),
        |stem| format!("{}.failed", stem.to_string_lossy()),
    )
}

fn say(text: &str) -> Result<(), io::Error> {
    writeln!(io::stdout().lock(), "{text}")
}

/// So many seeds that fail are written down, whatever they violate.
const FIRST: usize = 10;

/// The most processor time that shrinking takes.
const SHRINKING: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_ten_and_the_first_of_each_property_are_kept() {
        let mut failed = Failed::default();
        for seed in 0..30 {
            failed.add(seed, "durability");
        }
        failed.add(30, "liveness");
        failed.add(31, "liveness");
        let expected: Vec<u64> = (0..10).chain([30]).collect();
        assert_eq!(failed.kept, expected);
        assert_eq!(failed.count, 32);
    }
}
