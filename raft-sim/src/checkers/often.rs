//! How often something is said: copies that come at once count as one.

use std::time::Duration;

use raft_core::time::Time;

/// How often the same was said, and when it was last.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Often {
    times: u32,
    last: Time,
}

impl Often {
    /// It is said again: how often by now. What comes again sooner than `pause` is a copy.
    pub(super) fn again(&mut self, local: Time, pause: Duration) -> u32 {
        if self.times == 0 || local.since(self.last) >= pause {
            self.times += 1;
            self.last = local;
        }
        self.times
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_again_at_once_is_a_copy() {
        let pause = Duration::from_millis(50);
        let at = |millis| Time::ZERO.after(Duration::from_millis(millis));
        let mut often = Often::default();
        let times = [7, 8, 56, 57, 106, 200].map(|millis| often.again(at(millis), pause));
        assert_eq!(times, [1, 1, 1, 2, 2, 3]);
    }
}
