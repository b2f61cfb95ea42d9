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
//! or the story is wrong. The commands are listed in [`command::COMMANDS`]; `quietly` before one
//! prints nothing of it, but for a violated property. A script is a thin text form over
//! [`crate::directed`]: everything is moved by hand, and the checkers look on.

use std::fmt::Write as _;

use self::command::{Unexpected, parse};
use self::player::Player;
use crate::checkers::Violation;
use crate::directed::DirectedError;
use crate::trace::Recorder;

pub mod command;
mod letter;
mod player;
pub(crate) mod print;
#[cfg(test)]
mod tests;
mod trigger;
mod words;

/// A script that was played.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Played {
    /// The script with the output that its commands have now.
    pub text: String,
    /// The property that was found violated and the script did not expect.
    pub violation: Option<Violation>,
}

/// Runs a script, and answers it with the output that its commands have now.
///
/// # Errors
///
/// A line is no command, or a command can't be done.
pub fn run(script: &str) -> Result<Played, ScriptError> {
    play(script, Player::default(), |_| {})
}

/// Runs a script and records it: each command is a note in the recording.
///
/// # Errors
///
/// As [`run`].
pub fn record(script: &str, recorder: &Recorder) -> Result<Played, ScriptError> {
    play(script, Player::recorded_by(recorder), |command| {
        recorder.remark(command.to_owned());
    })
}

fn play(script: &str, mut player: Player, before: impl Fn(&str)) -> Result<Played, ScriptError> {
    let mut text = String::new();
    for (at, line) in script.lines().enumerate() {
        if line.starts_with(OUTPUT) {
            continue;
        }
        text.push_str(line);
        text.push('\n');
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        before(line);
        let output = output_of(&mut player, line).map_err(|(column, reason)| ScriptError {
            line: at + 1,
            column,
            reason,
        })?;
        print_to(&mut text, output);
    }
    print_to(&mut text, player.never_fired());
    Ok(Played {
        text,
        violation: player.violation().cloned(),
    })
}

fn print_to(text: &mut String, lines: Vec<String>) {
    for line in lines {
        // Writing to a string can't fail.
        let _ = writeln!(text, "{OUTPUT}{line}");
    }
}

/// Does one command; answers what it printed.
fn output_of(player: &mut Player, line: &str) -> Result<Vec<String>, (usize, Impossible)> {
    let Some(text) = line.strip_prefix('>') else {
        return Err((1, Impossible::NotACommand));
    };
    let (quietly, command) =
        parse(text, 2).map_err(|wrong| (wrong.column, Impossible::Unexpected(wrong)))?;
    let column = text.chars().take_while(|c| c.is_whitespace()).count() + 2;
    let mut output = player.perform(command).map_err(|wrong| (column, wrong))?;
    if quietly {
        output.retain(|line| line.starts_with("VIOLATED"));
    }
    Ok(output)
}

/// Where a script can't be played, and why.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line}, column {column}: {reason}")]
pub struct ScriptError {
    /// The line, counted from 1.
    pub line: usize,
    /// The column, counted from 1, in letters.
    pub column: usize,
    /// Why.
    pub reason: Impossible,
}

/// Why a line of a script can't be done.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Impossible {
    /// The line is neither empty, nor a comment, nor a command, nor output.
    #[error("a line begins with `#`, with `>` or with two spaces")]
    NotACommand,
    /// The line is no command.
    #[error("{0}")]
    Unexpected(Unexpected),
    /// There are no nodes yet.
    #[error("there is no cluster yet; begin with `cluster 3`")]
    NoCluster,
    /// The cluster can't do it.
    #[error("{0}")]
    Directed(DirectedError),
    /// The script expects a violation that there was not.
    #[error("{expected} was expected to be violated, and was not")]
    NotViolated {
        /// The property.
        expected: &'static str,
    },
}

const OUTPUT: &str = "  ";
