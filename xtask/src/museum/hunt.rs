//! One search through one range of seeds, which can be left and taken up again.

use serde::{Deserialize, Serialize};

use super::simulator::Simulator;
use crate::error::TaskError;

/// Seeds in one run of the simulator: few, so that a budget is not overrun by much.
const SLICE: u64 = 20;

/// A search: where it stands and what it found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Hunt {
    /// The first seed.
    pub(super) from: u64,
    /// The seed to go on with.
    pub(super) next: u64,
    /// Processor seconds spent.
    pub(super) cpu_seconds: f64,
    /// What was found.
    pub(super) kill: Option<Kill>,
    /// Seeds that failed, but fail on the code as it is too: a bug of ours, or a checker's.
    pub(super) unpatched: Vec<u64>,
    /// Somewhere in the twenty seeds from here on the simulator did not end.
    pub(super) hung: Option<u64>,
}

/// A seed that fails with the patch and passes without.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Kill {
    /// The seed.
    pub(super) seed: u64,
    /// What it broke.
    pub(super) property: String,
}

impl Hunt {
    /// A search from the seed `from` on.
    pub(super) fn new(from: u64) -> Self {
        Self {
            from,
            next: from,
            cpu_seconds: 0.0,
            kill: None,
            unpatched: Vec::new(),
            hung: None,
        }
    }

    /// How many seeds were run.
    pub(super) fn seeds(&self) -> u64 {
        self.next - self.from
    }

    /// Whether there is nothing more to do within `budget`.
    pub(super) fn is_over(&self, budget: f64) -> bool {
        self.kill.is_some() || self.hung.is_some() || self.cpu_seconds >= budget
    }

    /// Goes on until a seed fails that passes with `sound`, the code as it is, or until the
    /// budget is used.
    pub(super) fn go_on(
        &mut self,
        patched: &Simulator,
        sound: &Simulator,
        budget: f64,
    ) -> Result<(), TaskError> {
        while !self.is_over(budget) {
            self.step(patched, sound, SLICE)?;
        }
        Ok(())
    }

    /// Runs some more of the seeds before `end`; whether there are more still.
    pub(super) fn go_towards(
        &mut self,
        patched: &Simulator,
        sound: &Simulator,
        end: u64,
    ) -> Result<bool, TaskError> {
        if self.next < end && !self.is_over(f64::INFINITY) {
            let many = SLICE * 25;
            self.step(patched, sound, many.min(end - self.next))?;
        }
        Ok(self.next < end && !self.is_over(f64::INFINITY))
    }

    fn step(
        &mut self,
        patched: &Simulator,
        sound: &Simulator,
        count: u64,
    ) -> Result<(), TaskError> {
        let slice = patched.slice(self.next, count)?;
        self.cpu_seconds += slice.cpu_seconds;
        if slice.hung {
            self.hung = Some(self.next);
            return Ok(());
        }
        let Some((seed, property)) = slice.failure else {
            self.next += count;
            return Ok(());
        };
        self.next = seed.max(self.next) + 1;
        if sound.passes(seed)? {
            self.kill = Some(Kill { seed, property });
        } else {
            self.unpatched.push(seed);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// A program that says it fails at each of these seeds.
    fn failing_at(folder: &tempfile::TempDir, name: &str, seeds: &[u64]) -> Simulator {
        let mut text = "#!/bin/sh\nfrom=${7%..*}; end=${7#*..}\n".to_owned();
        for seed in seeds {
            text.push_str(&format!(
                "if [ {seed} -ge $from ] && [ {seed} -lt $end ]; then \
                 echo '{{\"seed\":{seed},\"property\":\"p\"}}'; failed=1; fi\n"
            ));
        }
        text.push_str("echo '{\"cpu_seconds\":1.0}'\nexit ${failed:-0}\n");
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Simulator::new(&path)
    }

    #[test]
    fn a_seed_that_fails_without_the_patch_is_no_kill() {
        let folder = tempfile::tempdir().unwrap();
        let patched = failing_at(&folder, "patched", &[7, 45]);
        let sound = failing_at(&folder, "sound", &[7]);
        let mut hunt = Hunt::new(0);
        hunt.go_on(&patched, &sound, 60.0).unwrap();
        assert_eq!(hunt.unpatched, [7]);
        assert_eq!(hunt.kill.as_ref().map(|kill| kill.seed), Some(45));
        assert_eq!(hunt.seeds(), 46);
    }

    #[test]
    fn a_search_that_was_left_goes_on_where_it_stood() {
        let folder = tempfile::tempdir().unwrap();
        let patched = failing_at(&folder, "patched", &[45]);
        let sound = failing_at(&folder, "sound", &[]);
        let mut hunt = Hunt::new(0);
        hunt.go_on(&patched, &sound, 2.0).unwrap();
        assert!(hunt.kill.is_none() && hunt.is_over(2.0));
        hunt.go_on(&patched, &sound, 4.0).unwrap();
        assert_eq!(hunt.kill.map(|kill| kill.seed), Some(45));
        assert!((hunt.cpu_seconds - 3.0).abs() < 1e-9);
    }
}
