//! The cluster that a script moves by hand: bare hulls, logs in memory, messages in a list.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use raft_core::configuration::Configuration;
use raft_core::ids::{Incarnation, NodeId, Peer};
use raft_core::message::Message;
use raft_core::settings::Settings;

use self::node::Node;
use super::command::{ClusterKind, Command, CommandError, Link, Which};
use super::print;

mod node;

/// The nodes and what is under way between them.
#[derive(Debug)]
pub(crate) struct Cluster {
    nodes: BTreeMap<NodeId, Node>,
    /// In the order in which they were sent.
    under_way: Vec<Message>,
    held: BTreeSet<Link>,
    /// Groups that can't reach each other; none when all can.
    groups: Vec<BTreeSet<NodeId>>,
    /// Links that lose everything.
    cuts: BTreeSet<Link>,
    /// How many messages of each kind were sent since they were last counted.
    sent: BTreeMap<&'static str, u64>,
    tickets: u64,
    output: Vec<String>,
}

impl Cluster {
    /// No nodes.
    pub(crate) const fn none() -> Self {
        Self {
            nodes: BTreeMap::new(),
            under_way: Vec::new(),
            held: BTreeSet::new(),
            groups: Vec::new(),
            cuts: BTreeSet::new(),
            sent: BTreeMap::new(),
            tickets: 0,
            output: Vec::new(),
        }
    }

    /// Nodes `1..=count` that have never run, and begin now.
    fn new(count: u64, kind: ClusterKind) -> Result<Self, CommandError> {
        if count == 0 || count > MAX_NODES {
            return Err(CommandError::ClusterSize {
                nodes: count,
                limit: MAX_NODES,
            });
        }
        let peer = |id| Peer::new(NodeId::new(id), Incarnation::new(u128::from(id)));
        let founding = Configuration::of_voters((1..=count).map(peer));
        let mut settings = Settings {
            pre_vote: !kind.plain,
            check_quorum: !kind.plain,
            ..Settings::default()
        };
        if kind.single {
            settings.max_append_bytes = 1;
            settings.max_appends_in_flight = 1;
        }
        let mut cluster = Self::none();
        for id in 1..=count {
            let node = Node::new(peer(id), founding.clone(), settings);
            cluster.nodes.insert(NodeId::new(id), node);
        }
        for id in (1..=count).map(NodeId::new) {
            cluster.node(id)?.open()?;
            cluster.settle(id)?;
        }
        cluster.output.clear();
        Ok(cluster)
    }

    /// What was printed since the last call.
    pub(crate) fn take_output(&mut self) -> Vec<String> {
        std::mem::take(&mut self.output)
    }

    /// Does one command.
    pub(crate) fn perform(&mut self, command: Command) -> Result<(), CommandError> {
        match command {
            Command::Cluster { nodes, kind } => *self = Self::new(nodes, kind)?,
            Command::Campaign(id) => return self.campaign(id),
            Command::Timeout(id) => return self.time_out(id),
            Command::Advance(span) => return self.advance(span, false),
            Command::Run(span) => return self.advance(span, true),
            Command::Wait(span) => self.wait(span, None),
            Command::Propose(id, commands) => return self.propose(id, &commands),
            Command::Deliver(which) => return self.deliver(&which),
            Command::Drop(which) => self.lose(&which),
            Command::Copy(which) => self.copy(&which),
            Command::Hold(link) => {
                self.held.insert(link);
            }
            Command::Release(link) => {
                self.held.remove(&link);
            }
            Command::Partition(groups) => self.groups = groups,
            Command::Heal => {
                self.groups.clear();
                self.cuts.clear();
            }
            Command::Cut(link) => {
                self.cuts.insert(link);
            }
            Command::Mend(link) => {
                self.cuts.remove(&link);
            }
            Command::Stall(id) => self.node(id)?.stalled = true,
            Command::Sync(id) => return self.sync(id),
            Command::Unstall(id) => {
                self.node(id)?.stalled = false;
                return self.sync(id);
            }
            Command::Crash(id) => self.node(id)?.crash()?,
            Command::Restart(id) => {
                self.node(id)?.open()?;
                return self.settle(id);
            }
            Command::Status => self.print_status(),
            Command::Log => self.print_logs(),
            Command::Messages => self.print_messages(),
            Command::Count => self.print_count(),
        }
        Ok(())
    }

    /// Nobody has heard from a leader for longer than any timeout, and `id` is the first to act.
    fn campaign(&mut self, id: NodeId) -> Result<(), CommandError> {
        self.wait(LONG, Some(id));
        self.time_out(id)
    }

    fn time_out(&mut self, id: NodeId) -> Result<(), CommandError> {
        self.node(id)?.time_out()?;
        self.settle(id)
    }

    fn wait(&mut self, span: Duration, but: Option<NodeId>) {
        for (id, node) in &mut self.nodes {
            if Some(*id) != but {
                node.now = node.now.after(span);
            }
        }
    }

    /// Lets deadlines pass in the order in which they fall due; when `delivering`, all that is sent
    /// arrives before the next.
    fn advance(&mut self, span: Duration, delivering: bool) -> Result<(), CommandError> {
        let mut left = span;
        for _ in 0..MAX_STEPS {
            if delivering {
                self.deliver(&Which::default())?;
            }
            let due = self
                .nodes
                .iter()
                .filter_map(|(id, node)| Some((node.until_deadline()?, *id)))
                .min()
                .filter(|(after, _)| *after <= left);
            let Some((after, id)) = due else {
                self.wait(left, None);
                return Ok(());
            };
            self.wait(after, None);
            left -= after;
            self.time_out(id)?;
        }
        Err(CommandError::Restless {
            what: "deadlines keep passing",
        })
    }

    fn propose(&mut self, id: NodeId, commands: &[String]) -> Result<(), CommandError> {
        let first = self.tickets;
        self.tickets += commands.len() as u64;
        self.node(id)?.propose(first, commands)?;
        self.settle(id)
    }

    fn sync(&mut self, id: NodeId) -> Result<(), CommandError> {
        self.node(id)?.sync()?;
        self.settle(id)
    }

    /// Delivers what is under way now; without a link, also what is sent in answer.
    fn deliver(&mut self, which: &Which) -> Result<(), CommandError> {
        let mut rounds = 0;
        loop {
            let chosen = self.take(which);
            if chosen.is_empty() {
                return Ok(());
            }
            for message in chosen {
                self.arrive(message)?;
            }
            if *which != Which::default() {
                return Ok(());
            }
            rounds += 1;
            if rounds == MAX_STEPS {
                return Err(CommandError::Restless {
                    what: "messages keep being sent",
                });
            }
        }
    }

    fn arrive(&mut self, message: Message) -> Result<(), CommandError> {
        let (from, to) = (message.from.id, message.to.id);
        let text = format!("{from}->{to} {}", print::message(&message));
        if self.cut(from, to) {
            self.output.push(format!("{text} (lost)"));
            return Ok(());
        }
        let node = self.node(to)?;
        if node.hull.is_none() {
            self.output.push(format!("{text} (lost: {to} is down)"));
            return Ok(());
        }
        node.receive(message);
        self.output.push(text);
        self.settle(to)
    }

    fn lose(&mut self, which: &Which) {
        for message in self.take(which) {
            let (from, to) = (message.from.id, message.to.id);
            let text = print::message(&message);
            self.output.push(format!("{from}->{to} {text} (lost)"));
        }
    }

    fn copy(&mut self, which: &Which) {
        let chosen = self.take(which);
        let doubled = chosen.iter().flat_map(|message| [message, message]);
        self.under_way.extend(doubled.cloned());
    }

    /// Takes the messages out that are meant.
    fn take(&mut self, which: &Which) -> Vec<Message> {
        let most = if which.first { 1 } else { usize::MAX };
        let (mut chosen, mut left) = (Vec::new(), Vec::new());
        for message in std::mem::take(&mut self.under_way) {
            if chosen.len() < most && self.is_meant(which, &message) {
                chosen.push(message);
            } else {
                left.push(message);
            }
        }
        self.under_way = left;
        chosen
    }

    fn is_meant(&self, which: &Which, message: &Message) -> bool {
        let link = Link {
            from: message.from.id,
            to: message.to.id,
        };
        let linked = match which.link {
            Some(wanted) => wanted == link,
            None => !self.held.contains(&link),
        };
        let kind = which.kind.as_deref();
        linked && kind.is_none_or(|kind| kind == message.body.name())
    }

    fn cut(&self, one: NodeId, other: NodeId) -> bool {
        let link = Link {
            from: one,
            to: other,
        };
        let group = |id| self.groups.iter().position(|group| group.contains(&id));
        self.cuts.contains(&link) || group(one) != group(other)
    }

    /// Lets a node write, send and apply until it has nothing more to do.
    fn settle(&mut self, id: NodeId) -> Result<(), CommandError> {
        let mut done = node::Done::default();
        self.node(id)?.settle(&mut done)?;
        for message in &done.sent {
            *self.sent.entry(message.body.name()).or_default() += 1;
        }
        self.under_way.append(&mut done.sent);
        let said = done.said.into_iter();
        self.output
            .extend(said.map(|text| format!("  {id} {text}")));
        Ok(())
    }

    fn node(&mut self, id: NodeId) -> Result<&mut Node, CommandError> {
        self.nodes
            .get_mut(&id)
            .ok_or(CommandError::NoSuchNode { node: id })
    }

    fn print_status(&mut self) {
        let lines = self.nodes.iter().map(|(id, node)| node.status(*id));
        self.output.extend(lines);
    }

    fn print_logs(&mut self) {
        let lines = self.nodes.iter().map(|(id, node)| node.log_line(*id));
        self.output.extend(lines);
    }

    fn print_count(&mut self) {
        let sent = std::mem::take(&mut self.sent);
        let lines = sent
            .into_iter()
            .map(|(kind, count)| format!("{count} {kind}"));
        self.output.extend(lines);
    }

    fn print_messages(&mut self) {
        for message in &self.under_way {
            let link = Link {
                from: message.from.id,
                to: message.to.id,
            };
            let held = if self.held.contains(&link) {
                " (held)"
            } else {
                ""
            };
            let text = print::message(message);
            let line = format!("{}->{} {text}{held}", link.from, link.to);
            self.output.push(line);
        }
    }
}

/// More nodes make no story.
const MAX_NODES: u64 = 9;
/// Rounds of messages, or deadlines, before a cluster counts as restless.
const MAX_STEPS: usize = 1_000;
/// Longer than any timeout that a node with default settings draws.
const LONG: Duration = Duration::from_secs(3);
