//! Figure 2's persistent state but for the log: as it holds now, and as it was last written.

use alloc::boxed::Box;
use core::ops::Deref;

use crate::log::HardState;

/// The hard state. It is read as what holds now, and what was written is kept beside it only from a
/// change on until the next write.
#[derive(Clone, Debug)]
pub(crate) struct Hard {
    present: HardState,
    /// As of the last batch handed out, if anybody has had it to change since.
    written: Option<Box<HardState>>,
}

impl Hard {
    /// What was read back, all of it written.
    pub(crate) const fn new(recovered: HardState) -> Self {
        Self {
            present: recovered,
            written: None,
        }
    }

    /// What holds now, to be changed.
    pub(crate) fn change(&mut self) -> &mut HardState {
        self.written.get_or_insert_with(|| Box::new(self.present));
        &mut self.present
    }

    /// What holds now, which is handed out to be written.
    pub(crate) fn write(&mut self) -> HardState {
        self.written = None;
        self.present
    }

    /// What was last handed out.
    pub(crate) fn written(&self) -> &HardState {
        self.written.as_deref().unwrap_or(&self.present)
    }

    /// Whether that is no longer what holds.
    pub(crate) fn is_new(&self) -> bool {
        let written = self.written.as_deref();
        written.is_some_and(|written| *written != self.present)
    }
}

impl Deref for Hard {
    type Target = HardState;

    fn deref(&self) -> &HardState {
        &self.present
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Term;

    #[test]
    fn what_was_written_is_remembered_until_it_is_written_anew() {
        let mut hard = Hard::new(HardState::default());
        assert!(!hard.is_new());
        for term in [1, 2] {
            hard.change().term = Term::new(term);
            assert!(hard.is_new());
            assert_eq!(
                (hard.term, hard.written().term),
                (Term::new(term), Term::ZERO)
            );
        }
        hard.change().term = Term::ZERO;
        assert!(!hard.is_new(), "it is what was written");
        hard.change().term = Term::new(3);
        assert_eq!(hard.write().term, Term::new(3));
        assert!(!hard.is_new());
        assert_eq!(hard.written(), &*hard);
    }
}
