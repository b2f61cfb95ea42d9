//! One search: run the simulator seed after seed until one fails or the budget is used.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::exhibit::Exhibit;
use crate::error::TaskError;

/// Seeds in one run of the simulator: few, so that a budget is not overrun by much.
const SLICE: u64 = 20;

/// How much longer than its budget a run may take by the clock on the wall. A bug that makes the
/// simulator hang is not found, but it must not hang the museum.
const PATIENCE: f64 = 4.0;

/// What the table begins with.
pub(super) const HEADING: &str =
    "exhibit  killed by               seed  seeds run  cpu seconds  meant to break";

/// How a search ended.
pub(super) enum Find {
    /// This seed broke this property.
    Killed {
        /// The first seed that failed.
        seed: u64,
        /// What it broke.
        property: String,
    },
    /// Only seeds like this one failed, which fails on the code as it is: a bug of ours, or a
    /// checker's.
    AlsoUnpatched(u64),
    /// Nothing failed within the budget.
    Survived,
}

/// A search under way.
pub(super) struct Hunt {
    program: PathBuf,
    next: u64,
    seeds_run: u64,
    budget: f64,
    used: f64,
}

impl Hunt {
    /// A search with `program` from the seed `from` on.
    pub(super) fn new(program: &Path, from: u64, budget: f64) -> Self {
        Self {
            program: program.to_owned(),
            next: from,
            seeds_run: 0,
            budget,
            used: 0.0,
        }
    }

    /// Searches until a seed fails that passes with `sound`, the code as it is, or until the
    /// budget is used.
    pub(super) fn search(&mut self, sound: &Path) -> Result<Find, TaskError> {
        let mut without_patch = None;
        while self.used < self.budget {
            let slice = Slice::run(&self.program, self.next, SLICE, self.budget - self.used)?;
            self.used += slice.cpu_seconds;
            let Some((seed, property)) = slice.first_failure() else {
                if slice.status != Some(0) {
                    break; // it hung
                }
                self.seeds_run += SLICE;
                self.next += SLICE;
                continue;
            };
            self.seeds_run += seed.saturating_sub(self.next) + 1;
            self.next = seed + 1;
            if passes(sound, seed)? {
                return Ok(Find::Killed { seed, property });
            }
            without_patch.get_or_insert(seed);
        }
        Ok(without_patch.map_or(Find::Survived, Find::AlsoUnpatched))
    }

    /// One row of the table.
    pub(super) fn as_row(&self, exhibit: &Exhibit, find: &Find) -> String {
        let (verdict, seed) = match find {
            Find::Killed { seed, property } => (property.clone(), seed.to_string()),
            Find::AlsoUnpatched(seed) => ("(fails unpatched)".to_owned(), seed.to_string()),
            Find::Survived => ("(survived)".to_owned(), "-".to_owned()),
        };
        format!(
            "{:<8} {verdict:<22} {seed:>6}  {:>9}  {:>11.1}  {}",
            exhibit.id,
            self.seeds_run,
            self.used,
            exhibit.properties.join(", ")
        )
    }

    /// The same as one JSON object.
    pub(super) fn as_json(&self, exhibit: &Exhibit, find: &Find) -> String {
        let (verdict, seed, property) = match find {
            Find::Killed { seed, property } => ("killed", Some(seed), Some(property)),
            Find::AlsoUnpatched(seed) => ("fails_unpatched", Some(seed), None),
            Find::Survived => ("survived", None, None),
        };
        let object = json!({
            "id": exhibit.id,
            "verdict": verdict,
            "property": property,
            "meant": exhibit.properties,
            "seed": seed,
            "seeds_run": self.seeds_run,
            "cpu_seconds": self.used,
        });
        object.to_string()
    }
}

/// Whether one seed passes with `program`.
fn passes(program: &Path, seed: u64) -> Result<bool, TaskError> {
    Ok(Slice::run(program, seed, 1, 600.0)?.status == Some(0))
}

/// What one run of the simulator said.
struct Slice {
    from: u64,
    status: Option<i32>,
    failures: Vec<(u64, String)>,
    cpu_seconds: f64,
}

impl Slice {
    fn run(program: &Path, from: u64, count: u64, budget: f64) -> Result<Self, TaskError> {
        let seeds = format!("{from}..{}", from + count);
        let mut command = Command::new(program);
        command.args(["run", "--jobs", "1", "--json", "--stop-at-first"]);
        command.args(["--seeds", &seeds]);
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let began = Instant::now();
        let (status, said) = run_within(&mut command, Duration::from_secs_f64(budget * PATIENCE))?;
        let mut slice = Self {
            from,
            status,
            failures: Vec::new(),
            cpu_seconds: began.elapsed().as_secs_f64(),
        };
        for object in said
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
        {
            slice.hear(&object);
        }
        Ok(slice)
    }

    fn hear(&mut self, object: &Value) {
        if let (Some(seed), Some(property)) = (object["seed"].as_u64(), object["property"].as_str())
        {
            self.failures.push((seed, property.to_owned()));
        }
        if let Some(seconds) = object["cpu_seconds"].as_f64() {
            self.cpu_seconds = seconds;
        }
    }

    /// The lowest seed that failed and what it broke. A run that ended badly without naming one
    /// died in it.
    fn first_failure(&self) -> Option<(u64, String)> {
        let named = self.failures.iter().min().cloned();
        let died = !matches!(self.status, Some(0) | None);
        named.or_else(|| died.then(|| (self.from, "(the simulator died)".to_owned())))
    }
}

/// Runs `command` for at most `limit`: its status (none if it was ended here) and what it said.
fn run_within(command: &mut Command, limit: Duration) -> Result<(Option<i32>, String), TaskError> {
    let failed = |command: &Command, error: std::io::Error| TaskError::Command {
        command: format!("{command:?}"),
        output: error.to_string(),
    };
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return Err(failed(command, error)),
    };
    let pipe = child.stdout.take();
    let reader = std::thread::spawn(move || {
        let mut said = String::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.read_to_string(&mut said);
        }
        said
    });
    let began = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Some(status.code().unwrap_or(-1)),
            Ok(None) if began.elapsed() > limit => {
                let _ = child.kill();
                let _ = child.wait();
                break None;
            }
            Ok(None) => std::thread::sleep(Duration::from_millis(20)),
            Err(error) => return Err(failed(command, error)),
        }
    };
    Ok((status, reader.join().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slice(status: Option<i32>, lines: &[&str]) -> Slice {
        let mut slice = Slice {
            from: 40,
            status,
            failures: Vec::new(),
            cpu_seconds: 9.0,
        };
        for line in lines {
            slice.hear(&serde_json::from_str(line).unwrap());
        }
        slice
    }

    #[test]
    fn the_lowest_failing_seed_counts() {
        let heard = slice(
            Some(1),
            &[
                r#"{"seed": 57, "property": "durability"}"#,
                r#"{"seed": 43, "property": "tickets"}"#,
                r#"{"seeds": 20, "cpu_seconds": 1.5}"#,
            ],
        );
        assert_eq!(heard.first_failure(), Some((43, "tickets".to_owned())));
        assert!((heard.cpu_seconds - 1.5).abs() < 1e-9);
    }

    #[test]
    fn a_simulator_that_dies_is_a_find_and_one_that_hangs_is_not() {
        assert!(slice(Some(0), &[]).first_failure().is_none());
        assert!(slice(None, &[]).first_failure().is_none());
        assert_eq!(
            slice(Some(134), &[]).first_failure().map(|(seed, _)| seed),
            Some(40)
        );
    }

    #[test]
    fn a_program_that_hangs_is_ended() {
        let mut command = Command::new("sleep");
        command.arg("60").stdout(Stdio::piped());
        let (status, said) = run_within(&mut command, Duration::from_millis(50)).unwrap();
        assert_eq!((status, said.as_str()), (None, ""));
    }
}
