//! Clauses 1 to 4 where they are needed: after a power failure.

use std::collections::BTreeSet;
use std::error::Error;
use std::sync::Arc;

use raft_core::log::Log;

use super::life::{Found, Life};
use super::workload::{self, Draft};
use super::{Broken, LogKit, Opened, Report, judge};
use crate::conformance::disk::{Step, TestDisk};
use crate::conformance::platter::{Image, Platter};
use crate::lot::Lot;

/// See [`LogKit::crash_points`].
pub(super) fn check<L, E, O>(kit: &LogKit<O>) -> Result<Report, Broken>
where
    L: Log,
    E: Into<Box<dyn Error>>,
    O: Fn(TestDisk) -> Result<Opened<L>, E>,
{
    let mut report = Report::default();
    let disk = TestDisk::new();
    disk.record();
    let mut life = kit.born_on(disk)?;
    live(&mut life, &workload::standard())?;
    let tape = life.disk.tape();
    Failing::of(kit, &life, kit.samples).at_each(&tape, &mut report)?;
    for number in 0..DRAWN_LIVES {
        let mut lot = kit.lot(&[DRAWN, number]);
        let disk = TestDisk::new();
        disk.record();
        let mut life = kit.born_on(disk)?;
        for _ in 0..lot.between(4, 12) {
            let draft = workload::drawn(life.newest(), &mut lot);
            life.begin(&draft)?;
            if lot.chance(600) {
                expect_no_failure(life.finish()?)?;
            }
        }
        expect_no_failure(life.finish()?)?;
        let named =
            |broken: Broken| broken.after(format!("in drawn life {number}, seed {}", kit.seed));
        let tape = life.disk.tape();
        Failing::of(kit, &life, 3)
            .at_each(&tape, &mut report)
            .map_err(named)?;
    }
    Ok(report)
}

/// Lives through these writes, some of which share a sync.
fn live<L: Log>(life: &mut Life<L>, drafts: &[Draft]) -> Result<(), Broken> {
    for (draft, number) in drafts.iter().zip(0..) {
        life.begin(draft)?;
        if number % 3 != 1 {
            expect_no_failure(life.finish()?)?;
        }
    }
    expect_no_failure(life.finish()?)
}

/// The disk has not failed, so that the log may not.
pub(super) fn expect_no_failure(failed: Option<raft_core::log::LogError>) -> Result<(), Broken> {
    match failed {
        None => Ok(()),
        Some(error) => {
            let text = format!("it fails on a disk that does not: {error}");
            let clause = super::Clause::FailureIsFinal;
            Err(Broken::new(clause, text, "that it goes on"))
        }
    }
}

/// Failures in a life that is over.
pub(super) struct Failing<'a, O> {
    kit: &'a LogKit<O>,
    states: &'a [Found],
    drafts: &'a [Draft],
    /// How many parts of what was not synced are tried, where there are many.
    samples: u32,
}

/// What a log had been asked for and had said when it failed.
#[derive(Clone, Copy, Default)]
struct Moment {
    begun: usize,
    durable: usize,
}

impl<'a, L, E, O> Failing<'a, O>
where
    L: Log,
    E: Into<Box<dyn Error>>,
    O: Fn(TestDisk) -> Result<Opened<L>, E>,
{
    pub(super) fn of(kit: &'a LogKit<O>, life: &'a Life<L>, samples: u32) -> Self {
        let (states, drafts) = (life.states(), life.drafts());
        Self {
            kit,
            states,
            drafts,
            samples,
        }
    }

    /// At each step that its disk noted.
    pub(super) fn at_each(&self, tape: &[Step], report: &mut Report) -> Result<(), Broken> {
        let mut moment = Moment::default();
        let mut platter = Arc::new(Platter::default());
        for (number, step) in tape.iter().enumerate() {
            match step {
                Step::Disk(now) => platter = Arc::clone(now),
                Step::Begun(write) => moment.begun = *write,
                // The disk is the same; but from now on it has to be there.
                Step::Durable(write) => moment.durable = *write,
            }
            let Moment { begun, durable } = moment;
            let named = |broken: Broken| {
                let seed = self.kit.seed;
                broken.after(format!(
                    "at step {number} of the disk and the log, when {begun} writes were begun and {durable} were \
                     called durable; seed {seed}"
                ))
            };
            if !self.is_drawn(number, tape.len(), self.kit.points) {
                continue;
            }
            let mut lot = self.kit.lot(&[PARTS_KEPT, number as u64]);
            for (place, image) in images(&platter, self.samples, &mut lot)
                .into_iter()
                .enumerate()
            {
                self.after_power_failure(image, place < TWICE, moment, report)
                    .map_err(named)?;
            }
            self.after_kill(&platter, moment, report).map_err(named)?;
            report.points += 1;
        }
        Ok(())
    }

    /// Whether something fails at this one of so many steps, if it does at so many points.
    fn is_drawn(&self, step: usize, of: usize, points: u32) -> bool {
        let mut lot = self.kit.lot(&[POINTS, step as u64, of as u64]);
        of as u64 <= u64::from(points) || lot.below(of as u64) < u64::from(points)
    }

    /// The power has failed. With `twice`, it fails once more at each step of the opening that follows.
    fn after_power_failure(
        &self,
        image: Image,
        twice: bool,
        moment: Moment,
        report: &mut Report,
    ) -> Result<(), Broken> {
        let disk = TestDisk::of(image);
        disk.record();
        let (state, log) = self.open(&disk, moment, report)?;
        let tape = disk.tape();
        let points = if twice {
            self.kit.points / FEWER_OPENING
        } else {
            0
        };
        for (number, step) in tape.iter().enumerate() {
            let Step::Disk(platter) = step else {
                continue;
            };
            if !self.is_drawn(number, tape.len(), points) {
                continue;
            }
            let mut lot = self.kit.lot(&[OPENINGS, number as u64]);
            for image in images(platter, 1, &mut lot) {
                self.open(&TestDisk::of(image), moment, report)
                    .map_err(|broken| {
                        broken.after(format!("and once more at step {number} of opening it"))
                    })?;
            }
        }
        self.has_to_stay(&disk, state, report)?;
        let Some(found) = self.states.get(state) else {
            return Ok(());
        };
        // What was lost lies behind the end perhaps: the same once more may make it valid.
        let lost = self.drafts.get(state).filter(|_| state < moment.begun);
        let model = found.model();
        let draft = match lost {
            Some(lost) => workload::again(lost, &model),
            None => workload::going_on(&model),
        };
        self.go_on(Life::new(disk, log, model), &draft, report)
    }

    /// The process was killed, and the disk may write later what it has not.
    fn after_kill(
        &self,
        platter: &Platter,
        moment: Moment,
        report: &mut Report,
    ) -> Result<(), Broken> {
        let disk = TestDisk::left(platter);
        // Open until the power fails: one that is closed may sync.
        let (state, _log) = self.open(&disk, moment, report)?;
        self.has_to_stay(&disk, state, report)
            .map_err(|broken| broken.after("(the process was killed, and opened the log again)"))
    }

    /// Opens the log: in which of the states that are possible at this moment.
    fn open(
        &self,
        disk: &TestDisk,
        moment: Moment,
        report: &mut Report,
    ) -> Result<(usize, L), Broken> {
        report.openings += 1;
        let opened = self.kit.opened(disk)?;
        let possible = self.states.get(..=moment.begun).unwrap_or(self.states);
        let state = judge::is_one_of(&Found::of(&opened)?, possible, moment.durable)?;
        Ok((state, opened.0))
    }

    /// What was found has to stay: others are told of it.
    fn has_to_stay(
        &self,
        disk: &TestDisk,
        state: usize,
        report: &mut Report,
    ) -> Result<(), Broken> {
        let left = TestDisk::of(disk.after_power_failure(|_| false));
        report.openings += 1;
        let found = Found::of(&self.kit.opened(&left)?)?;
        let is_it = self.states.get(state..=state).unwrap_or_default();
        judge::is_one_of(&found, is_it, 0)
            .map(|_| ())
            .map_err(|broken| broken.after("it was opened, and then the power failed"))
    }

    /// A log that was opened after a failure is as good as any.
    fn go_on(&self, mut life: Life<L>, draft: &Draft, report: &mut Report) -> Result<(), Broken> {
        life.begin(draft)?;
        expect_no_failure(life.finish()?)?;
        let left = TestDisk::of(life.disk.after_power_failure(|_| false));
        report.openings += 1;
        let found = Found::of(&self.kit.opened(&left)?)?;
        judge::is_one_of(&found, life.states(), life.durable())
            .map(|_| ())
            .map_err(|broken| broken.after("it went on after that, until the power failed again"))
    }
}

/// What a power failure may leave: everything, nothing, and each part of what is undecided, or as many as asked
/// for where there are more.
pub(super) fn images(platter: &Platter, samples: u32, lot: &mut Lot) -> BTreeSet<Image> {
    let bits = platter.undecided();
    let mut images = BTreeSet::from([platter.image(|_| true), platter.image(|_| false)]);
    if bits <= FEW_BITS && 1_u32 << bits <= samples {
        images.extend((0..1_u32 << bits).map(|kept| platter.image(|bit| kept & 1 << bit != 0)));
        return images;
    }
    for _ in 0..samples {
        let kept: Vec<bool> = (0..bits).map(|_| lot.chance(500)).collect();
        images.insert(platter.image(|bit| kept.get(bit).copied().unwrap_or(false)));
    }
    images
}

/// So many of the parts that a power failure may leave are followed by a second one.
const TWICE: usize = 2;
/// Where not every moment is tried, so much fewer of those in which a log is opened.
const FEWER_OPENING: u32 = 8;
/// Of more undecided changes than these, not every part is tried.
const FEW_BITS: usize = 16;
/// How many lives of drawn writes there are beside the standard one.
const DRAWN_LIVES: u64 = 16;

/// Names of lots.
const DRAWN: u64 = 1;
const PARTS_KEPT: u64 = 2;
const OPENINGS: u64 = 3;
const POINTS: u64 = 6;
