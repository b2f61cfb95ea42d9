//! A built simulator: some seeds in, verdicts out.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::error::TaskError;

/// The longest that a run may take by the clock on the wall: a bug that makes the simulator hang
/// must not hang the museum.
const PATIENCE: Duration = Duration::from_secs(60);

/// So much longer for each seed of it: a hundred times what one takes on a machine that does
/// nothing else.
const PATIENCE_A_SEED: Duration = Duration::from_secs(4);

/// What a run may use of memory, in kilobytes, where the shell can say so: a bug that allocates
/// without end must not end the machine.
const MEMORY: u64 = 6_000_000;

/// The simulator's answer to arguments that make no sense.
const MISUSED: i32 = 2;

/// A program to run.
pub(super) struct Simulator {
    /// Where it stands.
    pub(super) path: PathBuf,
}

/// What a run over some seeds came to.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Slice {
    /// The lowest seed that failed and what it broke.
    pub(super) failure: Option<(u64, String)>,
    /// It was ended because it did not end.
    pub(super) hung: bool,
    /// It ended badly without naming a seed.
    pub(super) died: bool,
    /// Processor time, as the simulator says; if it doesn't, the time on the wall.
    pub(super) cpu_seconds: f64,
}

impl Simulator {
    /// The program at `path`.
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
        }
    }

    /// Runs `count` seeds from `from` on, up to the first that fails.
    pub(super) fn slice(&self, from: u64, count: u64) -> Result<Slice, TaskError> {
        let slice = self.seeds(from, count)?;
        if !slice.died || count == 1 {
            return Ok(slice);
        }
        // It died in one of them: one at a time says in which.
        let mut cpu_seconds = slice.cpu_seconds;
        for seed in from..from + count {
            let one = self.seeds(seed, 1)?;
            cpu_seconds += one.cpu_seconds;
            if one.died || one.hung || one.failure.is_some() {
                return Ok(Slice { cpu_seconds, ..one });
            }
        }
        Ok(Slice {
            cpu_seconds,
            died: false,
            ..slice
        })
    }

    fn seeds(&self, from: u64, count: u64) -> Result<Slice, TaskError> {
        let seeds = format!("{from}..{}", from + count);
        let words = ["run", "--jobs", "1", "--json", "--stop-at-first", "--seeds"];
        let began = Instant::now();
        let patience = PATIENCE + PATIENCE_A_SEED * u32::try_from(count).unwrap_or(u32::MAX);
        let (status, said) = self.say(&words, &seeds, patience)?;
        let mut slice = heard(&said, from, status);
        if slice.cpu_seconds == 0.0 {
            slice.cpu_seconds = began.elapsed().as_secs_f64();
        }
        if status == Some(MISUSED) {
            let problem = format!("`raft-sim run --seeds {seeds}` is not understood");
            return Err(TaskError::malformed(&self.path, &problem));
        }
        Ok(slice)
    }

    /// Whether one seed passes.
    pub(super) fn passes(&self, seed: u64) -> Result<bool, TaskError> {
        let slice = self.seeds(seed, 1)?;
        Ok(slice.failure.is_none() && !slice.hung && !slice.died)
    }

    /// Runs the program with `words` and `last`; its status, none if it was ended here, and what
    /// it said.
    pub(super) fn say(
        &self,
        words: &[&str],
        last: &str,
        limit: Duration,
    ) -> Result<(Option<i32>, String), TaskError> {
        let bounded = format!("ulimit -v {MEMORY} 2>/dev/null; exec \"$@\"");
        let mut command = Command::new("sh");
        command.args(["-c", &bounded, "sh"]).arg(&self.path);
        command.args(words).arg(last);
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        run_within(&mut command, limit)
    }
}

/// What the simulator's lines say.
fn heard(said: &str, from: u64, status: Option<i32>) -> Slice {
    let mut slice = Slice {
        hung: status.is_none(),
        ..Slice::default()
    };
    let objects = said.lines().map(serde_json::from_str::<Value>);
    for object in objects.filter_map(Result::ok) {
        if let (Some(seed), Some(property)) = (object["seed"].as_u64(), object["property"].as_str())
        {
            let lower = |(lowest, _): &(u64, String)| seed < *lowest;
            if slice.failure.as_ref().is_none_or(lower) {
                slice.failure = Some((seed, property.to_owned()));
            }
        }
        if let Some(seconds) = object["cpu_seconds"].as_f64() {
            slice.cpu_seconds = seconds;
        }
    }
    if slice.failure.is_none() && !matches!(status, Some(0) | None) {
        slice.died = true;
        slice.failure = Some((from, "(the simulator died)".to_owned()));
    }
    slice
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
            Ok(None) => std::thread::sleep(Duration::from_millis(10)),
            Err(error) => return Err(failed(command, error)),
        }
    };
    Ok((status, reader.join().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_failing_seed_counts() {
        let said = r#"{"seed": 57, "property": "durability"}
            {"seed": 43, "property": "tickets"}
            {"seeds": 20, "cpu_seconds": 1.5}"#;
        let slice = heard(said, 40, Some(1));
        assert_eq!(slice.failure, Some((43, "tickets".to_owned())));
        assert!((slice.cpu_seconds - 1.5).abs() < 1e-9);
    }

    #[test]
    fn a_simulator_that_dies_is_a_find_and_one_that_hangs_is_not() {
        assert_eq!(heard("", 40, Some(0)), Slice::default());
        assert!(heard("", 40, None).hung);
        assert!(heard("", 40, None).failure.is_none());
        let died = heard("", 40, Some(134));
        assert_eq!(died.failure.map(|(seed, _)| seed), Some(40));
    }

    #[test]
    fn a_program_that_hangs_is_ended() {
        let mut command = Command::new("sleep");
        command.arg("60").stdout(Stdio::piped());
        let (status, said) = run_within(&mut command, Duration::from_millis(50)).unwrap();
        assert_eq!((status, said.as_str()), (None, ""));
    }
}
