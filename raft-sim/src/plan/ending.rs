//! How a world ends: who runs when the faults are over, and what is asked of a cluster at rest.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Families, span};
use crate::lot::Lot;
use crate::nemesis::Loss;

/// How a world ends, once its plan's time is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ending {
    /// Whether all nodes run in the healed world, or only as many as a majority needs.
    pub all: bool,
    /// Whether all processes end at that moment, so that nobody leads when nodes start again, and
    /// what is lost of what their disks had not synced.
    pub blackout: Option<Loss>,
    /// How often the cluster rests when everything is done, and is then asked for one thing more.
    pub rests: u8,
    /// How long each rest lasts.
    #[serde(with = "span")]
    pub rest: Duration,
}

impl Ending {
    /// All nodes run, and the world is over as soon as everything is done.
    pub const PLAIN: Self = Self {
        all: true,
        blackout: None,
        rests: 0,
        rest: Duration::ZERO,
    };

    pub(super) fn draw(lot: &mut Lot, families: Families, election_timeout: Duration) -> Self {
        let all = families == Families::default() || lot.chance(550);
        let loss = match families.power_loss {
            true => lot.pick(Loss::All, &[Loss::Torn, Loss::Process]),
            false => Loss::Process,
        };
        let rests = match lot.chance(500) {
            true => lot.between(1, 3) as u8,
            false => 0,
        };
        Self {
            all,
            blackout: (families.crash && lot.chance(350)).then_some(loss),
            rests,
            rest: lot.span(election_timeout * 2, election_timeout * 8),
        }
    }
}

impl Default for Ending {
    fn default() -> Self {
        Self::PLAIN
    }
}
