//! What the network does to messages when no fault is on.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Families, span};
use crate::lot::Lot;
use crate::network::KINDS;

/// What the network does to messages when no fault is on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkPlan {
    /// How long messages take.
    pub delay: Delay,
    /// Messages lost, in a thousand.
    pub drop_per_mille: u32,
    /// Messages that arrive twice, in a thousand.
    pub double_per_mille: u32,
    /// Messages that arrive late by up to [`Self::straggle_most`], in a thousand.
    pub straggle_per_mille: u32,
    /// The most that a straggler is late.
    #[serde(with = "span")]
    pub straggle_most: Duration,
    /// A kind of message (by its place in [`KINDS`]) of which more arrive late, and how many of a
    /// thousand: what answers an
    /// earlier term or attempt is rare otherwise, and many mistakes need it.
    pub slow_kind: Option<(u8, u32)>,
    /// Bytes on their way that the lane of entries to one node has room for.
    pub lane_bytes: usize,
    /// How many of a thousand connections that are cut, or whose other end crashes, have no room
    /// for a while, because they have to be made anew.
    pub redial_per_mille: u32,
    /// Whether a crash tells the others that their connections are lost.
    pub loss_hints: bool,
    /// How long each message takes when all faults are over; otherwise each takes its own time.
    #[serde(default, with = "span::optional")]
    pub calm: Option<Duration>,
}

/// How long messages take.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Delay {
    /// Evenly between the two.
    Even(
        #[serde(with = "span")] Duration,
        #[serde(with = "span")] Duration,
    ),
    /// Mostly short, sometimes long, around the mean.
    LongTailed(#[serde(with = "span")] Duration),
    /// The first, but in so many of a thousand the second.
    Two(
        #[serde(with = "span")] Duration,
        #[serde(with = "span")] Duration,
        u32,
    ),
}

impl NetworkPlan {
    pub(super) fn draw(lot: &mut Lot, families: Families, election_timeout: Duration) -> Self {
        // From a quick network to one whose messages take as long as an election.
        let slowest = match families == Families::default() {
            true => 40,
            false => lot.pick(4, &[4, 2]),
        };
        let scale = lot.span_of_any_scale(election_timeout / 200, election_timeout / slowest);
        let delay = match lot.below(3) {
            0 => Delay::Even(scale / 2, scale * 2),
            1 => Delay::LongTailed(scale),
            _ => Delay::Two(scale / 2, scale * 4, 150),
        };
        let rare = |on: bool, lot: &mut Lot, most: u64| {
            if on { 1 + lot.below(most) as u32 } else { 0 }
        };
        Self {
            delay,
            drop_per_mille: rare(families.drop, lot, 100),
            double_per_mille: match families.double && lot.chance(250) {
                true => lot.between(300, 1_000) as u32,
                false => rare(families.double, lot, 100),
            },
            straggle_per_mille: rare(families.straggle, lot, 40),
            straggle_most: election_timeout * lot.between(1, 12) as u32,
            slow_kind: (families.straggle && lot.chance(600)).then(|| {
                let kind = lot.between(1, KINDS.len() as u64 - 1) as u8;
                (kind, lot.between(50, 500) as u32)
            }),
            lane_bytes: lot.pick(1 << 20, &[1 << 12, 1 << 16, 1 << 20]),
            redial_per_mille: lot.pick(0, &[0, 300, 1_000]),
            loss_hints: lot.chance(500),
            calm: None,
        }
    }
}

impl Delay {
    /// Draws one.
    pub fn draw(self, lot: &mut Lot) -> Duration {
        match self {
            Self::Even(least, most) => lot.span(least, most),
            Self::LongTailed(mean) => lot.long_tailed(mean),
            Self::Two(common, rare, per_mille) => {
                let base = if lot.chance(per_mille) { rare } else { common };
                base + lot.span(Duration::ZERO, base / 8)
            }
        }
    }
}
