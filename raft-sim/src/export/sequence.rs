//! Sequence diagrams as text: Mermaid and PlantUML. Both know arrows and notes and little else, so
//! a letter is an arrow where it arrives, or where it was sent if it never does.

use std::collections::{BTreeMap, BTreeSet};

use raft_core::ids::NodeId;

use super::words;
use crate::trace::{Fate, Happening, Recording, Sent, What};

/// The recording as a Mermaid sequence diagram. Mermaid refuses more than 50,000 characters, so of
/// a longer recording it holds the end, and a note that says how much is left out.
pub fn mermaid(recording: &Recording) -> String {
    MERMAID.diagram(recording)
}

/// The recording as a PlantUML sequence diagram. PlantUML cuts bitmaps off at 4,096 pixels:
/// `plantuml -tsvg` draws all of a long one.
pub fn plantuml(recording: &Recording) -> String {
    PLANTUML.diagram(recording)
}

/// How one tool spells a sequence diagram.
struct Dialect {
    begin: &'static str,
    /// What each line between beginning and end begins with.
    indent: &'static str,
    note: &'static str,
    /// The arrow of a message, of an answer, and of one of each that is lost.
    arrows: [&'static str; 4],
    end: &'static str,
    /// A letter that would mean something to the tool, as one that means nothing.
    spell: fn(char) -> String,
    /// The most bytes that the tool reads.
    most: usize,
}

const MERMAID: Dialect = Dialect {
    begin: "sequenceDiagram\n",
    indent: "    ",
    note: "Note over ",
    arrows: ["->>", "-->>", "-x", "--x"],
    end: "",
    spell: |letter| format!("#{};", u32::from(letter)),
    most: 50_000,
};

const PLANTUML: Dialect = Dialect {
    begin: "@startuml\n",
    indent: "",
    note: "note over ",
    arrows: [" -> ", " --> ", " ->x ", " -->x "],
    end: "@enduml\n",
    spell: |letter| format!("<U+{:04x}>", u32::from(letter)),
    most: usize::MAX,
};

impl Dialect {
    fn diagram(&self, recording: &Recording) -> String {
        let actors = actors(recording);
        let lines: Vec<String> = moments(recording, &actors)
            .iter()
            .map(|moment| self.line(moment))
            .collect();
        let mut head = self.begin.to_owned();
        for actor in &actors {
            head.push_str(&format!("{}participant {actor}\n", self.indent));
        }
        let room = self.most.saturating_sub(head.len() + self.end.len());
        let mut left_out = beyond(&lines, room);
        if left_out > 0 {
            left_out = beyond(&lines, room.saturating_sub(LONGEST_NOTE));
        }
        let over = ends(&actors).filter(|_| left_out > 0);
        let note = over.map(|over| Moment {
            text: format!("{left_out} lines before this one are left out"),
            kind: Kind::Note(over),
        });
        let note = note.map_or_else(String::new, |note| self.line(&note));
        let kept = lines.get(left_out..).unwrap_or_default().concat();
        format!("{head}{note}{kept}{}", self.end)
    }

    fn line(&self, moment: &Moment) -> String {
        let text = self.spelled(&moment.text);
        let indent = self.indent;
        match &moment.kind {
            Kind::Note(over) => format!("{indent}{}{}: {text}\n", self.note, over.join(",")),
            Kind::Arrow {
                from,
                to,
                lost,
                reply,
            } => {
                let [message, answer, lost_message, lost_answer] = self.arrows;
                let arrow = match (lost, reply) {
                    (false, false) => message,
                    (false, true) => answer,
                    (true, false) => lost_message,
                    (true, true) => lost_answer,
                };
                format!("{indent}{from}{arrow}{to}: {text}\n")
            }
        }
    }

    /// A text that means nothing to the tool but itself. Marks of punctuation begin formats, links,
    /// macros and comments, most of them when they stand twice or at the beginning.
    fn spelled(&self, text: &str) -> String {
        let mut spelled = String::new();
        let mut before = ' ';
        for letter in text.chars() {
            let plain = match letter {
                ':' => !spelled.ends_with("wrap"),
                _ if PLAIN_ALONE.contains(letter) => letter != before && !spelled.is_empty(),
                _ => letter.is_alphanumeric() || PLAIN.contains(letter),
            };
            match plain {
                true => spelled.push(letter),
                false => spelled.push_str(&(self.spell)(letter)),
            }
            before = letter;
        }
        spelled
    }
}

/// How many lines at the beginning must go so that the others fit.
fn beyond(lines: &[String], mut room: usize) -> usize {
    let fitting = lines.iter().rev().take_while(|line| {
        let fits = line.len() <= room;
        room = room.saturating_sub(line.len());
        fits
    });
    lines.len() - fitting.count()
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

/// Who takes part: the nodes, strangers in whose name letters come, and the clients as one.
fn actors(recording: &Recording) -> Vec<String> {
    let mut nodes: BTreeSet<NodeId> = recording.start.iter().map(|view| view.node).collect();
    for happening in &recording.happenings {
        nodes.extend(happening.node);
        match &happening.what {
            What::Sent(letter) => nodes.extend([letter.to]),
            What::Arrived { from, .. } => nodes.extend([*from]),
            _ => {}
        }
    }
    let clients = (recording.clients > 0).then(|| CLIENTS.to_owned());
    nodes
        .iter()
        .map(ToString::to_string)
        .chain(clients)
        .collect()
}

/// All of them, as a note names them that lies over all.
fn ends(all: &[String]) -> Option<Vec<String>> {
    let (first, last) = (all.first()?, all.last()?);
    let mut ends = vec![first.clone(), last.clone()];
    ends.dedup();
    Some(ends)
}

/// What a sequence diagram shows of a recording.
fn moments(recording: &Recording, all: &[String]) -> Vec<Moment> {
    let mut sent = words::letters(recording);
    let mut moments = Vec::new();
    for happening in &recording.happenings {
        if let What::Sent(letter) = &happening.what {
            sent.insert(letter.letter, letter);
        }
        let text = words::of(happening, &sent);
        let kind = kind(happening, &sent, all);
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
        _ => node
            .map(|node| vec![node])
            .or_else(|| ends(all))
            .map(Kind::Note),
    }
}

/// What all clients together are called.
pub(super) const CLIENTS: &str = "clients";

/// Marks that mean nothing to either tool.
const PLAIN: &str = " .,@()+?'";

/// Marks that mean nothing to either tool where they stand alone, and not at the beginning.
const PLAIN_ALONE: &str = "-=[]!_/{}";

/// More than the bytes of the note that says what is left out.
const LONGEST_NOTE: usize = 200;
