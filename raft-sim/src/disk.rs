//! Disks: what is written takes time, and what is not synced may be lost in any part.
//!
//! A `Disk` outlives its node's processes; a [`SimFs`] is one process's view of it. What a disk
//! holds, and what a crash leaves of it, is `folder`'s; this file is time and failures: each
//! operation takes effect in the cache at once and answers later, a sync makes durable what was
//! started before it when it answers, and what was planned to fail fails.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use raft_core::ids::NodeId;
use raft_core::time::Time;
use raft_log::fs::{Answer, Completion, Fs, FsError, Operation};
use raft_log::rare::Site;

use crate::clock::Schedule;
use crate::lot::{Key, Lot};
use crate::nemesis::{DiskFault, Loss};
use crate::network::node_number;
use crate::plan::{DiskPlan, Plan, RareSite};
use crate::rare::Rare;
use crate::world::event::Event;

mod content;
pub(crate) mod folder;

use folder::Folder;

/// One node's disk. Cheap to clone; all clones are one disk.
#[derive(Clone, Debug)]
pub(crate) struct Disk(Arc<Mutex<Platter>>);

#[derive(Debug)]
struct Platter {
    node: NodeId,
    /// What its node is called among lots.
    key: u64,
    seed: u64,
    plan: DiskPlan,
    schedule: Schedule,
    folder: Folder,
    /// How often a process was started on it; an older process's operations end in nothing.
    epoch: u64,
    locked: bool,
    /// How many operations there were: the names of their lots.
    operations: u64,
    /// When the last operation on a file answers: what is asked of one file is served in order.
    busy_until: BTreeMap<String, Time>,
    /// Nothing answers before this.
    stalled_until: Time,
    /// Until then operations wait that met a stall, whatever has become of it.
    held_until: Time,
    /// What the next operation of its kind does.
    fault: Option<DiskFault>,
    /// Whether a sync of the folder failed since the process started: then they all do.
    folder_failed: bool,
    /// Whether all faults are over.
    calm: bool,
    /// What a log keeps that is not over files.
    lasting: Option<Lasting>,
}

impl Disk {
    pub(crate) fn new(node: NodeId, plan: &Plan, schedule: Schedule) -> Self {
        Self(Arc::new(Mutex::new(Platter {
            node,
            key: plan.key_of(node_number(node)),
            seed: plan.seed,
            plan: plan.disk,
            schedule,
            folder: Folder::default(),
            epoch: 0,
            locked: false,
            operations: 0,
            busy_until: BTreeMap::new(),
            stalled_until: Time::ZERO,
            held_until: Time::ZERO,
            fault: None,
            folder_failed: false,
            calm: false,
            lasting: None,
        })))
    }

    /// The view of a process that starts now.
    pub(crate) fn mount(&self) -> SimFs {
        let mut platter = self.platter();
        platter.epoch += 1;
        platter.locked = false;
        platter.folder_failed = false;
        SimFs {
            disk: self.clone(),
            epoch: platter.epoch,
            rare: Rare::default(),
        }
    }

    /// The process has ended: nothing it started answers any more, and what was not synced
    /// suffers `loss`. Answers whether there was any such thing to lose.
    pub(crate) fn crash(&self, loss: Loss, lot: &mut Lot) -> bool {
        let mut platter = self.platter();
        platter.epoch += 1;
        platter.locked = false;
        platter.folder_failed = false;
        platter.busy_until.clear();
        platter.held_until = Time::ZERO;
        let sector_bytes = platter.plan.sector_bytes;
        let unsynced = platter.folder.has_unsynced();
        platter.folder.crash(loss, sector_bytes, lot);
        unsynced && loss != Loss::Process
    }

    /// Lets nothing answer before `until`.
    pub(crate) fn stall(&self, until: Time) {
        let mut platter = self.platter();
        platter.stalled_until = platter.stalled_until.max(until);
    }

    /// Whether operations wait for the end of a stall.
    pub(crate) fn holds(&self) -> bool {
        let platter = self.platter();
        platter.held_until > platter.schedule.now()
    }

    /// Lets the next operation of a kind fail.
    pub(crate) fn fail_next(&self, fault: DiskFault) {
        self.platter().fault = Some(fault);
    }

    /// Flips a bit of something that was durable long ago, under a log that has so many groups of writes
    /// under way at most. Answers whether there is such a thing.
    pub(crate) fn rot(&self, groups: usize, lot: &mut Lot) -> bool {
        self.platter().folder.rot(groups, lot)
    }

    /// The disk is replaced by an empty one. No process may have it mounted.
    pub(crate) fn wipe(&self) {
        let mut platter = self.platter();
        platter.folder.wipe();
        platter.lasting = None;
    }

    /// How often something that was written was cut off the end of a file.
    pub(crate) fn cut_tails(&self) -> u64 {
        self.platter().folder.cut_tails()
    }

    /// How often a spare segment that something stood in became a segment.
    pub(crate) fn taken_spares(&self) -> u64 {
        self.platter().folder.taken_spares()
    }

    /// Ends all faults, and works at full speed from now on. Answers whether it is of use to the process
    /// that has it mounted.
    pub(crate) fn heal(&self) -> bool {
        let mut platter = self.platter();
        platter.fault = None;
        platter.stalled_until = Time::ZERO;
        platter.calm = true;
        !platter.folder_failed
    }

    /// An operation's time has come. Answers when to ask again, if the disk is stalled.
    pub(crate) fn done(&self, done: &Done) -> Option<Time> {
        let mut platter = self.platter();
        if platter.stalled_until > platter.schedule.now() {
            if platter.epoch == done.epoch {
                platter.held_until = platter.stalled_until;
            }
            return Some(platter.stalled_until);
        }
        if platter.epoch == done.epoch {
            match &done.effect {
                Effect::None => {}
                Effect::FolderFailed { lot } => platter.folder.fail_folder_sync(&mut lot.clone()),
                Effect::SyncFailed { file, lot } => {
                    let sector_bytes = platter.plan.sector_bytes;
                    let folder = &mut platter.folder;
                    folder.fail_sync(*file, sector_bytes, &mut lot.clone());
                }
                Effect::Synced { file, number } => platter.folder.synced(*file, *number),
                Effect::Renamed { number } => platter.folder.renamed(*number),
                Effect::FolderSynced { numbers } => platter.folder.folder_synced(numbers),
            }
            drop(platter);
            done.slot.answer();
        }
        None
    }

    fn platter(&self) -> MutexGuard<'_, Platter> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Platter {
    /// What an operation answers and does when it answers, and how long it takes.
    fn start(&mut self, operation: Operation) -> (Result<Answer, FsError>, Effect, Duration) {
        self.operations += 1;
        let name = [self.key, self.operations];
        let mut lot = Key::Disk.lot(self.seed, &name);
        let slow = matches!(operation, Operation::Sync { .. } | Operation::SyncFolder);
        let takes = if slow && self.calm {
            // Each disk at its own constant speed: a leader's may well be the slowest.
            self.plan.calm.unwrap_or_else(|| {
                Key::Calm
                    .lot(self.seed, &[self.key])
                    .span_of_any_scale(Duration::from_micros(100), Duration::from_millis(20))
            })
        } else if slow {
            self.plan.sync_of(node_number(self.node), &mut lot)
        } else if lot.chance(AT_ONCE) {
            Duration::ZERO
        } else {
            lot.span(Duration::from_micros(1), self.plan.other_most)
        };
        let (answer, effect) = match self.injected(&operation, &mut lot) {
            Some(error) if operation == Operation::SyncFolder => {
                self.folder_failed = true;
                (Err(error), Effect::FolderFailed { lot })
            }
            // What an earlier sync covers, which is still to come, this one does not take back.
            Some(error) => match self.synced_file(&operation) {
                Some(file) => {
                    self.folder.expect_failed_sync();
                    (Err(error), Effect::SyncFailed { file, lot })
                }
                None => (Err(error), Effect::None),
            },
            None => self.take_effect(operation),
        };
        (answer, effect, takes)
    }

    /// What an operation has to wait for: those before it on its file, or all before it.
    fn queue_of(&self, operation: &Operation) -> String {
        let file = match operation {
            Operation::Create { name, .. }
            | Operation::Read { name, .. }
            | Operation::Write { name, .. }
            | Operation::Sync { name }
            | Operation::SetLength { name, .. }
            | Operation::Remove { name } => name.as_str(),
            // Names are the folder's.
            Operation::Rename { .. }
            | Operation::Lock
            | Operation::List
            | Operation::SyncFolder => "",
        };
        let file = if self.plan.any_order { file } else { "" };
        file.to_owned()
    }

    /// The file that an operation syncs, if it does.
    fn synced_file(&self, operation: &Operation) -> Option<usize> {
        match operation {
            Operation::Sync { name } => self.folder.place(name).ok(),
            _ => None,
        }
    }

    fn take_effect(&mut self, operation: Operation) -> (Result<Answer, FsError>, Effect) {
        let number = self.operations;
        let folder = &mut self.folder;
        let done = |result: Result<(), FsError>| result.map(|()| Answer::Done);
        let answer = match operation {
            Operation::Lock if self.locked => Err(FsError::Locked {
                folder: self.node.to_string(),
                holder: "another opener".to_owned(),
            }),
            Operation::Lock => {
                self.locked = true;
                Ok(Answer::Done)
            }
            Operation::List => Ok(Answer::Names(folder.list())),
            Operation::Create { name, length } => {
                let answer = done(folder.create(name, length, number));
                return (answer, Effect::Renamed { number });
            }
            Operation::Read {
                name,
                offset,
                length,
            } => folder.read(&name, offset, length).map(Answer::Bytes),
            Operation::Write {
                name,
                offset,
                parts,
            } => done(folder.write(&name, offset, parts, number)),
            Operation::Sync { name } => {
                return match folder.place(&name) {
                    Ok(file) => (Ok(Answer::Done), Effect::Synced { file, number }),
                    Err(error) => (Err(error), Effect::None),
                };
            }
            Operation::SetLength { name, length } => done(folder.set_length(&name, length, number)),
            Operation::Rename { from, to } => {
                let answer = done(folder.rename(&from, to, number));
                return (answer, Effect::Renamed { number });
            }
            Operation::Remove { name } => {
                let answer = done(folder.remove(name, number));
                return (answer, Effect::Renamed { number });
            }
            Operation::SyncFolder if self.folder_failed => {
                let detail = format!("a sync of the folder of {} failed before", self.node);
                Err(FsError::Io { detail })
            }
            Operation::SyncFolder => {
                let numbers = folder.renamings_done();
                return (Ok(Answer::Done), Effect::FolderSynced { numbers });
            }
        };
        (answer, Effect::None)
    }

    /// The planned failure, if this is the operation it waits for.
    fn injected(&mut self, operation: &Operation, lot: &mut Lot) -> Option<FsError> {
        let fault = self.fault?;
        let meant = matches!(
            (fault, operation),
            (DiskFault::Sync, Operation::Sync { .. })
                | (DiskFault::Write, Operation::Write { .. })
                | (
                    DiskFault::Full,
                    Operation::Write { .. }
                        | Operation::Create { .. }
                        | Operation::SetLength { .. },
                )
                | (DiskFault::Read, Operation::Read { .. })
                | (DiskFault::Create, Operation::Create { .. })
                | (DiskFault::Remove, Operation::Remove { .. })
                | (DiskFault::Length, Operation::SetLength { .. })
                | (DiskFault::Folder, Operation::SyncFolder)
                | (DiskFault::List, Operation::List)
                | (DiskFault::Lock, Operation::Lock)
        );
        if !meant {
            return None;
        }
        self.fault = None;
        self.take_effect_in_part(operation, lot);
        let detail = format!("planned failure of {}", self.node);
        Some(match fault {
            DiskFault::Full => FsError::NoSpace { detail },
            _ => FsError::Io { detail },
        })
    }

    /// What a failed operation does before it fails: nobody can say, so it is drawn.
    fn take_effect_in_part(&mut self, operation: &Operation, lot: &mut Lot) {
        match operation {
            Operation::Write {
                name,
                offset,
                parts,
            } => {
                let whole = parts.concat();
                let kept = lot.below(whole.len() as u64 + 1) as usize;
                let part = whole.get(..kept).unwrap_or_default().to_vec();
                let number = self.operations;
                // The file exists or there is nothing to tear: either way the write has failed.
                let _ = self.folder.write(name, *offset, vec![part.into()], number);
            }
            Operation::Create { .. } | Operation::Remove { .. } | Operation::SetLength { .. } => {
                if lot.chance(500) {
                    // Whatever this says, the answer is that it failed.
                    let _ = self.take_effect(operation.clone());
                }
            }
            // Those before them are answered first, and hold: they fail when they answer.
            Operation::Sync { .. }
            | Operation::SyncFolder
            | Operation::Rename { .. }
            | Operation::Read { .. }
            | Operation::List
            | Operation::Lock => {}
        }
    }
}

/// One process's view of its node's disk: a log's [`Fs`].
///
/// What is written and not synced may be lost in a crash, in any part; operations may take long,
/// and fail if the world's plan says so.
#[derive(Clone, Debug)]
pub struct SimFs {
    disk: Disk,
    epoch: u64,
    rare: Rare,
}

impl SimFs {
    /// Asks the log over it for rare behaviour.
    pub(crate) fn with_rare(self, rare: Rare) -> Self {
        Self { rare, ..self }
    }

    /// Whose disk it is.
    pub fn node(&self) -> NodeId {
        self.disk.platter().node
    }

    /// A value that outlives this node's processes, for logs that keep nothing in files: the same
    /// one at every start of the node in this world. It survives every crash whole, so that what
    /// stands in it has to count as durable.
    pub fn lasting<T: Default + Send + Sync + 'static>(&self) -> Arc<T> {
        let mut platter = self.disk.platter();
        let known = platter
            .lasting
            .clone()
            .and_then(|any| any.0.downcast().ok());
        known.unwrap_or_else(|| {
            let value = Arc::new(T::default());
            platter.lasting = Some(Lasting(value.clone()));
            value
        })
    }
}

/// What [`SimFs::lasting`] keeps.
#[derive(Clone)]
struct Lasting(Arc<dyn Any + Send + Sync>);

impl fmt::Debug for Lasting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lasting").finish_non_exhaustive()
    }
}

impl Fs for SimFs {
    fn rarely(&self, site: Site) -> bool {
        self.rare.strikes(RareSite::Log(site))
    }

    fn start(&self, operation: Operation) -> Completion {
        let mut platter = self.disk.platter();
        if platter.epoch != self.epoch {
            return Box::pin(std::future::ready(Err(FsError::Stopped)));
        }
        let queue = platter.queue_of(&operation);
        let (answer, effect, takes) = platter.start(operation);
        let now = platter.schedule.now();
        let busy = platter.busy_until.get(&queue).copied();
        let at = now.after(takes).max(busy.unwrap_or(Time::ZERO));
        if at <= now && platter.stalled_until <= now {
            // The cache has it: no event is needed for what takes no time.
            match effect {
                Effect::None => return Box::pin(std::future::ready(answer)),
                Effect::Renamed { number } => {
                    platter.folder.renamed(number);
                    return Box::pin(std::future::ready(answer));
                }
                Effect::Synced { .. }
                | Effect::FolderSynced { .. }
                | Effect::FolderFailed { .. }
                | Effect::SyncFailed { .. } => {}
            }
        }
        let slot = Slot::new(answer);
        platter.busy_until.insert(queue, at);
        let done = Done {
            epoch: self.epoch,
            effect,
            slot: slot.clone(),
        };
        let node = platter.node;
        platter.schedule.at(at, Event::Disk { node, done });
        Box::pin(Answering(slot))
    }
}

/// An operation whose time will come.
#[derive(Debug)]
pub(crate) struct Done {
    epoch: u64,
    effect: Effect,
    slot: Slot,
}

/// What an operation does when it answers, beyond answering.
#[derive(Debug)]
enum Effect {
    None,
    Synced { file: usize, number: u64 },
    Renamed { number: u64 },
    FolderSynced { numbers: Vec<u64> },
    FolderFailed { lot: Lot },
    SyncFailed { file: usize, lot: Lot },
}

/// Where an answer waits for its time, and who waits for it.
#[derive(Clone, Debug)]
struct Slot(Arc<Mutex<Waiting>>);

#[derive(Debug)]
struct Waiting {
    answer: Option<Result<Answer, FsError>>,
    due: bool,
    waker: Option<Waker>,
}

impl Slot {
    fn new(answer: Result<Answer, FsError>) -> Self {
        Self(Arc::new(Mutex::new(Waiting {
            answer: Some(answer),
            due: false,
            waker: None,
        })))
    }

    fn answer(&self) {
        let mut waiting = self.waiting();
        waiting.due = true;
        if let Some(waker) = waiting.waker.take() {
            waker.wake();
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The completion of an operation.
struct Answering(Slot);

impl Future for Answering {
    type Output = Result<Answer, FsError>;

    fn poll(self: std::pin::Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut waiting = self.0.waiting();
        if waiting.due {
            // Polled again after its answer, which no caller does, it stays pending.
            return waiting.answer.take().map_or(Poll::Pending, Poll::Ready);
        }
        match &mut waiting.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            waker => *waker = Some(cx.waker().clone()),
        }
        Poll::Pending
    }
}

/// Of a thousand operations that no sync is needed for, so many take no time at all.
const AT_ONCE: u32 = 850;

#[cfg(test)]
mod tests;
