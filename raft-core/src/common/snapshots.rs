//! The snapshots this node has, takes and receives (paper 7, Figure 13).

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::hash::{Hash, Hasher};

use super::aside::Aside;
use super::receiving::Receiving;
use crate::chunk::Chunk;
use crate::hull::{SnapshotJob, SnapshotWork};
use crate::ids::LogIndex;
use crate::log::SnapshotMark;
use crate::settings::{Settings, SnapshotPolicy};
use crate::snapshot::{Snapshot, SnapshotId};
use crate::time::LogTime;

/// What is known of snapshots in every role. What there mostly is none of lies aside, so that a
/// hull at rest is small.
///
/// - `stored` is the newest one that is durable in the driver's store; `Rare::older` are those before
///   it that may still be on their way to a follower.
/// - The ends of `Rare::spans` ascend, as far as what was tried last; they are few.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshots {
    stored: Option<Box<Snapshot>>,
    /// The last entry of the snapshot that was last tried here, or stored.
    tried: LogIndex,
    /// Bytes of payload handed out of what follows it.
    bytes: u64,
    last_number: u64,
    rare: Aside<Rare>,
}

/// What there is to do once in a while.
#[derive(Clone, Debug, Default)]
struct Rare {
    /// Whether one is wanted now, whatever the settings say.
    wanted: bool,
    taking: Option<Taking>,
    receiving: Option<Box<Receiving>>,
    older: Vec<SnapshotId>,
    /// One that could not be read: it is taken again, though there is nothing new.
    doubted: Option<SnapshotId>,
    /// How many bytes of payload lie between the ends of snapshots, of those that the margin may reach: up to
    /// each of these, from the one before it.
    spans: VecDeque<(LogIndex, u64)>,
    /// Up to here nothing is kept for the margin: what follows is as many bytes as it may come to.
    crowded: LogIndex,
    /// What the state machine is to be replaced by, before it gets any more entries.
    restore: Option<Box<Snapshot>>,
    queue: VecDeque<SnapshotJob>,
}

/// A snapshot that is being written.
#[derive(Clone, Hash, Debug)]
struct Taking {
    number: u64,
    mark: SnapshotMark,
    time: LogTime,
}

impl Snapshots {
    pub(crate) fn new(stored: Option<Snapshot>) -> Self {
        let tried = stored.as_ref().map_or(LogIndex::ZERO, end_of);
        Self {
            stored: stored.map(Box::new),
            tried,
            ..Self::default()
        }
    }

    /// The newest one stored.
    pub(crate) fn stored(&self) -> Option<&Snapshot> {
        self.stored.as_deref()
    }

    /// Asks for something to be done; the number names the answer.
    pub(crate) fn ask(&mut self, work: SnapshotWork) -> u64 {
        self.last_number = self.last_number.saturating_add(1);
        let number = self.last_number;
        let queue = &mut self.rare.needed().queue;
        queue.push_back(SnapshotJob { number, work });
        number
    }

    /// Another snapshot is received: what was to be done for the one before need not be. What is
    /// offered may change so fast that nobody could keep up with it.
    pub(crate) fn forget_writes(&mut self) {
        self.keep_jobs(|work| !matches!(work, SnapshotWork::Begin(_) | SnapshotWork::Write { .. }));
    }

    /// Nobody is sent a snapshot any more.
    pub(crate) fn forget_reads(&mut self) {
        self.keep_jobs(|work| !matches!(work, SnapshotWork::Read { .. }));
    }

    fn keep_jobs(&mut self, is_kept: impl Fn(&SnapshotWork) -> bool) {
        if let Some(rare) = self.rare.there_mut() {
            rare.queue.retain(|job| is_kept(&job.work));
        }
    }

    /// Gives back the memory of what is empty.
    pub(crate) fn give_back(&mut self) {
        self.rare.give_back(|rare| {
            let Rare {
                wanted,
                taking,
                receiving,
                older,
                doubted,
                spans,
                crowded,
                restore,
                queue,
            } = rare;
            let is_idle = !wanted && taking.is_none() && receiving.is_none();
            let has_none = older.is_empty() && doubted.is_none() && restore.is_none();
            let is_forgotten = spans.is_empty() && *crowded == LogIndex::ZERO;
            is_idle && has_none && is_forgotten && queue.is_empty()
        });
    }

    /// The one that is on its way here.
    pub(crate) fn receiving(&self) -> Option<&Receiving> {
        self.rare.there()?.receiving.as_deref()
    }

    /// The same, to be changed.
    pub(crate) fn receiving_mut(&mut self) -> Option<&mut Receiving> {
        self.rare.there_mut()?.receiving.as_deref_mut()
    }

    /// This one is on its way here, in place of any other.
    pub(crate) fn receive(&mut self, receiving: Receiving) {
        self.rare.needed().receiving = Some(Box::new(receiving));
    }

    /// It is all here.
    pub(crate) fn received(&mut self) -> Option<Receiving> {
        let receiving = self.rare.there_mut()?.receiving.take()?;
        Some(*receiving)
    }

    fn doubted(&self) -> Option<SnapshotId> {
        self.rare.there()?.doubted
    }

    /// A snapshot is wanted at the next occasion.
    pub(crate) fn want(&mut self) {
        self.rare.needed().wanted = true;
    }

    /// Whether one is wanted, whatever the settings say.
    pub(crate) fn is_wanted(&self) -> bool {
        self.rare.there().is_some_and(|rare| rare.wanted)
    }

    /// It need not be wanted any longer.
    pub(crate) fn has_what_was_wanted(&mut self) {
        if let Some(rare) = self.rare.there_mut() {
            rare.wanted = false;
        }
    }

    /// A stored one could not be read. If that is the newest, another has to take its place: nobody
    /// who needs it could ever be sent it.
    pub(crate) fn doubt(&mut self, id: SnapshotId) {
        if self.stored.as_ref().is_some_and(|stored| stored.id == id) {
            let rare = self.rare.needed();
            (rare.doubted, rare.wanted) = (Some(id), true);
        }
    }

    /// These went to the state machine, `bytes` of payload in all. What the last snapshot stands for
    /// does not count: one that was received may be ahead of what is applied from the log.
    pub(crate) fn note_handed_out(&mut self, chunks: &[Chunk], bytes: usize) {
        let ahead = chunks
            .first()
            .is_some_and(|chunk| chunk.first_index() <= self.tried);
        let news = if ahead {
            let beyond = self.tried.next()..LogIndex::new(u64::MAX);
            let views = chunks
                .iter()
                .filter_map(|chunk| chunk.slice(beyond.clone()));
            views.map(|view| view.payload_bytes()).sum()
        } else {
            bytes
        };
        self.bytes = self.bytes.saturating_add(news as u64);
    }

    /// Whether the state machine is to be replaced first.
    pub(crate) fn must_restore(&self) -> bool {
        self.rare.there().is_some_and(|rare| rare.restore.is_some())
    }

    /// The state machine goes on from this one.
    pub(crate) fn restore(&mut self, snapshot: Snapshot) {
        self.bytes = 0;
        self.rare.needed().restore = Some(Box::new(snapshot));
    }

    /// The next job but for taking a snapshot.
    pub(crate) fn next_job(&mut self) -> Option<SnapshotJob> {
        let rare = self.rare.there_mut()?;
        if let Some(snapshot) = rare.restore.take() {
            self.last_number = self.last_number.saturating_add(1);
            return Some(SnapshotJob {
                number: self.last_number,
                work: SnapshotWork::Restore(*snapshot),
            });
        }
        rare.queue.pop_front()
    }

    /// Whether to take one, of all up to `handed_out`.
    pub(crate) fn is_due(&self, policy: Option<SnapshotPolicy>, handed_out: LogIndex) -> bool {
        let news = self.stored().map_or(LogIndex::ZERO, end_of) < handed_out;
        let entries = handed_out.distance_from(self.tried);
        // [S7.42] Once the log has grown by as much as the settings say.
        let due = policy.is_some_and(|policy| {
            entries >= policy.after_entries || self.bytes >= policy.after_bytes
        });
        let useful = news || self.doubted().is_some();
        !self.is_taking() && useful && (due || self.is_wanted())
    }

    fn is_taking(&self) -> bool {
        self.rare.there().is_some_and(|rare| rare.taking.is_some())
    }

    /// Takes one.
    pub(crate) fn take(&mut self, mark: SnapshotMark, time: LogTime) -> SnapshotJob {
        self.last_number = self.last_number.saturating_add(1);
        let number = self.last_number;
        self.try_at(mark.last.index);
        let rare = self.rare.needed();
        rare.wanted = false;
        rare.taking = Some(Taking {
            number,
            mark: mark.clone(),
            time,
        });
        let work = SnapshotWork::Take { mark, time };
        SnapshotJob { number, work }
    }

    /// One was taken; `None` when that answers nothing.
    pub(crate) fn on_taken(&mut self, number: u64, length: u64, digest: u64) -> Option<Snapshot> {
        let taking = &mut self.rare.there_mut()?.taking;
        let taking = taking.take_if(|taking| taking.number == number)?;
        Some(Snapshot {
            // [S7.15] The last entry it stands for is part of its name, with its term.
            id: SnapshotId {
                last: taking.mark.last,
                length,
                digest,
            },
            configuration: taking.mark.configuration,
            time: taking.time,
        })
    }

    /// A job could not be done. Whether it was the one that took a snapshot.
    pub(crate) fn on_failed(&mut self, number: u64) -> bool {
        let Some(rare) = self.rare.there_mut() else {
            return false;
        };
        let taken = rare.taking.take_if(|taking| taking.number == number);
        if taken.is_some() {
            return true;
        }
        // Whatever was received lies in the store; who offers it next finds out how much it is.
        rare.receiving.take_if(|receiving| receiving.awaits(number));
        false
    }

    /// Counts a snapshot as stored. The one before it is kept until nobody is sent it.
    pub(crate) fn keep(&mut self, snapshot: Snapshot, settings: &Settings) {
        // [S7.18b] The newest one counts, and the one before it is let go of.
        let doubted = self.doubted();
        let newest = self.stored.as_ref().is_none_or(|stored| {
            end_of(stored) < end_of(&snapshot)
                || (doubted == Some(stored.id) && end_of(stored) == end_of(&snapshot))
        });
        if newest {
            if let Some(rare) = self.rare.there_mut() {
                rare.doubted = None;
            }
            // The next one is due when the log has grown beyond this one, wherever it came from. (Of
            // what was applied beyond one that was received, not every byte is counted.)
            if self.tried < end_of(&snapshot) {
                self.try_at(end_of(&snapshot));
            }
            self.measure_margin(end_of(&snapshot), settings);
            let id = snapshot.id;
            let before = self
                .stored
                .replace(Box::new(snapshot))
                .map(|before| before.id);
            // One that was taken again may have come out as it was.
            if let Some(before) = before.filter(|before| *before != id) {
                self.rare.needed().older.push(before);
            }
        } else if self
            .stored
            .as_ref()
            .is_none_or(|stored| stored.id != snapshot.id)
        {
            self.rare.needed().older.push(snapshot.id);
        }
    }

    /// The next one is due when the log has grown beyond this entry.
    fn try_at(&mut self, end: LogIndex) {
        let spans = &mut self.rare.needed().spans;
        spans.push_back((end, self.bytes));
        // The longer ago, the less it matters where one ends and the next begins.
        if spans.len() > MOST_SPANS {
            let first = spans.pop_front().map_or(0, |(_, bytes)| bytes);
            if let Some((_, bytes)) = spans.front_mut() {
                *bytes = bytes.saturating_add(first);
            }
        }
        self.tried = end;
        self.bytes = 0;
    }

    /// Finds how far back the margin may reach from this end of the newest snapshot.
    fn measure_margin(&mut self, end: LogIndex, settings: &Settings) {
        let rare = self.rare.needed();
        let mut bytes = 0_u64;
        for (last, span) in rare.spans.iter().rev().filter(|(last, _)| *last <= end) {
            bytes = bytes.saturating_add(*span);
            if bytes > settings.snapshot_margin_bytes {
                rare.crowded = *last;
                break;
            }
        }
        let (crowded, margin) = (rare.crowded, settings.snapshot_margin);
        let reached = |last: LogIndex| last > crowded && end.distance_from(last) < margin;
        rare.spans.retain(|(last, _)| *last > end || reached(*last));
    }

    /// Whether what lies between snapshots is known in order, and as finely as it may be.
    #[cfg_attr(no_invariants, expect(dead_code, reason = "nothing is checked"))]
    pub(crate) fn is_counted_right(&self) -> bool {
        let Some(rare) = self.rare.there() else {
            return true;
        };
        let ends = rare.spans.iter().map(|(last, _)| *last);
        let ends = core::iter::once(rare.crowded).chain(ends);
        rare.spans.len() <= MOST_SPANS && ends.chain([self.tried]).is_sorted()
    }

    /// Up to where nothing is kept for the margin, because of its bytes.
    pub(crate) fn crowded(&self) -> LogIndex {
        self.rare
            .there()
            .map_or(LogIndex::ZERO, |rare| rare.crowded)
    }

    /// The log begins after `index`.
    pub(crate) fn forgot_through(&mut self, index: LogIndex) {
        if let Some(rare) = self.rare.there_mut() {
            if rare.crowded <= index {
                rare.crowded = LogIndex::ZERO;
            }
        }
    }

    /// Finds no room for what nobody tried to take.
    #[cfg(test)]
    pub(crate) fn miscount(&mut self) {
        self.rare.needed().crowded = self.tried.next();
    }

    /// Lets go of old ones that nobody is sent.
    pub(crate) fn forget_old(&mut self, is_sent: impl Fn(SnapshotId) -> bool) {
        let Some(rare) = self.rare.there_mut() else {
            return;
        };
        if rare.older.is_empty() {
            return;
        }
        let (kept, done) = rare.older.drain(..).partition(|id| is_sent(*id));
        rare.older = kept;
        let done: Vec<SnapshotId> = done;
        for id in done {
            self.ask(SnapshotWork::Forget(id));
        }
    }

    /// Whether a stored one can still be sent.
    pub(crate) fn has(&self, id: SnapshotId) -> bool {
        let is_older = |rare: &Rare| rare.older.contains(&id);
        self.stored.as_ref().is_some_and(|stored| stored.id == id)
            || self.rare.there().is_some_and(is_older)
    }

    /// A new term: whoever asked in the old one is told nothing any more.
    pub(crate) fn forget_asker(&mut self) {
        if let Some(receiving) = self.receiving_mut() {
            receiving.forget_asker();
        }
    }

    /// What counts in [`crate::hull::Hull::fingerprint`].
    pub(crate) fn fingerprint(&self, into: &mut impl Hasher) {
        let Self {
            stored,
            tried,
            bytes,
            last_number: _,
            rare,
        } = self;
        (stored, tried, bytes).hash(into);
        let nothing = Rare::default();
        let Rare {
            wanted,
            taking,
            receiving,
            older,
            doubted,
            spans,
            crowded,
            restore,
            queue: _,
        } = rare.there().unwrap_or(&nothing);
        (wanted, older, doubted, restore, spans, crowded).hash(into);
        let taking = taking.as_ref();
        taking.map(|taking| (&taking.mark, taking.time)).hash(into);
        if let Some(receiving) = receiving {
            receiving.fingerprint(into);
        }
    }
}

const fn end_of(snapshot: &Snapshot) -> LogIndex {
    snapshot.id.last.index
}

/// So finely is it known how many bytes the margin comes to.
const MOST_SPANS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configuration::Configuration;
    use crate::ids::{EntryId, Term};

    const BYTES: u64 = 10;

    fn end(index: u64) -> SnapshotMark {
        SnapshotMark {
            last: EntryId::new(Term::new(1), LogIndex::new(index)),
            configuration: Configuration::default(),
        }
    }

    /// Takes and stores one after these entries, of so many bytes each.
    fn take(snapshots: &mut Snapshots, ends: impl Iterator<Item = u64>, settings: &Settings) {
        for index in ends {
            snapshots.bytes = BYTES;
            let job = snapshots.take(end(index), LogTime::ZERO);
            let snapshot = snapshots.on_taken(job.number, 1, index).unwrap();
            snapshots.keep(snapshot, settings);
            assert!(snapshots.is_counted_right(), "{snapshots:?}");
        }
    }

    fn bytes_known(snapshots: &Snapshots) -> u64 {
        let rare = snapshots.rare.there().unwrap();
        rare.spans.iter().map(|(_, bytes)| bytes).sum()
    }

    /// What lies longest behind is told less finely; no byte of it is lost.
    #[test]
    fn of_many_snapshots_all_bytes_are_counted() {
        let settings = Settings::default();
        let mut snapshots = Snapshots::new(None);
        let many = 3 * MOST_SPANS as u64;
        take(&mut snapshots, 1..=many, &settings);
        assert_eq!(bytes_known(&snapshots), many * BYTES);
        assert_eq!(snapshots.crowded(), LogIndex::ZERO);
        let narrow = Settings {
            snapshot_margin_bytes: 4 * BYTES,
            ..settings
        };
        take(&mut snapshots, many + 1..=many + 1, &narrow);
        assert_eq!(snapshots.crowded(), LogIndex::new(many - 3));
        assert_eq!(bytes_known(&snapshots), 4 * BYTES);
    }

    /// A follower may need entries that the margin has no room for: they go when it has them.
    #[test]
    fn what_the_margin_has_no_room_for_is_known_until_it_is_forgotten() {
        let settings = Settings {
            snapshot_margin_bytes: BYTES - 1,
            ..Settings::default()
        };
        let mut snapshots = Snapshots::new(None);
        take(&mut snapshots, 3..=3, &settings);
        snapshots.give_back();
        assert_eq!(snapshots.crowded(), LogIndex::new(3));
        snapshots.forgot_through(LogIndex::new(2));
        snapshots.give_back();
        assert_eq!(snapshots.crowded(), LogIndex::new(3));
        snapshots.forgot_through(LogIndex::new(3));
        snapshots.give_back();
        assert!(snapshots.rare.there().is_none(), "at rest it costs nothing");
    }
}
