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

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::thread;

use serde_json::json;

use super::finding::{Also, Finding};
use super::{Failed, Report, Sim};
use crate::checkers::Violation;
use crate::failure;
use crate::plan::Plan;
use crate::shrink::Budget;
use crate::story;
use crate::trace::KEPT;

impl Sim {
    /// Runs these seeds in a test, or those that the environment names (see the module).
    ///
    /// # Panics
    ///
    /// A seed fails: the test does too, and says what [`Finding`] does. Or too little could be
    /// judged, or the environment holds what can't be read.
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
    /// The first seed whose world violated a property, made small and written to files, and which
    /// others did, up to ten in all. Or too much of what clients saw is too tangled to judge
    /// ([`Report::is_undecided`]); or the environment holds what can't be read.
    pub fn try_check(&self, seeds: Range<u64>) -> Result<Report, Box<Finding>> {
        let wish =
            Wish::of_environment(seeds).map_err(|text| Box::new(Finding::of_no_seed(text)))?;
        let test = Test::of_this_thread();
        match wish {
            Wish::Seeds(seeds) => {
                let (report, failed) = self.run_until(seeds.clone(), MOST_FAILURES);
                let mut failed = failed.into_iter();
                let Some(first) = failed.next() else {
                    return conclude(&test.folder, &seeds, report);
                };
                let mut finding = self.examine(Suspect::of_seed(self, first, &test), &test);
                finding.also = failed.map(|failed| self.note(failed, &test)).collect();
                finding.write_report(&test.folder);
                Err(Box::new(finding))
            }
            Wish::Plan(file, plan) => {
                let outcome = self.run_plan((*plan).clone());
                let mut report = Report::default();
                report.add(&outcome);
                let Some(violation) = outcome.violation else {
                    let seeds = plan.seed..plan.seed.saturating_add(1);
                    return conclude(&test.folder, &seeds, report);
                };
                let finding = self.examine(Suspect::of_file(&file, *plan, violation, &test), &test);
                finding.write_report(&test.folder);
                Err(Box::new(finding))
            }
        }
    }

    /// Makes a failing plan small, and writes it down.
    fn examine(&self, suspect: Suspect, test: &Test) -> Finding {
        let Suspect {
            name,
            plan,
            failed,
            replay,
        } = suspect;
        // What can't be shrunk fails otherwise each time, and is told as it first was.
        let shrunk = self.shrink_plan(&plan, Budget::runs(MOST_RUNS));
        let is_shrunk = shrunk.is_some();
        let small = shrunk.map_or(plan, |shrunk| shrunk.plan);
        let (outcome, mut recording) = self.record_plan(small.clone(), KEPT);
        let name = match is_shrunk {
            true => failure::shrunk_name(&name),
            false => name,
        };
        if is_shrunk {
            recording.name = failure::shrunk_title(failed.seed, &small);
            recording.replay = test.plan_line(&test.folder.join(format!("{name}.plan")));
        } else {
            recording.replay.clone_from(&replay);
        }
        let shown = outcome.violation.unwrap_or(failed.violation.clone());
        let written = failure::write(&test.folder, &name, &small, &recording);
        Finding {
            seed: failed.seed,
            violation: Some(failed.violation),
            story: story::one_screen(&recording, &shown),
            replay,
            small: recording.replay,
            unwritten: written.as_ref().err().map(ToString::to_string),
            files: written.ok(),
            also: Vec::new(),
        }
    }

    /// Writes down a further failing seed, as it is.
    fn note(&self, failed: Failed, test: &Test) -> Also {
        let plan = self.plan(failed.seed);
        let (_, mut recording) = self.record_plan(plan.clone(), KEPT);
        recording.replay = test.seed_line(failed.seed);
        let name = failure::name(failed.seed);
        Also {
            replay: recording.replay.clone(),
            files: failure::write(&test.folder, &name, &plan, &recording).ok(),
            failed,
        }
    }
}

/// A plan that failed, and what it is called.
struct Suspect {
    name: String,
    plan: Plan,
    failed: Failed,
    /// The line that runs it again.
    replay: String,
}

impl Suspect {
    fn of_seed(sim: &Sim, failed: Failed, test: &Test) -> Self {
        Self {
            name: failure::name(failed.seed),
            plan: sim.plan(failed.seed),
            replay: test.seed_line(failed.seed),
            failed,
        }
    }

    /// A plan of a file: the seed in it says nothing of where the plan came from.
    fn of_file(file: &Path, plan: Plan, violation: Violation, test: &Test) -> Self {
        let seed = plan.seed;
        let stem = file.file_stem().unwrap_or_default();
        Self {
            name: stem.to_string_lossy().into_owned(),
            plan,
            failed: Failed { seed, violation },
            replay: test.plan_line(file),
        }
    }
}

/// What is to be run.
enum Wish {
    Seeds(Range<u64>),
    Plan(PathBuf, Box<Plan>),
}

impl Wish {
    fn of_environment(seeds: Range<u64>) -> Result<Self, String> {
        let variable = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
        if let Some(file) = variable("RAFT_SIM_PLAN") {
            let text = fs::read_to_string(&file).map_err(|error| format!("{file}: {error}"))?;
            let plan = Plan::parse(&text).map_err(|error| format!("{file}: {error}"))?;
            return Ok(Self::Plan(file.into(), Box::new(plan)));
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

/// The test that runs.
struct Test {
    /// The words that run it alone.
    words: String,
    /// Where its files go.
    folder: PathBuf,
}

impl Test {
    fn of_this_thread() -> Self {
        let name = test_name();
        let filter = name
            .as_ref()
            .map_or_else(String::new, |name| format!(" {name}"));
        Self {
            words: format!("cargo test{filter}"),
            folder: folder(name.as_deref()),
        }
    }

    fn seed_line(&self, seed: u64) -> String {
        format!("RAFT_SIM_SEED={seed} {}", self.words)
    }

    fn plan_line(&self, file: &Path) -> String {
        format!("RAFT_SIM_PLAN={} {}", file.display(), self.words)
    }
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

/// No world violates anything: says and writes down what was run. That is a failure all the same
/// when too little of it could be judged.
fn conclude(folder: &Path, seeds: &Range<u64>, report: Report) -> Result<Report, Box<Finding>> {
    if report.is_undecided() {
        let finding = Finding::undecided(&report);
        if fs::create_dir_all(folder).is_ok() {
            finding.write_report(folder);
        }
        return Err(Box::new(finding));
    }
    write_report(folder, seeds, &report);
    Ok(report)
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
        "Seeds {first}..{end}: all {} worlds hold; {} operations, {} elections, {} crashes, {} undecided histories\n",
        report.seeds, totals.operations, totals.elections, totals.crashes, report.undecided
    );
    print!("{told}");
    if fs::create_dir_all(folder).is_ok() {
        let _ = fs::write(folder.join("report.json"), format!("{text}\n"));
        let _ = fs::write(folder.join("report.md"), told);
    }
}

/// The most seeds that fail before no more are tried.
pub(super) const MOST_FAILURES: usize = 10;

/// The most worlds that go into making a failure small: some seconds, and the same plan on every
/// machine.
const MOST_RUNS: u64 = 400;

#[cfg(test)]
mod tests {
    use super::*;

    fn concluded(seeds: u64, undecided: u64) -> (Result<Report, Box<Finding>>, [String; 2]) {
        let folder = tempfile::tempdir().unwrap();
        let report = Report {
            seeds,
            undecided,
            ..Report::default()
        };
        let end = conclude(folder.path(), &(0..seeds), report);
        let read = |name| fs::read_to_string(folder.path().join(name)).unwrap();
        (end, ["report.md", "report.json"].map(read))
    }

    #[test]
    fn a_few_histories_that_nobody_can_judge_are_told() {
        let (end, [told, json]) = concluded(100, 5);
        assert_eq!(end.map(|report| report.undecided), Ok(5));
        assert!(told.contains("5 undecided histories"), "{told}");
        assert!(json.contains("\"undecided\":5"), "{json}");
    }

    #[test]
    fn a_check_that_can_judge_too_little_fails_and_says_what_to_do() {
        for (seeds, undecided) in [(100, 6), (1, 1)] {
            let (end, [told, json]) = concluded(seeds, undecided);
            let text = end.unwrap_err().to_string();
            let begin = format!("{undecided} of {seeds} histories");
            assert!(text.starts_with(&begin), "{text}");
            assert!(text.contains("shorter") && text.contains("keys"), "{text}");
            assert!(told.contains(&begin), "{told}");
            assert!(json.contains(&begin), "{json}");
        }
    }

    #[test]
    fn seeds_are_read_as_a_range_that_holds_one() {
        assert_eq!(range("3..7"), Some(3..7));
        for bad in ["", "7", "7..7", "7..3", "a..b"] {
            assert_eq!(range(bad), None, "{bad}");
        }
    }
}
