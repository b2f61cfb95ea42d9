//! What is on its way here of a snapshot, and where in the store it stands (Figure 13; paper 7).

use alloc::collections::VecDeque;
use core::hash::{Hash, Hasher};

use crate::ids::Peer;
use crate::settings::Settings;
use crate::snapshot::Snapshot;

/// A snapshot on its way here.
///
/// - The parts that are being written follow each other without a gap, the first where the store has
///   come to; there are some only while more may come.
#[derive(Clone, Debug)]
pub(crate) struct Receiving {
    pub(crate) snapshot: Snapshot,
    /// Who is to be told, in answer to which request of this term: the latest one.
    pub(crate) asker: Option<(Peer, u64)>,
    pub(crate) stage: Stage,
    writes: VecDeque<Writing>,
}

/// How far a snapshot is received.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stage {
    /// The store is asked what it has. `job` is what it was asked under.
    Beginning { job: u64 },
    /// So much is there, and more may come.
    Storing { stored: u64 },
    /// All is there, and is checked and made durable.
    Finishing { job: u64 },
}

/// A part that the store was given.
#[derive(Clone, Debug)]
struct Writing {
    job: u64,
    /// The request that brought it, if that is of this term.
    request: Option<u64>,
    /// With it, so much will be there.
    through: u64,
    /// Whether it is written; one before it may not be, as far as the store has said.
    is_written: bool,
}

impl Receiving {
    pub(crate) const fn new(snapshot: Snapshot, asker: (Peer, u64), job: u64) -> Self {
        Self {
            snapshot,
            asker: Some(asker),
            stage: Stage::Beginning { job },
            writes: VecDeque::new(),
        }
    }

    /// Whether job `number` is one that it waits for.
    pub(crate) fn awaits(&self, number: u64) -> bool {
        match self.stage {
            Stage::Beginning { job } | Stage::Finishing { job } => job == number,
            Stage::Storing { .. } => self.writes.iter().any(|write| write.job == number),
        }
    }

    /// Where the next part has to begin; `None` while none can be taken.
    pub(crate) fn next_offset(&self) -> Option<u64> {
        let Stage::Storing { stored } = self.stage else {
            return None;
        };
        Some(self.writes.back().map_or(stored, |write| write.through))
    }

    /// Whether parts are being written.
    pub(crate) fn is_writing(&self) -> bool {
        !self.writes.is_empty()
    }

    /// The bytes that wait for the store.
    pub(crate) fn bytes(&self) -> usize {
        let (Stage::Storing { stored }, Some(last)) = (self.stage, self.writes.back()) else {
            return 0;
        };
        let bytes = last.through.saturating_sub(stored);
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }

    /// Whether the store may be given so many bytes more: as much as this node itself might have
    /// under way to a single follower.
    pub(crate) fn has_room(&self, settings: &Settings, bytes: usize) -> bool {
        let most = settings
            .max_bytes_in_flight
            .min(settings.max_memory_bytes / 2);
        let is_small = self.bytes().saturating_add(bytes) <= most;
        self.writes.is_empty() || (is_small && self.writes.len() < settings.max_appends_in_flight)
    }

    /// The store was given a part that this request brought.
    pub(crate) fn on_write(&mut self, job: u64, request: u64, through: u64) {
        self.writes.push_back(Writing {
            job,
            request: Some(request),
            through,
            is_written: false,
        });
    }

    /// The store has written a part. The last request by which that is all there is to what came
    /// before, and how much is there now; `None` if nothing more is certain.
    pub(crate) fn on_written(&mut self, number: u64) -> Option<(Option<u64>, u64)> {
        let mut writes = self.writes.iter_mut();
        writes.find(|write| write.job == number)?.is_written = true;
        let mut last = None;
        // A store may answer in any order: what is there has no holes.
        while let Some(write) = self.writes.pop_front() {
            if !write.is_written {
                self.writes.push_front(write);
                break;
            }
            last = Some((write.request, write.through));
        }
        let (_, stored) = last?;
        self.stage = Stage::Storing { stored };
        last
    }

    /// A new term: whoever asked in the old one is told nothing any more.
    pub(crate) fn forget_asker(&mut self) {
        self.asker = None;
        for write in &mut self.writes {
            write.request = None;
        }
    }

    /// What counts in [`crate::hull::Hull::fingerprint`].
    pub(crate) fn fingerprint(&self, into: &mut impl Hasher) {
        let Self {
            snapshot,
            asker,
            stage,
            writes,
        } = self;
        (snapshot, asker, stage.progress()).hash(into);
        for write in writes {
            (write.request, write.through, write.is_written).hash(into);
        }
    }
}

impl Stage {
    const fn progress(self) -> (u8, u64) {
        match self {
            Self::Beginning { .. } => (0, 0),
            Self::Storing { stored } => (1, stored),
            Self::Finishing { .. } => (2, 0),
        }
    }
}
