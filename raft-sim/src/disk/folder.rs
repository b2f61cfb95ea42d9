//! What a disk holds: in the cache, where processes see it, and on the platter, where it lasts.
//!
//! Between the two stand the changes that no sync has covered yet. A crash leaves the platter and
//! any part of those changes: this is all that is assumed of a file system (no order between
//! files, none between writes of one file, sectors whole).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;

use bytes::Bytes;
use raft_log::fs::FsError;

use super::content::{Change, Content, Undo};
use crate::lot::Lot;
use crate::nemesis::Loss;

/// One folder of files.
///
/// - A file has a place in `files` as long as either map names it.
/// - `pending` holds the changes of names that no folder sync has covered.
#[derive(Debug, Default)]
pub(crate) struct Folder {
    files: Vec<File>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    pending: Vec<Pending>,
    /// How many syncs have made writes durable.
    rounds: u64,
    /// What became durable, with the round: the oldest first, for [`Folder::rot`].
    settled: VecDeque<Settled>,
    /// How often something that was written was cut off the end of a file.
    cut_tails: u64,
    /// How often a spare segment that something stood in became a segment.
    taken_spares: u64,
    /// Whether a sync has failed since the machine started, or is about to: the cache shows what no disk
    /// has.
    lying: bool,
}

/// A file's content.
///
/// - What is durable is `cache` with all of `pending` taken back, unless a sync has failed since
///   the machine started: then it is `durable`. Most bytes are so held once.
#[derive(Debug, Default)]
struct File {
    cache: Content,
    durable: Option<Content>,
    /// What no sync has covered, by the number of the operation: the oldest first.
    pending: Vec<(u64, Undo)>,
    /// Nothing from here on has ever settled: a log, which only grows, need not look.
    settled_end: usize,
}

/// A change of names that is not durable, and whether it was answered: a sync of the folder
/// covers what completed before.
#[derive(Debug)]
struct Pending {
    number: u64,
    renaming: Renaming,
    done: bool,
}

/// A change of names.
#[derive(Clone, Debug)]
enum Renaming {
    Create(String, usize),
    Rename(String, String),
    Remove(String),
}

/// Bytes that became durable in one round.
#[derive(Debug)]
struct Settled {
    round: u64,
    file: usize,
    range: Range<usize>,
}

impl Folder {
    pub(crate) fn list(&self) -> Vec<(String, u64)> {
        let length = |&file: &usize| self.files.get(file).map_or(0, |file| file.cache.length());
        self.names
            .iter()
            .map(|(name, file)| (name.clone(), length(file) as u64))
            .collect()
    }

    pub(crate) const fn cut_tails(&self) -> u64 {
        self.cut_tails
    }

    pub(crate) const fn taken_spares(&self) -> u64 {
        self.taken_spares
    }

    pub(crate) fn create(&mut self, name: String, length: u64, number: u64) -> Result<(), FsError> {
        if self.names.contains_key(&name) {
            return Err(FsError::Exists { name });
        }
        let place = self.files.len();
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let mut file = File::default();
        file.change(number, &Change::Length(length));
        self.files.push(file);
        self.names.insert(name.clone(), place);
        self.note(number, Renaming::Create(name, place));
        Ok(())
    }

    pub(crate) fn read(&self, name: &str, offset: u64, length: usize) -> Result<Bytes, FsError> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        Ok(self.file(name)?.cache.read(start, length))
    }

    pub(crate) fn write(
        &mut self,
        name: &str,
        offset: u64,
        parts: Vec<Bytes>,
        number: u64,
    ) -> Result<(), FsError> {
        let place = self.place(name)?;
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let length: usize = parts.iter().map(Bytes::len).sum();
        let range = start..start.saturating_add(length);
        if let Some(file) = self.files.get_mut(place) {
            if range.start < file.settled_end {
                // What is rewritten is no longer settled.
                self.settled.retain(|old| {
                    old.file != place
                        || old.range.end <= range.start
                        || old.range.start >= range.end
                });
            }
            file.change(number, &Change::Bytes(start, parts));
        }
        Ok(())
    }

    pub(crate) fn set_length(
        &mut self,
        name: &str,
        length: u64,
        number: u64,
    ) -> Result<(), FsError> {
        let place = self.place(name)?;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if let Some(file) = self.files.get_mut(place) {
            self.cut_tails += u64::from(file.cache.says_something_from(length));
            file.change(number, &Change::Length(length));
        }
        self.settled
            .retain(|old| old.file != place || old.range.end <= length);
        Ok(())
    }

    pub(crate) fn rename(&mut self, from: &str, to: String, number: u64) -> Result<(), FsError> {
        let place = self.names.remove(from).ok_or_else(|| FsError::NotFound {
            name: from.to_owned(),
        })?;
        let file = self.files.get(place);
        let is_taken = from.starts_with("spare-") && !to.starts_with("spare-");
        let says_something = file.is_some_and(|file| file.cache.says_something_from(0));
        self.taken_spares += u64::from(is_taken && says_something);
        self.names.insert(to.clone(), place);
        self.note(number, Renaming::Rename(from.to_owned(), to));
        Ok(())
    }

    pub(crate) fn remove(&mut self, name: String, number: u64) -> Result<(), FsError> {
        match self.names.remove(&name) {
            Some(_) => {
                self.note(number, Renaming::Remove(name));
                Ok(())
            }
            None => Err(FsError::NotFound { name }),
        }
    }

    /// A sync of the file at `place` that was operation `number` is done.
    pub(crate) fn synced(&mut self, place: usize, number: u64) {
        let Some(file) = self.files.get_mut(place) else {
            return;
        };
        let covered = file
            .pending
            .partition_point(|(started, _)| *started < number);
        if covered == 0 {
            return;
        }
        self.rounds += 1;
        let ranges = file.settle(covered);
        for range in ranges {
            file.settled_end = file.settled_end.max(range.end);
            self.settled.push_back(Settled {
                round: self.rounds,
                file: place,
                range,
            });
        }
        while self.settled.len() > MOST_SETTLED {
            self.settled.pop_front();
        }
    }

    fn note(&mut self, number: u64, renaming: Renaming) {
        self.pending.push(Pending {
            number,
            renaming,
            done: false,
        });
    }

    /// The change of names that was operation `number` is answered.
    pub(crate) fn renamed(&mut self, number: u64) {
        for pending in &mut self.pending {
            pending.done |= pending.number == number;
        }
    }

    /// The changes of names that a sync of the folder covers if it starts now, by number.
    pub(crate) fn renamings_done(&self) -> Vec<u64> {
        let done = self.pending.iter().filter(|pending| pending.done);
        done.map(|pending| pending.number).collect()
    }

    /// A sync of the folder that covers these changes is done. Earlier ones of the same names are made
    /// with them: what happens to one name happens in order.
    pub(crate) fn folder_synced(&mut self, numbers: &[u64]) {
        let mut names = BTreeSet::new();
        let mut covered = BTreeSet::new();
        for pending in self.pending.iter().rev() {
            let own = pending.renaming.names();
            if numbers.contains(&pending.number) || own.clone().any(|name| names.contains(name)) {
                covered.insert(pending.number);
                names.extend(own);
            }
        }
        for pending in std::mem::take(&mut self.pending) {
            match covered.contains(&pending.number) {
                true => pending.renaming.make(&mut self.durable_names),
                false => self.pending.push(pending),
            }
        }
    }

    /// A sync of the folder has failed: the system takes its changes for written, although only
    /// some of them are. Only a crash shows it.
    pub(crate) fn fail_folder_sync(&mut self, lot: &mut Lot) {
        self.lying = true;
        for pending in std::mem::take(&mut self.pending) {
            if lot.chance(500) {
                pending.renaming.make(&mut self.durable_names);
            }
        }
    }

    /// A sync is under way that will fail, whoever is there to be told.
    pub(crate) const fn expect_failed_sync(&mut self) {
        self.lying = true;
    }

    /// A sync of this file has failed: the system takes its changes for written, although only
    /// some of them are (the kernels' known behaviour). Only a crash shows it.
    pub(crate) fn fail_sync(&mut self, place: usize, sector_bytes: usize, lot: &mut Lot) {
        self.lying = true;
        if let Some(file) = self.files.get_mut(place) {
            let seen = file.cache.clone();
            let changes = file.take_back();
            let mut durable = file
                .durable
                .take()
                .unwrap_or_else(|| std::mem::take(&mut file.cache));
            for (_, change) in changes {
                make_in_part(change, &mut durable, (Loss::Torn, sector_bytes), lot);
            }
            file.durable = Some(durable);
            file.cache = seen;
        }
    }

    /// Whether a crash could lose anything.
    pub(crate) fn has_unsynced(&self) -> bool {
        !self.pending.is_empty() || self.files.iter().any(|file| !file.pending.is_empty())
    }

    /// Another folder is in its place, an empty one.
    pub(crate) fn wipe(&mut self) {
        *self = Self {
            cut_tails: self.cut_tails,
            taken_spares: self.taken_spares,
            ..Self::default()
        };
    }

    /// Ends what only a running system holds: everything that is not durable suffers `loss`.
    pub(crate) fn crash(&mut self, loss: Loss, sector_bytes: usize, lot: &mut Lot) {
        // Whoever operates a node must restart the machine after a failed sync
        // (docs/assumptions.md, 7), also when the process ended before it learned of the failure.
        let machine = std::mem::take(&mut self.lying);
        let loss = match loss {
            Loss::Process if machine => Loss::Torn,
            loss => loss,
        };
        if loss == Loss::Process {
            // What the process had asked for happens all the same.
            for pending in &mut self.pending {
                pending.done = true;
            }
            return;
        }
        for pending in std::mem::take(&mut self.pending) {
            if loss != Loss::All && lot.chance(500) {
                pending.renaming.make(&mut self.durable_names);
            }
        }
        self.names.clone_from(&self.durable_names);
        for file in &mut self.files {
            for (_, change) in file.lose() {
                make_in_part(change, &mut file.cache, (loss, sector_bytes), lot);
            }
        }
    }

    /// Flips one bit among what became durable so long ago that something later, which is durable
    /// too, says so. What came last can't be told from a torn write by anyone, so damaging it
    /// after a promise would only prove that disks must be trusted somewhere.
    pub(crate) fn rot(&mut self, groups: usize, lot: &mut Lot) -> bool {
        let old = self
            .settled
            .partition_point(|settled| settled.round < self.untouched_from(groups));
        let among = |counts: fn(&str) -> bool| -> Vec<&Settled> {
            let named = |file: usize| {
                let mut names = self.names.iter();
                names.any(|(name, place)| *place == file && counts(name))
            };
            let settled = self.settled.iter().take(old);
            settled.filter(|settled| named(settled.file)).collect()
        };
        // There is one snapshot among many more bytes of the log, and it stands for more of them.
        let mut candidates = match lot.chance(250) {
            true => among(is_snapshot),
            false => Vec::new(),
        };
        if candidates.is_empty() {
            candidates = among(is_of_use);
        }
        // What came last matters most: nobody has repeated it.
        let few = candidates.len().min(FEW_NEWEST);
        let from = match lot.chance(500) {
            true => candidates.len() - few,
            false => 0,
        };
        let place = from as u64 + lot.below((candidates.len() - from) as u64);
        let Some(chosen) = candidates.get(place as usize) else {
            return false;
        };
        let Some(file) = self.files.get_mut(chosen.file) else {
            return false;
        };
        // Most of a block is padding, which nobody misses: what says something is hit more often.
        let span = chosen.range.end - chosen.range.start;
        let mut at = chosen.range.start;
        for _ in 0..MOST_PLACES_TRIED {
            at = chosen.range.start + lot.below(span as u64) as usize;
            if file.durable.as_ref().unwrap_or(&file.cache).byte(at) != 0 {
                break;
            }
        }
        let mask = 1 << lot.below(8);
        // No pending change is in the way: what it covers is not settled any more.
        for content in file.durable.iter_mut().chain([&mut file.cache]) {
            content.flip(at, mask);
        }
        true
    }

    /// The round from which on nothing may rot. As many rounds of a log's syncs as it has groups under way may
    /// have been begun before what is in them was known to be durable, and one more tells that it was.
    fn untouched_from(&self, groups: usize) -> u64 {
        let of_log = |file: usize| {
            let mut names = self.names.iter();
            names.any(|(name, place)| *place == file && is_of_log(name))
        };
        let settled = self.settled.iter().rev();
        let mut rounds: Vec<u64> = Vec::new();
        for settled in settled.filter(|settled| of_log(settled.file)) {
            if rounds.last() != Some(&settled.round) {
                rounds.push(settled.round);
            }
            if rounds.len() > groups {
                return settled.round;
            }
        }
        0
    }

    /// Where the file of this name is.
    pub(crate) fn place(&self, name: &str) -> Result<usize, FsError> {
        self.names
            .get(name)
            .copied()
            .ok_or_else(|| FsError::NotFound {
                name: name.to_owned(),
            })
    }

    fn file(&self, name: &str) -> Result<&File, FsError> {
        let missing = || FsError::NotFound {
            name: name.to_owned(),
        };
        self.files.get(self.place(name)?).ok_or_else(missing)
    }
}

impl File {
    /// Makes a change that no sync covers yet.
    fn change(&mut self, number: u64, change: &Change) {
        let undo = self.cache.make(change);
        self.pending.push((number, undo));
    }

    /// The first so many pending changes are durable now. The ranges that they wrote.
    fn settle(&mut self, covered: usize) -> Vec<Range<usize>> {
        let first = self.pending.iter().take(covered);
        let ranges = first.filter_map(|(_, undo)| undo.range()).collect();
        if let Some(mut durable) = self.durable.take() {
            for (place, (number, change)) in self.take_back().into_iter().enumerate() {
                match place < covered {
                    true => {
                        durable.make(&change);
                        self.cache.make(&change);
                    }
                    false => self.change(number, &change),
                }
            }
            self.durable = Some(durable);
        } else {
            self.pending.drain(..covered);
        }
        ranges
    }

    /// Takes back all that is pending: those changes, the oldest first.
    fn take_back(&mut self) -> Vec<(u64, Change)> {
        let mut changes: Vec<(u64, Change)> = Vec::new();
        while let Some((number, undo)) = self.pending.pop() {
            changes.push((number, self.cache.take_back(&undo)));
        }
        changes.reverse();
        changes
    }

    /// Leaves what is durable, and nothing else: what was changed beyond that.
    fn lose(&mut self) -> Vec<(u64, Change)> {
        let changes = self.take_back();
        if let Some(durable) = self.durable.take() {
            self.cache = durable;
        }
        changes
    }
}

/// What a crash or a failed sync leaves of a change.
fn make_in_part(
    change: Change,
    content: &mut Content,
    (loss, sector_bytes): (Loss, usize),
    lot: &mut Lot,
) {
    match (loss, change) {
        (Loss::Process, change) => {
            content.make(&change);
        }
        (Loss::All, _) => {}
        (Loss::Torn, Change::Bytes(start, parts)) => {
            // Each sector the write touches is old or new, most often one half of them each.
            let bytes = parts.concat();
            let mut at = 0;
            while at < bytes.len() {
                let sector_end = (start + at) / sector_bytes * sector_bytes + sector_bytes;
                let end = (sector_end - start).min(bytes.len());
                if lot.chance(500) {
                    content.put(start + at, bytes.get(at..end).unwrap_or_default());
                }
                at = end;
            }
        }
        (Loss::Some | Loss::Torn, change) => {
            if lot.chance(500) {
                content.make(&change);
            }
        }
    }
}

impl Renaming {
    /// The names that it changes.
    fn names(&self) -> impl Iterator<Item = &str> + Clone {
        let (one, other) = match self {
            Self::Create(name, _) | Self::Remove(name) => (name, None),
            Self::Rename(from, to) => (from, Some(to)),
        };
        [Some(one), other].into_iter().flatten().map(String::as_str)
    }

    fn make(self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Create(name, place) => {
                names.insert(name, place);
            }
            Self::Rename(from, to) => {
                if let Some(place) = names.remove(&from) {
                    names.insert(to, place);
                }
            }
            Self::Remove(name) => {
                names.remove(&name);
            }
        }
    }
}

/// Whether a file is a snapshot that counts.
fn is_snapshot(name: &str) -> bool {
    name.starts_with("snapshot-") && !name.contains('.')
}

/// Whether a file is a segment of a log.
fn is_of_log(name: &str) -> bool {
    name.ends_with(".wal")
}

/// Whether a file is ever read again.
fn is_of_use(name: &str) -> bool {
    !name.ends_with(".damaged")
}

/// As many of those that may rot are the newest.
const FEW_NEWEST: usize = 3;

/// How many places are tried for one where something is written.
const MOST_PLACES_TRIED: usize = 64;

/// How many ranges are remembered for [`Folder::rot`].
const MOST_SETTLED: usize = 1_024;
