//! Triggers: what to wait for. One thing, all of several, any of them, one after the other, or one
//! so many times.
//!
//! A trigger eats itself up while it waits: parts that have fired are taken out, so that what is
//! left is what it still waits for, and is printed as such.

use core::fmt;
use std::collections::BTreeMap;

use raft_core::ids::{LogIndex, NodeId, Term, Ticket};
use raft_core::states::Role;

use super::happening::{Happening, Look};
use super::pattern::Pattern;
use crate::script::print;

/// Something to wait for.
///
/// About a node's state: a trigger that is waited for once is content with what is already so, one
/// that fires again and again wants it to become so.
#[derive(Clone, PartialEq, Debug)]
pub struct Trigger {
    kind: Kind,
    depth: usize,
}

#[derive(Clone, PartialEq, Debug)]
enum Kind {
    Sent(Pattern),
    Arrived(Pattern),
    Lost(Pattern),
    Rule(Option<NodeId>, String),
    Answered(Ticket),
    State(Option<NodeId>, Condition),
    CommitSent(Option<NodeId>, LogIndex),
    All(Vec<Trigger>),
    Any(Vec<Trigger>),
    Sequence(Vec<Trigger>),
    Times {
        left: u32,
        whole: Box<Trigger>,
        waiting: Box<Trigger>,
    },
}

/// Something that can be so of a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Condition {
    /// It has this role.
    Role(Role),
    /// It has reached this term.
    Term(Term),
    /// It has voted, for this node or for any.
    Voted(Option<NodeId>),
    /// It knows a leader: this one, or any.
    Follows(Option<NodeId>),
    /// Its log has reached this index.
    Last(LogIndex),
    /// Its log is durable up to this index.
    Durable(LogIndex),
    /// It knows this index to be committed.
    Committed(LogIndex),
    /// It has applied this index.
    Applied(LogIndex),
    /// Its hull has stopped for good.
    Stopped,
    /// It is not running.
    Down,
}

impl Trigger {
    /// A message leaves its sender.
    pub fn sent(pattern: Pattern) -> Self {
        Self::leaf(Kind::Sent(pattern))
    }

    /// A message arrives.
    pub fn arrived(pattern: Pattern) -> Self {
        Self::leaf(Kind::Arrived(pattern))
    }

    /// A message is lost.
    pub fn lost(pattern: Pattern) -> Self {
        Self::leaf(Kind::Lost(pattern))
    }

    /// A rule, such as `F2.AE.3`, causes something on a node, or on any.
    pub fn rule(node: Option<NodeId>, key: impl Into<String>) -> Self {
        Self::leaf(Kind::Rule(node, key.into()))
    }

    /// The fate of a proposal is known. Proposals are numbered from zero in their order.
    pub fn answered(ticket: Ticket) -> Self {
        Self::leaf(Kind::Answered(ticket))
    }

    /// Something is so of a node, or of any node.
    pub fn state(node: Option<NodeId>, condition: Condition) -> Self {
        Self::leaf(Kind::State(node, condition))
    }

    /// Some node leads.
    pub fn elected() -> Self {
        Self::state(None, Condition::Role(Role::Leader))
    }

    /// A node, or any node, tells another that this index or a higher one is committed.
    pub fn commit_sent(from: Option<NodeId>, index: LogIndex) -> Self {
        Self::leaf(Kind::CommitSent(from, index))
    }

    /// All of these, in any order.
    pub fn all_of(parts: impl IntoIterator<Item = Self>) -> Self {
        Self::joined(Kind::All, parts)
    }

    /// Any of these.
    pub fn any_of(parts: impl IntoIterator<Item = Self>) -> Self {
        Self::joined(Kind::Any, parts)
    }

    /// These, one after the other.
    pub fn in_order(parts: impl IntoIterator<Item = Self>) -> Self {
        Self::joined(Kind::Sequence, parts)
    }

    /// This, and afterwards `next`.
    pub fn then(self, next: Self) -> Self {
        Self::in_order([self, next])
    }

    /// This, for the `count`th time; zero counts as one.
    pub fn times(self, count: u32) -> Self {
        Self {
            depth: self.depth.saturating_add(1),
            kind: Kind::Times {
                left: count.max(1),
                whole: Box::new(self.clone()),
                waiting: Box::new(self),
            },
        }
    }

    /// How deep its parts are nested.
    pub(super) const fn depth(&self) -> usize {
        self.depth
    }

    const fn leaf(kind: Kind) -> Self {
        Self { kind, depth: 1 }
    }

    fn joined(kind: fn(Vec<Self>) -> Kind, parts: impl IntoIterator<Item = Self>) -> Self {
        let parts: Vec<Self> = parts.into_iter().collect();
        let deepest = parts.iter().map(|part| part.depth).max().unwrap_or(0);
        Self {
            kind: kind(parts),
            depth: deepest.saturating_add(1),
        }
    }

    /// Takes out what has fired; answers whether all has. `now` is given to a trigger that is
    /// content with what is already so.
    pub(super) fn fires(
        &mut self,
        happening: Option<&Happening>,
        now: Option<&BTreeMap<NodeId, Option<Look>>>,
    ) -> bool {
        match &mut self.kind {
            Kind::All(parts) => {
                parts.retain_mut(|part| !part.fires(happening, now));
                parts.is_empty()
            }
            Kind::Any(parts) => {
                let mut any = parts.is_empty();
                for part in parts {
                    any |= part.fires(happening, now);
                }
                any
            }
            Kind::Sequence(parts) => {
                let mut cause = happening;
                while parts.first_mut().is_some_and(|part| part.fires(cause, now)) {
                    parts.remove(0);
                    // One happening is one step; the next part wants its own, or is so already.
                    cause = None;
                }
                parts.is_empty()
            }
            Kind::Times {
                left,
                whole,
                waiting,
            } => {
                if waiting.fires(happening, None) {
                    *left = left.saturating_sub(1);
                    waiting.clone_from(whole);
                }
                *left == 0
            }
            Kind::State(node, condition) => {
                let already = now.is_some_and(|looks| {
                    looks.iter().any(|(id, look)| {
                        node.is_none_or(|node| node == *id) && condition.holds(look.as_ref())
                    })
                });
                already || happening.is_some_and(|happening| changes(happening, *node, *condition))
            }
            leaf => happening.is_some_and(|happening| leaf.is(happening)),
        }
    }
}

impl Kind {
    fn is(&self, happening: &Happening) -> bool {
        match (self, happening) {
            (Self::Sent(pattern), Happening::Sent(message))
            | (Self::Arrived(pattern), Happening::Arrived(message))
            | (Self::Lost(pattern), Happening::Lost { message, .. }) => pattern.matches(message),
            (Self::Rule(wanted, key), Happening::Event { node, event }) => {
                wanted.is_none_or(|wanted| wanted == *node) && event.rule == key
            }
            (Self::Answered(ticket), Happening::Resolved { resolved, .. }) => {
                resolved.ticket == *ticket
            }
            (Self::CommitSent(from, index), Happening::Sent(message)) => {
                from.is_none_or(|from| from == message.from.id)
                    && commit_in(message).is_some_and(|commit| commit >= *index)
            }
            _ => false,
        }
    }
}

fn commit_in(message: &raft_core::message::Message) -> Option<LogIndex> {
    use raft_core::message::Body;
    match &message.body {
        Body::AppendEntries(append) => Some(append.commit),
        Body::Heartbeat(beat) => Some(beat.commit),
        Body::PreVote(_)
        | Body::PreVoteReply(_)
        | Body::RequestVote(_)
        | Body::RequestVoteReply(_)
        | Body::AppendEntriesReply(_)
        | Body::HeartbeatReply(_)
        | Body::TimeoutNow(_)
        | Body::Removed(_)
        | Body::InstallSnapshot(_)
        | Body::InstallSnapshotReply(_) => None,
    }
}

/// Whether something becomes so by this.
fn changes(happening: &Happening, wanted: Option<NodeId>, condition: Condition) -> bool {
    let Happening::Changed {
        node,
        before,
        after,
    } = happening
    else {
        return false;
    };
    let term = |look: &Option<Look>| look.map(|look| look.term);
    // A vote, a role and a leader are those of a term: in the next one they are new.
    let of_term = matches!(
        condition,
        Condition::Role(_) | Condition::Voted(_) | Condition::Follows(_)
    );
    let new = !condition.holds(before.as_ref())
        || (of_term && before.is_some() && term(before) != term(after));
    wanted.is_none_or(|wanted| wanted == *node) && new && condition.holds(after.as_ref())
}

impl Condition {
    fn holds(self, look: Option<&Look>) -> bool {
        let Some(look) = look else {
            return self == Self::Down;
        };
        let fits = |wanted: Option<NodeId>, found: Option<NodeId>| {
            found.is_some() && (wanted.is_none() || wanted == found)
        };
        match self {
            Self::Role(role) => look.role == role,
            Self::Term(term) => look.term >= term,
            Self::Voted(wanted) => fits(wanted, look.vote),
            Self::Follows(wanted) => fits(wanted, look.leader),
            Self::Last(index) => look.last >= index,
            Self::Durable(index) => look.durable >= index,
            Self::Committed(index) => look.commit >= index,
            Self::Applied(index) => look.applied >= index,
            Self::Stopped => look.stopped,
            Self::Down => false,
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Role(role) => write!(f, "is {}", print::role(*role)),
            Self::Term(term) => write!(f, "in {term}"),
            Self::Voted(id) => write!(f, "votes {}", name(*id)),
            Self::Follows(id) => write!(f, "follows {}", name(*id)),
            Self::Last(index) => write!(f, "last {index}"),
            Self::Durable(index) => write!(f, "durable {index}"),
            Self::Committed(index) => write!(f, "committed {index}"),
            Self::Applied(index) => write!(f, "applied {index}"),
            Self::Stopped => f.write_str("stopped"),
            Self::Down => f.write_str("down"),
        }
    }
}

/// As a script writes it.
impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut joined = |parts: &[Self], word: &str| {
            let parts: Vec<String> = parts.iter().map(Self::enclosed).collect();
            f.write_str(&parts.join(word))
        };
        let with = |f: &mut fmt::Formatter<'_>, word: &str, pattern: &Pattern| {
            f.write_str(format!("{word} {pattern}").trim_end())
        };
        match &self.kind {
            Kind::All(parts) => joined(parts, " and "),
            Kind::Any(parts) => joined(parts, " or "),
            Kind::Sequence(parts) => joined(parts, " then "),
            Kind::Sent(pattern) => with(f, "sent", pattern),
            Kind::Arrived(pattern) => with(f, "arrived", pattern),
            Kind::Lost(pattern) => with(f, "lost", pattern),
            Kind::Rule(node, key) => write!(f, "{} rule {key}", name(*node)),
            Kind::Answered(ticket) => write!(f, "answered {}", ticket.get()),
            Kind::State(node, condition) => write!(f, "{} {condition}", name(*node)),
            Kind::CommitSent(node, index) => write!(f, "{} sends commit {index}", name(*node)),
            Kind::Times { left, waiting, .. } => write!(f, "{left} times {}", waiting.enclosed()),
        }
    }
}

impl Trigger {
    fn enclosed(&self) -> String {
        match &self.kind {
            Kind::All(_) | Kind::Any(_) | Kind::Sequence(_) => format!("( {self} )"),
            _ => self.to_string(),
        }
    }
}

fn name(id: Option<NodeId>) -> String {
    id.map_or("any".to_owned(), |id| id.get().to_string())
}
