//! What a check found: where, which rule of ours, and what to do about it.

use std::fmt;

/// One thing that is not as it must be.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Finding {
    /// The file, from the workspace's root.
    pub(crate) path: String,
    /// The line, from 1.
    pub(crate) line: usize,
    /// The rule's name.
    pub(crate) rule: &'static str,
    /// What is wrong, and what to do.
    pub(crate) text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            path,
            line,
            rule,
            text,
        } = self;
        write!(f, "{path}:{line}: [{rule}] {text}")
    }
}

/// Everything one task found.
#[derive(Default, Debug)]
pub(crate) struct Findings {
    all: Vec<Finding>,
}

impl Findings {
    /// Adds one.
    pub(crate) fn add(
        &mut self,
        path: &str,
        line: usize,
        rule: &'static str,
        text: impl Into<String>,
    ) {
        self.all.push(Finding {
            path: path.to_owned(),
            line,
            rule,
            text: text.into(),
        });
    }

    /// Prints all in order of place, then one line for `task`. True if there are none.
    pub(crate) fn report(mut self, task: &str) -> bool {
        self.all.sort();
        for finding in &self.all {
            println!("{finding}");
        }
        match self.all.len() {
            0 => println!("{task}: in order"),
            1 => println!("{task}: 1 finding"),
            count => println!("{task}: {count} findings"),
        }
        self.all.is_empty()
    }

    /// The rules broken, in order of place.
    #[cfg(test)]
    pub(crate) fn rules(mut self) -> Vec<&'static str> {
        self.all.sort();
        self.all.iter().map(|finding| finding.rule).collect()
    }
}
