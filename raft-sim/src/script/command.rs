//! The commands of scripts.
//!
//! | command | what it does |
//! |---|---|
//! | `cluster N [single] [plain]` | `N` nodes that have never run; `single`: leaders send one entry at a time; `plain`: without pre-vote and check-quorum |
//! | `campaign N` | nobody has heard from a leader for long; `N`'s timeout passes |
//! | `timeout N` | `N`'s clock goes on to its next deadline, which passes |
//! | `advance D` | all clocks go on by `D` (`300ms`, `2s`); deadlines pass in their order |
//! | `run D` | like `advance`, but whatever is sent is delivered before the next deadline passes |
//! | `wait D` | all clocks go on by `D`, but nobody looks at them |
//! | `propose N A B …` | proposes commands on `N` |
//! | `deliver [first] [A->B] [KIND]` | delivers what is under way; without any of the three words also the answers, and theirs |
//! | `drop [first] [A->B] [KIND]` | loses what is under way |
//! | `copy [first] [A->B] [KIND]` | doubles what is under way |
//! | `hold A->B`, `release A->B` | keeps `deliver` from delivering on a link, and no longer |
//! | `partition 1 \| 2 3`, `heal` | what crosses is lost when it should arrive |
//! | `cut A->B`, `mend A->B` | the same for one direction of one link; `heal` mends it too |
//! | `stall N`, `sync N`, `unstall N` | `N`'s disk makes nothing durable, then what was written so far, then all at once again |
//! | `crash N`, `restart N` | loses all that is not durable, and begins again |
//! | `status`, `log`, `messages` | prints the nodes, their logs, what is under way |
//! | `count` | prints how many messages of each kind were sent since the last `count` |
//!
//! `quietly` before a command prints nothing of it.

use std::collections::BTreeSet;
use std::time::Duration;

use raft_core::ids::NodeId;

/// One command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// `cluster`
    Cluster {
        /// How many nodes.
        nodes: u64,
        /// What is not as usual.
        kind: ClusterKind,
    },
    /// `campaign`
    Campaign(NodeId),
    /// `timeout`
    Timeout(NodeId),
    /// `advance`
    Advance(Duration),
    /// `run`
    Run(Duration),
    /// `wait`
    Wait(Duration),
    /// `propose`
    Propose(NodeId, Vec<String>),
    /// `deliver`
    Deliver(Which),
    /// `drop`
    Drop(Which),
    /// `copy`
    Copy(Which),
    /// `hold`
    Hold(Link),
    /// `release`
    Release(Link),
    /// `partition`
    Partition(Vec<BTreeSet<NodeId>>),
    /// `heal`
    Heal,
    /// `cut`
    Cut(Link),
    /// `mend`
    Mend(Link),
    /// `stall`
    Stall(NodeId),
    /// `sync`
    Sync(NodeId),
    /// `unstall`
    Unstall(NodeId),
    /// `crash`
    Crash(NodeId),
    /// `restart`
    Restart(NodeId),
    /// `status`
    Status,
    /// `log`
    Log,
    /// `messages`
    Messages,
    /// `count`
    Count,
}

/// How a cluster differs from one with default settings.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ClusterKind {
    /// Leaders send one entry at a time.
    pub single: bool,
    /// There is neither pre-vote nor check-quorum.
    pub plain: bool,
}

/// Some of the messages that are under way.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Which {
    /// Only the first of them.
    pub first: bool,
    /// On this link only.
    pub link: Option<Link>,
    /// Of this kind only.
    pub kind: Option<String>,
}

/// From one node to another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Link {
    /// The sender.
    pub from: NodeId,
    /// The receiver.
    pub to: NodeId,
}

/// Reads a command; answers also whether it is to be quiet.
///
/// # Errors
///
/// The text is no command.
pub fn parse(text: &str) -> Result<(bool, Command), CommandError> {
    let mut words: Vec<&str> = text.split_whitespace().collect();
    let quietly = words.first() == Some(&"quietly");
    if quietly {
        words.remove(0);
    }
    let (name, rest) = words.split_first().ok_or(CommandError::Empty)?;
    let command = match (*name, rest) {
        ("cluster", [nodes, kind @ ..]) => Command::Cluster {
            nodes: number(nodes)?,
            kind: cluster_kind(kind)?,
        },
        ("campaign", [node]) => Command::Campaign(id(node)?),
        ("timeout", [node]) => Command::Timeout(id(node)?),
        ("advance", [span]) => Command::Advance(duration(span)?),
        ("run", [span]) => Command::Run(duration(span)?),
        ("wait", [span]) => Command::Wait(duration(span)?),
        ("propose", [node, commands @ ..]) if !commands.is_empty() => {
            let commands = commands.iter().map(|word| (*word).to_owned()).collect();
            Command::Propose(id(node)?, commands)
        }
        ("deliver", rest) => Command::Deliver(which(rest)?),
        ("drop", rest) => Command::Drop(which(rest)?),
        ("copy", rest) => Command::Copy(which(rest)?),
        ("hold", [on]) => Command::Hold(link(on)?),
        ("release", [on]) => Command::Release(link(on)?),
        ("partition", rest) => Command::Partition(groups(rest)?),
        ("heal", []) => Command::Heal,
        ("cut", [on]) => Command::Cut(link(on)?),
        ("mend", [on]) => Command::Mend(link(on)?),
        ("stall", [node]) => Command::Stall(id(node)?),
        ("sync", [node]) => Command::Sync(id(node)?),
        ("unstall", [node]) => Command::Unstall(id(node)?),
        ("crash", [node]) => Command::Crash(id(node)?),
        ("restart", [node]) => Command::Restart(id(node)?),
        ("status", []) => Command::Status,
        ("log", []) => Command::Log,
        ("messages", []) => Command::Messages,
        ("count", []) => Command::Count,
        _ => {
            return Err(CommandError::Unknown {
                text: text.trim().to_owned(),
            });
        }
    };
    Ok((quietly, command))
}

fn cluster_kind(words: &[&str]) -> Result<ClusterKind, CommandError> {
    let mut kind = ClusterKind::default();
    for word in words {
        match *word {
            "single" => kind.single = true,
            "plain" => kind.plain = true,
            _ => {
                return Err(CommandError::Unknown {
                    text: (*word).to_owned(),
                });
            }
        }
    }
    Ok(kind)
}

fn number(word: &str) -> Result<u64, CommandError> {
    word.parse().map_err(|_| CommandError::NotANumber {
        word: word.to_owned(),
    })
}

fn id(word: &str) -> Result<NodeId, CommandError> {
    number(word).map(NodeId::new)
}

fn duration(word: &str) -> Result<Duration, CommandError> {
    let split = word.find(|letter: char| !letter.is_ascii_digit());
    let (amount, unit) = word.split_at(split.unwrap_or(word.len()));
    match unit {
        "ms" => Ok(Duration::from_millis(number(amount)?)),
        "s" => Ok(Duration::from_secs(number(amount)?)),
        _ => Err(CommandError::NotATime {
            word: word.to_owned(),
        }),
    }
}

fn link(word: &str) -> Result<Link, CommandError> {
    let (from, to) = word
        .split_once("->")
        .ok_or_else(|| CommandError::NotALink {
            word: word.to_owned(),
        })?;
    Ok(Link {
        from: id(from)?,
        to: id(to)?,
    })
}

fn which(words: &[&str]) -> Result<Which, CommandError> {
    let mut which = Which::default();
    for word in words {
        if *word == "first" {
            which.first = true;
        } else if word.contains("->") {
            which.link = Some(link(word)?);
        } else {
            which.kind = Some((*word).to_owned());
        }
    }
    Ok(which)
}

fn groups(words: &[&str]) -> Result<Vec<BTreeSet<NodeId>>, CommandError> {
    words
        .split(|word| *word == "|")
        .map(|group| group.iter().map(|word| id(word)).collect())
        .collect()
}

/// Why a line of a script can't be done.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CommandError {
    /// The line is neither empty, nor a comment, nor a command, nor output.
    #[error("{line:?} begins with neither `#` nor `>` nor two spaces")]
    NotACommand {
        /// The line.
        line: String,
    },
    /// There is nothing after the `>`.
    #[error("there is no command after `>`")]
    Empty,
    /// There is no such command, or it takes other words.
    #[error("{text:?} is no command, or has too few or too many words")]
    Unknown {
        /// The command.
        text: String,
    },
    /// A number was expected.
    #[error("{word:?} is not a number")]
    NotANumber {
        /// What stood there.
        word: String,
    },
    /// A span of time was expected.
    #[error("{word:?} is not a time such as 300ms or 2s")]
    NotATime {
        /// What stood there.
        word: String,
    },
    /// A link was expected.
    #[error("{word:?} is not a link such as 1->2")]
    NotALink {
        /// What stood there.
        word: String,
    },
    /// The cluster is empty or too large.
    #[error("a cluster has 1 to {limit} nodes, not {nodes}")]
    ClusterSize {
        /// How many were asked for.
        nodes: u64,
        /// How many there may be.
        limit: u64,
    },
    /// The cluster has no such node.
    #[error("there is no node {node}")]
    NoSuchNode {
        /// Which was named.
        node: NodeId,
    },
    /// The node is not running, or already is.
    #[error("{node} is {what}")]
    Running {
        /// Which.
        node: NodeId,
        /// What it is.
        what: &'static str,
    },
    /// The node has no deadline.
    #[error("{node} waits for no deadline")]
    NoDeadline {
        /// Which.
        node: NodeId,
    },
    /// The cluster went on and on.
    #[error("the cluster does not come to rest: {what}")]
    Restless {
        /// Doing what.
        what: &'static str,
    },
    /// A node could not be opened.
    #[error("{node} can't be opened: {error}")]
    NotOpened {
        /// Which.
        node: NodeId,
        /// Why.
        error: raft_core::error::OpenError,
    },
    /// The memory log refused a write: the hull broke the log's contract.
    #[error("{node}'s log refused a write: {error}")]
    LogRefused {
        /// Whose.
        node: NodeId,
        /// Why.
        error: raft_core::log::LogError,
    },
    /// The commands don't fit one batch.
    #[error("the commands don't fit: {0}")]
    TooLarge(raft_core::chunk::PushError),
}
