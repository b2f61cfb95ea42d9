//! Damage: what was durable and can't be read any more. What can still be told of it, and what is
//! kept so that nobody forgets it before the log is whole again.
//!
//! A damaged log is cut where the damage begins. That is safe only for who knows what may be
//! missing: every frame repeats the hard state, and says where the log ended before it. So the
//! frames behind the damage tell which term and vote must not be forgotten, and how far the log
//! reached at most; the file [`NOTE`] keeps that until the log reaches as far again. What is cut off
//! stays in the folder, in files that end in [`ASIDE`], for whoever wants to look.

use bytes::Bytes;
use raft_core::ids::{Boot, EntryId, LogIndex, Term};
use raft_core::log::HardState;

use super::format::{self, BodyShape, HEADER_BYTES, Header};
use super::recover::{End, File, Folder};
use super::replay;
use super::scan::{self, Expected, Part, Survivor};
use super::segment;
use crate::error::WalError;
use crate::fs::{Fs, FsError, Operation};

/// What must be remembered of a log that was damaged, until it reaches as far again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Note {
    pub(super) log_id: u64,
    pub(super) hard: HardState,
    /// No entry that was ever durable is later than this one.
    pub(super) lost_through: EntryId,
    /// Who the node is, as far as it is told here.
    pub(super) identity: Option<Bytes>,
    /// All segments up to this one are given up; zero for none.
    pub(super) given_up: u64,
}

impl Note {
    /// What both remember.
    pub(super) fn merged_with(self, other: Option<Self>) -> Self {
        let Some(other) = other else {
            return self;
        };
        Self {
            log_id: self.log_id,
            hard: later(self.hard, other.hard),
            lost_through: self.lost_through.max(other.lost_through),
            identity: self.identity.or(other.identity),
            given_up: self.given_up.max(other.given_up),
        }
    }

    /// Whether this is enough to go on with, if nothing else is left: a hull was at work, and it
    /// never began before the identity was complete.
    pub(super) fn is_enough(&self) -> bool {
        self.identity.is_some() && self.hard.boot > Boot::default()
    }

    /// The whole file: the note twice, far enough from each other that what rots is one of them.
    fn encode(&self) -> Vec<u8> {
        let mut bytes = self.encode_once();
        let once = bytes.clone();
        bytes.resize(bytes.len().next_multiple_of(COPY_BYTES), 0);
        bytes.extend_from_slice(&once);
        bytes
    }

    fn encode_once(&self) -> Vec<u8> {
        let identity = self.identity.as_deref().unwrap_or_default();
        let length = u32::try_from(identity.len()).unwrap_or(u32::MAX);
        let header = Header {
            head: false,
            log_id: self.log_id,
            segment: self.given_up,
            batch: 0,
            watermark: 0,
            hard: self.hard,
            truncate_from: None,
            drop_before: LogIndex::ZERO,
            last: self.lost_through.index,
            block_bytes: format::MIN_BLOCK_BYTES,
            body: BodyShape {
                has_identity: self.identity.is_some(),
                identity: length,
                total: u64::from(length),
                ..BodyShape::default()
            },
            previous: 0,
            body_checksum: 0,
        };
        let mut bytes = header.encode().0.to_vec();
        bytes.extend_from_slice(&self.lost_through.term.get().to_le_bytes());
        bytes.extend_from_slice(identity);
        let checksum = format::checksum(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Reads what [`Note::encode`] wrote, of which one copy is enough. Whether both are whole.
    fn decode(bytes: &[u8]) -> Option<(Self, bool)> {
        let mut copies = bytes.chunks(COPY_BYTES).scan(0_usize, |at, chunk| {
            let start = *at;
            *at = at.saturating_add(chunk.len());
            Some(bytes.get(start..).and_then(Self::decode_once))
        });
        let first = copies.next()?;
        let second = copies.flatten().next();
        match (first, second) {
            (Some(first), Some(second)) if first == second => Some((first, true)),
            (Some(one), _) | (None, Some(one)) => Some((one, false)),
            (None, None) => None,
        }
    }

    /// Reads the copy that these bytes begin with.
    fn decode_once(bytes: &[u8]) -> Option<Self> {
        let (header, rest) = bytes.split_first_chunk::<HEADER_BYTES>()?;
        let (term, rest) = rest.split_first_chunk::<8>()?;
        let (header, _) = Header::decode(header).ok()?;
        let (identity, rest) = rest.split_at_checked(header.body.identity as usize)?;
        let content = bytes.get(..bytes.len().checked_sub(rest.len())?)?;
        if format::checksum(content) != u32::from_le_bytes(*rest.first_chunk()?) {
            return None;
        }
        let identity = Bytes::copy_from_slice(identity);
        let term = Term::new(u64::from_le_bytes(*term));
        Some(Self {
            log_id: header.log_id,
            hard: header.hard,
            lost_through: EntryId::new(term, header.last),
            identity: header.body.has_identity.then_some(identity),
            given_up: header.segment,
        })
    }
}

/// Of two hard states of one log, what both demand.
pub(super) fn later(one: HardState, other: HardState) -> HardState {
    let age = |hard: HardState| (hard.term, hard.vote.is_some());
    let (earlier, later) = if age(one) > age(other) {
        (other, one)
    } else {
        (one, other)
    };
    HardState {
        boot: later.boot.max(earlier.boot),
        promise: later.promise.max(earlier.promise),
        ..later
    }
}

/// What the frames behind the damage tell, read in their order.
#[derive(Clone, Debug)]
struct Survey {
    hard: HardState,
    batch: u64,
    /// What the log ended with after the last frame that was read, at most.
    end: EntryId,
    /// Whether that frame's body was lost, so that nobody knows what it did.
    blind: bool,
    /// The latest end so far.
    reached: EntryId,
    /// Who the node is, as the last frame that told it said.
    identity: Option<Bytes>,
}

impl Survey {
    /// Nothing is known yet but what stands before the damage: the frames up to `batch`.
    const fn after(batch: u64, hard: HardState, end: EntryId) -> Self {
        Self {
            hard,
            batch,
            end,
            blind: false,
            reached: end,
            identity: None,
        }
    }

    /// Takes in the next frame, of which the body may be lost.
    fn take(&mut self, header: &Header, body: Option<replay::Ending>) {
        let follows = header.batch == self.batch.saturating_add(1) && !self.blind;
        let before = if follows && header.last == self.end.index {
            self.end
        } else {
            // No entry is of a later term than the one its node was in.
            EntryId::new(header.hard.term, header.last)
        };
        let kept = header
            .truncate_from
            .map_or(before.index, |from| from.previous().min(before.index));
        let left = EntryId::new(before.term, kept);
        self.end = body.map_or(before, |ending| ending.after(left));
        self.blind = body.is_none();
        self.reached = self.reached.max(before).max(self.end);
        self.hard = later(self.hard, header.hard);
        self.batch = header.batch;
    }
}

impl<F: Fs> Folder<'_, F> {
    /// What a damaged log left to be remembered, if it is not whole yet. If a copy of it rotted,
    /// there are two again before anything else is done.
    pub(super) async fn read_note(
        &self,
        names: &[(String, u64)],
    ) -> Result<Option<Note>, WalError> {
        let Some((note, whole)) = self.find_note(names).await? else {
            return Ok(None);
        };
        if !whole {
            self.write_note(&note, names).await?;
        }
        Ok(Some(note))
    }

    /// The same as it is found, and whether both copies of it are whole.
    pub(super) async fn find_note(
        &self,
        names: &[(String, u64)],
    ) -> Result<Option<(Note, bool)>, WalError> {
        let Some((_, length)) = names.iter().find(|(name, _)| name == NOTE) else {
            return Ok(None);
        };
        let bytes = self.read_file(NOTE, *length).await?;
        let corrupt = || WalError::Corrupt {
            file: String::from(NOTE),
            offset: 0,
            expected: String::from("what a damaged log had promised"),
            found: format!("{} bytes that are not that", bytes.len()),
        };
        Note::decode(&bytes).ok_or_else(corrupt).map(Some)
    }

    /// What must be remembered of the frames behind a damage.
    pub(super) async fn survey(
        &self,
        end: &End,
        rest: &[File],
        expected: &Expected,
        before: (HardState, EntryId),
    ) -> Result<Note, WalError> {
        let batch = expected.batch().saturating_sub(1);
        let mut survey = Survey::after(batch, before.0, before.1);
        let from = end.broken.offset;
        take_all(&mut survey, &end.part, from, (end.file, expected))?;
        for file in rest {
            let part = Part::whole(self.read(file).await?);
            take_all(&mut survey, &part, 0, (file.number, expected))?;
        }
        Ok(Note {
            log_id: expected.log_id().unwrap_or_default(),
            hard: survey.hard,
            lost_through: survey.reached,
            identity: survey.identity,
            given_up: 0,
        })
    }

    /// Makes the note durable: as a whole, or not at all.
    pub(super) async fn write_note(
        &self,
        note: &Note,
        names: &[(String, u64)],
    ) -> Result<(), WalError> {
        let bytes = note.encode();
        self.write_file(NEW_NOTE, bytes.into(), names).await?;
        let (from, to) = (String::from(NEW_NOTE), String::from(NOTE));
        self.run("keep a note of the damage", Operation::Rename { from, to })
            .await?;
        self.run("sync the folder", Operation::SyncFolder).await?;
        Ok(())
    }

    /// Cuts off what is damaged and all after it, but leaves it in the folder under other names. The
    /// newest goes first, so that what is left after a crash is found damaged again.
    pub(super) async fn set_aside(
        &self,
        end: &End,
        rest: &[File],
        names: &[(String, u64)],
    ) -> Result<(), WalError> {
        let whole = end.broken.offset == 0;
        let numbers = rest.iter().map(|file| file.number);
        if !whole {
            let copy = aside(end.file);
            let bytes = match end.part.as_whole() {
                Some(bytes) => bytes.clone(),
                None => self.read(&end.as_listed()).await?,
            };
            self.write_file(&copy, bytes, names).await?;
        }
        let others = whole.then_some(end.file).into_iter().chain(numbers);
        self.set_all_aside(others).await?;
        if whole {
            return Ok(());
        }
        self.cut_segment(end).await
    }

    /// Sets these segments aside, given oldest first; the newest goes first.
    pub(super) async fn set_all_aside(
        &self,
        numbers: impl DoubleEndedIterator<Item = u64>,
    ) -> Result<(), WalError> {
        for number in numbers.rev() {
            let (from, to) = (segment::name(number), aside(number));
            let action = "set a damaged segment aside";
            self.run(action, Operation::Rename { from, to }).await?;
            self.run("sync the folder", Operation::SyncFolder).await?;
        }
        Ok(())
    }

    /// Writes a whole file durably, in place of one that may be there.
    async fn write_file(
        &self,
        name: &str,
        bytes: Bytes,
        names: &[(String, u64)],
    ) -> Result<(), WalError> {
        let action = "write beside a damaged log";
        let name = String::from(name);
        if names.iter().any(|(other, _)| *other == name) {
            let remove = Operation::Remove { name: name.clone() };
            match self.run(action, remove).await {
                // It was there when the folder was listed, and may have become what it was to be since.
                Ok(_)
                | Err(WalError::Fs {
                    cause: FsError::NotFound { .. },
                    ..
                }) => {}
                Err(error) => return Err(error),
            }
        }
        let create = Operation::Create {
            name: name.clone(),
            length: bytes.len() as u64,
        };
        self.run(action, create).await?;
        let write = Operation::Write {
            name: name.clone(),
            offset: 0,
            parts: vec![bytes],
        };
        self.run(action, write).await?;
        self.run(action, Operation::Sync { name }).await?;
        self.run("sync the folder", Operation::SyncFolder).await?;
        Ok(())
    }
}

/// Takes in all frames of a segment from `offset` on that can be read.
fn take_all(
    survey: &mut Survey,
    part: &Part,
    offset: usize,
    (segment, expected): (u64, &Expected),
) -> Result<(), WalError> {
    for Survivor { header, frame, .. } in scan::survivors(part, offset, segment, expected)? {
        if header.batch > survey.batch {
            let told = frame.as_ref().ok().and_then(replay::told);
            if let Some(identity) = told.as_ref().and_then(|told| told.identity.clone()) {
                survey.identity = Some(identity);
            }
            survey.take(&header, told.map(|told| told.ending));
        }
    }
    Ok(())
}

/// The operations that forget the note.
pub(super) fn forget_note() -> [Vec<(&'static str, Operation)>; 2] {
    let name = String::from(NOTE);
    [
        vec![("forget a damage", Operation::Remove { name })],
        vec![("sync the folder", Operation::SyncFolder)],
    ]
}

/// What a segment is called that was set aside.
fn aside(number: u64) -> String {
    format!("{}{ASIDE}", segment::name(number))
}

/// The file that remembers what a damaged log had promised.
pub(super) const NOTE: &str = "REPAIR";
const NEW_NOTE: &str = "REPAIR.new";
const ASIDE: &str = ".damaged";

/// Where the second copy of a note stands, or the next multiple of this if the first is longer: as
/// many bytes as disks lose at once.
const COPY_BYTES: usize = 4096;

#[cfg(test)]
mod tests {
    use raft_core::ids::NodeId;
    use raft_core::time::Millis;

    use super::*;

    fn hard(boot: u64, term: u64, vote: Option<u64>) -> HardState {
        HardState {
            boot: Boot::new(boot),
            term: Term::new(term),
            vote: vote.map(NodeId::new),
            ..HardState::default()
        }
    }

    fn note() -> Note {
        Note {
            log_id: 7,
            hard: hard(3, 9, Some(2)),
            lost_through: EntryId::new(Term::new(8), LogIndex::new(300)),
            identity: Some(Bytes::from("who")),
            given_up: 4,
        }
    }

    /// They may be told of in any order: what was promised by either holds, and what was given up stays so.
    #[test]
    fn of_two_notes_nothing_is_forgotten_that_either_says() {
        let promising = |term, promise| HardState {
            promise: Millis::new(promise),
            ..hard(1, term, None)
        };
        let note = |term, promise, given_up| Note {
            hard: promising(term, promise),
            given_up,
            ..note()
        };
        for (one, other) in [
            (note(5, 900, 4), note(5, 0, 0)),
            (note(5, 0, 0), note(5, 900, 4)),
            (note(6, 0, 0), note(5, 900, 4)),
        ] {
            let merged = one.merged_with(Some(other));
            assert_eq!(merged.hard.promise, Millis::new(900));
            assert_eq!(merged.given_up, 4);
        }
    }

    #[test]
    fn a_note_is_read_back_and_no_part_or_rotten_copy_of_it_is() {
        let note = note();
        let nameless = Note {
            identity: None,
            ..note.clone()
        };
        let long = Note {
            identity: Some(vec![7; 2 * COPY_BYTES].into()),
            ..note.clone()
        };
        for note in [nameless, long] {
            assert_eq!(Note::decode(&note.encode()), Some((note, true)));
        }
        let (once, bytes) = (note.encode_once(), note.encode());
        for end in 0..once.len() {
            assert_eq!(Note::decode(&once[..end]), None, "cut at {end}");
        }
        let alone = Some((note.clone(), false));
        assert_eq!(Note::decode(&once), alone, "as it was written before");
        for at in 0..bytes.len() {
            let mut rotten = bytes.clone();
            rotten[at] ^= 4;
            let padding = at >= once.len() && at < COPY_BYTES;
            let expected = Some((note.clone(), padding));
            assert_eq!(Note::decode(&rotten), expected, "flipped at {at}");
        }
    }

    #[test]
    fn a_note_of_which_both_copies_rotted_is_none() {
        let note = note();
        let (once, bytes) = (note.encode_once().len(), note.encode());
        for at in 0..once {
            let mut rotten = bytes.clone();
            rotten[at] ^= 4;
            rotten[COPY_BYTES + (at + 7) % once] ^= 4;
            assert_eq!(Note::decode(&rotten), None, "flipped at {at}");
        }
    }

    #[test]
    fn the_later_term_counts_and_a_vote_is_not_forgotten() {
        let voted = hard(1, 5, Some(2));
        for other in [hard(2, 5, None), hard(2, 4, Some(9))] {
            assert_eq!(later(voted, other), hard(2, 5, Some(2)));
            assert_eq!(later(other, voted), hard(2, 5, Some(2)));
        }
        assert_eq!(later(voted, hard(2, 6, None)), hard(2, 6, None));
    }
}
