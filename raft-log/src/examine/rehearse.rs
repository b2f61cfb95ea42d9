//! What opening a folder would do to it, found out by opening it in memory.

use std::fmt;
use std::io::Write;

use raft_core::log::Recovered;

use super::verify::torn_tail;
use super::{ExamineError, Folders, Seen, Verdict, ready, text};
use crate::error::WalError;
use crate::fs::FsError;
use crate::fs::rehearsal::{Change, Rehearsal};
use crate::fs::std_fs::read_only::{InUse, ReadOnlyFs};
use crate::{FileStore, StoreSettings, Wal, WalSettings};

/// Says what opening the folder would change in it, file by file and in the order in which it is done,
/// and what the node would start from. Nothing is changed.
///
/// # Errors
///
/// There is no log, it can't be read, or what is found can't be printed.
pub fn rehearse(folders: &Folders<'_>, out: &mut dyn Write) -> Result<Verdict, ExamineError> {
    let seen = Seen::of(folders)?;
    let (changes, outcome) = rehearsed(folders, &seen)?;
    if changes.is_empty() {
        writeln!(out, "opening would change nothing")?;
    } else {
        writeln!(out, "opening would, in this order:")?;
    }
    for change in changes {
        writeln!(out, "  {change}")?;
    }
    for place in seen.damage() {
        writeln!(out, "damage: {place}")?;
    }
    for line in outcome {
        writeln!(out, "{line}")?;
    }
    Ok(seen.verdict())
}

/// What opening would change, and what it comes to.
pub(super) fn rehearsed(
    folders: &Folders<'_>,
    seen: &Seen,
) -> Result<(Vec<String>, Vec<String>), ExamineError> {
    if let InUse::By(holder) = &seen.in_use {
        let folder = folders.log.display().to_string();
        let holder = holder.clone();
        let refused = FsError::Locked { folder, holder };
        let refused = format!("it is refused: {refused}");
        return Ok((Vec::new(), vec![refused]));
    }
    let log = Rehearsal::of(ReadOnlyFs::open(folders.log)?)?;
    let store = match folders.snapshots {
        Some(folder) => Rehearsal::of(ReadOnlyFs::open(folder)?)?,
        None => log.clone(),
    };
    let opened = ready(open(log.clone(), store.clone()))?;
    let mut changes = vec![String::from(
        "take LOCK, and write the new process's id to it",
    )];
    changes.extend(log.changes().iter().map(ToString::to_string));
    if folders.snapshots.is_some() {
        let apart = store.changes();
        changes.extend(apart.iter().map(|change| format!("{change} (snapshots)")));
    }
    let outcome = match opened {
        Ok(opened) => opened.outcome(seen),
        Err(error @ ExamineError::Log(WalError::Corrupt { .. })) => {
            vec![format!("then it fails: {error}"), String::from(NO_START)]
        }
        Err(error) => vec![format!("then it fails: {error}")],
    };
    Ok((changes, outcome))
}

/// What an opening finds.
struct Opened {
    recovered: Recovered,
    is_damaged: bool,
    snapshot_damage: bool,
}

impl Opened {
    fn outcome(&self, seen: &Seen) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(torn) = seen.look.state.as_ref().ok().and_then(torn_tail) {
            lines.push(format!("it drops a torn tail: {torn}"));
        }
        if self.snapshot_damage {
            lines.push(String::from("it sets a damaged snapshot aside"));
        }
        lines.extend(self.given_up());
        lines.extend(seen.untied());
        if lines.is_empty() {
            lines.push(String::from("it finds the log whole"));
        }
        lines.push(format!(
            "the node starts with last index {}, {}",
            self.recovered.last.get(),
            text::hard(&self.recovered.hard)
        ));
        lines
    }

    /// Which entries are lost, now or since an earlier opening, and why.
    fn given_up(&self) -> Option<String> {
        let lost_through = self.recovered.lost_through?;
        let kept = self.recovered.last;
        let reached = text::id(lost_through);
        let lost = match kept < lost_through.index {
            true => text::entries(kept.next(), lost_through.index),
            false => String::from("entries"),
        };
        let when = match self.is_damaged {
            true => "are given up",
            false => "were given up at an earlier opening",
        };
        Some(format!(
            "{lost} at most {when} and come again from the other nodes; until the log reaches {reached}, \
             whoever lacks that gets no vote"
        ))
    }
}

async fn open(log: Rehearsal, store: Rehearsal) -> Result<Opened, ExamineError> {
    let (wal, recovered) = Wal::open(log, WalSettings::default()).await?;
    let (store, stored) = FileStore::open(store, StoreSettings::default()).await?;
    // Only the node itself knows whether it is one; who holds payloads is none.
    let witness = recovered.holds_ids_only;
    let (wal, recovered) = wal.join(recovered, stored, witness).await?;
    Ok(Opened {
        recovered,
        is_damaged: wal.damage().is_some(),
        snapshot_damage: store.damage().is_some(),
    })
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Written { name, bytes } => write!(f, "write {name}, {bytes} bytes"),
            Self::Cut { name, from, to } => write!(f, "cut {name} from {from} to {to} bytes"),
            Self::Renamed { from, to } => write!(f, "rename {from} to {to}"),
            Self::Removed { name } => write!(f, "remove {name}"),
        }
    }
}

const NO_START: &str =
    "the node does not start from this folder: add it to its cluster anew, with an empty one";
