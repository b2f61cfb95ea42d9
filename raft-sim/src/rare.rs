//! Rare behaviour that nodes and logs are asked for: at which sites, how often, and how often it
//! was so.
//!
//! What is possible is listed in [`raft_node::rare`] and [`raft_log::rare`], with the reason why it
//! is allowed. A plan names some of the sites; whether one strikes is a function of the plan's seed,
//! the site, the node and how often the node has asked there.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::lot::Key;
use crate::markers::Marker;
use crate::plan::{Plan, RareSite};

/// The sites of one node. Cheap to clone; all clones count together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rare(Option<Arc<Mutex<Sites>>>);

#[derive(Debug)]
struct Sites {
    seed: u64,
    /// What the node is called among lots.
    key: u64,
    /// By place in [`RareSite::all`].
    sites: Vec<Counts>,
    over: bool,
}

/// What one site has seen.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    per_mille: u32,
    asked: u64,
    struck: u64,
}

impl Rare {
    /// What a plan has in store for the node that is called `key` among lots.
    pub(crate) fn new(plan: &Plan, key: u64) -> Self {
        if plan.rare.is_empty() {
            return Self(None);
        }
        let mut sites = vec![Counts::default(); RareSite::all().count()];
        for planned in &plan.rare {
            if let Some(counts) = sites.get_mut(planned.site.place()) {
                counts.per_mille = planned.per_mille;
            }
        }
        Self(Some(Arc::new(Mutex::new(Sites {
            seed: plan.seed,
            key,
            sites,
            over: false,
        }))))
    }

    /// Whether the rare thing is to happen at this site, this time.
    pub(crate) fn strikes(&self, site: RareSite) -> bool {
        let Some(mut sites) = self.sites() else {
            return false;
        };
        let (seed, key, over) = (sites.seed, sites.key, sites.over);
        let place = site.place();
        let Some(counts) = sites.sites.get_mut(place) else {
            return false;
        };
        if over || counts.per_mille == 0 {
            return false;
        }
        counts.asked += 1;
        let name = [place as u64, key, counts.asked];
        let strikes = Key::Rare.lot(seed, &name).chance(counts.per_mille);
        counts.struck += u64::from(strikes);
        strikes
    }

    /// Nothing is rare from now on.
    pub(crate) fn end(&self) {
        if let Some(mut sites) = self.sites() {
            sites.over = true;
        }
    }

    /// How often each site was struck, those never struck left out.
    pub(crate) fn struck(&self) -> Vec<(Marker, u64)> {
        let Some(sites) = self.sites() else {
            return Vec::new();
        };
        let counted = RareSite::all().zip(&sites.sites);
        counted
            .filter(|(_, counts)| counts.struck > 0)
            .map(|(site, counts)| (site.marker(), counts.struck))
            .collect()
    }

    fn sites(&self) -> Option<MutexGuard<'_, Sites>> {
        // Counts are never left half changed.
        let sites = self.0.as_ref()?;
        Some(sites.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
