//! One node of a script: a hull, a disk, and what the hull would have a driver do.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use raft_core::checksum::crc32c;
use raft_core::configuration::Configuration;
use raft_core::hull::{Hull, Input, Loaded, Proposals, Setup};
use raft_core::ids::{LogIndex, NodeId, Peer, Ticket};
use raft_core::log::memory::MemoryLog;
use raft_core::log::{Durable, Write};
use raft_core::message::{Lane, Message};
use raft_core::record::ClientHeader;
use raft_core::settings::Settings;
use raft_core::time::Time;

use crate::script::command::CommandError;
use crate::script::print;

/// One node.
#[derive(Debug)]
pub(super) struct Node {
    me: Peer,
    founding: Configuration,
    settings: Settings,
    /// This node's clock.
    pub(super) now: Time,
    /// Present while the node runs.
    pub(super) hull: Option<Hull>,
    /// Whether the disk makes nothing durable.
    pub(super) stalled: bool,
    /// All that was written.
    log: MemoryLog,
    /// What of it would survive a crash.
    disk: MemoryLog,
    unsynced: VecDeque<(Write, Durable)>,
}

/// What a node did when it was let run.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// What it sent.
    pub(super) sent: Vec<Message>,
    /// What is to be printed.
    pub(super) said: Vec<String>,
}

impl Node {
    pub(super) fn new(me: Peer, founding: Configuration, settings: Settings) -> Self {
        Self {
            me,
            founding,
            settings,
            now: Time::from_millis(1),
            hull: None,
            stalled: false,
            log: MemoryLog::new(),
            disk: MemoryLog::new(),
            unsynced: VecDeque::new(),
        }
    }

    /// Starts from what is on the disk.
    pub(super) fn open(&mut self) -> Result<(), CommandError> {
        let node = self.me.id;
        if self.hull.is_some() {
            let what = "running";
            return Err(CommandError::Running { node, what });
        }
        let recovered = self.disk.recovered();
        let setup = Setup {
            me: self.me,
            founding: self.founding.clone(),
            settings: self.settings,
            seed: (node.get() << 32) ^ (recovered.hard.boot.get() << 48),
            checksum: crc32c,
        };
        let hull = Hull::open(setup, recovered, self.now)
            .map_err(|error| CommandError::NotOpened { node, error })?;
        self.log = self.disk.clone();
        self.hull = Some(hull);
        Ok(())
    }

    /// Stops at once. What is not durable is gone.
    pub(super) fn crash(&mut self) -> Result<(), CommandError> {
        let node = self.me.id;
        self.unsynced.clear();
        self.log = self.disk.clone();
        match self.hull.take() {
            Some(_) => Ok(()),
            None => Err(CommandError::Running { node, what: "down" }),
        }
    }

    pub(super) fn receive(&mut self, message: Message) {
        if let Some(hull) = &mut self.hull {
            hull.step(self.now, Input::Message(message));
        }
    }

    /// Moves the clock to the next deadline, which passes.
    pub(super) fn time_out(&mut self) -> Result<(), CommandError> {
        let node = self.me.id;
        let hull = self.hull.as_mut();
        let hull = hull.ok_or(CommandError::Running { node, what: "down" })?;
        let deadline = hull.deadline();
        let deadline = deadline.ok_or(CommandError::NoDeadline { node })?;
        self.now = self.now.max(deadline);
        hull.step(self.now, Input::DeadlinePassed);
        Ok(())
    }

    pub(super) fn until_deadline(&self) -> Option<Duration> {
        let deadline = self.hull.as_ref()?.deadline()?;
        Some(deadline.since(self.now))
    }

    pub(super) fn propose(&mut self, first: u64, commands: &[String]) -> Result<(), CommandError> {
        let node = self.me.id;
        let hull = self.hull.as_mut();
        let hull = hull.ok_or(CommandError::Running { node, what: "down" })?;
        let mut proposals = Proposals::new();
        for (number, command) in (first..).zip(commands) {
            proposals
                .push_client(
                    Ticket::new(number),
                    ClientHeader::default(),
                    command.as_bytes(),
                )
                .map_err(CommandError::TooLarge)?;
        }
        hull.step(self.now, Input::Propose(proposals));
        Ok(())
    }

    /// Makes all that was written durable.
    pub(super) fn sync(&mut self) -> Result<(), CommandError> {
        while let Some((write, durable)) = self.unsynced.pop_front() {
            self.disk
                .write(write)
                .map_err(|error| CommandError::LogRefused {
                    node: self.me.id,
                    error,
                })?;
            if let Some(hull) = &mut self.hull {
                hull.step(self.now, Input::Durable(durable));
            }
        }
        Ok(())
    }

    /// Does what the hull wants until it wants nothing more.
    pub(super) fn settle(&mut self, done: &mut Done) -> Result<(), CommandError> {
        let mut quiet = false;
        while !quiet {
            let wrote = self.begin_writes()?;
            if !self.stalled {
                self.sync()?;
            }
            let Some(hull) = &mut self.hull else {
                return Ok(());
            };
            // What is to be sent may have to be loaded first.
            send(hull, done);
            let loaded = load(hull, &self.log, self.now);
            tell(hull, done);
            let applied = apply(hull, self.now, done);
            // What is to be applied may have to be loaded first, too.
            let loaded = load(hull, &self.log, self.now) || loaded;
            quiet = !wrote && !loaded && !applied;
        }
        Ok(())
    }

    fn begin_writes(&mut self) -> Result<bool, CommandError> {
        let mut any = false;
        while let Some(write) = self.hull.as_mut().and_then(Hull::next_write) {
            any = true;
            let copy = copy_of(&write);
            let durable = self
                .log
                .write(write)
                .map_err(|error| CommandError::LogRefused {
                    node: self.me.id,
                    error,
                })?;
            self.unsynced.push_back((copy, durable));
        }
        Ok(any)
    }

    pub(super) fn status(&self, id: NodeId) -> String {
        let Some(hull) = &self.hull else {
            return format!("{id} down, {} on disk", self.disk.last_id());
        };
        let name = |id: Option<NodeId>| id.map_or_else(|| "nobody".to_owned(), |id| id.to_string());
        let role = print::role(hull.role());
        format!(
            "{id} {role} in {}, voted for {}, follows {}, last {}, durable {}, committed {}, applied {}",
            hull.term(),
            name(hull.vote()),
            name(hull.leader()),
            hull.last(),
            hull.durable_index(),
            hull.commit_index(),
            hull.applied_index(),
        )
    }

    /// The log; what is known to be committed stands before the bar.
    pub(super) fn log_line(&self, id: NodeId) -> String {
        let all = LogIndex::ZERO.next()..LogIndex::new(u64::MAX);
        let chunks = self.log.read(all, usize::MAX).unwrap_or_default();
        let commit = self
            .hull
            .as_ref()
            .map_or(LogIndex::ZERO, Hull::commit_index);
        let parts = |from: LogIndex, to: LogIndex| {
            let views: Vec<_> = chunks
                .iter()
                .filter_map(|chunk| chunk.slice(from..to))
                .collect();
            print::entries(&views)
        };
        let committed = parts(LogIndex::ZERO, commit.next());
        let open = parts(commit.next(), LogIndex::new(u64::MAX));
        format!("{id} {committed} | {open}").trim_end().to_owned()
    }
}

/// The same write for the disk. Its receipt proves nothing to the hull.
fn copy_of(write: &Write) -> Write {
    Write {
        truncate_from: write.truncate_from,
        append: write.append.clone(),
        snapshot: write.snapshot.clone(),
        drop_before: write.drop_before,
        identity: write.identity.clone(),
        ..Write::of_identity(write.hard, Bytes::new())
    }
}

fn load(hull: &mut Hull, log: &MemoryLog, now: Time) -> bool {
    let mut any = false;
    while let Some(load) = hull.next_load() {
        any = true;
        let loaded = Loaded {
            number: load.number,
            result: log.read(load.range, load.max_bytes),
        };
        hull.step(now, Input::Loaded(loaded));
    }
    any
}

fn send(hull: &mut Hull, done: &mut Done) {
    let mut after = None;
    while let Some(to) = hull.next_destination(after) {
        after = Some(to);
        for lane in Lane::ALL {
            while let Some(message) = hull.next_send(to, lane, usize::MAX) {
                done.sent.push(message);
            }
        }
    }
}

fn tell(hull: &mut Hull, done: &mut Done) {
    while let Some(event) = hull.next_event() {
        done.said.push(print::event(&event));
    }
    while let Some(resolved) = hull.next_resolved() {
        done.said.push(print::resolved(&resolved));
    }
}

fn apply(hull: &mut Hull, now: Time, done: &mut Done) -> bool {
    let Some(apply) = hull.next_apply(usize::MAX) else {
        return false;
    };
    done.said
        .push(format!("applies {}", print::entries(&apply.chunks)));
    hull.step(now, Input::Applied(apply.last_index()));
    true
}
