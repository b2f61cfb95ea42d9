//! Looking at a log without opening it: which frames stand where, what they add up to, where the
//! chain ends and why. Reads as opening does, by the same functions, and changes nothing.

use raft_core::ids::{LogIndex, Term};
use raft_core::log::{HardState, LogError, Recovered};

use super::contents::Contents;
use super::damage::{self, Note};
use super::load;
use super::recover::{self, End, File, Folder, ReadChain};
use super::scan::Found;
use super::segment;
use super::torn::TornTail;
use crate::error::WalError;
use crate::fs::Fs;

mod places;

pub(crate) use places::{Lost, Place};

/// A log as it is found.
pub(crate) struct Look {
    /// The segments, oldest first, without those that were given up.
    pub(crate) segments: Vec<SegmentLook>,
    /// Segments that were given up and still have their names.
    pub(crate) given_up: Vec<String>,
    /// What a damaged log left to be remembered.
    pub(crate) note: Option<NoteLook>,
    /// What the frames add up to; an error, if they or the note can't be read.
    pub(crate) state: Result<State, WalError>,
}

/// A segment file, and the frames of the chain in it.
pub(crate) struct SegmentLook {
    number: u64,
    pub(crate) name: String,
    pub(crate) length: u64,
    pub(crate) frames: Option<Frames>,
}

/// The frames of a segment that follow one another.
#[derive(Clone, Copy)]
pub(crate) struct Frames {
    pub(crate) first: u64,
    pub(crate) last: u64,
    /// Where the last one ends in the file.
    pub(crate) end: u64,
    /// The first entry and the last that were ever written there.
    pub(crate) entries: Option<(LogIndex, LogIndex)>,
    /// How many of them tell who the node is.
    pub(crate) identities: u64,
}

/// What is remembered of a damage.
pub(crate) struct NoteLook {
    /// Whether both copies of it are whole.
    pub(crate) is_whole: bool,
    pub(crate) hard: HardState,
    /// How far the log reached: term and index.
    pub(crate) lost_through: (Term, LogIndex),
    pub(crate) identity_bytes: Option<usize>,
}

/// What the frames of the chain add up to.
pub(crate) struct State {
    contents: Contents,
    /// The same as whoever opens a log is told it, but for what the note adds.
    pub(crate) found: Recovered,
    pub(crate) log_id: Option<u64>,
    /// The last frame of the chain.
    pub(crate) newest: Option<Newest>,
    pub(crate) ending: Ending,
}

/// The last frame.
#[derive(Clone, Copy)]
pub(crate) struct Newest {
    pub(crate) batch: u64,
    pub(crate) watermark: u64,
    /// Whether it says nothing but that all before it is durable.
    pub(crate) is_closing: bool,
    hard: HardState,
}

/// How the chain ends.
pub(crate) enum Ending {
    /// There is no segment.
    Nothing,
    /// With the last frame: only zeros follow, or nothing, or what an older segment left.
    Whole,
    /// With what opening drops: a crash tore it, and nobody was promised it.
    Torn(TornTail),
    /// With what was once durable.
    Damaged(Vec<Place>),
}

/// Looks at the log in a folder.
///
/// # Errors
///
/// The folder or a file of it can't be read, or is of a later version.
pub(crate) async fn look<F: Fs>(fs: &F) -> Result<Look, WalError> {
    let folder = Folder { fs };
    let names = folder.names().await?;
    let note = match folder.find_note(&names).await {
        Err(error) if !is_damage(&error) => return Err(error),
        note => note,
    };
    let known = note.as_ref().ok().and_then(Option::as_ref);
    let given_up = known.map_or(0, |(note, _)| note.given_up);
    let (old, files): (Vec<File>, Vec<File>) = recover::segments(&names)
        .into_iter()
        .partition(|file| file.number <= given_up);
    let mut segments: Vec<SegmentLook> = files.iter().map(SegmentLook::of).collect();
    let mut newest = None;
    let chain = folder.read_chain(files, given_up, |frame| {
        newest = Some(Newest::of(frame, newest));
        let number = frame.header.segment;
        let at = segments.partition_point(|segment| segment.number < number);
        if let Some(segment) = segments.get_mut(at) {
            segment.take(frame);
        }
    });
    let state = match chain.await {
        Ok(chain) => state(&folder, chain, newest).await,
        Err(error) => Err(error),
    };
    let state = match state {
        Err(error) if !is_damage(&error) => return Err(error),
        state => state,
    };
    let looked_at = known.map(NoteLook::of);
    Ok(Look {
        segments,
        given_up: old.iter().map(|file| segment::name(file.number)).collect(),
        note: looked_at,
        state: note.and(state),
    })
}

/// Whether it is bytes that are wrong.
const fn is_damage(error: &WalError) -> bool {
    matches!(error, WalError::Corrupt { .. })
}

async fn state<F: Fs>(
    folder: &Folder<'_, F>,
    chain: ReadChain,
    newest: Option<Newest>,
) -> Result<State, WalError> {
    let ending = match &chain.end {
        None => Ending::Nothing,
        Some(end) => ending(folder, &chain, end).await?,
    };
    let log_id = chain.expected.log_id();
    let (contents, _, configurations) = chain.replay.finish();
    Ok(State {
        found: recover::recovered(&contents, configurations),
        contents,
        log_id,
        newest,
        ending,
    })
}

/// Why the chain ends where it does.
async fn ending<F: Fs>(
    folder: &Folder<'_, F>,
    chain: &ReadChain,
    end: &End,
) -> Result<Ending, WalError> {
    let damage = recover::find_damage(folder, end, &chain.rest, &chain.expected).await?;
    if let Some(error) = damage {
        let places = places::behind(folder, chain, end, &error).await?;
        return Ok(Ending::Damaged(places));
    }
    if let Err(error) = chain.replay.check_whole() {
        return Ok(Ending::Damaged(vec![Place::of(&error)]));
    }
    Ok(TornTail::of(chain, end).map_or(Ending::Whole, Ending::Torn))
}

impl Look {
    /// Whether there is anything of a log here.
    pub(crate) fn is_empty(&self) -> bool {
        let no_note = self.note.is_none() && self.state.is_ok();
        self.segments.is_empty() && self.given_up.is_empty() && no_note
    }
}

impl SegmentLook {
    fn of(file: &File) -> Self {
        Self {
            number: file.number,
            name: segment::name(file.number),
            length: file.length,
            frames: None,
        }
    }

    fn take(&mut self, frame: &Found) {
        let batch = frame.header.batch;
        let frames = self.frames.get_or_insert(Frames {
            first: batch,
            last: batch,
            end: 0,
            entries: None,
            identities: 0,
        });
        frames.last = batch;
        frames.end = frame.end as u64;
        frames.identities = frames
            .identities
            .saturating_add(u64::from(frame.header.body.has_identity));
        if let Some((first, last)) = super::replay::appended(frame) {
            let from = frames.entries.map_or(first, |(from, _)| from.min(first));
            let through = frames
                .entries
                .map_or(last, |(_, through)| through.max(last));
            frames.entries = Some((from, through));
        }
    }
}

impl NoteLook {
    fn of((note, is_whole): &(Note, bool)) -> Self {
        Self {
            is_whole: *is_whole,
            hard: note.hard,
            lost_through: (note.lost_through.term, note.lost_through.index),
            identity_bytes: note.identity.as_ref().map(bytes::Bytes::len),
        }
    }
}

impl Newest {
    fn of(frame: &Found, before: Option<Self>) -> Self {
        let header = &frame.header;
        let says_nothing = header.body.total == 0
            && header.truncate_from.is_none()
            && before.is_some_and(|before| before.hard == header.hard);
        let covers_all = header.watermark == header.batch.saturating_sub(1);
        Self {
            batch: header.batch,
            watermark: header.watermark,
            is_closing: says_nothing && covers_all,
            hard: header.hard,
        }
    }
}

impl State {
    /// The first entry that is kept; one after the last, if there is none.
    pub(crate) fn first(&self) -> LogIndex {
        self.contents.missing().end
    }

    /// The entries from `from` on that were written together: one chunk, or none at the end.
    ///
    /// # Errors
    ///
    /// They can't be read any more.
    pub(crate) async fn load<F: Fs>(
        &self,
        fs: &F,
        from: LogIndex,
    ) -> Result<Option<raft_core::chunk::Chunk>, LogError> {
        let all = from..LogIndex::new(u64::MAX);
        let mut pieces = self.contents.select(&all, 1)?;
        pieces.truncate(1);
        let mut chunks = load::gather(load::start(fs, pieces), usize::MAX).await?;
        Ok(chunks.pop())
    }
}

/// The file that remembers what a damaged log had promised.
pub(crate) const NOTE: &str = damage::NOTE;
