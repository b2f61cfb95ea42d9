//! What runtimes do that no program may rely on or against.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Families, span};
use crate::lot::Lot;

/// What runtimes do while there are faults.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Quirks {
    /// After so many of a thousand events some node is polled that nothing has woken.
    pub spurious_polls_per_mille: u32,
    /// How late alarms ring at most.
    #[serde(with = "span")]
    pub alarms_late: Duration,
}

impl Quirks {
    pub(super) fn draw(lot: &mut Lot, families: Families, election_timeout: Duration) -> Self {
        if families == Families::default() {
            return Self::default();
        }
        Self {
            spurious_polls_per_mille: match lot.chance(150) {
                true => lot.pick(5, &[50, 300]),
                false => 0,
            },
            alarms_late: match lot.chance(250) {
                true => lot.span_of_any_scale(Duration::from_micros(100), election_timeout / 2),
                false => Duration::ZERO,
            },
        }
    }
}
