//! Who listens to a world while it runs.
//!
//! A recorder changes nothing: with or without it, the world is the same. It keeps a bounded
//! number of happenings; what falls out at the old end goes into how the nodes looked at the start.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use raft_core::chunk::Chunk;
use raft_core::hull::Hull;
use raft_core::ids::{LogIndex, NodeId};
use raft_core::log::{Recovered, Write};
use raft_core::record::{Entry, Record};
use raft_core::time::Time;
use raft_core::trace::Event;
use raft_node::letter::Packet;

use super::view::advance;
use super::{
    Broken, Fate, Follower, Happening, Line, LogChange, Recording, Said, Sent, State, Step,
    VERSION, View, What, letter,
};
use crate::checkers::Violation;
use crate::network::node_id;
use crate::plan::span::short;
use crate::plan::{Delay, Plan, RarePlan};
use crate::script::print;

mod directed;

use directed::Moved;

/// Listens to a world. Cheap to clone; all clones are one recorder.
///
/// ```
/// use raft_sim::key_value::{KeyValue, KeyValueWorkload};
/// use raft_sim::plan::{Plan, Swarm};
/// use raft_sim::trace::{KEPT, Recorder};
/// use raft_sim::world::World;
///
/// let swarm = Swarm { duration: std::time::Duration::from_secs(2), ..Swarm::default() };
/// let recorder = Recorder::new(KEPT);
/// World::new(Plan::draw(7, &swarm), KeyValue::default, KeyValueWorkload::default())
///     .recorded_by(&recorder)
///     .run();
/// let recording = recorder.take();
/// assert_eq!(recording.seed, 7);
/// assert!(!recording.happenings.is_empty());
/// ```
#[derive(Clone, Debug)]
pub struct Recorder(Arc<Mutex<Book>>);

#[derive(Debug)]
struct Book {
    kept: usize,
    count: u64,
    letters: u64,
    recording: Recording,
    happenings: VecDeque<Happening>,
    /// What a node sent in a poll that is not over: told after what the poll did.
    sent: Vec<(Time, NodeId, Sent)>,
    /// Each node as it is now.
    now: Vec<View>,
    /// From where on a node's log is another one than was told.
    dirty: BTreeMap<NodeId, LogIndex>,
    /// What commands mean, by payload.
    meanings: BTreeMap<Bytes, String>,
    /// What is remembered of a cluster that is moved by hand.
    moved: Moved,
}

impl Recorder {
    /// A recorder that keeps as many happenings as this, the last ones.
    pub fn new(kept: usize) -> Self {
        Self(Arc::new(Mutex::new(Book {
            kept: kept.max(1),
            count: 0,
            letters: 0,
            recording: Recording {
                version: VERSION,
                ..Recording::default()
            },
            happenings: VecDeque::new(),
            sent: Vec::new(),
            now: Vec::new(),
            dirty: BTreeMap::new(),
            meanings: BTreeMap::new(),
            moved: Moved::default(),
        })))
    }

    /// What was heard. The recorder is empty after it.
    pub fn take(&self) -> Recording {
        let mut book = self.book();
        let mut recording = std::mem::take(&mut book.recording);
        recording.happenings = std::mem::take(&mut book.happenings).into();
        recording
    }

    /// A world of this plan is about to begin.
    pub(crate) fn begin(&self, plan: &Plan) {
        let mut book = self.book();
        let views: Vec<View> = (0..plan.nodes.len())
            .map(|number| View::new(node_id(number)))
            .collect();
        book.now.clone_from(&views);
        book.recording = Recording {
            version: VERSION,
            name: format!("Seed {}", plan.seed),
            seed: plan.seed,
            replay: format!("raft-sim replay {}", plan.seed),
            settings: settings(plan),
            clients: plan.clients.len() as u64,
            start: views,
            ..Recording::default()
        };
    }

    /// Something happened.
    pub(crate) fn note(&self, at: Time, node: Option<NodeId>, what: What) {
        let mut book = self.book();
        // What a process sent before it ended comes before its end.
        book.flush();
        book.push(at, node, what);
    }

    /// What a command means, in words.
    pub(crate) fn means(&self, payload: Bytes, text: String) {
        self.book().meanings.insert(payload, text);
    }

    /// A node sends a packet; answers the letter's number. It is told with the node's step.
    pub(crate) fn sent(&self, at: Time, from: NodeId, to: NodeId, packet: &Packet) -> u64 {
        self.book().sends_packet(at, from, to, packet)
    }

    /// What becomes of the letter that was sent last.
    pub(crate) fn fate(&self, fate: Fate, copy: Option<Fate>) {
        if let Some((_, _, sent)) = self.book().sent.last_mut() {
            sent.fate = fate;
            sent.copy = copy;
        }
    }

    /// A node's log was opened.
    pub(crate) fn opened(&self, node: NodeId, recovered: &Recovered) {
        self.book().opened(node, recovered);
    }

    /// A node's log was asked for a write.
    pub(crate) fn wrote(&self, node: NodeId, write: &Write) {
        self.book().wrote(node, write);
    }

    /// A node was polled.
    pub(crate) fn stepped(&self, at: Time, node: NodeId, hull: Option<&Hull>, events: &[Event]) {
        self.book().stepped(at, node, hull, events);
    }

    /// A property was found violated.
    pub(crate) fn violated(&self, violation: &Violation) {
        let mut book = self.book();
        book.flush();
        let what = What::Violated {
            property: violation.property.to_owned(),
            text: violation.text.clone(),
        };
        book.push(violation.time, violation.node, what);
        book.recording.violation = Some(Broken::of(violation));
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        // What was written before a panic is what a report about that panic wants.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn push(&mut self, at: Time, node: Option<NodeId>, what: What) {
        let happening = Happening {
            number: self.count,
            at,
            node,
            what,
        };
        self.count += 1;
        if matches!(happening.what, What::Started | What::Stopped { .. }) {
            advance(&mut self.now, &happening);
        }
        if self.happenings.len() >= self.kept {
            if let Some(oldest) = self.happenings.pop_front() {
                self.recording.forget(oldest);
            }
        }
        self.happenings.push_back(happening);
    }

    /// Tells what was sent since the last step.
    fn flush(&mut self) {
        for (at, from, sent) in std::mem::take(&mut self.sent) {
            self.push(at, Some(from), What::Sent(sent));
        }
    }

    /// A packet leaves; it is told with the step that sent it.
    fn sends_packet(&mut self, at: Time, from: NodeId, to: NodeId, packet: &Packet) -> u64 {
        self.letters += 1;
        let number = self.letters;
        let sent = Sent {
            letter: number,
            to,
            kind: Cow::Borrowed(packet.name()),
            term: letter::term(packet),
            text: letter::text(packet),
            fields: letter::fields(packet),
            fate: Fate::Travels,
            copy: None,
        };
        self.sent.push((at, from, sent));
        number
    }

    fn opened(&mut self, node: NodeId, recovered: &Recovered) {
        let mut terms = Vec::new();
        let mut runs = recovered.runs.iter().peekable();
        while let Some(run) = runs.next() {
            let end = runs.peek().map_or(recovered.last.next(), |next| next.index);
            terms
                .extend((run.index.get()..end.get()).map(|index| (LogIndex::new(index), run.term)));
        }
        let Some(view) = self.now.iter().find(|view| view.node == node) else {
            return;
        };
        let first = terms.first().map_or(recovered.last.next(), |line| line.0);
        let lines = terms
            .iter()
            .map(|&(index, term)| match view.line(index) {
                Some(line) if line.term == term => line.clone(),
                Some(_) | None => Line {
                    term,
                    text: String::new(),
                },
            })
            .collect();
        self.holds(node, first, lines);
    }

    /// A node's log is this one now, from its first index on.
    fn holds(&mut self, node: NodeId, first: LogIndex, lines: Vec<Line>) {
        let Some(view) = self.now.iter_mut().find(|view| view.node == node) else {
            return;
        };
        let mut from = first;
        for line in &lines {
            if view.line(from) != Some(line) {
                break;
            }
            from = from.next();
        }
        if view.first == first && view.end() == from && view.log.len() == lines.len() {
            return;
        }
        view.first = first;
        view.log = lines;
        self.changes(node, from);
    }

    /// From this index on a node's log is another one than was told.
    fn changes(&mut self, node: NodeId, from: LogIndex) {
        let dirty = self.dirty.entry(node).or_insert(from);
        *dirty = (*dirty).min(from);
    }

    fn wrote(&mut self, node: NodeId, write: &Write) {
        let lines = self.lines(&write.append);
        let Some(view) = self.now.iter_mut().find(|view| view.node == node) else {
            return;
        };
        let appended = write.append.first().map(Chunk::first_index);
        let from = write.truncate_from.into_iter().chain(appended).min();
        if from.is_none() && write.drop_before <= view.first {
            return;
        }
        // What only loses its front stays as it is behind it.
        let from = from.unwrap_or(view.end());
        view.change(&LogChange {
            first: view.first.max(write.drop_before),
            from,
            lines,
        });
        self.changes(node, from);
    }

    /// Entries as pictures show them.
    fn lines<'a>(&self, chunks: impl IntoIterator<Item = &'a Chunk>) -> Vec<Line> {
        let entries = chunks.into_iter().flat_map(Chunk::entries);
        let line = |entry: Entry<'_>| Line {
            term: entry.id.term,
            text: self.meaning(&entry.record),
        };
        entries.map(line).collect()
    }

    /// What an entry holds, in words.
    fn meaning(&self, record: &Record<'_>) -> String {
        if let Record::Client { payload, .. } = record {
            if let Some(text) = self.meanings.get(*payload) {
                return text.clone();
            }
        }
        print::record(record)
    }

    fn stepped(&mut self, at: Time, node: NodeId, hull: Option<&Hull>, events: &[Event]) {
        let dirty = self.dirty.remove(&node);
        let place = self.now.iter().position(|view| view.node == node);
        if let Some(view) = place.and_then(|place| self.now.get_mut(place)) {
            let state = hull.map(State::of);
            let changed = state.is_some() && state != view.state;
            let step = Step {
                events: events.iter().map(Said::of).collect(),
                state: state.clone().filter(|_| changed),
                log: dirty.map(|from| view.tail(from)),
            };
            view.state = state;
            if step != Step::default() {
                self.push(at, Some(node), What::Stepped(step));
            }
        }
        self.flush();
    }
}

impl Recording {
    /// Lets go of the oldest happening: what it changed was so from the start.
    fn forget(&mut self, oldest: Happening) {
        advance(&mut self.start, &oldest);
        self.skipped = oldest.number + 1;
        match &oldest.what {
            What::Sent(letter) if letter.comes() > 0 && self.letters.len() < MOST_LETTERS => {
                self.letters.push(letter.clone());
            }
            What::Arrived { letter, .. } => self.arrive(*letter),
            What::Struck(_) if self.faults.len() < MOST_FAULTS => self.faults.push(oldest),
            What::Over { fault } => self.faults.retain(
                |struck| !matches!(&struck.what, What::Struck(known) if known.fault == *fault),
            ),
            What::Healed => self.faults.clear(),
            _ => {}
        }
    }

    /// A letter of those on their way has arrived once.
    fn arrive(&mut self, number: u64) {
        let place = self.letters.iter().position(|one| one.letter == number);
        let Some(letter) = place.and_then(|place| self.letters.get_mut(place)) else {
            return;
        };
        if letter.comes() > 1 {
            letter.copy = None;
        } else {
            self.letters.retain(|one| one.letter != number);
        }
    }
}

impl Sent {
    /// How many times it is to arrive.
    fn comes(&self) -> usize {
        let fates = [Some(self.fate), self.copy];
        let comes = |fate: &Fate| matches!(fate, Fate::Travels | Fate::Held);
        fates.iter().flatten().filter(|fate| comes(fate)).count()
    }
}

impl View {
    /// The change that leads to this log from any that is the same before `from`.
    fn tail(&self, from: LogIndex) -> LogChange {
        let from = from.max(self.first);
        let kept = from.get().saturating_sub(self.first.get());
        let lines = self
            .log
            .iter()
            .skip(usize::try_from(kept).unwrap_or(usize::MAX));
        LogChange {
            first: self.first,
            from,
            lines: lines.cloned().collect(),
        }
    }
}

impl Said {
    fn of(event: &Event) -> Self {
        Self {
            rule: Cow::Borrowed(event.rule),
            text: print::happened(&event.kind),
        }
    }
}

impl State {
    /// What the getters of a hull say.
    fn of(hull: &Hull) -> Self {
        let follower = |node| {
            Some(Follower {
                node,
                matched: hull.match_index(node)?,
                next: hull.next_index(node)?,
            })
        };
        let members = hull.configuration().ids().into_iter();
        Self {
            role: Cow::Borrowed(print::role(hull.role())),
            term: hull.term(),
            vote: hull.vote(),
            leader: hull.leader(),
            last: hull.last().index,
            durable: hull.durable_index(),
            commit: hull.commit_index(),
            applied: hull.applied_index(),
            snapshot: hull.forgotten().index,
            followers: members.filter_map(follower).collect(),
            fault: hull.fault().map(ToString::to_string),
        }
    }
}

/// What a reader should know of a plan.
fn settings(plan: &Plan) -> Vec<(String, String)> {
    let tuning = &plan.tuning;
    let network = &plan.network;
    let rows = [
        ("nodes", plan.nodes.len().to_string()),
        ("clients", plan.clients.len().to_string()),
        ("faults and clients go on for", short(plan.duration)),
        ("election timeout", short(tuning.election_timeout)),
        ("heartbeats every", short(tuning.heartbeat_interval)),
        (
            "pre-vote and check-quorum",
            if tuning.pre_vote { "on" } else { "off" }.to_owned(),
        ),
        ("messages take", delay(network.delay)),
        ("lost of a thousand", network.drop_per_mille.to_string()),
        (
            "doubled of a thousand",
            network.double_per_mille.to_string(),
        ),
        ("syncs take", delay(plan.disk.sync)),
    ];
    let mut rows: Vec<_> = rows.map(|(name, value)| (name.to_owned(), value)).into();
    if !plan.rare.is_empty() {
        let site = |planned: &RarePlan| format!("{} {}", planned.site, planned.per_mille);
        let sites: Vec<_> = plan.rare.iter().map(site).collect();
        rows.push(("rare behaviour, of a thousand".to_owned(), sites.join(", ")));
    }
    rows
}

fn delay(delay: Delay) -> String {
    match delay {
        Delay::Even(least, most) => format!("{} to {}", short(least), short(most)),
        Delay::LongTailed(mean) => format!("{} at the mean, some much longer", short(mean)),
        Delay::Two(common, rare, per_mille) => {
            format!(
                "{}, {per_mille} of a thousand {}",
                short(common),
                short(rare)
            )
        }
    }
}

/// Faults that are on at once, as far as they are remembered when their beginning is not kept.
const MOST_FAULTS: usize = 100;

/// Letters on their way at once, as far as they are remembered when their sending is not kept.
const MOST_LETTERS: usize = 1_000;
