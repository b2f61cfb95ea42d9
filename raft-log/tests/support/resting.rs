//! Logs at rest, and what may be found in them once they are damaged.

use bytes::Bytes;
use raft_core::ids::{EntryId, LogIndex, Term};
use raft_core::log::Recovered;
use raft_core::log::memory::MemoryLog;
use raft_log::WalSettings;

use super::idle::Image;
use super::modelled::{Modelled, Spec, State};
use super::*;

/// A log at rest.
pub struct Resting {
    pub image: Image,
    /// What opening it found after each of its writes, and before the first.
    pub states: Vec<State>,
}

impl Resting {
    /// A log that made these writes.
    pub fn after(specs: &[Spec], settings: WalSettings, rests_between: bool) -> Self {
        let life = Modelled::open(MemFs::new(), settings, &[MemoryLog::new()]);
        let mut life = life.unwrap().unwrap();
        for spec in specs {
            life.write(spec);
            if rests_between {
                life.rest();
            }
        }
        life.rest();
        Self {
            image: life.fs.image(),
            states: life.history(),
        }
    }

    pub fn whole(&self) -> &State {
        self.states.last().unwrap()
    }

    /// Opens a damaged image of it, and judges what was found.
    pub fn judge(&self, fs: &MemFs, flip: &str) -> Option<Recovered> {
        let opened = try_open(fs).unwrap_or_else(|error| panic!("{flip}: {error}"));
        self.judge_opened(opened, flip)
    }

    /// It is as whole as ever, or says how far it reached, remembers who it is and for whom it voted, and
    /// holds what it held after one of its writes, or nothing. What was found, where damage was.
    pub fn judge_opened(
        &self,
        (log, found): (Wal<MemFs>, Recovered),
        flip: &str,
    ) -> Option<Recovered> {
        let entries = entries(&load_all(&log, &found));
        let (whole, held) = self.whole();
        if log.damage().is_none() {
            assert_eq!((&found, &entries), (whole, held), "{flip}");
            return None;
        }
        assert_eq!(found.hard, whole.hard, "{flip}");
        assert_eq!(found.identity, whole.identity, "{flip}");
        let lost_through = found.lost_through.expect(flip);
        assert!(lost_through >= end_of(whole), "{flip}: {lost_through}");
        assert!(lost_through.term <= whole.hard.term, "{flip}");
        let promised = |state: &State| Recovered {
            hard: found.hard,
            identity: found.identity.clone(),
            lost_through: found.lost_through,
            ..state.0.clone()
        };
        let was_once = |state: &State| state.1 == entries && promised(state) == found;
        assert!(
            self.states.iter().any(was_once),
            "{flip}: {found:?} with {entries:?}"
        );
        Some(found)
    }
}

pub fn end_of(recovered: &Recovered) -> EntryId {
    let term = recovered.runs.last().map_or(Term::ZERO, |run| run.term);
    EntryId::new(term, recovered.last)
}

/// A write of a vote in this term, or of none, and of these entries.
pub fn plain(term: u64, vote: Option<u64>, append: Vec<Chunk>) -> Spec {
    Spec {
        hard: hard(1, term, vote),
        append,
        ..Spec::default()
    }
}

/// Four segments with all that a frame can hold: who the node is, votes, a configuration, entries that
/// take the place of others, and a snapshot.
pub fn eventful() -> Resting {
    Resting::after(&events("who", 0), EVENTFUL, false)
}

/// What such a log is written of: by whom, and how much later than in the first term.
pub fn events(who: &'static str, later: u64) -> Vec<Spec> {
    let one = |term, vote: Option<u64>, append| plain(later + term, vote, append);
    let chunk = |term, first, lengths: &[usize]| chunk(later + term, first, lengths);
    vec![
        Spec {
            identity: Some(Bytes::from(who)),
            ..one(1, Some(1), vec![chunk(1, 1, &[10, 20]), chunk(1, 3, &[30])])
        },
        one(1, Some(1), vec![chunk(1, 4, &[300])]),
        one(
            2,
            Some(3),
            vec![
                configuration_chunk(later + 2, 5, "there"),
                chunk(2, 6, &[20]),
            ],
        ),
        Spec {
            truncate_from: Some(LogIndex::new(5)),
            ..one(4, None, vec![chunk(4, 5, &[200])])
        },
        Spec {
            snapshot: Some(mark(later + 1, 3)),
            ..one(4, Some(2), vec![chunk(4, 6, &[40, 50])])
        },
        one(5, Some(2), vec![chunk(5, 8, &[300])]),
        one(6, None, vec![chunk(6, 9, &[10])]),
    ]
}

/// With segments so short that its events take four.
pub const EVENTFUL: WalSettings = WalSettings {
    segment_bytes: 1024,
    ..SETTINGS
};

/// A log of which older segments were dropped, as it has a snapshot of all but its last entry, one of
/// so many bytes a frame.
pub fn compacted(frames: &[usize]) -> Resting {
    Resting::after(&compaction("who", 1, frames), SETTINGS, true)
}

/// What such a log is written of: by whom, and in which term.
pub fn compaction(who: &'static str, term: u64, frames: &[usize]) -> Vec<Spec> {
    let mut specs = vec![Spec {
        identity: Some(Bytes::from(who)),
        ..plain(term, None, vec![chunk(term, 1, &[10])])
    }];
    specs.extend((2..).zip(frames).map(|(index, bytes)| Spec {
        snapshot: Some(mark(term, index - 1)),
        drop_before: LogIndex::new(index),
        ..plain(term, None, vec![chunk(term, index, &[*bytes])])
    }));
    specs
}
