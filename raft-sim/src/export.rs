//! A recording in the formats of other tools: JSON lines for programs, Mermaid and PlantUML for
//! documents, ShiViz for its own space-time diagrams.

use serde::{Deserialize, Serialize};

use crate::trace::{Happening, Recording};

mod sequence;
mod shiviz;
mod words;

pub use sequence::{mermaid, plantuml};
pub use shiviz::shiviz;

/// The recording as JSON, one object a line: first all but what happened, then one happening each.
pub fn json_lines(recording: &Recording) -> String {
    let head = Recording {
        happenings: Vec::new(),
        ..recording.clone()
    };
    let mut text = line(&head);
    for happening in &recording.happenings {
        text.push_str(&line(happening));
    }
    text
}

/// Reads what [`json_lines`] wrote, or a recording as one JSON object.
///
/// # Errors
///
/// A line is not what stands there.
pub fn parse(text: &str) -> Result<Recording, ParseError> {
    let mut lines = serde_json::Deserializer::from_str(text);
    let mut recording =
        Recording::deserialize(&mut lines).map_err(|error| ParseError::of(&error))?;
    let rest = lines.into_iter::<Happening>();
    for happening in rest {
        recording
            .happenings
            .push(happening.map_err(|error| ParseError::of(&error))?);
    }
    Ok(recording)
}

/// Text that is no recording.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line}: not a recording of this version: {reason}")]
pub struct ParseError {
    /// Which line, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: String,
}

impl ParseError {
    fn of(error: &serde_json::Error) -> Self {
        Self {
            line: error.line(),
            reason: error.to_string(),
        }
    }
}

fn line(value: &impl Serialize) -> String {
    // Keys are strings and numbers are whole: there is nothing that JSON could not say.
    let mut line = serde_json::to_string(value).unwrap_or_default();
    line.push('\n');
    line
}

#[cfg(test)]
mod tests;
