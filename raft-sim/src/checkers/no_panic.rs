//! No hull finds an invariant of its own broken. (Panics are caught by whoever runs the world.)

use raft_core::error::Fault;

use super::{Checker, View, Violation, property};

/// See the module.
#[derive(Debug)]
pub struct NoPanic;

impl Checker for NoPanic {
    fn name(&self) -> &'static str {
        property::NO_PANIC
    }

    fn observe(&mut self, view: &View<'_>) -> Result<(), Violation> {
        match view.after.and_then(|after| after.fault.as_ref()) {
            Some(Fault::Invariant(broken)) => {
                Err(view.violation(self.name(), format!("the hull stopped: {broken}")))
            }
            // A failed disk is the world's doing, and a hull must stop then.
            Some(Fault::Log(_)) | None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use raft_core::error::BrokenInvariant;
    use raft_core::log::LogError;

    use super::*;
    use crate::checkers::story::Story;

    #[test]
    fn a_failed_disk_may_stop_a_hull() {
        let mut story = Story::of(NoPanic);
        story.observe(1, |node| {
            node.fault = Some(Fault::Log(LogError::Full {
                detail: String::new(),
            }));
        });
        assert_eq!(story.verdict(), None);
    }

    #[test]
    fn a_broken_invariant_may_not() {
        let mut story = Story::of(NoPanic);
        story.observe(1, |node| {
            node.fault = Some(Fault::Invariant(BrokenInvariant {
                statement: "commit is at most last".to_owned(),
                last_inputs: Vec::new(),
            }));
        });
        assert_eq!(story.verdict(), Some(property::NO_PANIC));
    }
}
