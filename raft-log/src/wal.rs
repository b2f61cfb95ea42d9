//! The write-ahead log: all that must survive a crash, in one stream of checksummed frames.
//!
//! Each [`Write`] becomes one frame: hard state, truncation, entries, snapshot mark and identity
//! stand or fall with its checksum, which covers the frame before it. What is begun while a sync
//! runs is written and synced together when that one is over. Nothing here decides what to
//! write: that is the hull's.

mod ahead;
mod body;
mod checksum;
mod commit;
mod contents;
mod damage;
mod extents;
mod format;
mod frame;
mod load;
#[cfg(all(feature = "cli", unix))]
pub(crate) mod look;
mod recover;
mod replay;
mod scan;
mod segment;
mod spares;
mod strangers;
mod torn;

use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::task::{Context, Poll};

use raft_core::ids::{EntryId, LogIndex};
use raft_core::log::{Durable, Loading, Log, LogError, Receipt, Recovered, Write};
use raft_core::snapshot::Snapshot;

use crate::error::WalError;
use crate::fs::{Completion, Fs, Operation};
use crate::rare::Site;
use crate::settings::{self, SettingsProblem};
use commit::{Chain, Group, Stages};
use contents::Contents;
use damage::Note;
use frame::{Frame, Tail};
use recover::Survivors;
use segment::Segments;
use spares::Spares;

pub use torn::TornTail;

/// A durable log in one folder.
///
/// It has no task of its own: [`Log::poll_durable`] moves it on, and must be polled after each
/// [`Log::begin`].
///
/// - `groups` are being written, at most as many as the settings allow; what is begun meanwhile waits in
///   `queue`. One that begins a segment is written alone. They count as durable in their order, whichever
///   the disk finished first.
/// - `segments` are those whose first frame is durable, so that none is dropped for one that a
///   crash could lose.
/// - Once `failure` is set, nothing is started any more.
pub struct Wal<F: Fs> {
    fs: F,
    settings: WalSettings,
    contents: Contents,
    segments: Segments,
    tail: Tail,
    queue: VecDeque<Frame>,
    groups: VecDeque<Group>,
    chain: Chain,
    closing: Closing,
    spares: Spares,
    /// How far the log reached before it was damaged, until it does so again.
    lost_through: Option<EntryId>,
    forgetting: Option<Stages>,
    damage: Option<WalError>,
    torn: Option<TornTail>,
    failure: Option<LogError>,
}

impl<F: Fs> Wal<F> {
    /// Takes the folder, reads what survived, and durably cuts off what was never promised.
    ///
    /// What was promised and is damaged or missing is cut off, too, with all after it, if it can be
    /// told how far the log reached: then [`Recovered::lost_through`] says so, now and at each
    /// opening until the log reaches as far again, and [`Wal::damage`] what was found. Nothing of it
    /// is removed: it stays in the folder in files that end in `.damaged`.
    ///
    /// Reads a mebibyte of a segment at a time into memory, or a frame that is longer; of the last one,
    /// all that stands behind its frames; and where something is damaged, one segment at a time.
    ///
    /// # Errors
    ///
    /// The folder can't be used, or holds damage that can't be lived with. See [`WalError`].
    pub async fn open(fs: F, settings: WalSettings) -> Result<(Self, Recovered), WalError> {
        let problems = settings.validate();
        if !problems.is_empty() {
            return Err(WalError::Settings { problems });
        }
        let survivors = recover::recover(&fs, settings).await?;
        Ok(Self::starting_from(fs, survivors))
    }

    /// Ties what was recovered to the newest snapshot there is, which becomes [`Recovered::stored`].
    ///
    /// A log that begins after a snapshot which was damaged, or is gone, is of no use without it: no
    /// state machine can be brought to where it begins. (But a `witness` has none, and keeps in its
    /// log what it needs of a snapshot.) Then all of it is given up as if it was
    /// damaged from its first entry on, and [`Recovered::lost_through`] says how far it reached. Call
    /// this before anything is written.
    ///
    /// # Errors
    ///
    /// The folder can't be used, or nothing says who this node is.
    pub async fn join(
        self,
        recovered: Recovered,
        stored: Option<Snapshot>,
        witness: bool,
    ) -> Result<(Self, Recovered), WalError> {
        let begins_after = recovered.snapshot.as_ref().map(|mark| mark.last.index);
        let reaches = stored.as_ref().map(|stored| stored.id.last.index);
        if witness || begins_after <= reaches {
            let recovered = Recovered {
                stored,
                ..recovered
            };
            return Ok((self, recovered));
        }
        let damage = WalError::Corrupt {
            file: String::from("the snapshot that the log begins after"),
            offset: 0,
            expected: format!("one up to {}", begins_after.unwrap_or_default()),
            found: reaches.map_or_else(
                || String::from("none"),
                |index| format!("one up to {index}"),
            ),
        };
        let note = Note {
            log_id: self.settings.log_id,
            hard: recovered.hard,
            lost_through: self.contents.last_id(),
            identity: recovered.identity,
            given_up: self.tail.segment,
        };
        if !note.is_enough() {
            return Err(damage);
        }
        let Self {
            fs, settings, torn, ..
        } = self;
        let mut survivors = recover::begin_anew(&fs, settings, note).await?;
        survivors.damage = Some(damage);
        survivors.torn = torn;
        let (wal, recovered) = Self::starting_from(fs, survivors);
        let recovered = Recovered {
            stored,
            ..recovered
        };
        Ok((wal, recovered))
    }

    fn starting_from(fs: F, survivors: Survivors) -> (Self, Recovered) {
        let wal = Self {
            fs,
            settings: survivors.settings,
            contents: survivors.contents,
            segments: survivors.segments,
            tail: survivors.tail,
            queue: VecDeque::new(),
            groups: VecDeque::new(),
            chain: survivors.chain,
            closing: Closing::NotNeeded,
            spares: Spares::new(
                survivors.settings.segment_bytes,
                survivors.settings.spare_segments,
            ),
            lost_through: survivors.recovered.lost_through,
            forgetting: None,
            damage: survivors.damage,
            torn: survivors.torn,
            failure: None,
        };
        (wal, survivors.recovered)
    }

    /// The damage that this opening found, if it found any.
    pub const fn damage(&self) -> Option<&WalError> {
        self.damage.as_ref()
    }

    /// What this opening dropped behind the last frame, if there was anything: nothing tells whether a crash
    /// tore it or somebody cut the file short, so that it is worth a line in the node's own log.
    pub const fn torn_tail(&self) -> Option<&TornTail> {
        self.torn.as_ref()
    }

    /// The settings the log runs with.
    pub const fn settings(&self) -> &WalSettings {
        &self.settings
    }

    /// The folder the log is in.
    pub const fn fs(&self) -> &F {
        &self.fs
    }

    /// Starts what can be started of the queue.
    fn flush(&mut self) {
        while self.may_start_group() {
            self.start_group();
        }
    }

    /// Whether the frame at the front of the queue need not wait for anything.
    fn may_start_group(&self) -> bool {
        let Some(next) = self.queue.front() else {
            return false;
        };
        match (next.creates, self.groups.back()) {
            (Some(length), None) => !self.spares.is_worth_waiting_for(length),
            (None, None) => true,
            // All before it must be durable first: its first frame says so.
            (Some(_), Some(_)) => false,
            (None, Some(newest)) => {
                newest.creates.is_none() && self.groups.len() < self.settings.groups_in_flight()
            }
        }
    }

    fn start_group(&mut self) {
        let (queue, chain) = (&mut self.queue, &mut self.chain);
        let group = commit::start_group(&self.fs, queue, chain, &mut self.spares);
        let Some(mut group) = group else {
            return;
        };
        // The closing frame before it was not synced. In the same segment this group's sync
        // covers it; another segment's does not.
        if let Closing::Written(segment, completion) =
            std::mem::replace(&mut self.closing, Closing::Needed { idle_polls: 0 })
        {
            group.stages.join("write a closing frame", completion);
            if segment != group.segment {
                let name = segment::name(segment);
                let sync = self.fs.start(Operation::Sync { name });
                group.stages.join("sync the segment before", sync);
            }
        }
        self.groups.push_back(group);
    }

    /// Takes note that a group is durable. Returns its last proof, if it has any.
    fn complete(&mut self, group: Group) -> Option<Durable> {
        self.chain.durable = group.batch;
        self.contents.settle(group.batch);
        if let Some(length) = group.creates {
            self.segments.push(group.segment, Some(length));
        }
        if let Some(last) = group.appended {
            self.segments.note_entries(last);
        }
        if group.makes_safe {
            self.segments.note_safe();
        }
        self.drop_segments(group.needed_from);
        // Not before: a log that hardly grows needs no second segment.
        if self.tail.offset > self.tail.length / 2 {
            self.spares.make_ahead(&self.fs);
        }
        let whole = self.lost_through.is_some_and(|lost| group.end >= lost);
        // Until then the note says who the node is, where the log says it once.
        if whole && self.segments.are_safe() {
            self.lost_through = None;
            self.forgetting = Some(Stages::start(&self.fs, damage::forget_note()));
        }
        group.receipts.into_iter().map(Receipt::synced).next_back()
    }

    /// Lets the segments before `needed_from` go.
    fn drop_segments(&mut self, needed_from: LogIndex) {
        if self.spares.are_dropping() {
            return;
        }
        let segments = &mut self.segments;
        let unneeded = std::iter::from_fn(|| segments.pop_unneeded(needed_from));
        self.spares.drop_segments(&self.fs, unneeded);
    }

    fn poll_group(&mut self, cx: &mut Context<'_>) -> Poll<Result<Durable, LogError>> {
        while !self.groups.is_empty() {
            if self.fs.rarely(Site::AckLater) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let Poll::Ready(result) = self.poll_first(cx) else {
                return Poll::Pending;
            };
            let group = self.groups.pop_front();
            result?;
            let durable = group.and_then(|group| self.complete(group));
            self.flush();
            if let Some(durable) = durable {
                return Poll::Ready(Ok(durable));
            }
        }
        if self.queue.is_empty() {
            self.close_when_idle();
        }
        Poll::Pending
    }

    /// Whether the first group is durable. What a sync failed to make durable another one that comes after it
    /// does not, whatever that says: the system has forgotten that there is something to write. So none counts
    /// once one behind it has failed.
    fn poll_first(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), LogError>> {
        let mut groups = self.groups.iter_mut();
        let first = groups.next().map(|group| group.stages.poll(&self.fs, cx));
        if let Some(Poll::Ready(Ok(()))) = first {
            for group in groups {
                if let Poll::Ready(Err(failure)) = group.stages.poll(&self.fs, cx) {
                    return Poll::Ready(Err(failure));
                }
            }
        }
        first.unwrap_or(Poll::Pending)
    }

    /// Goes on with what nobody waits for.
    fn poll_housekeeping(&mut self, cx: &mut Context<'_>) -> Result<(), LogError> {
        if let Some(stages) = &mut self.forgetting {
            if let Poll::Ready(result) = stages.poll(&self.fs, cx) {
                self.forgetting = None;
                result?;
            }
        }
        if self.spares.poll(&self.fs, cx)? {
            self.flush();
        }
        Ok(())
    }

    /// Says on disk that all is durable, so that damage to the last frame is known for what it is
    /// and not taken for a torn tail. Nobody waits for it. A log that was merely found without
    /// work between two writes is not idle yet: there is no clock here, so polls are counted.
    fn close_when_idle(&mut self) {
        let Closing::Needed { idle_polls } = &mut self.closing else {
            return;
        };
        *idle_polls = idle_polls.saturating_add(1);
        if *idle_polls < IDLE_POLLS && !self.fs.rarely(Site::CloseEarly) {
            return;
        }
        self.closing = Closing::NotNeeded;
        let frame = frame::lay_out_closing(&self.contents, &mut self.tail, &self.settings);
        if let Some(frame) = frame {
            let segment = frame.header.segment;
            let completion = commit::start_closing(&self.fs, frame, &mut self.chain);
            self.closing = Closing::Written(segment, completion);
        }
    }

    fn latch(&mut self, failure: LogError) -> LogError {
        self.queue.clear();
        self.groups.clear();
        self.forgetting = None;
        self.failure.get_or_insert(failure).clone()
    }
}

impl<F: Fs> Log for Wal<F> {
    fn begin(&mut self, write: Write) {
        if self.failure.is_some() {
            return;
        }
        if self.tail.offset > 0 && self.fs.rarely(Site::RollEarly) {
            self.tail.length = self.tail.offset;
        }
        match frame::lay_out(&mut self.contents, &mut self.tail, &self.settings, write) {
            Ok(frame) => {
                self.queue.push_back(frame);
                self.flush();
            }
            Err(failure) => {
                self.latch(failure);
            }
        }
    }

    fn poll_durable(&mut self, cx: &mut Context<'_>) -> Poll<Result<Durable, LogError>> {
        if let Some(failure) = &self.failure {
            return Poll::Ready(Err(failure.clone()));
        }
        let kept = self.poll_housekeeping(cx);
        match kept.map_or_else(|error| Poll::Ready(Err(error)), |()| self.poll_group(cx)) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(self.latch(error))),
            other => other,
        }
    }

    fn load(&self, range: Range<LogIndex>, max_bytes: usize) -> Loading {
        if let Some(failure) = &self.failure {
            return Box::pin(std::future::ready(Err(failure.clone())));
        }
        let max_bytes = match self.fs.rarely(Site::LoadLeast) {
            true => 1,
            false => max_bytes,
        };
        match self.contents.select(&range, max_bytes) {
            Ok(pieces) => Box::pin(load::gather(load::start(&self.fs, pieces), max_bytes)),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }
}

impl<F: Fs> fmt::Debug for Wal<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wal")
            .field("last", &self.contents.last())
            .field("tail", &self.tail)
            .field("queued", &self.queue.len())
            .field("writing", &self.groups.len())
            .field("failure", &self.failure)
            .finish_non_exhaustive()
    }
}

/// Whether the newest frame is one that closes an idle log.
enum Closing {
    /// Nothing was written since opening, or there is no room.
    NotNeeded,
    /// The newest frame says nothing of its own durability.
    Needed {
        /// How often the log was polled since without having anything to do.
        idle_polls: u32,
    },
    /// It was written to this segment, without a sync.
    Written(u64, Completion),
}

/// So many polls without work make a log idle.
const IDLE_POLLS: u32 = 8;

/// What can be tuned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WalSettings {
    /// Bytes of one segment file. A frame that is longer gets a segment of its own. At least one
    /// block. Smaller ones let space be freed earlier; larger ones cost fewer creations.
    pub segment_bytes: u64,
    /// How many segments are kept at most, beside those in use, to be written anew. The next segment is
    /// then ready before it is needed; without any, each is made while its first write waits. They take
    /// their room on the disk. As many as are filled between two snapshots, if the disk has room; one
    /// where many logs share it.
    pub spare_segments: u32,
    /// How many groups of writes are under way at most. Writes that are begun while one group is written
    /// gather in the next: with one they share syncs best, and each waits for the sync before its own. More
    /// pay where the folder can carry out several at once (real files with as many threads:
    /// `RunOn::OwnThreads`). At least one.
    pub groups_in_flight: u32,
    /// Bytes of one block, which belongs to one frame and is never written twice: at least the
    /// unit the disk writes at once. A power of two from 256 to 65536. May change between openings.
    pub block_bytes: u32,
    /// Marks the frames of a log that is created, so that they can't be taken for another log's;
    /// an existing log keeps its own. Draw it at random where there is randomness.
    pub log_id: u64,
}

impl WalSettings {
    /// All that is wrong with these settings; empty when they can be used.
    pub fn validate(&self) -> Vec<SettingsProblem> {
        let block_bytes = self.block_bytes;
        settings::problems([
            (
                format::is_block_size(block_bytes),
                SettingsProblem::BlockBytes {
                    block_bytes,
                    least: format::MIN_BLOCK_BYTES,
                    greatest: format::MAX_BLOCK_BYTES,
                },
            ),
            (self.groups_in_flight > 0, SettingsProblem::NoGroups),
            (
                self.segment_bytes >= u64::from(block_bytes),
                SettingsProblem::SegmentTooShort {
                    segment_bytes: self.segment_bytes,
                    block_bytes,
                },
            ),
        ])
    }

    fn groups_in_flight(&self) -> usize {
        usize::try_from(self.groups_in_flight).unwrap_or(usize::MAX)
    }
}

impl Default for WalSettings {
    fn default() -> Self {
        Self {
            segment_bytes: 16 << 20,
            spare_segments: 2,
            groups_in_flight: 1,
            block_bytes: 4096,
            log_id: 0,
        }
    }
}
