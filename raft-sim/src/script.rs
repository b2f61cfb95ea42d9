//! Scripts: stories of a small cluster as text, with what happened checked in beside what was done.
//!
//! A script begins with a paragraph of purpose, each line after a `#`. Then come commands, one a
//! line after a `>`, each followed by what it printed, indented by two spaces:
//!
//! ```text
//! # Three nodes elect a leader.
//!
//! > cluster 3
//! > quietly campaign 1
//! > status
//!   n1 candidate of T1 …
//! ```
//!
//! Running a script prints it again with what happened now; where the two differ, either the code
//! or the story is wrong. The commands are listed in [`command`]. The cluster is of bare hulls with
//! logs in memory, and everything is moved by hand: messages, syncs, clocks.

use std::fmt::Write as _;

use self::cluster::Cluster;
use self::command::{CommandError, parse};

mod cluster;
pub mod command;
pub(crate) mod print;

/// Runs a script, and answers it with the output that its commands have now.
///
/// # Errors
///
/// A line is no command, or a command can't be done.
pub fn run(script: &str) -> Result<String, ScriptError> {
    let mut answer = String::new();
    let mut cluster = Cluster::none();
    for (at, line) in script.lines().enumerate() {
        if line.starts_with(OUTPUT) {
            continue;
        }
        answer.push_str(line);
        answer.push('\n');
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let failed = |reason| ScriptError {
            line: at + 1,
            reason,
        };
        let Some(text) = line.strip_prefix('>') else {
            return Err(failed(CommandError::NotACommand {
                line: line.to_owned(),
            }));
        };
        for output in output_of(&mut cluster, text).map_err(failed)? {
            // Writing to a string can't fail.
            let _ = writeln!(answer, "{OUTPUT}{output}");
        }
    }
    Ok(answer)
}

/// Does one command; answers what it printed.
fn output_of(cluster: &mut Cluster, text: &str) -> Result<Vec<String>, CommandError> {
    let (quietly, command) = parse(text)?;
    cluster.perform(command)?;
    let output = cluster.take_output();
    Ok(if quietly { Vec::new() } else { output })
}

/// Which line of a script can't be done, and why.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct ScriptError {
    /// The line, counted from 1.
    pub line: usize,
    /// Why.
    pub reason: CommandError,
}

const OUTPUT: &str = "  ";
