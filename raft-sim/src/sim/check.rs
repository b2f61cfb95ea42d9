//! Seeds in `cargo test`: a failing one says how to see it again, and leaves a page behind.
//!
//! What the environment says goes before what the test says:
//!
//! | variable | means |
//! |---|---|
//! | `RAFT_SIM_SEED=42` | this seed alone |
//! | `RAFT_SIM_PLAN=FILE` | this plan alone, such as one that a failure left, edited or not |
//! | `RAFT_SIM_SEEDS=0..1000` | these seeds, the last one excluded |
//! | `RAFT_SIM_OUT=FOLDER` | files go there, not to `target/raft-sim` |

use std::fmt;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::thread;

use serde_json::json;

use super::{Failed, Report, Sim};
use crate::checkers::Violation;
use crate::failure::{self, Files};
use crate::plan::Plan;
use crate::shrink::Budget;
use crate::story;
use crate::trace::KEPT;

impl Sim {
    /// Runs these seeds in a test, or those that the environment names (see the module).
    ///
    /// # Panics
    ///
    /// A seed fails: the test does too, and says what [`Finding`] does. Or the environment holds
    /// what can't be read.
    #[track_caller]
    #[expect(clippy::panic, reason = "how a test fails")]
    pub fn check(&self, seeds: Range<u64>) -> Report {
        match self.try_check(seeds) {
            Ok(report) => report,
            Err(finding) => panic!("{finding}"),
        }
    }

    /// The same as [`Sim::check`], for those who want to look at the failure.
    ///
    /// # Errors
    ///
    /// The first seed whose world violated a property, made small
    /// and written to files; or the environment holds what can't be read.
    pub fn try_check(&self, seeds: Range<u64>) -> Result<Report, Box<Finding>> {
        let wish = Wish::of_environment(seeds).map_err(|text| Box::new(Finding::bad_wish(text)))?;
        let name = test_name();
        let folder = folder(name.as_deref());
        let (plan, failed) = match wish {
            Wish::Seeds(seeds) => match self.run(seeds.clone()) {
                Ok(report) => {
                    write_report(&folder, &seeds, &report);
                    return Ok(report);
                }
                Err(failed) => (self.plan(failed.seed), failed),
            },
            Wish::Plan(plan) => {
                let outcome = self.run_plan((*plan).clone());
                let mut report = Report::default();
                report.add(&outcome);
                match outcome.violation {
                    None => return Ok(report),
                    Some(violation) => {
                        let seed = plan.seed;
                        (*plan, Failed { seed, violation })
                    }
                }
            }
        };
        let finding = self.examine(plan, failed, name.as_deref(), &folder);
        Err(Box::new(finding))
    }

    /// Makes a failing plan small, and writes it down.
    fn examine(&self, plan: Plan, failed: Failed, name: Option<&str>, folder: &Path) -> Finding {
        let test = name.map_or_else(String::new, |name| format!(" {name}"));
        let replay = format!("RAFT_SIM_SEED={} cargo test{test}", failed.seed);
        // What can't be shrunk fails otherwise each time, and is told as it first was.
        let shrunk = self.shrink_plan(&plan, Budget::runs(MOST_RUNS));
        let small = shrunk.map_or(plan, |shrunk| shrunk.plan);
        let (outcome, mut recording) = self.record_plan(small.clone(), KEPT);
        recording.replay.clone_from(&replay);
        let shown = outcome.violation.unwrap_or(failed.violation.clone());
        let written = failure::write(folder, &small, &recording);
        let finding = Finding {
            seed: failed.seed,
            violation: Some(failed.violation),
            story: story::one_screen(&recording, &shown),
            replay,
            unwritten: written.as_ref().err().map(ToString::to_string),
            files: written.ok(),
        };
        finding.write_report(folder);
        finding
    }
}

/// What a failing test has to say: seed, property, how to see it again, and where to look.
#[derive(Clone, PartialEq, Eq)]
pub struct Finding {
    /// The seed.
    pub seed: u64,
    /// What does not hold; nothing if the environment could not be read.
    pub violation: Option<Violation>,
    /// What happened, on one screen.
    pub story: String,
    /// The line that runs the seed again.
    pub replay: String,
    /// The files that were written.
    pub files: Option<Files>,
    /// Why there are none.
    pub unwritten: Option<String>,
}

impl Finding {
    const fn bad_wish(text: String) -> Self {
        Self {
            seed: 0,
            violation: None,
            story: text,
            replay: String::new(),
            files: None,
            unwritten: None,
        }
    }

    /// Writes the failure for programs and for the summary of a build. A failure to write was
    /// told already, for the page.
    fn write_report(&self, folder: &Path) {
        let path = |of: fn(&Files) -> &PathBuf| {
            self.files
                .as_ref()
                .map(|files| of(files).display().to_string())
        };
        let report = json!({
            "kind": "failure",
            "seed": self.seed,
            "property": self.violation.as_ref().map(|violation| violation.property),
            "text": self.violation.as_ref().map(ToString::to_string),
            "replay": self.replay,
            "plan": path(|files| &files.plan),
            "page": path(|files| &files.page),
        });
        let _ = fs::write(folder.join("report.json"), format!("{report}\n"));
        let _ = fs::write(folder.join("report.md"), format!("```text\n{self}\n```\n"));
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(violation) = &self.violation else {
            return f.write_str(&self.story);
        };
        writeln!(f, "seed {}: {violation}", self.seed)?;
        writeln!(f, "\n{}\n", self.story.trim_end())?;
        write!(f, "  again  {}", self.replay)?;
        if let Some(files) = &self.files {
            write!(f, "\n  page   {}", files.page.display())?;
            write!(f, "\n  plan   {}", files.plan.display())?;
            let small = format!("RAFT_SIM_PLAN={}", files.plan.display());
            let test = self.replay.split_once(' ').map_or("", |(_, test)| test);
            write!(f, "\n  small  {small} {test}")?;
        }
        if let Some(error) = &self.unwritten {
            write!(f, "\n  no page: {error}")?;
        }
        Ok(())
    }
}

/// As it is displayed: `unwrap` shows this form.
impl fmt::Debug for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Finding {}

/// What is to be run.
enum Wish {
    Seeds(Range<u64>),
    Plan(Box<Plan>),
}

impl Wish {
    fn of_environment(seeds: Range<u64>) -> Result<Self, String> {
        let variable = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
        if let Some(file) = variable("RAFT_SIM_PLAN") {
            let text = fs::read_to_string(&file).map_err(|error| format!("{file}: {error}"))?;
            let plan = Plan::parse(&text).map_err(|error| format!("{file}: {error}"))?;
            return Ok(Self::Plan(Box::new(plan)));
        }
        if let Some(text) = variable("RAFT_SIM_SEED") {
            let seed = number(&text).ok_or_else(|| {
                format!("RAFT_SIM_SEED={text} is not a seed: give one number, such as 42")
            })?;
            return Ok(Self::Seeds(seed..seed.saturating_add(1)));
        }
        let Some(text) = variable("RAFT_SIM_SEEDS") else {
            return Ok(Self::Seeds(seeds));
        };
        range(&text).map(Self::Seeds).ok_or_else(|| {
            format!("RAFT_SIM_SEEDS={text} is no range of seeds: write A..B, such as 0..1000")
        })
    }
}

fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

fn range(text: &str) -> Option<Range<u64>> {
    let (first, end) = text.split_once("..")?;
    let seeds = number(first)?..number(end)?;
    (!seeds.is_empty()).then_some(seeds)
}

/// The test that runs, if it has a thread of its own.
fn test_name() -> Option<String> {
    let name = thread::current().name()?.to_owned();
    (name != "main").then_some(name)
}

/// Where files go: a folder for each test, so that none overwrites another's.
fn folder(test: Option<&str>) -> PathBuf {
    let all = std::env::var_os("RAFT_SIM_OUT").map_or_else(target, PathBuf::from);
    match test {
        None => all,
        Some(test) => all.join(test.replace("::", "-")),
    }
}

/// The folder for failures in the target folder that this program was built in.
fn target() -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    let marked = |folder: &&Path| folder.join("CACHEDIR.TAG").exists();
    let found = program.ancestors().find(marked);
    found.map_or_else(
        || PathBuf::from(failure::FOLDER),
        |target| target.join("raft-sim"),
    )
}

/// Writes down that all seeds passed. Nobody's test fails because a summary can't be written.
fn write_report(folder: &Path, seeds: &Range<u64>, report: &Report) {
    let totals = &report.totals;
    let text = json!({
        "kind": "summary",
        "first_seed": seeds.start,
        "end_seed": seeds.end,
        "seeds": report.seeds,
        "operations": totals.operations,
        "answered": totals.answered,
        "elections": totals.elections,
        "crashes": totals.crashes,
        "unsynced_crashes": totals.unsynced_crashes,
        "faults": totals.faults,
        "undecided": report.undecided,
        "hash": format!("{:016x}", report.hash),
        "failures": 0,
    });
    let (first, end) = (seeds.start, seeds.end);
    let told = format!(
        "Seeds {first}..{end}: all {} worlds hold; {} operations, {} elections, {} crashes\n",
        report.seeds, totals.operations, totals.elections, totals.crashes
    );
    if fs::create_dir_all(folder).is_ok() {
        let _ = fs::write(folder.join("report.json"), format!("{text}\n"));
        let _ = fs::write(folder.join("report.md"), told);
    }
}

/// The most worlds that go into making a failure small: some seconds, and the same plan on every
/// machine.
const MOST_RUNS: u64 = 400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_read_as_a_range_that_holds_one() {
        assert_eq!(range("3..7"), Some(3..7));
        for bad in ["", "7", "7..7", "7..3", "a..b"] {
            assert_eq!(range(bad), None, "{bad}");
        }
    }
}
