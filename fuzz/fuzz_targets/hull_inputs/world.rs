//! The nodes, what is under way between them, and what must hold of all together.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use raft_core::checksum::crc32c;
use raft_core::chunk::{Chunk, ChunkBuilder};
use raft_core::configuration::{Configuration, Member, MemberRole};
use raft_core::few::Few;
use raft_core::hull::Input;
use raft_core::ids::{EntryId, Incarnation, LogIndex, NodeId, Peer, Term};
use raft_core::message::{
    AppendEntries, AppendEntriesReply, AppendVerdict, Body, Heartbeat, HeartbeatReply, Message,
    PreVote, PreVoteReply, RequestVote, RequestVoteReply, TimeoutNow,
};
use raft_core::states::Role;
use raft_core::time::LogTime;

use crate::act::{Act, FalseBody, Id, Lie, Number, Plan, Run, What};
use crate::node::{Node, peer};

/// All there is.
pub(crate) struct World {
    nodes: Vec<Node>,
    lies: bool,
    wire: VecDeque<Message>,
    /// Who led which term.
    leaders: BTreeMap<Term, NodeId>,
}

impl World {
    pub(crate) fn new(plan: &Plan) -> Self {
        let count = if plan.three { 3 } else { 1 };
        // A hull alone still has two others to wait for, unless it is the only voter.
        let voters = if plan.three || plan.tiny & 128 == 0 {
            3
        } else {
            1
        };
        let mut world = Self {
            nodes: (1..=count).map(|id| Node::new(id, voters, plan)).collect(),
            lies: plan.lies,
            wire: VecDeque::new(),
            leaders: BTreeMap::new(),
        };
        world.pull();
        world
    }

    pub(crate) fn run(&mut self, acts: &[Act]) {
        for act in acts.iter().take(MAX_ACTS) {
            self.act(act);
            self.pull();
        }
    }

    fn act(&mut self, act: &Act) {
        match act {
            Act::Deliver { which, again } => self.deliver(*which, *again),
            Act::DeliverMany { count } => {
                for _ in 0..*count % 32 {
                    self.deliver(0, false);
                    self.pull();
                }
            }
            Act::Lose { which } => {
                let _ = self.take(*which);
            }
            Act::Lie { node, lie } if self.lies => {
                let node = self.node(*node);
                let message = message_of(lie, node);
                node.step(Input::Message(message));
            }
            Act::Lie { .. } => {}
            Act::Wait { node, milliseconds } => {
                self.wait(
                    *node,
                    Duration::from_millis(u64::from(*milliseconds) % 3_000),
                );
            }
            Act::Rouse { node } => self.node(*node).step(Input::Rouse),
            Act::DeadlinePassed { node } => self.node(*node).step(Input::DeadlinePassed),
            Act::Sync { node, count } => {
                let node = self.node(*node);
                (0..*count % 4 + 1).for_each(|_| node.sync());
            }
            Act::Load { node, which } => self.node(*node).load(*which),
            Act::Apply { node, index } => {
                let node = self.node(*node);
                let (last, commit) = (node.hull.last().index, node.hull.commit_index());
                node.apply(index.map(|index| index.of(last.get(), commit.get())));
            }
            Act::Propose { node, lengths } => {
                let lengths = lengths.get(..8).unwrap_or(lengths);
                self.node(*node).propose(lengths, false);
            }
            Act::ProposeNoOp { node } => self.node(*node).propose(&[], true),
            Act::Transfer { node, to } => self.node(*node).transfer(*to % 5),
            Act::ConnectionLost { node, other } => {
                let other = NodeId::new(u64::from(*other % 5));
                self.node(*node).step(Input::ConnectionLost(other));
            }
            Act::Fail { node, load } => self.node(*node).fail(*load),
            Act::Restart { node, kept } => self.node(*node).restart(*kept % 4),
        }
    }

    fn node(&mut self, node: u8) -> &mut Node {
        let count = self.nodes.len();
        &mut self.nodes[usize::from(node) % count]
    }

    fn take(&mut self, which: u8) -> Option<Message> {
        let which = usize::from(which).checked_rem(self.wire.len())?;
        self.wire.remove(which)
    }

    fn deliver(&mut self, which: u8, again: bool) {
        let Some(message) = self.take(which) else {
            return;
        };
        if again {
            self.wire.push_back(message.clone());
        }
        let mut nodes = self.nodes.iter_mut();
        if let Some(node) = nodes.find(|node| node.hull.me() == message.to) {
            node.step(Input::Message(message));
        }
    }

    fn wait(&mut self, node: u8, span: Duration) {
        let node = self.node(node);
        let until = node.now.after(span);
        for round in 0.. {
            assert!(round < 10_000, "the deadline does not move on");
            let Some(deadline) = node.hull.deadline().filter(|deadline| *deadline <= until) else {
                break;
            };
            node.now = node.now.max(deadline);
            node.step(Input::DeadlinePassed);
        }
        node.now = until;
    }

    fn pull(&mut self) {
        for node in &mut self.nodes {
            node.pull(&mut self.wire);
        }
        if !self.lies {
            self.agree();
        }
    }

    /// What holds among nodes that do not lie.
    fn agree(&mut self) {
        let mut applied = BTreeMap::new();
        for node in &self.nodes {
            let (term, me) = (node.hull.term(), node.hull.me().id);
            if node.hull.role() == Role::Leader {
                let leader = *self.leaders.entry(term).or_insert(me);
                assert_eq!(leader, me, "two leaders in {term}");
            }
            for (index, entry) in &node.applied {
                let first = *applied.entry(index).or_insert(entry);
                assert_eq!(first, entry, "two entries applied at {index}");
            }
        }
    }
}

/// The message that a lie says was sent to this node.
fn message_of(lie: &Lie, node: &Node) -> Message {
    let lives = |id: u64, other: bool| {
        let peer = peer(id);
        if other {
            Peer::new(peer.id, Incarnation::new(7))
        } else {
            peer
        }
    };
    let to = node.hull.me().id.get();
    Message {
        from: lives(u64::from(lie.from % 6), lie.other_lives % 16 == 1),
        to: lives(to, lie.other_lives % 16 == 2),
        term: Term::new(term_of(lie.term, node)),
        body: body_of(&lie.body, node),
    }
}

fn term_of(number: Number, node: &Node) -> u64 {
    number.of(node.hull.term().get(), node.hull.last().term.get())
}

fn index_of(number: Number, node: &Node) -> LogIndex {
    let hull = &node.hull;
    LogIndex::new(number.of(hull.last().index.get(), hull.commit_index().get()))
}

/// An entry's id; near numbers give one that the node has.
fn id_of(id: &Id, node: &Node) -> EntryId {
    let index = index_of(id.index, node);
    let held = node.hull.term_at(index).unwrap_or(node.hull.last().term);
    EntryId::new(
        Term::new(id.term.of(held.get(), node.hull.term().get())),
        index,
    )
}

/// A number that counts requests, rounds or attempts.
fn plain(number: &Number) -> u64 {
    number.of(1, 0)
}

fn answer(request: &Number, verdict: AppendVerdict) -> Body {
    let request = plain(request);
    Body::AppendEntriesReply(AppendEntriesReply { request, verdict })
}

fn refusal(lost: bool, refused: LogIndex, hint: EntryId) -> AppendVerdict {
    if lost {
        AppendVerdict::Lost { refused, hint }
    } else {
        AppendVerdict::Conflict { refused, hint }
    }
}

fn body_of(body: &FalseBody, node: &Node) -> Body {
    match body {
        FalseBody::PreVote { attempt, last } => Body::PreVote(PreVote {
            attempt: plain(attempt),
            last: id_of(last, node),
        }),
        FalseBody::PreVoteReply {
            attempt,
            asked,
            granted,
        } => Body::PreVoteReply(PreVoteReply {
            attempt: plain(attempt),
            asked: Term::new(asked.of(node.hull.term().next().get(), 0)),
            granted: *granted,
        }),
        FalseBody::RequestVote { last, transfer } => Body::RequestVote(RequestVote {
            last: id_of(last, node),
            transfer: *transfer,
        }),
        FalseBody::RequestVoteReply { granted } => {
            Body::RequestVoteReply(RequestVoteReply { granted: *granted })
        }
        FalseBody::AppendEntries {
            request,
            previous,
            commit,
            runs,
        } => {
            let previous = id_of(previous, node);
            Body::AppendEntries(AppendEntries {
                request: plain(request),
                previous,
                commit: index_of(*commit, node),
                chunks: chunks_of(runs, previous, node),
            })
        }
        FalseBody::Matched { request, index } => {
            answer(request, AppendVerdict::Matched(index_of(*index, node)))
        }
        FalseBody::Conflict(request, refused, hint, lost) => {
            let (refused, hint) = (index_of(*refused, node), id_of(hint, node));
            answer(request, refusal(*lost, refused, hint))
        }
        FalseBody::StaleTerm { request } => answer(request, AppendVerdict::StaleTerm),
        FalseBody::Heartbeat(round, commit, quiet) => Body::Heartbeat(Heartbeat {
            round: plain(round),
            commit: index_of(*commit, node),
            quiet: *quiet,
        }),
        FalseBody::HeartbeatReply { round, promise } => Body::HeartbeatReply(HeartbeatReply {
            round: Some(plain(round)),
            promise: Duration::from_millis(u64::from(*promise)),
        }),
        FalseBody::TimeoutNow { round, last } => Body::TimeoutNow(TimeoutNow {
            round: plain(round),
            last: id_of(last, node),
        }),
    }
}

/// Chunks as they would come through the gate: each is well formed, what they say together need
/// not be.
fn chunks_of(runs: &[Run], previous: EntryId, node: &Node) -> Few<Chunk> {
    let mut chunks = Few::new();
    let mut last = previous.index;
    for run in runs.iter().take(4) {
        let builder = builder_of(&run.what);
        let first = last.next().get().saturating_add_signed(run.gap.into());
        let term = run.term.of(node.hull.term().get(), previous.term.get());
        let time = LogTime::from_millis(run.time.of(0, 0));
        let Some(chunk) = builder.seal(Term::new(term), LogIndex::new(first), time, crc32c) else {
            continue;
        };
        let chunk = match run.what {
            What::IdsOnly { .. } => chunk.ids_only(crc32c),
            _ => chunk,
        };
        // Only what the gate lets in can arrive.
        let limits = Default::default();
        if let Ok(chunk) = Chunk::parse(chunk.encode(crc32c), limits, crc32c) {
            last = chunk.last_index();
            chunks.push(chunk);
        }
    }
    chunks
}

fn builder_of(what: &What) -> ChunkBuilder {
    let mut builder = ChunkBuilder::new();
    let mut push = |count: u8, length: u8| {
        let payload = vec![count; length.into()];
        (0..count % 8 + 1).try_for_each(|_| builder.push_client(Default::default(), &payload))
    };
    let pushed = match what {
        What::Commands { count, length } => push(*count, *length),
        What::IdsOnly { count } => push(*count, 9),
        What::NoOp => builder.push_no_op(),
        What::Unknown { kind, length } => builder.push_raw(*kind, &vec![0; usize::from(*length)]),
        What::Configuration { members, outgoing } => {
            let half = |members: &Vec<(u8, u8)>| {
                let members = members.iter().take(6);
                members.map(|(id, role)| member_of(*id, *role)).collect()
            };
            builder.push_config(&Configuration {
                members: half(members),
                outgoing: outgoing.as_ref().map(half),
                target: None,
            })
        }
    };
    pushed.expect("a small batch is not full");
    builder
}

fn member_of(id: u8, role: u8) -> (NodeId, Member) {
    let peer = peer(u64::from(id % 6));
    let roles = [MemberRole::Voter, MemberRole::Learner, MemberRole::Witness];
    let member = Member {
        role: roles[usize::from(role) % 3],
        ..Member::voter(peer.incarnation)
    };
    (peer.id, member)
}

/// Acts looked at in one run.
const MAX_ACTS: usize = 500;
