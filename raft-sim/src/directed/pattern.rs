//! Which messages are meant: by kind, link, term and index.

use core::fmt;
use core::ops::RangeInclusive;

use raft_core::chunk::Chunk;
use raft_core::ids::{LogIndex, NodeId, Term};
use raft_core::message::{AppendVerdict, Body, InstallVerdict, Message};

/// The kind of a message, by the name the paper gives it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum MessageKind {
    /// Would you vote for me?
    PreVote,
    /// The answer to it.
    PreVoteReply,
    /// Vote for me.
    RequestVote,
    /// The answer to it.
    RequestVoteReply,
    /// Entries, or a probe.
    AppendEntries,
    /// The answer to it.
    AppendEntriesReply,
    /// The leader is alive.
    Heartbeat,
    /// The answer to it.
    HeartbeatReply,
    /// Take over.
    TimeoutNow,
    /// You are no member any more.
    Removed,
    /// A part of a snapshot.
    InstallSnapshot,
    /// The answer to it.
    InstallSnapshotReply,
}

impl MessageKind {
    /// All kinds.
    pub const ALL: [Self; 12] = [
        Self::PreVote,
        Self::PreVoteReply,
        Self::RequestVote,
        Self::RequestVoteReply,
        Self::AppendEntries,
        Self::AppendEntriesReply,
        Self::Heartbeat,
        Self::HeartbeatReply,
        Self::TimeoutNow,
        Self::Removed,
        Self::InstallSnapshot,
        Self::InstallSnapshotReply,
    ];

    /// The kind of what a message says.
    pub const fn of(body: &Body) -> Self {
        match body {
            Body::PreVote(_) => Self::PreVote,
            Body::PreVoteReply(_) => Self::PreVoteReply,
            Body::RequestVote(_) => Self::RequestVote,
            Body::RequestVoteReply(_) => Self::RequestVoteReply,
            Body::AppendEntries(_) => Self::AppendEntries,
            Body::AppendEntriesReply(_) => Self::AppendEntriesReply,
            Body::Heartbeat(_) => Self::Heartbeat,
            Body::HeartbeatReply(_) => Self::HeartbeatReply,
            Body::TimeoutNow(_) => Self::TimeoutNow,
            Body::Removed(_) => Self::Removed,
            Body::InstallSnapshot(_) => Self::InstallSnapshot,
            Body::InstallSnapshotReply(_) => Self::InstallSnapshotReply,
        }
    }

    /// The kind of this name, if there is one.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PreVote => "PreVote",
            Self::PreVoteReply => "PreVoteReply",
            Self::RequestVote => "RequestVote",
            Self::RequestVoteReply => "RequestVoteReply",
            Self::AppendEntries => "AppendEntries",
            Self::AppendEntriesReply => "AppendEntriesReply",
            Self::Heartbeat => "Heartbeat",
            Self::HeartbeatReply => "HeartbeatReply",
            Self::TimeoutNow => "TimeoutNow",
            Self::Removed => "Removed",
            Self::InstallSnapshot => "InstallSnapshot",
            Self::InstallSnapshotReply => "InstallSnapshotReply",
        }
    }
}

/// From one node to another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Link {
    /// The sender.
    pub from: NodeId,
    /// The receiver.
    pub to: NodeId,
}

impl Link {
    /// The link a message travels on.
    pub const fn of(message: &Message) -> Self {
        Self {
            from: message.from.id,
            to: message.to.id,
        }
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}->{}", self.from.get(), self.to.get())
    }
}

/// Messages that are alike. What is not said matches anything; the default matches everything.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Pattern {
    /// Of this kind.
    pub kind: Option<MessageKind>,
    /// From this node.
    pub from: Option<NodeId>,
    /// To this node.
    pub to: Option<NodeId>,
    /// Of this term.
    pub term: Option<Term>,
    /// That speak of an index in this range: of an entry they carry or name, of one they match or
    /// refuse, or of a commit index when they carry nothing else (see [`indexes`]).
    pub indexes: Option<RangeInclusive<LogIndex>>,
}

impl Pattern {
    /// Every message.
    pub fn any() -> Self {
        Self::default()
    }

    /// Every message of a kind.
    pub fn kind(kind: MessageKind) -> Self {
        Self {
            kind: Some(kind),
            ..Self::default()
        }
    }

    /// Every message from one node to another.
    pub fn link(from: NodeId, to: NodeId) -> Self {
        Self::any().from(from).to(to)
    }

    /// Only those from a node.
    pub fn from(mut self, node: NodeId) -> Self {
        self.from = Some(node);
        self
    }

    /// Only those to a node.
    pub fn to(mut self, node: NodeId) -> Self {
        self.to = Some(node);
        self
    }

    /// Only those of a term.
    pub fn term(mut self, term: Term) -> Self {
        self.term = Some(term);
        self
    }

    /// Only those that speak of an index in this range.
    pub fn indexes(mut self, range: RangeInclusive<LogIndex>) -> Self {
        self.indexes = Some(range);
        self
    }

    /// The oldest of them alone.
    pub fn first(self) -> Which {
        Which {
            pattern: self,
            first: true,
        }
    }

    /// Whether a message is meant.
    pub fn matches(&self, message: &Message) -> bool {
        let fits = |range: &RangeInclusive<LogIndex>| {
            let spoken = indexes(message);
            spoken.start() <= range.end() && range.start() <= spoken.end()
        };
        self.kind
            .is_none_or(|kind| kind == MessageKind::of(&message.body))
            && self.from.is_none_or(|from| from == message.from.id)
            && self.to.is_none_or(|to| to == message.to.id)
            && self.term.is_none_or(|term| term == message.term)
            && self.indexes.as_ref().is_none_or(fits)
    }

    /// The link, if the pattern names both ends.
    pub fn names_link(&self) -> Option<Link> {
        Some(Link {
            from: self.from?,
            to: self.to?,
        })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = Vec::new();
        if self.from.is_some() || self.to.is_some() {
            let end = |id: Option<NodeId>| id.map_or("*".to_owned(), |id| id.get().to_string());
            words.push(format!("{}->{}", end(self.from), end(self.to)));
        }
        words.extend(self.kind.map(|kind| kind.name().to_owned()));
        words.extend(self.term.map(|term| term.to_string()));
        if let Some(range) = &self.indexes {
            let (start, end) = (range.start(), range.end());
            words.push(match start == end {
                true => start.to_string(),
                false => format!("{start}..{end}"),
            });
        }
        f.write_str(&words.join(" "))
    }
}

/// All messages of a pattern that are under way, or the oldest of them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Which {
    /// How they look.
    pub pattern: Pattern,
    /// Whether the oldest alone is meant.
    pub first: bool,
}

impl From<Pattern> for Which {
    fn from(pattern: Pattern) -> Self {
        Self {
            pattern,
            first: false,
        }
    }
}

/// The indexes a message speaks of: of the entries it carries (of the one before them, when it
/// carries none), of the last entry of who asks for a vote or hands over, of what is matched or
/// refused, of what a heartbeat says to be committed, of the configuration that removes, of the last
/// one that a snapshot stands for. Zero when it speaks of none.
pub fn indexes(message: &Message) -> RangeInclusive<LogIndex> {
    let at = |index: LogIndex| index..=index;
    match &message.body {
        Body::PreVote(ask) => at(ask.last.index),
        Body::RequestVote(ask) => at(ask.last.index),
        Body::TimeoutNow(told) => at(told.last.index),
        Body::AppendEntries(append) => {
            let first = append.chunks.first().map(Chunk::first_index);
            let last = append.chunks.last().map(Chunk::last_index);
            let previous = append.previous.index;
            first.unwrap_or(previous)..=last.unwrap_or(previous)
        }
        Body::AppendEntriesReply(reply) => match reply.verdict {
            AppendVerdict::Matched(index) => at(index),
            AppendVerdict::Conflict { refused, .. } | AppendVerdict::Lost { refused, .. } => {
                at(refused)
            }
            AppendVerdict::StaleTerm => at(LogIndex::ZERO),
        },
        Body::Heartbeat(beat) => at(beat.commit),
        Body::Removed(removed) => at(removed.configuration),
        Body::InstallSnapshot(install) => at(install.snapshot.id.last.index),
        Body::InstallSnapshotReply(reply) => match reply.verdict {
            InstallVerdict::Matched(index) => at(index),
            InstallVerdict::Stored(_) | InstallVerdict::StaleTerm => at(LogIndex::ZERO),
        },
        Body::PreVoteReply(_) | Body::RequestVoteReply(_) | Body::HeartbeatReply(_) => {
            at(LogIndex::ZERO)
        }
    }
}
