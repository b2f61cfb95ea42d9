//! What a kit finds: a clause of a contract that does not hold, and how to get there again.

use std::error::Error;
use std::fmt;

use super::log::Clause;

/// What a part under test did that its contract does not allow.
#[derive(Clone, PartialEq, Eq)]
pub struct Broken<C = Clause> {
    /// The clause; `None` if it is not the part's fault but the kit's, or of what the kit was given to open it.
    pub clause: Option<C>,
    /// What the part did, and what was expected of it.
    pub what: String,
    /// What had been done to it: how to get there again.
    pub after: Vec<String>,
}

/// The numbered clauses of a trait.
pub trait Contract: Copy + fmt::Debug {
    /// The trait's name.
    const OF: &'static str;

    /// The clause's number there.
    fn number(self) -> u8;
}

impl<C> Broken<C> {
    /// This was found, where that was expected.
    pub(super) fn new(clause: C, found: impl fmt::Display, expected: impl fmt::Display) -> Self {
        Self {
            clause: Some(clause),
            what: format!("{found}; expected: {expected}"),
            after: Vec::new(),
        }
    }

    /// It is not the part's fault.
    pub(super) const fn kit(what: String) -> Self {
        Self {
            clause: None,
            what,
            after: Vec::new(),
        }
    }

    /// The same, after this.
    #[must_use]
    pub(super) fn after(mut self, what: impl Into<String>) -> Self {
        self.after.insert(0, what.into());
        self
    }
}

impl<C: Contract> Error for Broken<C> {}

/// As it is displayed: a test that returns it shows it so.
impl<C: Contract> fmt::Debug for Broken<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<C: Contract> fmt::Display for Broken<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.clause {
            Some(clause) => {
                let (number, of) = (clause.number(), C::OF);
                write!(f, "clause {number} of {of} ({clause:?}) is broken: ")?;
            }
            None => f.write_str("the kit, or what opens the part for it, is at fault: ")?,
        }
        f.write_str(&self.what)?;
        for after in &self.after {
            write!(f, "\n  {after}")?;
        }
        Ok(())
    }
}
