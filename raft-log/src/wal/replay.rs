//! Applying the frames that survived, in order, as they were applied when they were written.

use bytes::Bytes;
use raft_core::chunk::Chunk;
use raft_core::configuration::Configuration;
use raft_core::ids::{Boot, EntryId, LogIndex};
use raft_core::log::{HardState, LogError};
use raft_core::record::Record;

use super::contents::Contents;
use super::damage::{Note, later};
use super::scan::Found;
use super::segment::{self, Segments};
use crate::error::WalError;

/// The contents as of the last frame applied.
pub(super) struct Replay {
    contents: Option<Contents>,
    segments: Segments,
    configurations: Vec<(LogIndex, Configuration)>,
}

impl Replay {
    pub(super) fn new() -> Self {
        Self {
            contents: None,
            segments: Segments::default(),
            configurations: Vec::new(),
        }
    }

    /// Applies one frame. Its checksums were right, so what does not fit was never written by us.
    pub(super) fn apply(&mut self, frame: &Found) -> Result<(), WalError> {
        let impossible = |found: String| WalError::Corrupt {
            file: segment::name(frame.header.segment),
            offset: frame.offset as u64,
            expected: format!("frame {} to fit what is before it", frame.header.batch),
            found,
        };
        let broken_rule = |error: LogError| impossible(error.to_string());
        let header = &frame.header;
        let contents = self
            .contents
            .get_or_insert_with(|| Contents::starting_after(header.last));
        if contents.last() != header.last {
            let (last, claimed) = (contents.last(), header.last);
            return Err(impossible(format!("it follows {claimed}, not {last}")));
        }
        let body = frame.body.as_ref();
        let body = body.ok_or_else(|| impossible(String::from(MALFORMED)))?;
        if header.head {
            self.segments.push(header.segment, None);
        }
        let says_again = contents.identity.as_ref() == Some(&body.identity);
        let is_safe = match header.body.has_identity {
            true => !header.head && says_again,
            false => header.head,
        };
        if is_safe {
            self.segments.note_safe();
        }
        if let Some(from) = header.truncate_from {
            contents.truncate(from).map_err(broken_rule)?;
            self.configurations.retain(|(index, _)| *index < from);
        }
        for (chunk, place) in &body.chunks {
            contents.append(chunk, *place).map_err(broken_rule)?;
            self.configurations.extend(configuration_of(chunk));
            self.segments.note_entries(chunk.last_index());
        }
        if let Some(mark) = &body.mark {
            let index = mark.last.index;
            contents.compact(mark.clone()).map_err(broken_rule)?;
            self.configurations.retain(|(at, _)| *at > index);
        }
        if header.body.has_identity {
            contents.identity = Some(body.identity.clone());
        }
        contents.hard = header.hard;
        contents.drop_before = contents.drop_before.max(header.drop_before);
        Ok(())
    }

    /// The hard state and the last entry as of the last frame applied.
    pub(super) fn end(&self) -> (HardState, EntryId) {
        let contents = self.contents.as_ref();
        contents.map_or((HardState::default(), EntryId::ORIGIN), |contents| {
            (contents.hard, contents.last_id())
        })
    }

    /// Whether what was read is enough to go on with, if all after it is lost: a hull was at work,
    /// which never began before the identity was complete, and no entry is missing.
    pub(super) fn may_go_on(&self) -> bool {
        self.end().0.boot > Boot::default() && self.check_whole().is_ok()
    }

    /// Who the node is, as far as frames said so.
    pub(super) fn identity(&self) -> Option<Bytes> {
        self.contents.as_ref()?.identity.clone()
    }

    /// Takes over what a damaged log had promised.
    pub(super) fn remember(&mut self, note: &Note) {
        let contents = self.contents.get_or_insert_default();
        contents.hard = later(contents.hard, note.hard);
        if contents.identity.is_none() {
            contents.identity = note.identity.clone();
        }
    }

    /// An error, if entries are missing between the snapshot and the first one read.
    pub(super) fn check_whole(&self) -> Result<(), WalError> {
        let Some(missing) = self.contents.as_ref().map(Contents::missing) else {
            return Ok(());
        };
        if missing.is_empty() {
            return Ok(());
        }
        Err(WalError::Corrupt {
            file: String::from("the oldest segment"),
            offset: 0,
            expected: format!("entries from {} on", missing.start),
            found: format!("entries from {} on", missing.end),
        })
    }

    pub(super) fn finish(self) -> (Contents, Segments, Vec<(LogIndex, Configuration)>) {
        (
            self.contents.unwrap_or_default(),
            self.segments,
            self.configurations,
        )
    }
}

/// What a frame makes the log end with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ending {
    appended: Option<EntryId>,
    mark: Option<EntryId>,
}

impl Ending {
    /// What the log ends with after the frame, if the removal before left it ending with `left`.
    pub(super) fn after(&self, left: EntryId) -> EntryId {
        let last = self.appended.unwrap_or(left);
        let beyond = self.mark.filter(|mark| mark.index > last.index);
        beyond.unwrap_or(last)
    }
}

/// What a whole frame tells of the log after it.
pub(super) struct Told {
    pub(super) ending: Ending,
    pub(super) identity: Option<Bytes>,
}

/// What a whole frame tells; `None` if its body can't be read.
pub(super) fn told(frame: &Found) -> Option<Told> {
    let body = frame.body.as_ref()?;
    let ending = Ending {
        appended: body.chunks.last().map(|(chunk, _)| chunk.last_id()),
        mark: body.mark.as_ref().map(|mark| mark.last),
    };
    let has_identity = frame.header.body.has_identity;
    Some(Told {
        ending,
        identity: has_identity.then(|| body.identity.clone()),
    })
}

/// The first entry and the last that a whole frame appends.
#[cfg(all(feature = "cli", unix))]
pub(super) fn appended(frame: &Found) -> Option<(LogIndex, LogIndex)> {
    let chunks = &frame.body.as_ref()?.chunks;
    let (first, last) = (chunks.first()?, chunks.last()?);
    Some((first.0.first_index(), last.0.last_index()))
}

/// The configuration a chunk holds: it rides alone in its chunk.
fn configuration_of(chunk: &Chunk) -> Option<(LogIndex, Configuration)> {
    let entry = chunk.entries().next()?;
    match entry.record {
        Record::Config(bytes) => {
            let configuration = Configuration::decode(bytes).ok()?;
            Some((entry.id.index, configuration))
        }
        Record::NoOp | Record::Client { .. } | Record::Unknown { .. } | Record::Absent { .. } => {
            None
        }
    }
}

const MALFORMED: &str = "a body that is not divided as its header says";
