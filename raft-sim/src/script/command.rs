//! The commands of scripts: one line each, a thin text form over [`crate::directed`]. The table is
//! [`COMMANDS`]; docs/scripts.md explains it.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use raft_core::ids::NodeId;
use raft_core::log::LogError;

use super::letter::changes;
use super::trigger::trigger;
pub use super::words::Unexpected;
use super::words::{PATTERN, Words};
use crate::checkers::property;
use crate::directed::{Action, Disk, Movement, Operation, Watch, WatchId};

/// One command.
#[derive(Clone, PartialEq, Debug)]
pub enum Command {
    /// `cluster`
    Cluster {
        /// How many nodes.
        nodes: u64,
        /// What is not as usual.
        kind: ClusterKind,
    },
    /// Something that the cluster does.
    Act(Action),
    /// Something that is printed.
    Show(Show),
    /// `expect PROPERTY`
    Expect(&'static str),
}

/// What can be printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Show {
    /// `status`
    Status,
    /// `log`
    Log,
    /// `messages`
    Messages,
    /// `count`
    Count,
    /// `watches`
    Watches,
}

/// How a cluster differs from one with default settings.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ClusterKind {
    /// Leaders send one entry at a time.
    pub single: bool,
    /// There is neither pre-vote nor check-quorum.
    pub plain: bool,
    /// Followers promise to give no vote, and leaders read on the strength of that.
    pub leases: bool,
    /// Logs keep nothing that a snapshot stands for, and parts of snapshots are short.
    pub forgetful: bool,
    /// How many nodes found the cluster, the first ones, if not all do.
    pub founders: Option<u64>,
    /// How many nodes, the last ones, are witnesses. Then all nodes found the cluster.
    pub witnesses: u64,
}

/// How a command is written, and what it does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Usage {
    /// Its words; capitals stand for what is filled in, brackets for what may be left out.
    pub usage: &'static str,
    /// What it does.
    pub says: &'static str,
}

impl Usage {
    /// The command's first word.
    pub fn name(&self) -> &'static str {
        self.usage.split(' ').next().unwrap_or_default()
    }
}

/// Reads a command; answers also whether it is to be quiet. `column` is that of the first letter.
///
/// # Errors
///
/// The text is no command.
pub fn parse(text: &str, column: usize) -> Result<(bool, Command), Unexpected> {
    let mut words = Words::of(text, column);
    let quietly = words.accept("quietly");
    let command = command(&mut words)?;
    words.end()?;
    Ok((quietly, command))
}

fn command(words: &mut Words<'_>) -> Result<Command, Unexpected> {
    let known = words.peek().and_then(|word| {
        let mut usages = COMMANDS.iter();
        usages.find(|usage| usage.name() == word)
    });
    let Some(usage) = known else {
        return Err(words.unexpected("a command (see `raft-sim script --commands`)"));
    };
    let show = |what| Ok(Command::Show(what));
    match usage.name() {
        "cluster" => cluster(words),
        "expect" => expect(words),
        "status" => words.next("").and(show(Show::Status)),
        "log" => words.next("").and(show(Show::Log)),
        "messages" => words.next("").and(show(Show::Messages)),
        "count" => words.next("").and(show(Show::Count)),
        "watches" => words.next("").and(show(Show::Watches)),
        name @ ("deliver" | "step" | "advance" | "run") => {
            words.next(name)?;
            movement(name, words).map(|movement| Command::Act(Action::Go(movement)))
        }
        _ => action(words).map(Command::Act),
    }
}

fn cluster(words: &mut Words<'_>) -> Result<Command, Unexpected> {
    words.expect("cluster")?;
    let nodes = words.number()?;
    let mut kind = ClusterKind::default();
    loop {
        if words.accept("single") {
            kind.single = true;
        } else if words.accept("plain") {
            kind.plain = true;
        } else if words.accept("leases") {
            kind.leases = true;
        } else if words.accept("forgetful") {
            kind.forgetful = true;
        } else if words.accept("witnesses") {
            kind.witnesses = words.number()?;
        } else if words.accept("founders") {
            kind.founders = Some(words.number()?);
        } else {
            return Ok(Command::Cluster { nodes, kind });
        }
    }
}

fn expect(words: &mut Words<'_>) -> Result<Command, Unexpected> {
    words.expect("expect")?;
    let expected = "a property such as election_safety";
    let named = |word: &str| PROPERTIES.into_iter().find(|property| *property == word);
    words.read(expected, named).map(Command::Expect)
}

/// What makes messages arrive and deadlines pass, and until when.
fn movement(name: &str, words: &mut Words<'_>) -> Result<Movement, Unexpected> {
    let movement = match name {
        "deliver" => Movement::Deliver(words.which()?),
        "step" => Movement::Step,
        "advance" => Movement::Advance(words.span()?),
        // With a trigger the time may be left out.
        _ if words.peek() == Some("until") => Movement::Run(LONGEST),
        _ => Movement::Run(words.span()?),
    };
    if words.accept("until") {
        return Ok(Movement::Until(Box::new(movement), trigger(words)?));
    }
    match (name, words.peek()) {
        ("deliver", Some(_)) => Err(words.unexpected(format!("{PATTERN}, or until"))),
        _ => Ok(movement),
    }
}

/// An action that can also be attached to a trigger.
fn action(words: &mut Words<'_>) -> Result<Action, Unexpected> {
    let column = words.column();
    let name = words.next("an action")?;
    Ok(match name {
        "campaign" => Action::Campaign(words.node()?),
        "timeout" => Action::TimeOut(words.node()?),
        "disconnect" => Action::Disconnect {
            node: words.node()?,
            from: words.node()?,
        },
        "wait" => {
            let span = words.span()?;
            let node = words.peek().filter(|word| *word != ";");
            Action::Wait(span, node.map(|_| words.node()).transpose()?)
        }
        "propose" => Action::Propose(words.node()?, proposals(words)?),
        "read" => Action::Read(words.node()?),
        "snapshot" => Action::TakeSnapshot(words.node()?),
        "transfer" => {
            let node = words.node()?;
            let to = words.accept("to").then(|| words.node()).transpose()?;
            Action::HandOver(node, to)
        }
        "members" => members(words)?,
        "cancel" => Action::CancelChange(words.node()?),
        "drop" => Action::Lose(words.which()?),
        "copy" => Action::Double(words.which()?),
        "corrupt" => {
            let which = words.which()?;
            words.expect("with")?;
            Action::Corrupt(which, changes(words)?)
        }
        "inject" => Action::Forge(words.link()?, words.kind()?, changes(words)?),
        "hold" => Action::Hold(words.pattern()?),
        "release" => Action::Release(words.pattern()?),
        "partition" => Action::Partition(groups(words)?),
        "heal" => Action::Heal,
        "cut" => Action::Cut(words.link()?),
        "mend" => Action::Mend(words.link()?),
        "when" | "whenever" | "break" => Action::Watch(watch(name, words)?),
        "forget" => Action::Forget(WatchId::new(words.number()?)),
        _ => return on_node(name, column, words),
    })
}

/// Who is asked, who is to vote, and who is to learn.
fn members(words: &mut Words<'_>) -> Result<Action, Unexpected> {
    let node = words.node()?;
    words.expect("voters")?;
    let (mut voters, mut learners) = (vec![words.node()?], Vec::new());
    while words
        .peek()
        .is_some_and(|word| word != ";" && word != "learners")
    {
        voters.push(words.node()?);
    }
    if words.accept("learners") {
        learners.push(words.node()?);
        while words.peek().is_some_and(|word| word != ";") {
            learners.push(words.node()?);
        }
    }
    Ok(Action::Reconfigure {
        node,
        voters,
        learners,
    })
}

/// What a node, or its disk, is made to do.
fn on_node(name: &str, column: usize, words: &mut Words<'_>) -> Result<Action, Unexpected> {
    Ok(match name {
        "pause" => Action::Pause(words.node()?),
        "resume" => Action::Resume(words.node()?),
        "stall" => Action::Stall(words.node()?),
        "sync" => Action::Sync(words.node()?),
        "unstall" => Action::Unstall(words.node()?),
        "fail" => fail(words)?,
        "crash" => Action::Crash(words.node()?, disk(words)?),
        "restart" => Action::Restart(words.node()?),
        found => {
            return Err(Unexpected {
                column,
                expected: "an action that takes no time".to_owned(),
                found: format!("{found:?}"),
            });
        }
    })
}

fn proposals(words: &mut Words<'_>) -> Result<Vec<Bytes>, Unexpected> {
    let mut commands = Vec::new();
    while let Some(word) = words.peek().filter(|word| *word != ";") {
        words.next(word)?;
        commands.push(Bytes::copy_from_slice(word.as_bytes()));
    }
    if commands.is_empty() {
        return Err(words.unexpected("a command for the state machine, any word"));
    }
    Ok(commands)
}

fn groups(words: &mut Words<'_>) -> Result<Vec<BTreeSet<NodeId>>, Unexpected> {
    let mut groups = vec![BTreeSet::new()];
    while words.peek().is_some_and(|word| word != ";") {
        if words.accept("|") {
            groups.push(BTreeSet::new());
        } else if let Some(group) = groups.last_mut() {
            group.insert(words.node()?);
        }
    }
    if groups.iter().all(BTreeSet::is_empty) {
        return Err(words.unexpected("groups of nodes such as 1 2 | 3"));
    }
    Ok(groups)
}

fn fail(words: &mut Words<'_>) -> Result<Action, Unexpected> {
    let detail = || "so the story has it".to_owned();
    let action = if words.accept("write") {
        (Operation::Write, "write")
    } else if words.accept("load") {
        (Operation::Load, "read")
    } else {
        return Err(words.unexpected("write or load"));
    };
    let (operation, action) = action;
    let node = words.node()?;
    let error = if words.accept("full") {
        LogError::Full { detail: detail() }
    } else {
        LogError::Storage {
            action,
            detail: detail(),
        }
    };
    Ok(Action::Fail(node, operation, error))
}

fn disk(words: &mut Words<'_>) -> Result<Disk, Unexpected> {
    if words.accept("wiped") {
        return Ok(Disk::Wiped);
    }
    if !words.accept("keeping") {
        return Ok(Disk::Durable);
    }
    if words.accept("everything") {
        return Ok(Disk::Everything);
    }
    words.number().map(Disk::First)
}

fn watch(name: &str, words: &mut Words<'_>) -> Result<Watch, Unexpected> {
    let trigger = trigger(words)?;
    if name == "break" {
        return Ok(Watch::stop_at(trigger));
    }
    if words.peek() != Some("do") {
        return Err(words.unexpected("then, and, or, or do"));
    }
    let mut actions = Vec::new();
    while words.accept("do") || words.accept(";") {
        if matches!(words.peek(), Some("when" | "whenever" | "break")) {
            return Err(words.unexpected("an action that waits for nothing"));
        }
        actions.push(action(words)?);
    }
    Ok(match name {
        "when" => Watch::when(trigger, actions),
        _ => Watch::whenever(trigger, actions),
    })
}

/// All commands as a table in Markdown.
pub fn table() -> String {
    let row = |usage: &Usage| {
        let written = usage.usage.replace('|', "\\|");
        format!("| `{written}` | {} |\n", usage.says)
    };
    let rows: String = COMMANDS.iter().map(row).collect();
    format!("| command | what it does |\n|---|---|\n{rows}")
}

const fn usage(usage: &'static str, says: &'static str) -> Usage {
    Usage { usage, says }
}

/// All commands, in the order in which one meets them.
pub const COMMANDS: [Usage; 43] = [
    usage(
        "cluster N [founders M] [witnesses W] [single] [plain] [leases] [forgetful]",
        "`N` nodes that have never run; the first `M` of them, or all, are its members; the last `W` are witnesses; `single`: leaders send one entry at a time; `plain`: without pre-vote and check-quorum; `leases`: promises of 900 ms, of which 750 count; `forgetful`: logs keep nothing that a snapshot stands for, and a snapshot goes 48 bytes at a time",
    ),
    usage(
        "campaign N",
        "nobody has heard from a leader for long; `N`'s timeout passes",
    ),
    usage(
        "timeout N",
        "`N`'s clock goes on to its next deadline, which passes",
    ),
    usage(
        "advance D [until TRIGGER]",
        "all clocks go on by `D` (`300ms`, `2s`); deadlines pass in their order",
    ),
    usage(
        "run D [until TRIGGER]",
        "like `advance`, but whatever is sent is delivered before the next deadline passes; with a trigger, `D` may be left out and is a minute",
    ),
    usage(
        "step",
        "one message is delivered, the oldest that can be; when none can, the next deadline passes",
    ),
    usage(
        "wait D [N]",
        "all clocks, or only `N`'s, go on by `D`, but nobody looks at them",
    ),
    usage("propose N A B …", "proposes commands on `N`"),
    usage(
        "read N",
        "asks `N` from which index on the state machine may be read",
    ),
    usage(
        "snapshot N",
        "asks `N` to take a snapshot of what it has applied",
    ),
    usage(
        "transfer N [to M]",
        "asks `N` to hand over leadership, to `M` or to whoever is fittest",
    ),
    usage(
        "members N voters A B … [learners C D …]",
        "asks `N` to make these all the members, each as it runs now",
    ),
    usage(
        "cancel N",
        "asks `N` to give up the change of members under way",
    ),
    usage(
        "deliver [first] [PATTERN] [until TRIGGER]",
        "delivers what is under way; without `first` and pattern also the answers, and theirs",
    ),
    usage("drop [first] [PATTERN]", "loses what is under way"),
    usage("copy [first] [PATTERN]", "doubles what is under way"),
    usage(
        "corrupt [first] PATTERN with FIELD=VALUE …",
        "changes what is under way",
    ),
    usage(
        "inject A->B KIND FIELD=VALUE …",
        "puts a made-up message under way; what is not said is zero, no, or nothing",
    ),
    usage(
        "hold PATTERN",
        "keeps `deliver` from delivering what is like this, unless it names both ends of the link",
    ),
    usage(
        "release [PATTERN]",
        "ends that hold; without a pattern, all",
    ),
    usage(
        "partition 1 | 2 3",
        "what crosses from group to group is lost when it should arrive",
    ),
    usage("heal", "ends the partition, and mends what is cut"),
    usage(
        "cut A->B",
        "loses what should arrive, in one direction of one link",
    ),
    usage("mend A->B", "no longer"),
    usage(
        "disconnect N M",
        "`N` notices that its connection from `M` was lost",
    ),
    usage(
        "pause N",
        "`N` takes nothing in and does nothing; its clock and its disk go on",
    ),
    usage("resume N", "it goes on"),
    usage("stall N", "`N`'s disk makes nothing durable"),
    usage("sync N", "what was written so far becomes durable"),
    usage("unstall N", "all becomes durable at once again"),
    usage(
        "fail write|load N [full]",
        "the next write of `N`'s disk, or its next reading back, fails: with an error of the disk, or for want of room",
    ),
    usage(
        "crash N [wiped|keeping K|keeping everything]",
        "stops `N`; what is not durable is gone, but for the oldest `K` writes, or for all; or the whole disk is gone",
    ),
    usage("restart N", "begins again with what is on the disk"),
    usage(
        "when TRIGGER do ACTION ; ACTION …",
        "does that when the trigger fires: every command that takes no time can be an action",
    ),
    usage(
        "whenever TRIGGER do ACTION ; ACTION …",
        "does that each time",
    ),
    usage(
        "break TRIGGER",
        "a breakpoint: ends `deliver`, `step`, `advance` and `run`, each time; what a node was doing goes on with the next of them",
    ),
    usage(
        "forget N",
        "the watch of this number (see `watches`) is gone",
    ),
    usage("watches", "prints what is waited for"),
    usage(
        "expect PROPERTY",
        "the checkers have found this property violated; otherwise that they do ends the script",
    ),
    usage("status", "prints the nodes"),
    usage(
        "log",
        "prints their logs; what is known to be committed stands before the bar",
    ),
    usage("messages", "prints what is under way"),
    usage(
        "count",
        "prints how many messages of each kind were sent since the last `count`",
    ),
];

/// What [`Command::Expect`] can name.
const PROPERTIES: [&str; 9] = [
    property::ELECTION_SAFETY,
    property::LEADER_APPEND_ONLY,
    property::LOG_MATCHING,
    property::LEADER_COMPLETENESS,
    property::STATE_MACHINE_SAFETY,
    property::DURABILITY,
    property::MONOTONIC,
    property::READS,
    property::NO_PANIC,
];

/// How long a script waits for a trigger when it does not say.
const LONGEST: Duration = Duration::from_secs(60);
