//! Rare behaviour that nodes and logs are asked for: at which sites, how often, and how often it
//! was so.
//!
//! What is possible is listed in [`raft_node::rare`] and [`raft_log::rare`], with the reason why it
//! is allowed. A plan names some of the sites; whether one strikes is a function of the plan's seed,
//! the site, the node and how often the node has asked there.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::lot::Key;
use crate::markers::Marker;
use crate::plan::{Plan, RareSite};

/// The sites of one node. Cheap to clone; all clones count together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rare(Option<Arc<Sites>>);

/// Mostly it is asked for what is not planned: that needs no lock.
#[derive(Debug)]
struct Sites {
    seed: u64,
    /// What the node is called among lots.
    key: u64,
    over: AtomicBool,
    /// How often each is to strike, by place in [`RareSite::all`].
    per_mille: Vec<u32>,
    /// What each has seen, in the same order.
    counts: Mutex<Vec<Counts>>,
}

/// What one site has seen.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    asked: u64,
    struck: u64,
}

impl Rare {
    /// What a plan has in store for the node that is called `key` among lots.
    pub(crate) fn new(plan: &Plan, key: u64) -> Self {
        if plan.rare.is_empty() {
            return Self(None);
        }
        let mut per_mille = vec![0; RareSite::all().count()];
        for planned in &plan.rare {
            if let Some(often) = per_mille.get_mut(planned.site.place()) {
                *often = planned.per_mille;
            }
        }
        Self(Some(Arc::new(Sites {
            seed: plan.seed,
            key,
            over: AtomicBool::new(false),
            counts: Mutex::new(vec![Counts::default(); per_mille.len()]),
            per_mille,
        })))
    }

    /// Whether the rare thing is to happen at this site, this time.
    pub(crate) fn strikes(&self, site: RareSite) -> bool {
        let Some(sites) = &self.0 else {
            return false;
        };
        let place = site.place();
        let per_mille = sites.per_mille.get(place).copied().unwrap_or_default();
        if per_mille == 0 || sites.over.load(Ordering::Relaxed) {
            return false;
        }
        let mut all = sites.counts();
        let Some(counts) = all.get_mut(place) else {
            return false;
        };
        counts.asked += 1;
        let name = [place as u64, sites.key, counts.asked];
        let strikes = Key::Rare.lot(sites.seed, &name).chance(per_mille);
        counts.struck += u64::from(strikes);
        strikes
    }

    /// Nothing is rare from now on.
    pub(crate) fn end(&self) {
        if let Some(sites) = &self.0 {
            sites.over.store(true, Ordering::Relaxed);
        }
    }

    /// How often each site was struck, those never struck left out.
    pub(crate) fn struck(&self) -> Vec<(Marker, u64)> {
        let Some(sites) = &self.0 else {
            return Vec::new();
        };
        let counts = sites.counts();
        let counted = RareSite::all().zip(counts.iter());
        counted
            .filter(|(_, counts)| counts.struck > 0)
            .map(|(site, counts)| (site.marker(), counts.struck))
            .collect()
    }
}

impl Sites {
    fn counts(&self) -> MutexGuard<'_, Vec<Counts>> {
        // Counts are never left half changed.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
