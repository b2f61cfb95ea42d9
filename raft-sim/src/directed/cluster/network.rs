//! What is under way between the nodes, and what may not pass.

use std::collections::{BTreeSet, VecDeque};

use raft_core::ids::{Incarnation, NodeId, Peer};
use raft_core::message::Message;

use super::{Action, Cluster};
use crate::directed::error::DirectedError;
use crate::directed::forge::{self, Change};
use crate::directed::pattern::{Link, MessageKind, Pattern, Which};

/// The messages under way, in the order in which they were sent, and what holds or loses them.
#[derive(Debug, Default)]
pub(super) struct Network {
    letters: VecDeque<Letter>,
    last: u64,
    held: Vec<Pattern>,
    /// Groups that can't reach each other; none when all can.
    groups: Vec<BTreeSet<NodeId>>,
    /// Links that lose everything.
    cuts: BTreeSet<Link>,
}

#[derive(Debug)]
struct Letter {
    number: u64,
    message: Message,
}

impl Network {
    pub(super) fn send(&mut self, message: Message) -> Result<(), DirectedError> {
        self.make_room(1)?;
        self.last += 1;
        let number = self.last;
        self.letters.push_back(Letter { number, message });
        Ok(())
    }

    fn make_room(&self, count: usize) -> Result<(), DirectedError> {
        if self.letters.len() + count > MAX_UNDER_WAY {
            return Err(DirectedError::TooMany {
                what: "messages under way",
                limit: MAX_UNDER_WAY,
            });
        }
        Ok(())
    }

    /// The oldest message that is not held and whose receiver can take it.
    pub(super) fn next(&self, awake: impl Fn(NodeId) -> bool) -> Option<u64> {
        self.letters
            .iter()
            .find(|letter| awake(letter.message.to.id) && !self.holds(&letter.message))
            .map(|letter| letter.number)
    }

    /// The messages of a pattern whose receivers can take them, the oldest first.
    pub(super) fn numbers(&self, pattern: &Pattern, awake: impl Fn(NodeId) -> bool) -> Vec<u64> {
        let meant = self.letters.iter().filter(|letter| {
            awake(letter.message.to.id) && self.is_meant(pattern, &letter.message)
        });
        meant.map(|letter| letter.number).collect()
    }

    /// What is held is meant only by who names its link.
    fn is_meant(&self, pattern: &Pattern, message: &Message) -> bool {
        let held = self.holds(message) && pattern.names_link().is_none();
        pattern.matches(message) && !held
    }

    pub(super) fn holds(&self, message: &Message) -> bool {
        self.held.iter().any(|pattern| pattern.matches(message))
    }

    pub(super) fn letter(&self, number: u64) -> Option<&Message> {
        let found = self.letters.iter().find(|letter| letter.number == number);
        found.map(|letter| &letter.message)
    }

    pub(super) fn take(&mut self, number: u64) -> Option<Message> {
        let at = self
            .letters
            .iter()
            .position(|letter| letter.number == number)?;
        self.letters.remove(at).map(|letter| letter.message)
    }

    /// Takes the messages out that are meant.
    pub(super) fn take_all(&mut self, which: &Which) -> Vec<Message> {
        let most = if which.first { 1 } else { usize::MAX };
        let meant = self.numbers(&which.pattern, |_| true);
        let chosen: BTreeSet<u64> = meant.into_iter().take(most).collect();
        let (taken, left) = std::mem::take(&mut self.letters)
            .into_iter()
            .partition::<VecDeque<_>, _>(|letter| chosen.contains(&letter.number));
        self.letters = left;
        taken.into_iter().map(|letter| letter.message).collect()
    }

    pub(super) fn double(&mut self, which: &Which) -> Result<(), DirectedError> {
        let meant = self.numbers(&which.pattern, |_| true);
        self.make_room(if which.first { 1 } else { meant.len() })?;
        for message in self.take_all(which) {
            self.send(message.clone())?;
            self.send(message)?;
        }
        Ok(())
    }

    pub(super) fn corrupt(
        &mut self,
        which: &Which,
        changes: &[Change],
    ) -> Result<(), DirectedError> {
        let most = if which.first { 1 } else { usize::MAX };
        let meant = self.numbers(&which.pattern, |_| true);
        let chosen: BTreeSet<u64> = meant.into_iter().take(most).collect();
        if chosen.is_empty() {
            let pattern = which.pattern.to_string();
            return Err(DirectedError::NoSuchMessage { pattern });
        }
        let mut corrupted = Vec::new();
        for letter in &self.letters {
            if chosen.contains(&letter.number) {
                let mut message = letter.message.clone();
                changes
                    .iter()
                    .try_for_each(|change| change.apply(&mut message))?;
                corrupted.push((letter.number, message));
            }
        }
        for letter in &mut self.letters {
            let found = corrupted
                .iter()
                .find(|(number, _)| *number == letter.number);
            if let Some((_, message)) = found {
                letter.message = message.clone();
            }
        }
        Ok(())
    }

    pub(super) fn hold(&mut self, pattern: Pattern) -> Result<(), DirectedError> {
        if self.held.len() >= MAX_HELD {
            return Err(DirectedError::TooMany {
                what: "patterns held",
                limit: MAX_HELD,
            });
        }
        self.held.push(pattern);
        Ok(())
    }

    pub(super) fn release(&mut self, pattern: &Pattern) -> Result<(), DirectedError> {
        let before = self.held.len();
        let all = *pattern == Pattern::any();
        self.held.retain(|held| !all && held != pattern);
        if self.held.len() == before {
            let pattern = pattern.to_string();
            return Err(DirectedError::NotHeld { pattern });
        }
        Ok(())
    }

    pub(super) fn partition(&mut self, groups: Vec<BTreeSet<NodeId>>) {
        self.groups = groups;
    }

    /// The links between these nodes that lose everything.
    pub(super) fn lost_links(&self, ids: &[NodeId]) -> Vec<Link> {
        let link = |from: NodeId| move |to: &NodeId| Link { from, to: *to };
        let all = ids.iter().flat_map(|from| ids.iter().map(link(*from)));
        all.filter(|link| link.from != link.to && self.is_cut(*link))
            .collect()
    }

    pub(super) fn heal(&mut self) {
        self.groups.clear();
        self.cuts.clear();
    }

    pub(super) fn cut(&mut self, link: Link) {
        self.cuts.insert(link);
    }

    pub(super) fn mend(&mut self, link: Link) {
        self.cuts.remove(&link);
    }

    pub(super) fn is_cut(&self, link: Link) -> bool {
        let group = |id| self.groups.iter().position(|group| group.contains(&id));
        self.cuts.contains(&link) || group(link.from) != group(link.to)
    }
}

impl Cluster {
    /// What is under way, in the order in which it was sent.
    pub fn under_way(&self) -> impl Iterator<Item = &Message> {
        self.network.letters.iter().map(|letter| &letter.message)
    }

    /// Whether a message is held.
    pub fn is_held(&self, message: &Message) -> bool {
        self.network.holds(message)
    }

    /// Doubles the messages that are meant: both copies are under way as if sent just now.
    ///
    /// # Errors
    ///
    /// Too much would be under way.
    pub fn double(&mut self, which: impl Into<Which>) -> Result<(), DirectedError> {
        self.perform(Action::Double(which.into()))
    }

    /// Changes the messages that are meant, on their way.
    ///
    /// # Errors
    ///
    /// None is under way, or one has no such field; then all are as they were.
    pub fn corrupt(
        &mut self,
        which: impl Into<Which>,
        changes: impl IntoIterator<Item = Change>,
    ) -> Result<(), DirectedError> {
        let changes = changes.into_iter().collect();
        self.perform(Action::Corrupt(which.into(), changes))
    }

    /// Puts a message under way that no hull sent.
    ///
    /// # Errors
    ///
    /// Too much would be under way.
    pub fn inject(&mut self, message: Message) -> Result<(), DirectedError> {
        self.perform(Action::Inject(message))
    }

    /// Puts a message under way that no hull sent, made of one that says as little as its kind
    /// allows ([`forge::blank`]). Its sender need not be a member.
    ///
    /// # Errors
    ///
    /// There is no such receiver, the message has no such field, or too much would be under way.
    pub fn forge(
        &mut self,
        link: Link,
        kind: MessageKind,
        changes: impl IntoIterator<Item = Change>,
    ) -> Result<(), DirectedError> {
        let changes = changes.into_iter().collect();
        self.perform(Action::Forge(link, kind, changes))
    }

    pub(super) fn forge_now(
        &mut self,
        link: Link,
        kind: MessageKind,
        changes: &[Change],
    ) -> Result<(), DirectedError> {
        let stranger = Peer::new(link.from, Incarnation::new(u128::from(link.from.get())));
        let from = self.peer(link.from).unwrap_or(stranger);
        let mut message = forge::blank(kind, from, self.peer(link.to)?);
        changes
            .iter()
            .try_for_each(|change| change.apply(&mut message))?;
        self.network.send(message)
    }

    /// Loses all that should arrive from one node at another.
    ///
    /// # Errors
    ///
    /// There is no such node.
    pub fn cut(&mut self, link: Link) -> Result<(), DirectedError> {
        self.perform(Action::Cut(link))
    }

    /// Ends a cut.
    ///
    /// # Errors
    ///
    /// None.
    pub fn mend(&mut self, link: Link) -> Result<(), DirectedError> {
        self.perform(Action::Mend(link))
    }
}

/// More messages under way can't be followed.
const MAX_UNDER_WAY: usize = 10_000;
/// More holds can't be followed.
const MAX_HELD: usize = 100;
