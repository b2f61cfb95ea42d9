//! The entries of a log, one a line.

use std::io::Write;

use raft_core::configuration::{Configuration, Members};
use raft_core::ids::LogIndex;
use raft_core::record::{Entry, Record};

use super::{ExamineError, Folders, Seen, Verdict, ready, text};
use crate::wal::look::Ending;

/// Which entries, and how they are shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Dump {
    /// The first; otherwise the first that is kept.
    pub from: Option<u64>,
    /// The last; otherwise the last that is kept.
    pub to: Option<u64>,
    /// One JSON object a line, for programs.
    pub json: bool,
    /// The payloads too, in hexadecimal digits.
    pub payload: bool,
}

/// Prints the entries of a log to `out`, one a line, and what is to be said of them to `remarks`.
///
/// They are the entries of all frames up to the first damage: those behind it are not tied to them.
/// After the log was read once, a segment at a time, only what was written together is in memory.
///
/// # Errors
///
/// There is no log, it can't be read, or what is found can't be printed.
pub fn dump(
    folders: &Folders<'_>,
    dump: &Dump,
    out: &mut dyn Write,
    remarks: &mut dyn Write,
) -> Result<Verdict, ExamineError> {
    let seen = Seen::of(folders)?;
    let state = match &seen.look.state {
        Ok(state) => state,
        Err(error) => {
            writeln!(remarks, "no entries are shown: {error}")?;
            return Ok(Verdict::Damaged);
        }
    };
    let first = state.first();
    let mut next = dump.from.map_or(first, LogIndex::new).max(first);
    let last = dump.to.map_or(LogIndex::new(u64::MAX), LogIndex::new);
    if dump.from.is_some_and(|from| from < first.get()) {
        writeln!(remarks, "entries before {} are not kept", first.get())?;
    }
    while next <= last {
        let Some(chunk) = ready(state.load(&seen.fs, next))?? else {
            break;
        };
        let wanted = chunk
            .entries()
            .filter(|entry| (next..=last).contains(&entry.id.index));
        for entry in wanted {
            let line = match dump.json {
                true => object(&entry, dump.payload),
                false => line(&entry, dump.payload),
            };
            writeln!(out, "{line}")?;
        }
        next = chunk.last_index().next();
    }
    if let Ending::Damaged(places) = &state.ending {
        let places: Vec<String> = places.iter().map(ToString::to_string).collect();
        let places = places.join("; ");
        writeln!(
            remarks,
            "what stands behind the damage is not shown: {places}"
        )?;
        return Ok(Verdict::Damaged);
    }
    Ok(seen.verdict())
}

/// An entry for people.
fn line(entry: &Entry<'_>, payload: bool) -> String {
    let (kind, content) = match entry.record {
        Record::NoOp => (String::from("no-op"), &[][..]),
        Record::Client { header, payload } => {
            let kind = match header.session {
                0 => String::from("client, no session"),
                session => format!(
                    "client, session {session}, serial {}, settled below {}",
                    header.serial, header.settled
                ),
            };
            (kind, payload)
        }
        Record::Config(bytes) => (configuration(bytes), bytes),
        Record::Unknown { kind, payload } => (format!("of unknown kind {kind}"), payload),
        Record::Absent { kind } => (format!("of kind {kind}, payload left out"), &[][..]),
    };
    let mut line = format!(
        "{:<8} term {:<6} {:>6} bytes at {} ms  {kind}",
        entry.id.index.get(),
        entry.id.term.get(),
        content.len(),
        entry.time.as_millis()
    );
    if payload {
        line.push_str("  ");
        line.push_str(&text::hex(content));
    }
    line
}

fn configuration(bytes: &[u8]) -> String {
    match Configuration::decode(bytes) {
        Ok(configuration) => format!("config: {}", text::configuration(&configuration)),
        Err(error) => format!("config that can't be read: {error}"),
    }
}

/// An entry for programs. All texts in it are our own words or digits, so that none needs escaping.
fn object(entry: &Entry<'_>, payload: bool) -> String {
    let (more, content) = match entry.record {
        Record::NoOp => (String::from("\"kind\":\"no-op\""), Some(&[][..])),
        Record::Client { header, payload } => {
            let more = format!(
                "\"kind\":\"client\",\"session\":{},\"serial\":{},\"settled\":{}",
                header.session, header.serial, header.settled
            );
            (more, Some(payload))
        }
        Record::Config(bytes) => (configuration_object(bytes), Some(bytes)),
        Record::Unknown { kind, payload } => {
            let more = format!("\"kind\":\"unknown\",\"tag\":{kind}");
            (more, Some(payload))
        }
        Record::Absent { kind } => (format!("\"kind\":\"absent\",\"tag\":{kind}"), None),
    };
    let mut text = format!(
        "{{\"index\":{},\"term\":{},\"time\":{},{more}",
        entry.id.index.get(),
        entry.id.term.get(),
        entry.time.as_millis()
    );
    if let Some(content) = content {
        text.push_str(&format!(",\"bytes\":{}", content.len()));
        if payload {
            text.push_str(&format!(",\"payload\":\"{}\"", text::hex(content)));
        }
    }
    text.push('}');
    text
}

fn configuration_object(bytes: &[u8]) -> String {
    let mut text = String::from("\"kind\":\"config\"");
    let Ok(configuration) = Configuration::decode(bytes) else {
        return text;
    };
    let sets = [
        ("members", Some(&configuration.members)),
        ("outgoing", configuration.outgoing.as_ref()),
        ("target", configuration.target.as_ref()),
    ];
    for (name, set) in sets {
        if let Some(set) = set {
            text.push_str(&format!(",\"{name}\":[{}]", member_objects(set)));
        }
    }
    text
}

fn member_objects(members: &Members) -> String {
    let member = |(id, member): (&raft_core::ids::NodeId, &raft_core::configuration::Member)| {
        let role = text::role(member.role);
        format!("{{\"node\":{},\"role\":\"{role}\"}}", id.get())
    };
    let all: Vec<String> = members.iter().map(member).collect();
    all.join(",")
}
