//! Answers of the disk that come late, in any order that the file system allows.

use std::error::Error;
use std::task::{Context, Waker};

use raft_core::log::Log;

use super::crashes::{self, Failing};
use super::life::Life;
use super::workload::{self, Draft};
use super::{Broken, LogKit, Opened, Report};
use crate::conformance::disk::TestDisk;
use crate::lot::Lot;

/// See [`LogKit::late_answers`].
pub(super) fn check<L, E, O>(kit: &LogKit<O>) -> Result<Report, Broken>
where
    L: Log,
    E: Into<Box<dyn Error>>,
    O: Fn(TestDisk) -> Result<Opened<L>, E>,
{
    let mut report = Report::default();
    for number in 0..LIVES {
        let mut lot = kit.lot(&[LATE, number]);
        let disk = TestDisk::new();
        let mut life = kit.born_on(disk.clone())?;
        disk.record();
        disk.be_late();
        let named =
            |broken: Broken| broken.after(format!("in late life {number}, seed {}", kit.seed));
        live(&mut life, &mut lot).map_err(named)?;
        let tape = disk.tape();
        Failing::of(kit, &life, 1)
            .at_each(&tape, &mut report)
            .map_err(named)?;
    }
    Ok(report)
}

fn live<L: Log>(life: &mut Life<L>, lot: &mut Lot) -> Result<(), Broken> {
    let standard = workload::standard();
    let most = match lot.chance(500) {
        true => standard.len(),
        false => 0,
    };
    for number in 0..most.max(12) {
        let draft: Draft = match standard.get(number).filter(|_| number < most) {
            Some(draft) => draft.clone(),
            None => workload::drawn(life.newest(), lot),
        };
        life.begin(&draft)?;
        for _ in 0..lot.below(6) {
            turn(life, lot)?;
        }
    }
    for _ in 0..MOST_TURNS {
        if life.durable() == life.begun() {
            return Ok(());
        }
        turn(life, lot)?;
    }
    // All answers of the disk were let go. A log with threads of its own may still be at work.
    crashes::expect_no_failure(life.finish()?)
}

/// An answer may be let go, and the log be polled.
fn turn<L: Log>(life: &mut Life<L>, lot: &mut Lot) -> Result<(), Broken> {
    if lot.chance(500) {
        life.disk.let_go(lot);
    }
    if lot.chance(500) {
        let mut cx = Context::from_waker(Waker::noop());
        crashes::expect_no_failure(life.poll(&mut cx)?)?;
    }
    Ok(())
}

/// How many lives there are.
const LIVES: u64 = 24;
/// After so many turns everything must have been answered.
const MOST_TURNS: usize = 10_000;
/// The name of a lot.
const LATE: u64 = 5;
