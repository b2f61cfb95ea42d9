//! A node to drive by hand: a hull, its log in memory, and a disk that waits to be told.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "each test file uses its own part of this, and a test may panic"
)]

use std::collections::VecDeque;
use std::time::Duration;

use raft_core::checksum::crc32c;
use raft_core::chunk::{Chunk, ChunkBuilder};
use raft_core::configuration::Configuration;
use raft_core::hull::{Hull, Input, Outcome, Proposals, Resolved, Setup};
use raft_core::ids::{Boot, EntryId, Incarnation, LogIndex, NodeId, Peer, Term, Ticket};
use raft_core::log::memory::MemoryLog;
use raft_core::log::{HardState, Write};
use raft_core::message::{
    AppendEntries, AppendEntriesReply, AppendVerdict, Body, Heartbeat, HeartbeatReply, Lane,
    Message, PreVote, PreVoteReply, RequestVote, RequestVoteReply,
};
use raft_core::record::{ClientHeader, Record};
use raft_core::settings::Settings;
use raft_core::states::Role;
use raft_core::time::{LogTime, Time};
use raft_core::trace::Event;

/// One node, driven by hand.
pub(crate) struct Node {
    pub(crate) hull: Hull,
    pub(crate) log: MemoryLog,
    pub(crate) now: Time,
    setup: Setup,
    /// Writes taken from the hull and not yet durable.
    pub(crate) writes: VecDeque<Write>,
    /// When false, writes wait in `writes` until `sync` is called.
    pub(crate) auto_sync: bool,
    pub(crate) applied: Vec<(EntryId, Vec<u8>)>,
    pub(crate) resolved: Vec<Resolved>,
    pub(crate) events: Vec<Event>,
    next_ticket: u64,
    last_attempt: u64,
}

pub(crate) fn peer(id: u64) -> Peer {
    Peer::new(NodeId::new(id), Incarnation::new(u128::from(id) * 1000))
}

pub(crate) fn id(index: u64, term: u64) -> EntryId {
    EntryId::new(Term::new(term), LogIndex::new(index))
}

pub(crate) fn index(index: u64) -> LogIndex {
    LogIndex::new(index)
}

/// The settings tests reckon with: heartbeats each 100 ms, elections after 1 to 2 s.
pub(crate) fn settings() -> Settings {
    Settings::default()
}

/// Entries with these terms, from `first` on, as chunks of one term each. The payload of each is
/// its own id as text.
pub(crate) fn chunks(first: u64, terms: &[u64]) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    let mut at = 0;
    while at < terms.len() {
        let run = terms[at..]
            .iter()
            .take_while(|term| **term == terms[at])
            .count();
        let mut builder = ChunkBuilder::new();
        for offset in 0..run {
            let payload = format!("{}@{}", first + (at + offset) as u64, terms[at]);
            builder
                .push_client(ClientHeader::default(), payload.as_bytes())
                .unwrap();
        }
        let (term, start) = (Term::new(terms[at]), index(first + at as u64));
        chunks.push(builder.seal(term, start, LogTime::ZERO, crc32c).unwrap());
        at += run;
    }
    chunks
}

impl Node {
    /// Node `me` of a cluster of `size` voters, with an empty log.
    pub(crate) fn new(me: u64, size: u64) -> Self {
        Self::with_log(me, size, MemoryLog::new())
    }

    /// Node 1 of three, in `term`, whose log holds entries of these terms: built by writing them
    /// to its log as an earlier boot would have.
    pub(crate) fn holding(term: u64, terms: &[u64]) -> Self {
        let mut log = MemoryLog::new();
        let mut first = Self::with_log(1, 3, log.clone());
        first.settle();
        log = first.log;
        let mut node = Self::with_log(1, 3, log);
        node.settle();
        if term > 0 {
            node.receive(2, term, append(id(0, 0), chunks(1, terms), 0));
            node.settle();
        }
        let log = node.log;
        let mut node = Self::with_log(1, 3, log);
        node.settle();
        node.events.clear();
        node
    }

    pub(crate) fn with_log(me: u64, size: u64, log: MemoryLog) -> Self {
        Self::with_setup(setup(me, size), log)
    }

    pub(crate) fn with_setup(setup: Setup, log: MemoryLog) -> Self {
        let now = Time::from_millis(1_000);
        let hull = Hull::open(setup.clone(), log.recovered(), now).expect("opens");
        Self {
            hull,
            log,
            now,
            setup,
            writes: VecDeque::new(),
            auto_sync: true,
            applied: Vec::new(),
            resolved: Vec::new(),
            events: Vec::new(),
            next_ticket: 0,
            last_attempt: 0,
        }
    }

    /// Loses everything that is not in the log, and starts again.
    pub(crate) fn restart(&mut self) {
        let mut setup = self.setup.clone();
        setup.seed += 1_000;
        let now = self.now;
        let mut node = Self::with_setup(setup, self.log.clone());
        node.now = node.now.max(now);
        node.auto_sync = self.auto_sync;
        *self = node;
    }

    pub(crate) fn step(&mut self, input: Input) {
        self.hull.step(self.now, input);
        self.settle();
    }

    /// Does all that the hull wants done but sending.
    pub(crate) fn settle(&mut self) {
        loop {
            let mut busy = false;
            while let Some(write) = self.hull.next_write() {
                self.writes.push_back(write);
                busy = true;
            }
            if self.auto_sync {
                busy |= self.write_one();
            }
            while let Some(load) = self.hull.next_load() {
                let result = self.log.read(load.range, load.max_bytes);
                let loaded = raft_core::hull::Loaded {
                    number: load.number,
                    result,
                };
                self.hull.step(self.now, Input::Loaded(loaded));
                busy = true;
            }
            while let Some(resolved) = self.hull.next_resolved() {
                self.resolved.push(resolved);
            }
            while let Some(apply) = self.hull.next_apply(1 << 20) {
                for entry in apply.chunks.iter().flat_map(Chunk::entries) {
                    let payload = match entry.record {
                        Record::Client { payload, .. } => payload.to_vec(),
                        _ => Vec::new(),
                    };
                    self.applied.push((entry.id, payload));
                }
                self.hull.step(self.now, Input::Applied(apply.last_index()));
                busy = true;
            }
            while let Some(event) = self.hull.next_event() {
                self.events.push(event);
            }
            assert_eq!(self.hull.fault(), None);
            if !busy {
                return;
            }
        }
    }

    /// Makes the oldest write durable.
    pub(crate) fn write_one(&mut self) -> bool {
        let Some(write) = self.writes.pop_front() else {
            return false;
        };
        let durable = self.log.write(write).expect("memory log accepts");
        self.hull.step(self.now, Input::Durable(durable));
        true
    }

    /// Makes all writes durable.
    pub(crate) fn sync(&mut self) {
        while self.write_one() {
            self.settle();
        }
    }

    /// Everything the hull has to say now, to whomever.
    pub(crate) fn sent(&mut self) -> Vec<Message> {
        let mut sent = Vec::new();
        for to in self.hull.destinations() {
            for lane in Lane::ALL {
                while let Some(message) = self.hull.next_send(to, lane, usize::MAX) {
                    sent.push(message);
                }
            }
        }
        sent
    }

    /// The bodies of what the hull has to say to node `to`.
    pub(crate) fn sent_to(&mut self, to: u64) -> Vec<Body> {
        let sent = self.sent().into_iter();
        sent.filter(|message| message.to == peer(to))
            .map(|message| message.body)
            .collect()
    }

    /// A message from node `from`, in `term`.
    pub(crate) fn receive(&mut self, from: u64, term: u64, body: Body) {
        let message = Message {
            from: peer(from),
            to: self.hull.me(),
            term: Term::new(term),
            body,
        };
        self.step(Input::Message(message));
    }

    /// Lets time pass to the hull's deadline, and past it.
    pub(crate) fn time_out(&mut self) {
        self.now = self.hull.deadline().expect("has a deadline").max(self.now);
        self.step(Input::DeadlinePassed);
    }

    /// Lets this much time pass, stopping at each deadline.
    pub(crate) fn wait(&mut self, span: Duration) {
        let until = self.now.after(span);
        while let Some(deadline) = self.hull.deadline().filter(|deadline| *deadline <= until) {
            self.now = deadline.max(self.now);
            self.step(Input::DeadlinePassed);
        }
        self.now = until;
    }

    /// Makes the node leader, with the votes of all others up to a majority.
    pub(crate) fn elect(&mut self) -> u64 {
        let voters = self.hull.configuration().ids().len() as u64;
        for _ in 0..10 {
            if self.hull.role() == Role::PreCandidate {
                break;
            }
            self.time_out();
        }
        for from in 2..=voters {
            self.pre_vote(from, true);
        }
        for from in 2..=voters {
            let term = self.term();
            self.receive(from, term, vote_reply(true));
        }
        assert_eq!(self.hull.role(), Role::Leader);
        self.sent();
        self.term()
    }

    /// Node `from` answers the pre-vote that is under way.
    pub(crate) fn pre_vote(&mut self, from: u64, granted: bool) {
        let attempt = self
            .sent()
            .iter()
            .rev()
            .find_map(|message| match message.body {
                Body::PreVote(PreVote { attempt, .. }) => Some(attempt),
                _ => None,
            });
        let attempt = attempt.unwrap_or(self.last_attempt);
        self.last_attempt = attempt;
        let term = self.term();
        let reply = PreVoteReply {
            attempt,
            asked: Term::new(term + 1),
            granted,
        };
        self.receive(from, term, Body::PreVoteReply(reply));
    }

    /// Hands in one command; its ticket is returned.
    pub(crate) fn propose(&mut self, payload: &[u8]) -> Ticket {
        self.next_ticket += 1;
        let ticket = Ticket::new(self.next_ticket);
        let mut proposals = Proposals::new();
        proposals
            .push_client(ticket, ClientHeader::default(), payload)
            .unwrap();
        self.step(Input::Propose(proposals));
        ticket
    }

    pub(crate) fn outcome(&self, ticket: Ticket) -> Option<Outcome> {
        let mut found = self
            .resolved
            .iter()
            .filter(|resolved| resolved.ticket == ticket);
        let outcome = found.next().map(|resolved| resolved.outcome);
        assert!(found.next().is_none(), "{ticket} resolved twice");
        outcome
    }

    pub(crate) fn term(&self) -> u64 {
        self.hull.term().get()
    }

    /// The terms of all entries.
    pub(crate) fn terms(&self) -> Vec<u64> {
        (1..=self.hull.last().index.get())
            .map(|at| self.hull.term_at(index(at)).expect("in the log").get())
            .collect()
    }

    pub(crate) fn commit(&self) -> u64 {
        self.hull.commit_index().get()
    }

    pub(crate) fn hard(&self) -> HardState {
        self.log.recovered().hard
    }

    pub(crate) fn boot(&self) -> Boot {
        self.hull.boot()
    }
}

pub(crate) fn setup(me: u64, size: u64) -> Setup {
    Setup {
        me: peer(me),
        founding: Configuration::of_voters((1..=size).map(peer)),
        settings: settings(),
        seed: me,
        checksum: crc32c,
    }
}

pub(crate) fn append(previous: EntryId, chunks: Vec<Chunk>, commit: u64) -> Body {
    append_numbered(1, previous, chunks, commit)
}

pub(crate) fn append_numbered(
    request: u64,
    previous: EntryId,
    chunks: Vec<Chunk>,
    commit: u64,
) -> Body {
    Body::AppendEntries(AppendEntries {
        request,
        previous,
        commit: index(commit),
        chunks,
    })
}

pub(crate) fn request_vote(last: EntryId) -> Body {
    Body::RequestVote(RequestVote {
        last,
        transfer: false,
    })
}

pub(crate) fn vote_reply(granted: bool) -> Body {
    Body::RequestVoteReply(RequestVoteReply { granted })
}

pub(crate) fn pre_vote(attempt: u64, last: EntryId) -> Body {
    Body::PreVote(PreVote { attempt, last })
}

pub(crate) fn heartbeat(round: u64, commit: u64) -> Body {
    Body::Heartbeat(Heartbeat {
        round,
        commit: index(commit),
    })
}

pub(crate) fn heartbeat_reply(round: u64) -> Body {
    Body::HeartbeatReply(HeartbeatReply { round })
}

pub(crate) fn matched(request: u64, at: u64) -> Body {
    let verdict = AppendVerdict::Matched(index(at));
    Body::AppendEntriesReply(AppendEntriesReply { request, verdict })
}

pub(crate) fn conflict(request: u64, refused: u64, hint: EntryId) -> Body {
    let verdict = AppendVerdict::Conflict {
        refused: index(refused),
        hint,
    };
    Body::AppendEntriesReply(AppendEntriesReply { request, verdict })
}
