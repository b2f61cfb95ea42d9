//! Looking into the folder of a log, for a person: what is in it, whether all of it is intact, its
//! entries, and what opening it would change. The command line `raft-log` is this and its arguments.
//!
//! Nothing here writes to a folder or keeps its lock: files are opened for reading alone, and what
//! opening would change is found out by opening a copy of the folder that takes changes in memory.
//! What is read is read as opening does, a segment at a time, by the same functions.
//!
//! A node may have the folder open meanwhile. Then what is read may change while it is, so that damage
//! is told only if it is found twice at the same place.

use std::fmt;
use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use raft_core::ids::LogIndex;
use raft_core::log::LogError;

use crate::error::{StoreError, WalError};
use crate::fs::FsError;
use crate::fs::std_fs::read_only::{InUse, ReadOnlyFs};
use crate::store::look::{Kind, SnapshotLook};
use crate::wal::look::{Ending, Look, Lost, NOTE, Place};

mod dump;
mod inspect;
mod rehearse;
mod text;
mod verify;

pub use dump::{Dump, dump};
pub use inspect::inspect;
pub use rehearse::rehearse;
pub use verify::verify;

/// Where to look.
#[derive(Clone, Copy, Debug)]
pub struct Folders<'a> {
    /// The folder of the log.
    pub log: &'a Path,
    /// The folder of the snapshots, if that is another one.
    pub snapshots: Option<&'a Path>,
}

/// What was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// All that was once durable is intact.
    Whole,
    /// Some of it is not.
    Damaged,
}

/// Why nothing can be said. Nothing was changed in any case.
#[derive(Debug, thiserror::Error)]
pub enum ExamineError {
    /// There is nothing of a log in the folder: no segment, no note of a damage, no snapshot. Give the
    /// folder that the node was given.
    #[error(
        "there is no log in {folder}: no file there is named like a segment (0000000000000001.wal)"
    )]
    NoLog {
        /// The folder.
        folder: String,
    },
    /// The folder can't be read. Give another, or ask as somebody who may read it.
    #[error("{0}")]
    Folder(FsError),
    /// A file of the log can't be read, or is of a later version.
    #[error("{0}")]
    Log(#[from] WalError),
    /// A file of a snapshot can't be read, or is of a later version.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// Entries can't be read that could be before: a node removed them meanwhile, or the disk fails.
    #[error("{0}")]
    Entries(#[from] LogError),
    /// What was found can't be printed.
    #[error("can't print: {0}")]
    Print(#[from] io::Error),
}

impl From<FsError> for ExamineError {
    fn from(error: FsError) -> Self {
        Self::Folder(error)
    }
}

/// What there is to look at.
struct Seen {
    fs: ReadOnlyFs,
    in_use: InUse,
    names: Vec<(String, u64)>,
    look: Look,
    snapshots: Vec<SnapshotLook>,
}

impl Seen {
    /// Looks at all of it.
    fn of(folders: &Folders<'_>) -> Result<Self, ExamineError> {
        settled(
            || Self::once(folders),
            |seen| match seen.in_use {
                InUse::No => Vec::new(),
                InUse::By(_) | InUse::Unknown(_) => seen.damage(),
            },
        )
    }

    fn once(folders: &Folders<'_>) -> Result<Self, ExamineError> {
        let fs = ReadOnlyFs::open(folders.log)?;
        let store = match folders.snapshots {
            Some(folder) => ReadOnlyFs::open(folder)?,
            None => fs.clone(),
        };
        let in_use = fs.in_use();
        let names = fs.list()?;
        let look = ready(crate::wal::look::look(&fs))??;
        let snapshots = ready(crate::store::look::look(store))??;
        if look.is_empty() && snapshots.is_empty() {
            let folder = folders.log.display().to_string();
            return Err(ExamineError::NoLog { folder });
        }
        Ok(Self {
            fs,
            in_use,
            names,
            look,
            snapshots,
        })
    }

    /// Each place that is damaged.
    fn damage(&self) -> Vec<Place> {
        let mut places = match &self.look.state {
            Ok(state) => match &state.ending {
                Ending::Damaged(places) => places.clone(),
                Ending::Nothing | Ending::Whole | Ending::Torn(_) => Vec::new(),
            },
            Err(error) => vec![Place::of(error)],
        };
        if self.look.note.as_ref().is_some_and(|note| !note.is_whole) {
            places.push(Place {
                file: String::from(NOTE),
                offset: 0,
                what: String::from("expected it twice, found it once"),
                lost: None,
            });
        }
        for snapshot in &self.snapshots {
            for (offset, what) in &snapshot.damage {
                places.push(Place {
                    file: snapshot.name.clone(),
                    offset: *offset,
                    what: what.clone(),
                    lost: None,
                });
            }
        }
        places
    }

    /// What is to be said, if no intact snapshot reaches as far as the one that the log begins after.
    fn untied(&self) -> Option<String> {
        let found = &self.look.state.as_ref().ok()?.found;
        let begins_after = found.snapshot.as_ref()?.last;
        let intact = |one: &&SnapshotLook| one.kind == Kind::Stored && one.damage.is_empty();
        let stored = self.snapshots.iter().filter(intact);
        let mut reach = stored.filter_map(|one| one.snapshot.as_ref().map(|one| one.id.last.index));
        if found.holds_ids_only || reach.any(|reach| reach >= begins_after.index) {
            return None;
        }
        Some(format!(
            "no intact snapshot is here of all up to {}, after which the log begins: if there is another \
             folder of snapshots, give that; a witness needs none; else the log is of no use alone",
            text::id(begins_after)
        ))
    }

    fn verdict(&self) -> Verdict {
        match self.damage().is_empty() {
            true => Verdict::Whole,
            false => Verdict::Damaged,
        }
    }
}

/// Looks until no damage is doubtful, or the same is seen twice: while a node writes, a frame may be
/// seen before the one before it is. What vanishes while it is looked at is looked at again, too.
fn settled<T>(
    mut look: impl FnMut() -> Result<T, ExamineError>,
    doubtful: impl Fn(&T) -> Vec<Place>,
) -> Result<T, ExamineError> {
    let mut before = None;
    for _ in 1..MOST_LOOKS {
        let seen = look();
        match &seen {
            Ok(found) => {
                let damage = doubtful(found);
                if damage.is_empty() || before.as_ref() == Some(&damage) {
                    return seen;
                }
                before = Some(damage);
            }
            Err(error) if is_gone(error) => {}
            Err(_) => return seen,
        }
    }
    look()
}

/// Whether a file went while it was looked at.
const fn is_gone(error: &ExamineError) -> bool {
    matches!(
        error,
        ExamineError::Log(WalError::Fs {
            cause: FsError::NotFound { .. },
            ..
        }) | ExamineError::Store(StoreError::Fs {
            cause: FsError::NotFound { .. },
            ..
        })
    )
}

/// The outcome of a future that waits for nothing but folders that answer at once.
fn ready<T>(future: impl Future<Output = T>) -> Result<T, FsError> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Ok(output),
        Poll::Pending => Err(FsError::Stopped),
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file, offset, what, ..
        } = self;
        write!(f, "{file} at offset {offset}: {what}")?;
        match &self.lost {
            Some(lost) => write!(f, "; {lost}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            before,
            after,
            removed_from,
        } = *self;
        let removed = removed_from.flatten().unwrap_or(LogIndex::new(u64::MAX));
        let first = before.next().min(removed);
        match first <= after {
            true => write!(f, "{} stood there", text::entries(first, after))?,
            false => write!(f, "no new entries stood there")?,
        }
        match removed_from {
            Some(_) => Ok(()),
            None => write!(f, ", or others too that took the place of older ones"),
        }
    }
}

/// How often a folder in use is looked at until the same is seen twice.
const MOST_LOOKS: u32 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    fn damage(offset: u64) -> Vec<Place> {
        vec![Place {
            file: String::from("0000000000000001.wal"),
            offset,
            what: String::from("expected frame 1, found none"),
            lost: None,
        }]
    }

    fn gone() -> ExamineError {
        let name = String::from("0000000000000001.wal");
        ExamineError::Log(WalError::Fs {
            action: "read a file of the log",
            cause: FsError::NotFound { name },
        })
    }

    /// What is settled on after these looks, and how many there were.
    fn settle(
        looks: Vec<Result<Vec<Place>, ExamineError>>,
    ) -> (Result<Vec<Place>, ExamineError>, usize) {
        let all = looks.len();
        let mut looks = looks.into_iter();
        let settled = settled(|| looks.next().unwrap(), Clone::clone);
        (settled, all - looks.len())
    }

    #[test]
    fn damage_that_a_writing_node_feigns_is_looked_at_again() {
        let (found, looks) = settle(vec![Ok(damage(256)), Ok(Vec::new())]);
        assert_eq!((found.unwrap(), looks), (Vec::new(), 2));
        let (found, looks) = settle(vec![Ok(damage(256)), Ok(damage(512)), Ok(damage(512))]);
        assert_eq!((found.unwrap(), looks), (damage(512), 3));
    }

    #[test]
    fn files_that_a_node_removes_are_looked_for_again_for_a_while() {
        let (found, looks) = settle(vec![Err(gone()), Ok(Vec::new())]);
        assert_eq!((found.unwrap(), looks), (Vec::new(), 2));
        let (found, looks) = settle((0..9).map(|_| Err(gone())).collect());
        assert!(found.is_err());
        assert_eq!(looks, 5);
        let no_log = ExamineError::NoLog {
            folder: String::from("here"),
        };
        assert_eq!(settle(vec![Err(no_log), Ok(Vec::new())]).1, 1);
    }
}
