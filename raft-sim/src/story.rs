//! A failure on one screen: who takes part, what led to it, what does not hold.
//!
//! Of the thousands of things that happen in a world few turn its course. A story keeps those: who
//! campaigns and who is elected, crashes and cuts, entries that are committed or removed; the nearer
//! to the end, the smaller they may be. It says what was seen, never why: that is the reader's.

use std::fmt::Write as _;

use raft_core::ids::{LogIndex, NodeId};
use raft_core::time::Time;

use crate::checkers::{Violation, property};
use crate::trace::{Broken, Happening, Recording, State, Step, View, What, advance};

/// The story of how a recorded world came to violate a property: at most [`LINES`] lines of
/// [`COLUMNS`] columns.
pub fn one_screen(recording: &Recording, violation: &Violation) -> String {
    of(recording, &Broken::of(violation))
}

/// The story of what the recording itself says was violated.
pub(crate) fn of(recording: &Recording, broken: &Broken) -> String {
    let mut lines = Vec::new();
    lines.push(format!(
        "{} is violated at {}{} ({})",
        broken.property,
        seconds(broken.at),
        broken
            .node
            .map_or_else(String::new, |node| format!(", seen on {node}")),
        recording.name.replacen("Seed", "seed", 1),
    ));
    lines.extend(wrapped(&in_words(&broken.property), "  ", 2));
    lines.extend(wrapped(&broken.text, "  > ", 8));
    lines.push(String::new());
    lines.extend(wrapped(&cast(recording), "", 4));
    lines.push(String::new());
    lines.push("What led to it:".to_owned());
    let (points, views) = points(recording);
    let ending = ending(&views);
    let room = LINES.saturating_sub(lines.len() + ending.len());
    lines.extend(told(&points, room));
    lines.extend(ending);
    let mut story = String::new();
    for line in lines {
        // Writing to a string can't fail.
        let _ = writeln!(story, "{}", clipped(&line));
    }
    story
}

/// A property in a sentence, with where the paper has it.
pub fn in_words(name: &str) -> String {
    let found = WORDS.iter().find(|(known, _)| *known == name);
    found.map_or_else(
        || format!("The property {name} holds."),
        |(_, words)| (*words).to_owned(),
    )
}

/// Who takes part, and the settings that matter.
fn cast(recording: &Recording) -> String {
    let settings = recording.settings.iter();
    let words: Vec<String> = settings
        .map(|(name, value)| format!("{name} {value}"))
        .collect();
    format!("Cast: {}.", words.join("; "))
}

/// Something that turned the course of a world.
#[derive(Debug)]
struct Point {
    at: Time,
    node: Option<NodeId>,
    text: String,
    weight: Weight,
}

/// How much a point matters; the greater, the farther from the end it is still told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Weight {
    Small,
    Middling,
    Great,
}

/// All points of a recording, and how the nodes look at its end.
fn points(recording: &Recording) -> (Vec<Point>, Vec<View>) {
    let mut views = recording.start.clone();
    let mut points = Vec::new();
    for happening in &recording.happenings {
        let node = happening.node;
        let before = views.iter().find(|view| Some(view.node) == node).cloned();
        advance(&mut views, happening);
        let after = views.iter().find(|view| Some(view.node) == node);
        let mut add = |weight, text| {
            points.push(Point {
                at: happening.at,
                node,
                text,
                weight,
            });
        };
        match (&happening.what, before, after) {
            (What::Stepped(step), Some(before), Some(after)) => {
                turns(step, &before, after, &mut add);
            }
            _ => single(happening, &mut add),
        }
    }
    (points, views)
}

/// What a happening other than a step says.
fn single(happening: &Happening, add: &mut dyn FnMut(Weight, String)) {
    match &happening.what {
        What::Started => add(Weight::Great, "starts".to_owned()),
        What::Stopped { why } => add(Weight::Great, why.clone()),
        What::Struck(struck) => add(Weight::Great, format!("fault: {}", struck.text)),
        What::Over { fault } => add(Weight::Middling, format!("fault {fault} is over")),
        What::Healed => add(Weight::Great, "all faults are over".to_owned()),
        What::Note { text } => add(Weight::Great, text.clone()),
        What::Answered { client, text } => {
            add(Weight::Middling, format!("answers client {client}: {text}"));
        }
        What::Asked { client, text, .. } => {
            add(Weight::Small, format!("client {client} wants {text}"));
        }
        What::GaveUp { client, doubtful } => {
            let doubt = if *doubtful { ", in doubt" } else { "" };
            add(Weight::Small, format!("client {client} gives up{doubt}"));
        }
        What::Violated { property, .. } => add(Weight::Great, format!("{property} is violated")),
        What::Sent(_) | What::Arrived { .. } | What::Stepped(_) | What::Turned { .. } => {}
    }
}

/// What a step turned, one point for each.
fn turns(step: &Step, before: &View, after: &View, add: &mut dyn FnMut(Weight, String)) {
    if let Some(change) = &step.log {
        let removed: Vec<String> = (change.from.get()..)
            .map(LogIndex::new)
            .map_while(|index| before.line(index).map(|line| (index, line)))
            .map(|(index, line)| format!("{}@{} {}", index.get(), line.term, line.text))
            .collect();
        if !removed.is_empty() {
            add(Weight::Great, format!("removes {}", few(&removed)));
        }
        let added: Vec<String> = (change.from.get()..)
            .map(LogIndex::new)
            .map_while(|index| after.line(index).map(|line| (index, line)))
            .map(|(index, line)| format!("{}@{} {}", index.get(), line.term, line.text))
            .collect();
        if !added.is_empty() {
            add(Weight::Small, format!("writes {}", few(&added)));
        }
    }
    let fresh = State::default();
    if let Some(state) = &step.state {
        let had = before.state.as_ref().unwrap_or(&fresh);
        roles(had, state, after.node, add);
        if before.state.is_some() && state.commit > had.commit {
            let line = after.line(state.commit);
            let entry =
                line.map_or_else(String::new, |line| format!("@{} {}", line.term, line.text));
            let text = format!("knows {}{entry} to be committed", state.commit.get());
            let weight = match state.role.as_ref() {
                "leader" => Weight::Middling,
                _ => Weight::Small,
            };
            add(weight, text);
        }
        if let Some(fault) = &state.fault {
            add(Weight::Great, format!("stops: {fault}"));
        }
    }
}

fn roles(had: &State, state: &State, node: NodeId, add: &mut dyn FnMut(Weight, String)) {
    let term = state.term;
    if had.role != state.role || had.term != term {
        let last = state.last.get();
        match state.role.as_ref() {
            "leader" => add(
                Weight::Great,
                format!("is elected leader of {term}, last entry {last}"),
            ),
            "candidate" => add(
                Weight::Great,
                format!("campaigns in {term}, last entry {last}"),
            ),
            "pre-candidate" => add(Weight::Small, format!("asks for pre-votes in {term}")),
            _ if had.role == "leader" => {
                add(
                    Weight::Great,
                    format!("leads {} no longer, is in {term}", had.term),
                );
            }
            _ => {}
        }
    }
    let voted = state.vote.filter(|vote| *vote != node);
    if let Some(vote) = voted {
        if had.vote != state.vote || had.term != term {
            add(Weight::Great, format!("votes for {vote} in {term}"));
        }
    }
}

/// The first of several, and how many more.
fn few(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [first, _, _, .., last] => format!("{first} to {last} ({} entries)", words.len()),
        all => all.join(", "),
    }
}

/// As many points as there is room for: the last ones of any weight, then only greater ones.
fn told(points: &[Point], room: usize) -> Vec<String> {
    let mut chosen = vec![false; points.len()];
    let mut left = room.saturating_sub(1);
    let shares = [
        (Weight::Small, left / 3),
        (Weight::Middling, left / 3),
        (Weight::Great, left),
    ];
    for (weight, share) in shares {
        let mut share = share.min(left);
        for (point, chosen) in points.iter().zip(&mut chosen).rev() {
            if share > 0 && !*chosen && point.weight >= weight {
                *chosen = true;
                share -= 1;
                left -= 1;
            }
        }
    }
    let skipped = chosen.iter().filter(|chosen| !**chosen).count();
    let mut lines = Vec::new();
    if skipped > 0 {
        lines.push(format!(
            "  ({skipped} lesser or earlier turns are left out)"
        ));
    }
    let kept = points.iter().zip(&chosen).filter(|(_, chosen)| **chosen);
    lines.extend(kept.map(|(point, _)| {
        let node = point.node.map_or_else(String::new, |node| node.to_string());
        format!("  {:>11}  {node:<3} {}", seconds(point.at), point.text)
    }));
    lines
}

/// How the nodes stand at the end.
fn ending(views: &[View]) -> Vec<String> {
    let mut lines = vec![String::new(), "How the nodes stand then:".to_owned()];
    for view in views {
        let last = view.first.get() + view.log.len() as u64 - 1;
        let text = match &view.state {
            None if view.up => format!("starts, or waits for its cluster; its log ends at {last}"),
            None => format!("is down, its log ends at {last}"),
            Some(state) => format!(
                "{} in {}, last {}, durable {}, committed {}, applied {}",
                state.role,
                state.term,
                entry(view, state.last),
                state.durable.get(),
                entry(view, state.commit),
                state.applied.get()
            ),
        };
        lines.push(format!("  {} {text}", view.node));
    }
    lines
}

fn entry(view: &View, index: LogIndex) -> String {
    view.line(index).map_or_else(
        || index.get().to_string(),
        |line| format!("{}@{}", index.get(), line.term),
    )
}

fn seconds(at: Time) -> String {
    format!("{at:?}")
}

/// Text in lines that fit, each begun alike; of too long a text the last line says so.
fn wrapped(text: &str, head: &str, most: usize) -> Vec<String> {
    let paragraphs = text.lines().filter(|line| !line.trim().is_empty());
    let mut lines: Vec<String> = paragraphs
        .flat_map(|paragraph| filled(paragraph, head))
        .collect();
    if lines.len() > most {
        lines.truncate(most);
        if let Some(line) = lines.last_mut() {
            *line = clipped(&format!("{line} {}", "…".repeat(COLUMNS)));
        }
    }
    lines
}

/// One paragraph, broken where a line is full.
fn filled(text: &str, head: &str) -> Vec<String> {
    let mut lines = vec![head.to_owned()];
    for word in text.split_whitespace() {
        let Some(line) = lines.last_mut() else {
            break;
        };
        let fresh = line.len() == head.len();
        if !fresh && line.chars().count() + 1 + word.chars().count() > COLUMNS {
            lines.push(format!("{head}{word}"));
        } else {
            if !fresh {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

/// A line that fits.
fn clipped(line: &str) -> String {
    if line.chars().count() <= COLUMNS {
        return line.to_owned();
    }
    let mut short: String = line.chars().take(COLUMNS - 1).collect();
    short.push('…');
    short
}

/// The most lines of a story.
pub const LINES: usize = 40;

/// The most columns of a story.
pub const COLUMNS: usize = 100;

/// What each property says.
const WORDS: &[(&str, &str)] = &[
    (
        property::ELECTION_SAFETY,
        "At most one leader is elected in a term (Raft paper, Figure 3, Election Safety; section 5.2).",
    ),
    (
        property::LEADER_APPEND_ONLY,
        "A leader never overwrites or deletes entries of its own log (Raft paper, Figure 3, Leader Append-Only; section 5.3).",
    ),
    (
        property::LOG_MATCHING,
        "Two logs that hold an entry of the same index and term are the same up to it (Raft paper, Figure 3, Log Matching; section 5.3).",
    ),
    (
        property::LEADER_COMPLETENESS,
        "A committed entry is in the log of every leader of a later term (Raft paper, Figure 3, Leader Completeness; section 5.4).",
    ),
    (
        property::STATE_MACHINE_SAFETY,
        "No two nodes commit or apply different entries at one index (Raft paper, Figure 3, State Machine Safety; section 5.4.3).",
    ),
    (
        property::DURABILITY,
        "What was called durable survives, and so does what a client was told (Raft paper, Figure 2, State; section 5.6).",
    ),
    (
        property::MONOTONIC,
        "Term, vote within a term, and commit index never go back (Raft paper, Figure 2, State).",
    ),
    (
        property::TICKETS,
        "Each submission is answered exactly once, and truly.",
    ),
    (
        property::LINEARIZABILITY,
        "What clients saw could have come from one copy of the state machine (Raft paper, section 8).",
    ),
    (
        property::READS,
        "A linearizable read sees all that was committed before it was asked for (Raft paper, section 8; thesis, section 6.4).",
    ),
    (
        property::EXACTLY_ONCE,
        "Each command is applied once, and only what was submitted is applied (Raft paper, section 8; thesis, section 6.3).",
    ),
    (
        property::SESSIONS,
        "Which client sessions are open, and which commands are new in them, is told by the log alone (thesis, section 6.3).",
    ),
    (
        property::CONVERGENCE,
        "In the healed world all live nodes come to have applied the same commands (Raft paper, section 5.3).",
    ),
    (
        property::LIVENESS,
        "When faults end and a majority runs, there is progress in bounded time (Raft paper, sections 5.2 and 5.6).",
    ),
    (
        property::NEEDLESS_ELECTIONS,
        "Who hears a leader waits, and a leader that is answered goes on (Raft paper, section 5.2).",
    ),
    (
        property::LEADER_TRANSFER,
        "Handing over takes an election timeout at most, and no vote is refused for the leader that wants it (thesis, sections 3.10 and 4.2.3).",
    ),
    (
        property::LEASES,
        "Who has promised a leader to give no vote gives none, so that nobody is elected while its lease lasts (thesis, section 6.4.1).",
    ),
    (
        property::IDLE,
        "A cluster at rest sends little more than heartbeats, and no node is asked for more than its settings allow (Raft paper, section 5.2).",
    ),
    (
        property::ANSWERS,
        "What a node says of how it stands, and why it does not get on, is so (raft_core::explain).",
    ),
    (
        property::MEMBERSHIP,
        "Members change by one configuration in the log after the other, each in force from when it stands there, and no two sets of nodes decide side by side (Raft paper, section 6; thesis, sections 4.1 and 4.3).",
    ),
    (
        property::WITNESSES,
        "A witness leads nobody, holds no payload and applies nothing, and hears of no entry before somebody has it on disk with its payload.",
    ),
    (
        property::ONE_CLUSTER,
        "One cluster is founded, and whoever lost its disk is no member of it under its old name.",
    ),
    (
        property::NO_PANIC,
        "Nothing panics, and no hull stops by a broken invariant of its own.",
    ),
    (
        property::APP_DETERMINISM,
        "The state machine answers alike, and comes to the same state, wherever the same commands are applied in the same order (Raft paper, section 2).",
    ),
    (
        property::APP_SNAPSHOTS,
        "The state machine that comes out of a snapshot answers as the one that went in.",
    ),
    (
        property::APP_PANIC,
        "The state machine does not panic, whatever it is asked.",
    ),
];

#[cfg(test)]
mod tests;
