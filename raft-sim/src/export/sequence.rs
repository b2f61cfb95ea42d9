//! Sequence diagrams as text: Mermaid and PlantUML. Both know arrows and notes and little else, so
//! a letter is an arrow where it arrives, or where it was sent if it never does.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use raft_core::ids::NodeId;

use super::words;
use crate::trace::{Fate, Happening, Recording, Sent, What};

/// The recording as a Mermaid sequence diagram.
pub fn mermaid(recording: &Recording) -> String {
    let mut text = String::from("sequenceDiagram\n");
    for actor in actors(recording) {
        line(&mut text, &format!("    participant {actor}"));
    }
    for moment in moments(recording) {
        let said = moment.text.replace('#', "#35;").replace(';', "#59;");
        line(
            &mut text,
            &match &moment.kind {
                Kind::Note(over) => format!("    Note over {}: {said}", over.join(",")),
                Kind::Arrow {
                    from,
                    to,
                    lost,
                    reply,
                } => {
                    let arrow = match (lost, reply) {
                        (false, false) => "->>",
                        (false, true) => "-->>",
                        (true, false) => "-x",
                        (true, true) => "--x",
                    };
                    format!("    {from}{arrow}{to}: {said}")
                }
            },
        );
    }
    text
}

/// The recording as a PlantUML sequence diagram.
pub fn plantuml(recording: &Recording) -> String {
    let mut text = String::from("@startuml\n");
    for actor in actors(recording) {
        line(&mut text, &format!("participant {actor}"));
    }
    for moment in moments(recording) {
        // Two backslashes would begin a new line.
        let said = moment.text.replace('\\', "/");
        line(
            &mut text,
            &match &moment.kind {
                Kind::Note(over) => format!("note over {} : {said}", over.join(", ")),
                Kind::Arrow {
                    from,
                    to,
                    lost,
                    reply,
                } => {
                    let arrow = match (lost, reply) {
                        (false, false) => "->",
                        (false, true) => "-->",
                        (true, false) => "->x",
                        (true, true) => "-->x",
                    };
                    format!("{from} {arrow} {to} : {said}")
                }
            },
        );
    }
    text.push_str("@enduml\n");
    text
}

/// One line of a sequence diagram.
struct Moment {
    text: String,
    kind: Kind,
}

enum Kind {
    /// A note over these actors.
    Note(Vec<String>),
    /// An arrow.
    Arrow {
        from: String,
        to: String,
        lost: bool,
        reply: bool,
    },
}

/// Who takes part: the nodes, and the clients as one if there are any.
fn actors(recording: &Recording) -> Vec<String> {
    let nodes = recording.start.iter().map(|view| view.node.to_string());
    let clients = (recording.clients > 0).then(|| CLIENTS.to_owned());
    nodes.chain(clients).collect()
}

/// What a sequence diagram shows of a recording.
fn moments(recording: &Recording) -> Vec<Moment> {
    let mut sent: BTreeMap<u64, &Sent> = BTreeMap::new();
    let all = actors(recording);
    let mut moments = Vec::new();
    for happening in &recording.happenings {
        if let What::Sent(letter) = &happening.what {
            sent.insert(letter.letter, letter);
        }
        let text = words::of(happening, &sent);
        let kind = kind(happening, &sent, &all);
        moments.extend(kind.map(|kind| Moment { text, kind }));
    }
    moments
}

fn kind(happening: &Happening, sent: &BTreeMap<u64, &Sent>, all: &[String]) -> Option<Kind> {
    let node = happening.node.as_ref().map(ToString::to_string);
    let arrow = |from: &NodeId, to: &NodeId, lost, kind: &str| Kind::Arrow {
        from: from.to_string(),
        to: to.to_string(),
        lost,
        reply: kind.ends_with("Reply"),
    };
    match &happening.what {
        What::Sent(letter) => {
            let lost = [Some(letter.fate), letter.copy]
                .iter()
                .flatten()
                .any(|fate| matches!(fate, Fate::Lost | Fate::Cut));
            let from = happening.node?;
            lost.then(|| arrow(&from, &letter.to, true, &letter.kind))
        }
        What::Arrived {
            letter,
            from,
            taken,
        } => {
            let to = happening.node?;
            let name = sent.get(letter).map_or("", |letter| letter.kind.as_ref());
            Some(arrow(from, &to, !taken, name))
        }
        What::Turned { .. } => Some(Kind::Arrow {
            from: CLIENTS.to_owned(),
            to: node?,
            lost: false,
            reply: false,
        }),
        What::Answered { .. } => Some(Kind::Arrow {
            from: node?,
            to: CLIENTS.to_owned(),
            lost: false,
            reply: true,
        }),
        What::Asked { .. } | What::GaveUp { .. } => Some(Kind::Note(vec![CLIENTS.to_owned()])),
        What::Stepped(step) if step.events.is_empty() => None,
        _ => {
            let ends = [all.first()?.clone(), all.last()?.clone()];
            Some(Kind::Note(
                node.map_or_else(|| ends.to_vec(), |node| vec![node]),
            ))
        }
    }
}

fn line(text: &mut String, line: &str) {
    // Writing to a string can't fail.
    let _ = writeln!(text, "{line}");
}

/// What all clients together are called.
pub(super) const CLIENTS: &str = "clients";
