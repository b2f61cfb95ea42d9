//! What a failing test says, and what it leaves for programs.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::check::MOST_FAILURES;
use super::{Failed, Report};
use crate::checkers::Violation;
use crate::failure::Files;

/// What a failing test has to say: seed, property, how to see it again, and where to look.
#[derive(Clone, PartialEq, Eq)]
pub struct Finding {
    /// The seed.
    pub seed: u64,
    /// What does not hold; nothing if too little could be judged, or the environment not be read.
    /// Then [`Self::story`] says so.
    pub violation: Option<Violation>,
    /// What happened, on one screen.
    pub story: String,
    /// The line that runs the seed again.
    pub replay: String,
    /// The line that runs the shrunk world.
    pub small: String,
    /// The files of the shrunk world, named after the seed that failed.
    pub files: Option<Files>,
    /// Why there are none.
    pub unwritten: Option<String>,
    /// The further seeds that failed, in order.
    pub also: Vec<Also>,
}

/// A further seed that failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Also {
    /// The seed, and what does not hold.
    pub failed: Failed,
    /// The line that runs the seed again.
    pub replay: String,
    /// Its files, where they could be written: of the world as it is, not shrunk.
    pub files: Option<Files>,
}

impl Finding {
    /// Too much of what clients saw is too tangled to judge.
    pub(super) fn undecided(report: &Report) -> Self {
        let (undecided, seeds) = (report.undecided, report.seeds);
        Self::of_no_seed(format!(
            "{undecided} of {seeds} histories are too tangled to judge, so that nobody knows whether clients saw what they should: make the worlds shorter (Sim::lasting), or have commands touch more keys and say which (Sim::with_workload, Workload::partition)"
        ))
    }

    /// What no one seed is to blame for.
    pub(super) const fn of_no_seed(text: String) -> Self {
        Self {
            seed: 0,
            violation: None,
            story: text,
            replay: String::new(),
            small: String::new(),
            files: None,
            unwritten: None,
            also: Vec::new(),
        }
    }

    /// Writes the failure for programs and for the summary of a build. A failure to write was
    /// told already, for the page.
    pub(super) fn write_report(&self, folder: &Path) {
        let path = |of: fn(&Files) -> &PathBuf| {
            self.files
                .as_ref()
                .map(|files| of(files).display().to_string())
        };
        let violation = self.violation.as_ref().map(ToString::to_string);
        let text = violation.unwrap_or_else(|| self.story.clone());
        let report = json!({
            "kind": "failure",
            "seed": self.seed,
            "property": self.violation.as_ref().map(|violation| violation.property),
            "text": text,
            "replay": self.replay,
            "plan": path(|files| &files.plan),
            "page": path(|files| &files.page),
            "also": self.also.iter().map(Also::json).collect::<Vec<_>>(),
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
            if self.small != self.replay {
                write!(f, "\n  small  {}", self.small)?;
            }
        }
        if let Some(error) = &self.unwritten {
            write!(f, "\n  no page: {error}")?;
        }
        for also in &self.also {
            write!(f, "\n{also}")?;
        }
        if self.also.len() + 1 >= MOST_FAILURES {
            write!(f, "\nno seed after these was tried")?;
        }
        Ok(())
    }
}

impl Also {
    fn json(&self) -> serde_json::Value {
        let files = self.files.as_ref();
        json!({
            "seed": self.failed.seed,
            "property": self.failed.violation.property,
            "text": self.failed.violation.to_string(),
            "replay": self.replay,
            "plan": files.map(|files| files.plan.display().to_string()),
            "page": files.map(|files| files.page.display().to_string()),
        })
    }
}

impl fmt::Display for Also {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failed { seed, violation } = &self.failed;
        write!(f, "also seed {seed}: {}", violation.property)?;
        write!(f, "\n  again  {}", self.replay)?;
        if let Some(files) = &self.files {
            write!(f, "\n  page   {}", files.page.display())?;
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
