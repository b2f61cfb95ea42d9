//! Clause 6 and what it is for: each operation on the disk fails in turn.

use std::error::Error;
use std::task::{Context, Poll, Waker};

use raft_core::log::memory::MemoryLog;
use raft_core::log::{Log, LogError};

use super::life::{Found, Life};
use super::workload::{self, Draft};
use super::{Broken, Clause, LogKit, Opened, Report, crashes, judge};
use crate::conformance::disk::{Fault, FaultKind, TestDisk};

/// See [`LogKit::faults`].
pub(super) fn check<L, E, O>(kit: &LogKit<O>) -> Result<Report, Broken>
where
    L: Log,
    E: Into<Box<dyn Error>>,
    O: Fn(TestDisk) -> Result<Opened<L>, E>,
{
    let mut report = Report::default();
    for kind in [FaultKind::Nothing, FaultKind::All, FaultKind::Half] {
        for operation in 0.. {
            let disk = TestDisk::new();
            disk.fail(Fault { operation, kind });
            one_life(kit, &disk, &mut report).map_err(|broken| {
                broken.after(format!(
                    "operation {operation} on the disk failed: {kind:?}"
                ))
            })?;
            report.points += 1;
            if disk.started() <= operation {
                break;
            }
        }
    }
    Ok(report)
}

/// One life, in which something fails.
fn one_life<L, E, O>(kit: &LogKit<O>, disk: &TestDisk, report: &mut Report) -> Result<(), Broken>
where
    L: Log,
    E: Into<Box<dyn Error>>,
    O: Fn(TestDisk) -> Result<Opened<L>, E>,
{
    let unborn = [Found::expected(&MemoryLog::new())];
    // Opening may say that it failed: then nobody was told anything.
    let Ok((log, _)) = (kit.open)(disk.clone()) else {
        return left(kit, disk, (&unborn, 0), report);
    };
    let mut life = Life::new(disk.clone(), log, MemoryLog::new());
    for (draft, number) in workload::standard().iter().zip(0..) {
        life.begin(draft)?;
        let failed = match number % 3 {
            1 => None,
            _ => life.finish()?,
        };
        if let Some(error) = failed {
            is_final(&mut life, &error)?;
            break;
        }
    }
    left(kit, disk, (life.states(), life.durable()), report)
}

/// The same error ever after, and nothing is tried again.
pub(super) fn is_final<L: Log>(life: &mut Life<L>, error: &LogError) -> Result<(), Broken> {
    let before = life.disk.started();
    let mut cx = Context::from_waker(Waker::noop());
    for round in 0..5 {
        match life.log.poll_durable(&mut cx) {
            Poll::Ready(Err(again)) if again == *error => {}
            other => {
                let text = format!("it failed with {error:?}, and answers {other:?} after that");
                let expected = "the same error ever after";
                return Err(Broken::new(Clause::FailureIsFinal, text, expected));
            }
        }
        if round == 2 {
            let later = Draft {
                hard: workload::hard(99, None),
                ..Draft::default()
            };
            life.log.begin(later.write(life.begun() + 1));
        }
    }
    let started = life.disk.started() - before;
    if started > 0 {
        let text =
            format!("it failed with {error:?}, and asked its disk for {started} things after that");
        return Err(Broken::new(Clause::FailureIsFinal, text, "none"));
    }
    Ok(())
}

/// What was called durable is there when the machine starts again.
fn left<L, E, O>(
    kit: &LogKit<O>,
    disk: &TestDisk,
    (possible, durable): (&[Found], usize),
    report: &mut Report,
) -> Result<(), Broken>
where
    L: Log,
    E: Into<Box<dyn Error>>,
    O: Fn(TestDisk) -> Result<Opened<L>, E>,
{
    let mut lot = kit.lot(&[LEFT, disk.started() as u64]);
    for image in crashes::images(&disk.platter(), 2, &mut lot) {
        let opened = kit.opened(&TestDisk::of(image))?;
        report.openings += 1;
        judge::is_one_of(&Found::of(&opened)?, possible, durable)?;
    }
    Ok(())
}

/// The name of a lot.
const LEFT: u64 = 4;
