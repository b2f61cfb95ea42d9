//! What becomes of frames: drawn from their names, or what the plan says of single ones.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::lot::Lot;
use crate::plan::{Fate, FatePlan, Kind, NetworkPlan, Plan};

/// What a frame is called: sender, receiver (by number), kind, number of its kind on that link.
pub(super) type FrameName = (u32, u32, Kind, u64);

/// What becomes of a frame, if no cut takes it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Drawn {
    pub(super) lost: bool,
    pub(super) delay: Duration,
    /// After how long a copy of it arrives, if one does.
    pub(super) again: Option<Duration>,
}

/// The fates that a plan says outright, and those that are to be written down.
#[derive(Debug, Default)]
pub(super) struct Fates {
    planned: BTreeMap<FrameName, Fate>,
    /// How long a frame takes that is not worth writing down.
    usual: Option<Duration>,
    noted: Vec<FatePlan>,
}

impl Fates {
    pub(super) fn new(plan: &Plan) -> Self {
        let planned = plan.fates.iter().map(|one| {
            let name = (one.from, one.to, one.kind, one.number);
            (name, one.fate)
        });
        Self {
            planned: planned.collect(),
            usual: None,
            noted: Vec::new(),
        }
    }

    /// Writes down from now on what becomes of every frame, unless it just takes this long.
    pub(super) fn note(&mut self, usual: Duration) {
        self.usual = Some(usual);
    }

    /// What was written down.
    pub(super) fn take_noted(&mut self) -> Vec<FatePlan> {
        std::mem::take(&mut self.noted)
    }

    /// What becomes of a frame of this name, of which this would be drawn.
    pub(super) fn of(&mut self, name: FrameName, draw: impl FnOnce() -> Drawn) -> Drawn {
        let drawn = match self.planned.get(&name) {
            Some(&fate) => Drawn::from(fate),
            None => draw(),
        };
        let fate = Fate::from(drawn);
        let worth_noting = self.usual.is_some_and(|usual| fate != Fate::Takes(usual));
        if worth_noting && self.noted.len() < MOST_NOTED {
            let (from, to, kind, number) = name;
            self.noted.push(FatePlan {
                from,
                to,
                kind,
                number,
                fate,
            });
        }
        drawn
    }
}

impl Drawn {
    /// Draws what becomes of a frame of this kind.
    pub(super) fn draw(plan: &NetworkPlan, storms: &[Storm], kind: usize, lot: &mut Lot) -> Self {
        let doubled = lot.chance(plan.double_per_mille);
        let mut delay = plan.delay.draw(lot);
        let straggle = match plan.slow_kind {
            Some((slow, more)) if usize::from(slow) == kind => more,
            Some(_) | None => plan.straggle_per_mille,
        };
        if lot.chance(straggle) {
            delay += lot.span(Duration::ZERO, plan.straggle_most);
        }
        let mut lost = lot.chance(plan.drop_per_mille);
        for storm in storms {
            lost |= lot.chance(storm.drop_per_mille);
            delay += lot.span(Duration::ZERO, storm.late);
        }
        let again = doubled
            .then(|| plan.delay.draw(lot) + lot.span(Duration::ZERO, plan.straggle_most / 2));
        Self { lost, delay, again }
    }
}

impl From<Fate> for Drawn {
    fn from(fate: Fate) -> Self {
        let (lost, delay, again) = match fate {
            Fate::Lost => (true, Duration::ZERO, None),
            Fate::Takes(delay) => (false, delay, None),
            Fate::Twice(delay, again) => (false, delay, Some(again)),
        };
        Self { lost, delay, again }
    }
}

impl From<Drawn> for Fate {
    fn from(drawn: Drawn) -> Self {
        match (drawn.lost, drawn.again) {
            (true, None) => Self::Lost,
            // Its copy arrives.
            (true, Some(again)) => Self::Takes(again),
            (false, None) => Self::Takes(drawn.delay),
            (false, Some(again)) => Self::Twice(drawn.delay, again),
        }
    }
}

/// A time of heavier losses.
#[derive(Debug)]
pub(super) struct Storm {
    /// The fault's number.
    pub(super) fault: u32,
    pub(super) drop_per_mille: u32,
    pub(super) late: Duration,
}

/// The most fates that are written down.
const MOST_NOTED: usize = 100_000;
