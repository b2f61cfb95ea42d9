//! A leader whose disk hangs gives up: it can commit nothing that needs its own disk, and may hold up
//! everybody without knowing.

use raft_core::states::Role;
use raft_core::time::Time;

use super::{Step, Wrong};
use crate::checkers::property;
use crate::script::print::role;

/// The oldest write of a node that is not durable, and since when it has been the oldest.
/// Which one it is is told by its number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hanging<N> {
    oldest: Option<(N, Time)>,
}

impl<N: Copy + PartialEq> Hanging<N> {
    /// Nothing is outstanding.
    pub(super) const fn new() -> Self {
        Self { oldest: None }
    }

    /// Looks at a step of a node that was last stopped for long at `woke`; after it this is the
    /// oldest write that is not durable.
    pub(super) fn step(&mut self, oldest: Option<N>, step: &Step<'_>, woke: Time) -> Option<Wrong> {
        let same = |known: &(N, Time)| Some(known.0) == oldest;
        let since = self.oldest.filter(same);
        self.oldest = since.or(oldest.map(|number| (number, step.local)));
        let (_, since) = since?;
        let outstanding = step.local.since(since);
        // It looks at its clock once a round of heartbeats; who was stopped has had no chance.
        let grace = step.pace.heartbeat_interval * 2;
        let late = outstanding > step.pace.stalled_write_after + grace;
        let awake = step.local.since(woke) >= step.pace.heartbeat_interval * 3;
        (late && awake && step.after.role == Role::Leader && !step.after.stopped).then(|| {
            let text = format!(
                "is {} of {}, though its disk has owed it a write for {outstanding:?}, and {:?} is \
                 the most",
                role(step.after.role),
                step.after.term,
                step.pace.stalled_write_after
            );
            (property::LIVENESS, text)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use raft_core::ids::NodeId;

    use super::*;
    use crate::checkers::timers::Stand;
    use crate::checkers::timers::plain;

    /// What is said of these steps, each with its time and which write is the oldest.
    fn said(role: Role, steps: &[(u64, u64)]) -> bool {
        let mut hanging = Hanging::new();
        steps.iter().any(|(millis, number)| {
            let after = Stand {
                role,
                ..plain::stand(5)
            };
            let mut step = plain::step(NodeId::new(1), *millis, after, &[]);
            step.pace.stalled_write_after = Duration::from_millis(200);
            step.written = *number == 0;
            let oldest = Some(*number).filter(|number| *number > 0);
            hanging.step(oldest, &step, Time::ZERO).is_some()
        })
    }

    #[test]
    fn a_leader_gives_up_when_one_write_takes_too_long() {
        assert!(said(Role::Leader, &[(100, 1), (341, 1)]));
        assert!(!said(Role::Leader, &[(100, 1), (340, 1)]));
        assert!(!said(Role::Follower, &[(100, 1), (341, 1)]));
        assert!(!said(Role::Leader, &[(100, 1), (200, 2), (341, 2)]));
        assert!(!said(
            Role::Leader,
            &[(100, 1), (200, 0), (300, 1), (500, 1)]
        ));
    }
}
