//! Whether all of a log and its snapshots is intact.

use std::io::Write;

use super::text;
use super::{ExamineError, Folders, Seen, Verdict};
use crate::fs::std_fs::read_only::InUse;
use crate::store::look::Kind;
use crate::wal::TornTail;
use crate::wal::look::{Ending, State};

/// Reads every frame of a log and every block of its snapshots, checks each checksum, and says what is
/// not as it was written: file, offset, what, and which entries stood there at most.
///
/// A torn tail, as a crash leaves it, is no damage, and is told. A file that was cut short looks the same where
/// nothing calls more of it durable. Zeros between frames carry nothing, and segments that were set aside
/// belong to the log no more: neither is checked.
///
/// # Errors
///
/// There is no log, it can't be read, or what is found can't be printed.
pub fn verify(folders: &Folders<'_>, out: &mut dyn Write) -> Result<Verdict, ExamineError> {
    let seen = Seen::of(folders)?;
    if seen.in_use != InUse::No {
        writeln!(out, "in use: {}", text::in_use(&seen.in_use))?;
    }
    for segment in &seen.look.segments {
        let name = &segment.name;
        match segment.frames {
            Some(frames) => {
                let whole = text::frames(frames.first, frames.last);
                writeln!(out, "{name}: {whole} whole, {} bytes", frames.end)?;
            }
            None => writeln!(out, "{name}: no frame that follows those before")?,
        }
    }
    for snapshot in &seen.snapshots {
        let name = &snapshot.name;
        match (snapshot.kind, &snapshot.snapshot) {
            (Kind::Stored, Some(_)) if snapshot.damage.is_empty() => {
                writeln!(out, "{name}: whole, {} bytes", snapshot.length)?;
            }
            (Kind::Stored, _) => writeln!(out, "{name}: damaged")?,
            (Kind::Taken | Kind::Received, _) => {
                writeln!(out, "{name}: a draft, which promises nothing")?;
            }
        }
    }
    if let Ok(state) = &seen.look.state {
        if let Some(torn) = torn_tail(state) {
            writeln!(out, "torn tail, no damage: {torn}")?;
        }
    }
    if let Some(untied) = seen.untied() {
        writeln!(out, "{untied}")?;
    }
    let damage = seen.damage();
    for place in &damage {
        writeln!(out, "damage: {place}")?;
    }
    match damage.len() {
        0 => writeln!(out, "whole")?,
        1 => writeln!(out, "damaged in 1 place")?,
        places => writeln!(out, "damaged in {places} places")?,
    }
    Ok(seen.verdict())
}

/// What opening drops behind the last frame, if anything.
pub(super) const fn torn_tail(state: &State) -> Option<&TornTail> {
    match &state.ending {
        Ending::Torn(torn) => Some(torn),
        Ending::Nothing | Ending::Whole | Ending::Damaged(_) => None,
    }
}
