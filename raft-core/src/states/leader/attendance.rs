//! Whether a leader is there when its followers need it: found out from its own ticks.
//!
//! A leader that was stopped for once listens before it concludes anything (see
//! [`Leader::on_deadline`](super::Leader::on_deadline)). One that is stopped again and again hears
//! a majority each time it looks, since the answers have waited for it; and yet its followers may
//! give it up each time. It does better to let another lead.

use core::hash::{Hash, Hasher};
use core::time::Duration;

use crate::time::Time;

/// When a leader has looked at its clock.
#[derive(Clone, Debug)]
pub(super) struct Attendance {
    last_tick: Time,
    /// The end of the last absence, or when the office began.
    present_since: Time,
    /// How often it was away since it was last there for long.
    absences: u8,
}

impl Attendance {
    pub(super) const fn new(now: Time) -> Self {
        Self {
            last_tick: now,
            present_since: now,
            absences: 0,
        }
    }

    /// The leader looks at its clock. Whether it has been away too often: for an election timeout,
    /// the shortest that a follower waits, three times with never four of them in between.
    pub(super) fn tick(&mut self, now: Time, election_timeout: Duration) -> bool {
        let away = now.since(self.last_tick) >= election_timeout;
        let forgiven_after = election_timeout.saturating_mul(FORGIVEN_AFTER);
        if self.last_tick.since(self.present_since) >= forgiven_after {
            self.absences = 0;
        }
        if away {
            self.absences = self.absences.saturating_add(1);
            self.present_since = now;
        }
        self.last_tick = now;
        self.absences > MOST_ABSENCES
    }

    /// What counts in [`crate::hull::Hull::fingerprint`].
    pub(super) fn fingerprint(&self, into: &mut impl Hasher) {
        let Self {
            last_tick: _,
            present_since: _,
            absences,
        } = self;
        absences.hash(into);
    }
}

/// So many absences are forgiven.
const MOST_ABSENCES: u8 = 2;
/// After so many election timeouts without an absence those before are forgotten.
const FORGIVEN_AFTER: u32 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_millis(1_000);

    /// At which of these ticks, each so many milliseconds after the one before, a leader has been
    /// away too often.
    fn too_often(gaps: &[u64]) -> Option<usize> {
        let mut now = Time::from_millis(5_000);
        let mut attendance = Attendance::new(now);
        gaps.iter().position(|gap| {
            now = now.after(Duration::from_millis(*gap));
            attendance.tick(now, TIMEOUT)
        })
    }

    #[test]
    fn the_third_absence_is_one_too_many() {
        assert_eq!(too_often(&[1_000, 1_000, 1_000]), Some(2));
        assert_eq!(too_often(&[9_000, 100, 9_000, 100, 9_000]), Some(4));
        assert_eq!(too_often(&[999; 50]), None, "no follower gives it up");
    }

    #[test]
    fn absences_are_forgotten_after_four_timeouts_of_presence() {
        let mut gaps = [100; 44];
        (gaps[0], gaps[1], gaps[41]) = (2_000, 2_000, 2_000);
        assert_eq!(too_often(&gaps), Some(41), "thirty-nine ticks are too few");
        let mut gaps = [100; 44];
        (gaps[0], gaps[1], gaps[42]) = (2_000, 2_000, 2_000);
        assert_eq!(too_often(&gaps), None);
    }
}
