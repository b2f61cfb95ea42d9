//! How fast disks are when no fault is on.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Delay, Families, MAX_NODES, span};
use crate::lot::Lot;

/// How fast disks are when no fault is on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiskPlan {
    /// How long a sync takes.
    pub sync: Delay,
    /// How long any other operation takes at most.
    #[serde(with = "span")]
    pub other_most: Duration,
    /// Bytes that are written whole or not at all.
    pub sector_bytes: usize,
    /// A node whose syncs take so many times as long.
    pub slow: Option<(u8, u32)>,
    /// The longest that its syncs take.
    #[serde(with = "span")]
    pub slow_most: Duration,
    /// Whether operations on different files answer in any order, instead of one after the other.
    #[serde(default)]
    pub any_order: bool,
    /// How long each sync takes when all faults are over; otherwise each disk has its own speed.
    #[serde(default, with = "span::optional")]
    pub calm: Option<Duration>,
}

impl DiskPlan {
    /// How long a sync of this node (by number) takes.
    pub(crate) fn sync_of(&self, node: usize, lot: &mut Lot) -> Duration {
        let span = self.sync.draw(lot);
        match self.slow {
            Some((slow, times)) if usize::from(slow) == node => {
                (span * times).min(self.slow_most.max(span))
            }
            Some(_) | None => span,
        }
    }

    pub(super) fn draw(lot: &mut Lot, families: Families, election_timeout: Duration) -> Self {
        let calm = families == Families::default();
        let slowest = election_timeout / if calm { 60 } else { 6 };
        let scale = lot.span_of_any_scale(Duration::from_micros(60), slowest);
        let sync = match lot.below(3) {
            0 => Delay::Even(scale / 2, scale * 2),
            1 => Delay::LongTailed(scale),
            _ => Delay::Two(scale / 2, scale * 5, 100),
        };
        Self {
            sync,
            other_most: Duration::from_micros(lot.between(5, 200)),
            sector_bytes: lot.pick(512, &[512, 4096]),
            slow: lot.chance(400).then(|| {
                (
                    lot.below(u64::from(MAX_NODES)) as u8,
                    1 << lot.between(1, 6),
                )
            }),
            slow_most: election_timeout / 2,
            any_order: lot.chance(500),
            calm: None,
        }
    }
}
