//! What is known of one patch on one state of the code, kept in a file so that a run can be left
//! and taken up again.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::hunt::{Hunt, Kill};
use super::workshop::make_folder;
use crate::error::TaskError;

/// How far apart the ranges of seeds begin.
pub(super) const RANGE: u64 = 1_000_000;

/// What is known of one patch.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Record {
    /// Its name.
    pub(super) id: String,
    /// The number of the code it was tried on.
    pub(super) code: String,
    /// The number of the change.
    pub(super) change: String,
    /// Why it could not be tried, if so.
    pub(super) unusable: Option<String>,
    /// With our own assertions: a search for each range.
    pub(super) with: Vec<Hunt>,
    /// Without them.
    pub(super) without: Vec<Hunt>,
    /// A kill made small.
    pub(super) small: Option<Small>,
}

/// A kill made small.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Small {
    /// The seed it began with.
    pub(super) seed: u64,
    /// What is violated.
    pub(super) property: String,
    /// Operations, faults and messages that are left.
    pub(super) events: u64,
    /// Nodes that are left.
    pub(super) nodes: u64,
    /// Processor seconds.
    pub(super) cpu_seconds: f64,
    /// Whether nothing more could be taken out.
    pub(super) done: bool,
    /// The plan that is left.
    pub(super) plan: String,
    /// What happens in it, on one screen.
    pub(super) story: String,
    /// The same as a picture.
    pub(super) picture: String,
}

/// What the searches of all ranges come to.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Score {
    /// What the first range was killed by.
    pub(super) kill: Kill,
    /// In how many ranges it was killed, and of how many.
    pub(super) killed: (usize, usize),
    /// The median of seeds to a kill. None: more than half of the ranges ended without one.
    pub(super) seeds: Option<u64>,
    /// The median of processor seconds to a kill.
    pub(super) cpu_seconds: Option<f64>,
}

impl Record {
    /// The record in `folder`, or a new one.
    pub(super) fn open(folder: &Path, id: &str, code: &str, change: &str) -> Self {
        let kept = fs::read_to_string(file(folder, code, change)).ok();
        let kept = kept.and_then(|text| serde_json::from_str::<Self>(&text).ok());
        let mut record = kept.unwrap_or_default();
        id.clone_into(&mut record.id);
        code.clone_into(&mut record.code);
        change.clone_into(&mut record.change);
        record
    }

    /// Keeps it.
    pub(super) fn keep(&self, folder: &Path) -> Result<(), TaskError> {
        let path = file(folder, &self.code, &self.change);
        if let Some(folder) = path.parent() {
            make_folder(folder)?;
        }
        let failed = |source| TaskError::File {
            path: path.clone(),
            source,
        };
        let text = serde_json::to_string_pretty(self)
            .map_err(|error| TaskError::malformed(&path, &error))?;
        let half = path.with_extension("half");
        fs::write(&half, text).map_err(failed)?;
        fs::rename(&half, &path).map_err(failed)
    }

    /// What was found with our own assertions, if it was.
    pub(super) fn score(&self) -> Option<Score> {
        score(&self.with)
    }

    /// What was found without them, if it was.
    pub(super) fn score_outside(&self) -> Option<Score> {
        score(&self.without)
    }
}

/// What some searches come to. A kill in the first range decides; the others say how fast.
fn score(hunts: &[Hunt]) -> Option<Score> {
    let kill = hunts.first()?.kill.clone()?;
    let killed: Vec<&Hunt> = hunts.iter().filter(|hunt| hunt.kill.is_some()).collect();
    // A search that ended without a kill would have taken longer than all that ended with one.
    let middle = (hunts.len() - 1) / 2;
    let mut seeds: Vec<u64> = killed.iter().map(|hunt| hunt.seeds()).collect();
    seeds.sort_unstable();
    let mut seconds: Vec<f64> = killed.iter().map(|hunt| hunt.cpu_seconds).collect();
    seconds.sort_by(f64::total_cmp);
    Some(Score {
        kill,
        killed: (killed.len(), hunts.len()),
        seeds: seeds.get(middle).copied(),
        cpu_seconds: seconds.get(middle).copied(),
    })
}

/// The value below which `part` of a hundred of them lie, the nearest one.
pub(super) fn percentile(values: &[f64], part: usize) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = (sorted.len() * part).div_ceil(100).max(1) - 1;
    sorted.get(place).copied()
}

fn file(folder: &Path, code: &str, change: &str) -> PathBuf {
    folder.join(code).join(format!("{change}.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hunt(cpu_seconds: f64, killed: bool) -> Hunt {
        let kill = killed.then(|| Kill {
            seed: 3,
            property: "p".to_owned(),
        });
        Hunt {
            cpu_seconds,
            kill,
            next: 20,
            ..Hunt::new(0)
        }
    }

    #[test]
    fn the_median_counts_what_was_not_found_as_longest() {
        let hunts = [
            hunt(5.0, true),
            hunt(1.0, true),
            hunt(9.0, false),
            hunt(2.0, true),
            hunt(0.1, false),
        ];
        let found = score(&hunts).unwrap();
        assert_eq!((found.killed, found.cpu_seconds), ((3, 5), Some(5.0)));
        let found = score(&hunts[..1]).unwrap();
        assert_eq!(found.cpu_seconds, Some(5.0));
        assert_eq!(score(&[hunt(5.0, false), hunt(1.0, true)]), None);
        let rare = [hunt(5.0, true), hunt(9.0, false), hunt(9.0, false)];
        assert_eq!(score(&rare).unwrap().cpu_seconds, None);
    }

    #[test]
    fn percentiles_are_values_that_occur() {
        let values = [4.0, 1.0, 3.0, 2.0];
        assert_eq!(percentile(&values, 50), Some(2.0));
        assert_eq!(percentile(&values, 90), Some(4.0));
        assert_eq!(percentile(&[], 50), None);
    }

    #[test]
    fn a_record_is_kept_for_its_code_and_change_alone() {
        let folder = tempfile::tempdir().unwrap();
        let mut record = Record::open(folder.path(), "C01", "code", "change");
        record.with.push(hunt(5.0, true));
        record.keep(folder.path()).unwrap();
        let again = |code, change| Record::open(folder.path(), "C01", code, change).with.len();
        assert_eq!(again("code", "change"), 1);
        assert_eq!(again("other", "change"), 0);
        assert_eq!(again("code", "other"), 0);
    }
}
