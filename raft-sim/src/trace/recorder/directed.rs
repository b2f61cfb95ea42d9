//! Listening to a cluster that is moved by hand. Its nodes have clocks of their own, so time
//! here only counts: a millisecond for each time that another node does something.

use std::collections::BTreeMap;

use raft_core::chunk::Chunk;
use raft_core::hull::Hull;
use raft_core::ids::{LogIndex, NodeId};
use raft_core::message::Message;
use raft_core::time::Time;
use raft_core::trace::Event;
use raft_node::letter::Packet;

use super::{Book, Recorder};
use crate::directed::{Happening, Link, Loss};
use crate::script::print;
use crate::trace::{Fate, Recording, Struck, VERSION, View, What};

/// What is remembered of a directed cluster beside what was told.
#[derive(Debug, Default)]
pub(super) struct Moved {
    /// What hulls said since their nodes were last looked at.
    said: Vec<(NodeId, Event)>,
    /// Messages that were sent: the letter's number, and whether it has arrived.
    sent: Vec<(u64, Message, bool)>,
    /// How often another node did something.
    moments: u64,
    /// Who did something last.
    last: Option<NodeId>,
    /// How many faults there were.
    faults: u64,
    /// The number of the fault that takes links away now.
    cut: Option<u64>,
    /// Those of nodes that are paused now.
    paused: BTreeMap<NodeId, u64>,
}

impl Recorder {
    /// A cluster of these nodes is about to be moved; what was heard of another is forgotten.
    pub(crate) fn begin_directed(&self, nodes: impl Iterator<Item = NodeId>) {
        let mut book = self.book();
        let views: Vec<View> = nodes.map(View::new).collect();
        book.now.clone_from(&views);
        book.moved = Moved::default();
        book.happenings.clear();
        book.sent.clear();
        book.dirty.clear();
        book.count = 0;
        book.recording = Recording {
            version: VERSION,
            start: views,
            ..Recording::default()
        };
    }

    /// What is about to be done, in words.
    pub(crate) fn remark(&self, text: String) {
        let mut book = self.book();
        book.flush();
        let at = book.moment(None);
        book.push(at, None, What::Note { text });
    }

    /// A node of a directed cluster was looked at after a piece of work.
    pub(crate) fn looked_at(&self, node: NodeId, hull: Option<&Hull>, log: &[Chunk]) {
        let mut book = self.book();
        let at = book.moment(Some(node));
        let was_up = book.now.iter().any(|view| view.node == node && view.up);
        match (was_up, hull) {
            (false, Some(_)) => book.push(at, Some(node), What::Started),
            (true, None) => {
                book.flush();
                let why = "crashes".to_owned();
                book.push(at, Some(node), What::Stopped { why });
            }
            (false, None) | (true, Some(_)) => {}
        }
        let forgotten = hull.map(|hull| hull.forgotten().index.next());
        let first = log.first().map(Chunk::first_index).or(forgotten);
        let lines = book.lines(log);
        book.holds(node, first.unwrap_or(LogIndex::ZERO.next()), lines);
        let said = std::mem::take(&mut book.moved.said);
        let (own, others): (Vec<_>, _) = said.into_iter().partition(|(of, _)| *of == node);
        book.moved.said = others;
        let events: Vec<Event> = own.into_iter().map(|(_, event)| event).collect();
        book.stepped(at, node, hull, &events);
    }

    /// Something happened in a directed cluster.
    pub(crate) fn moved(&self, happening: &Happening) {
        if let Happening::Violated(violation) = happening {
            let mut late = violation.clone();
            late.time = self.book().moment(violation.node);
            self.violated(&late);
            return;
        }
        let mut book = self.book();
        match happening {
            Happening::Sent(message) => {
                book.sends(message);
            }
            Happening::Arrived(message) => book.arrives(message, true),
            Happening::Lost { message, why } => match why {
                Loss::Wanted => book.loses(message, Fate::Lost),
                Loss::Cut => book.loses(message, Fate::Cut),
                Loss::Down => book.arrives(message, false),
            },
            Happening::Event { node, event } => {
                if book.moved.said.len() < MOST_SAID {
                    book.moved.said.push((*node, *event));
                }
            }
            Happening::Resolved { node, resolved } => {
                let text = print::resolved(resolved);
                let at = book.moment(Some(*node));
                book.push(at, Some(*node), What::Note { text });
            }
            Happening::Fired { trigger, .. } => {
                let text = format!("a trigger fires: {trigger}");
                let at = book.moment(None);
                book.push(at, None, What::Note { text });
            }
            Happening::LinksLost(links) => book.loses_links(links),
            Happening::Paused { node, paused } => book.pauses(*node, *paused),
            Happening::Applied { .. } | Happening::Changed { .. } | Happening::Violated(_) => {}
        }
    }
}

impl Book {
    /// The time of what a node does next: one goes on in its moment until another does something.
    fn moment(&mut self, node: Option<NodeId>) -> Time {
        if node.is_none() || self.moved.last != node {
            self.moved.moments += 1;
        }
        self.moved.last = node;
        Time::from_millis(self.moved.moments)
    }

    fn sends(&mut self, message: &Message) -> u64 {
        let at = self.moment(Some(message.from.id));
        let packet = Packet::Raft(message.clone());
        let letter = self.sends_packet(at, message.from.id, message.to.id, &packet);
        if self.moved.sent.len() < MOST_SENT {
            self.moved.sent.push((letter, message.clone(), false));
        }
        letter
    }

    fn arrives(&mut self, message: &Message, taken: bool) {
        self.flush();
        let mut sent = self.moved.sent.iter_mut();
        let waiting = sent.find(|(_, known, arrived)| known == message && !*arrived);
        let letter = match waiting {
            Some((letter, _, arrived)) => {
                *arrived = true;
                *letter
            }
            None => self.comes_again(message),
        };
        let from = message.from.id;
        let what = What::Arrived {
            letter,
            from,
            taken,
        };
        self.moved.last = None;
        let at = self.moment(Some(message.to.id));
        self.push(at, Some(message.to.id), what);
    }

    /// A message that nobody sent just now: a copy of one that has arrived, or made up by hand.
    fn comes_again(&mut self, message: &Message) -> u64 {
        let known = self
            .moved
            .sent
            .iter()
            .find(|(_, known, _)| known == message);
        match known.map(|(letter, ..)| *letter) {
            Some(letter) => {
                self.changes_sent(letter, |sent| sent.copy = Some(Fate::Travels));
                letter
            }
            None => {
                let letter = self.sends(message);
                self.flush();
                if let Some((.., arrived)) = self.moved.sent.last_mut() {
                    *arrived = true;
                }
                letter
            }
        }
    }

    fn loses(&mut self, message: &Message, fate: Fate) {
        self.flush();
        let mut sent = self.moved.sent.iter_mut();
        let waiting = sent.find(|(_, known, arrived)| known == message && !*arrived);
        if let Some((letter, _, arrived)) = waiting {
            *arrived = true;
            let letter = *letter;
            self.changes_sent(letter, |sent| sent.fate = fate);
        }
    }

    /// These links, all of them, lose what should arrive from now on.
    fn loses_links(&mut self, links: &[Link]) {
        self.flush();
        let at = self.moment(None);
        if let Some(fault) = self.moved.cut.take() {
            self.push(at, None, What::Over { fault });
        }
        if links.is_empty() {
            return;
        }
        let text: Vec<String> = links.iter().map(Link::to_string).collect();
        let struck = Struck {
            fault: self.next_fault(),
            name: "Cut".to_owned(),
            text: format!("nothing arrives on {}", text.join(", ")),
            links: links.iter().map(|link| (link.from, link.to)).collect(),
        };
        self.moved.cut = Some(struck.fault);
        self.push(at, None, What::Struck(struck));
    }

    fn pauses(&mut self, node: NodeId, paused: bool) {
        self.flush();
        let at = self.moment(Some(node));
        if let Some(fault) = self.moved.paused.remove(&node) {
            self.push(at, Some(node), What::Over { fault });
        }
        if paused {
            let struck = Struck {
                fault: self.next_fault(),
                name: "Pause".to_owned(),
                text: "takes nothing in and does nothing".to_owned(),
                links: Vec::new(),
            };
            self.moved.paused.insert(node, struck.fault);
            self.push(at, Some(node), What::Struck(struck));
        }
    }

    fn next_fault(&mut self) -> u64 {
        let fault = self.moved.faults;
        self.moved.faults += 1;
        fault
    }

    /// Corrects what was told of a letter when it was sent.
    fn changes_sent(&mut self, letter: u64, change: impl FnOnce(&mut crate::trace::Sent)) {
        let told = self.happenings.iter_mut().rev();
        let found = told.map(|one| &mut one.what).find_map(|what| match what {
            What::Sent(sent) if sent.letter == letter => Some(sent),
            _ => None,
        });
        if let Some(sent) = found {
            change(sent);
        }
    }
}

/// Events of one piece of work.
const MOST_SAID: usize = 10_000;

/// Messages of one script that are told from each other.
const MOST_SENT: usize = 10_000;
