//! What is in a folder, for whoever is called in the night.

use std::io::Write;

use super::rehearse::rehearsed;
use super::text::{self, Rows};
use super::{ExamineError, Folders, Seen, Verdict};
use crate::store::look::{Kind, SnapshotLook};
use crate::wal::look::{NOTE, NoteLook, SegmentLook, State};

/// Says what is in a folder: its files, what the node promised, which entries there are, how the log
/// ends, and what opening it would find.
///
/// # Errors
///
/// There is no log, it can't be read, or what is found can't be printed.
pub fn inspect(folders: &Folders<'_>, out: &mut dyn Write) -> Result<Verdict, ExamineError> {
    let seen = Seen::of(folders)?;
    let mut rows = Rows::new(out);
    rows.row("in use", &text::in_use(&seen.in_use))?;
    files(&seen, &mut rows)?;
    match &seen.look.state {
        Ok(state) => contents(state, &mut rows)?,
        Err(error) => rows.row("contents", &format!("they can't be told: {error}"))?,
    }
    for place in seen.damage() {
        rows.row("damage", &place.to_string())?;
    }
    let (_, outcome) = rehearsed(folders, &seen)?;
    rows.rows("opening", &outcome)?;
    Ok(seen.verdict())
}

fn files(seen: &Seen, rows: &mut Rows<'_>) -> Result<(), ExamineError> {
    for segment in &seen.look.segments {
        rows.row("segments", &segment_line(segment))?;
    }
    for name in &seen.look.given_up {
        rows.row("segments", &format!("{name}  given up"))?;
    }
    if let Some(note) = &seen.look.note {
        rows.rows("note", &note_lines(note))?;
    }
    for (name, length) in &seen.names {
        if name.ends_with(".damaged") {
            rows.row("set aside", &format!("{name}  {length} bytes"))?;
        }
    }
    if seen.snapshots.is_empty() {
        rows.row("snapshots", "none")?;
    }
    for snapshot in &seen.snapshots {
        rows.row("snapshots", &snapshot_line(snapshot))?;
    }
    Ok(())
}

fn segment_line(segment: &SegmentLook) -> String {
    let SegmentLook {
        name,
        length,
        frames,
        ..
    } = segment;
    let Some(frames) = frames else {
        return format!("{name}  {length} bytes, no frame that follows those before");
    };
    let all = text::frames(frames.first, frames.last);
    let entries = match frames.entries {
        Some((first, last)) => text::entries(first, last),
        None => String::from("no entries"),
    };
    let (end, identities) = (frames.end, frames.identities);
    format!("{name}  {length} bytes, {all} in {end} of them: {entries}, identity in {identities}")
}

fn note_lines(note: &NoteLook) -> Vec<String> {
    let (term, index) = note.lost_through;
    let identity = match note.identity_bytes {
        Some(bytes) => format!("identity of {bytes} bytes"),
        None => String::from("no identity"),
    };
    vec![
        format!(
            "{NOTE}: a damaged log once reached {} of term {}, at most, and has to again",
            index.get(),
            term.get()
        ),
        format!("{}; {identity}", text::hard(&note.hard)),
    ]
}

fn snapshot_line(snapshot: &SnapshotLook) -> String {
    let SnapshotLook { name, length, .. } = snapshot;
    let kind = match snapshot.kind {
        Kind::Stored => "",
        Kind::Taken => ", a draft that was being taken",
        Kind::Received => ", a draft that was being received",
    };
    let says = match &snapshot.snapshot {
        Some(says) => format!(
            "stands for all up to {}, {} bytes of content, log time {} ms",
            text::id(says.id.last),
            says.id.length,
            says.time.as_millis()
        ),
        None => String::from("its header can't be read"),
    };
    format!("{name}  {length} bytes{kind}: {says}")
}

/// What the frames add up to.
fn contents(state: &State, rows: &mut Rows<'_>) -> Result<(), ExamineError> {
    let found = &state.found;
    if let Some(log_id) = state.log_id {
        rows.row("log id", &format!("{log_id:016x}"))?;
    }
    let identity = match &found.identity {
        Some(identity) => format!("{} bytes", identity.len()),
        None => String::from("none"),
    };
    rows.row("identity", &identity)?;
    rows.row("hard state", &text::hard(&found.hard))?;
    let begins = match &found.snapshot {
        Some(mark) => format!("after the snapshot of all up to {}", text::id(mark.last)),
        None => String::from("with the first entry of all"),
    };
    rows.row("begins", &begins)?;
    rows.rows("entries", &text::held(found, state.first()))?;
    if let Some(mark) = &found.snapshot {
        let members = text::configuration(&mark.configuration);
        rows.row("members", &format!("as of the snapshot: {members}"))?;
    }
    for (index, configuration) in &found.configurations {
        let members = text::configuration(configuration);
        rows.row("members", &format!("from {} on: {members}", index.get()))?;
    }
    rows.row("ends", &ends(state))?;
    Ok(())
}

fn ends(state: &State) -> String {
    let Some(newest) = state.newest else {
        return String::from("without a frame");
    };
    let batch = newest.batch;
    if newest.is_closing {
        return format!("with frame {batch}, which closes the log: all before it was durable");
    }
    let open = text::frames(newest.watermark.saturating_add(1), batch);
    let durable = match newest.watermark {
        0 => String::from("none"),
        watermark => format!("all up to {watermark}"),
    };
    format!(
        "with frame {batch}, not closed: {durable} known to be durable, {open} may be torn unnoticed"
    )
}
