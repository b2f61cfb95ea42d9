//! What must hold, and what has to be remembered to check it.
//!
//! Written over what a hull shows and what is on its disk; nothing here uses `raft_core::rules`.

use std::collections::BTreeMap;

use raft_core::ids::{NodeId, Term};
use raft_core::message::{
    AppendEntriesReply, AppendVerdict, Body, InstallSnapshotReply, InstallVerdict, Message,
    RequestVoteReply,
};
use raft_core::states::Role;

use super::alike::{Images, Renamings};
use super::members;
use super::node::{Done, Entry, Node, Read, letter};
use super::slices::Slices;
use super::table::{Table, View, place_of};
use super::{Breach, Stop};
use crate::checkers::property;

/// What the present states of the nodes no longer tell.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub(super) struct Past {
    /// Who was elected, by term.
    winners: Vec<Option<u8>>,
    /// What was ever committed, with the term of who said so first.
    committed: Vec<(Entry, u64)>,
    /// Of each node that was asked for a read, how many entries were committed then.
    reads: BTreeMap<u8, usize>,
}

/// All pasts met so far, each with a number.
#[derive(Debug)]
pub(super) struct Pasts {
    pasts: Vec<Past>,
    images: Images,
    numbers: BTreeMap<Past, u32>,
    /// What a past becomes by a step, when so much of it is over: as many as `outcomes`.
    steps: Slices,
    outcomes: Vec<Result<u32, Breach>>,
}

impl Pasts {
    /// With the one at the beginning, whose number is 0.
    pub(super) fn new(renamings: &Renamings) -> Self {
        let mut pasts = Self {
            pasts: Vec::new(),
            images: Images::default(),
            numbers: BTreeMap::new(),
            steps: Slices::new(),
            outcomes: Vec::new(),
        };
        pasts.intern(&Past::default(), renamings);
        pasts
    }

    pub(super) fn get(&self, number: u32) -> &Past {
        &self.pasts[number as usize]
    }

    /// What a renaming makes of a past.
    pub(super) fn image(&self, past: u32, renaming: usize, renamings: &Renamings) -> u32 {
        self.images.get(past, renaming, renamings)
    }

    /// What becomes of a past by a step, if it was asked before. No node will be in a
    /// term before `over` again.
    pub(super) fn known(&self, past: u32, step: u32, over: u64) -> Option<&Result<u32, Breach>> {
        let number = self.steps.find(&[past, step, over as u32])?;
        self.outcomes.get(number as usize)
    }

    /// The same, found out.
    pub(super) fn find_out(
        &mut self,
        past: u32,
        number: u32,
        over: u64,
        table: &Table,
    ) -> Result<(), Stop> {
        let key = [past, number, over as u32];
        let (_, new) = self.steps.intern(&key).ok_or(Stop::Numbers)?;
        if new {
            let (before, step) = table.step_from(number);
            let after = &table.local(step.next).view;
            let node = place_of(before.node.hull().me().id);
            let known = self.get(past);
            let next = known
                .after(node, &before.view, after, &step.applied)
                .and_then(|next| next.after_read(node, known, step.read));
            let next = next.map(|next| self.intern(&next.without(over), &table.renamings));
            self.outcomes.push(next);
        }
        Ok(())
    }

    fn intern(&mut self, past: &Past, renamings: &Renamings) -> u32 {
        if let Some(number) = self.numbers.get(past) {
            return *number;
        }
        let renamed = |renaming| past.renamed(renaming, renamings);
        let orbit: Vec<Past> = (0..renamings.count()).map(renamed).collect();
        let numbers: Vec<u32> = orbit.into_iter().map(|past| self.number_of(past)).collect();
        // Renaming a past is no matter of hulls: it always agrees.
        self.images.note(&numbers, renamings);
        numbers[0]
    }

    fn number_of(&mut self, past: Past) -> u32 {
        if let Some(number) = self.numbers.get(&past) {
            return *number;
        }
        let number = u32::try_from(self.pasts.len()).unwrap_or(u32::MAX);
        self.pasts.push(past.clone());
        self.numbers.insert(past, number);
        number
    }
}

impl Past {
    pub(super) const fn committed(&self) -> &Vec<(Entry, u64)> {
        &self.committed
    }

    /// The past after one node's step, which changed something.
    pub(super) fn after(
        &self,
        node: usize,
        before: &View,
        after: &View,
        applied: &[Entry],
    ) -> Result<Self, Breach> {
        let mut past = self.clone();
        let elected = after.role == Role::Leader
            && (before.role != Role::Leader || before.term != after.term);
        if elected {
            past.elect(node, after)?;
        }
        past.commit(after)?;
        past.check_applied(applied)?;
        Ok(past)
    }

    /// The same after what became of a read at a node. Nothing was known of it before `known`.
    fn after_read(mut self, node: usize, known: &Self, read: Option<Read>) -> Result<Self, Breach> {
        let this = u8::try_from(node).unwrap_or(u8::MAX);
        match read {
            None => {}
            Some(Read::Asked) => {
                self.reads.insert(this, known.committed.len());
            }
            Some(Read::Over) => {
                self.reads.remove(&this);
            }
            Some(Read::At(index)) => {
                let asked = self.reads.remove(&this);
                let least = asked.unwrap_or(known.committed.len());
                if index < least as u64 {
                    let this = this + 1;
                    let text = format!(
                        "n{this} lets a client read from {index} on; {least} were committed when it asked"
                    );
                    return Err(Breach::new(property::READS, text));
                }
            }
        }
        Ok(self)
    }

    /// Without what makes no difference when no node will be in a term before `over` again: who
    /// won those terms, and in which of them an entry was committed.
    fn without(mut self, over: u64) -> Self {
        for (_, winner) in (0..over).zip(&mut self.winners) {
            *winner = None;
        }
        while self.winners.last() == Some(&None) {
            self.winners.pop();
        }
        for (_, since) in &mut self.committed {
            if *since < over {
                *since = 0;
            }
        }
        self
    }

    fn renamed(&self, renaming: usize, renamings: &Renamings) -> Self {
        let name = |node: u8| renamings.node(renaming, usize::from(node)) as u8;
        let text = |content: u8| match content.checked_sub(letter(NodeId::new(1))) {
            Some(node) => name(node) + letter(NodeId::new(1)),
            None => content,
        };
        let committed = self.committed.iter().map(|(entry, since)| {
            let content = text(entry.content);
            let sets = entry.sets.map(|sets| sets.renamed(name));
            let entry = Entry {
                content,
                sets,
                ..*entry
            };
            (entry, *since)
        });
        Self {
            winners: self.winners.iter().map(|node| node.map(name)).collect(),
            committed: committed.collect(),
            reads: self
                .reads
                .iter()
                .map(|(node, least)| (name(*node), *least))
                .collect(),
        }
    }

    fn elect(&mut self, node: usize, leader: &View) -> Result<(), Breach> {
        let term = usize::try_from(leader.term).unwrap_or(usize::MAX);
        let this = u8::try_from(node).unwrap_or(u8::MAX);
        if self.winners.len() <= term {
            self.winners.resize(term + 1, None);
        }
        if let Some(winner) = self.winners[term].replace(this) {
            let (winner, this) = (winner + 1, this + 1);
            let text = format!("T{term} was won by n{winner}, and again by n{this}");
            return Err(Breach::new(property::ELECTION_SAFETY, text));
        }
        for (entry, since) in &self.committed {
            if *since < leader.term && !holds(&leader.log, entry) {
                let text = format!(
                    "n{this} is elected in T{term} without {entry}, committed before",
                    this = this + 1,
                );
                return Err(Breach::new(property::LEADER_COMPLETENESS, text));
            }
        }
        Ok(())
    }

    fn commit(&mut self, view: &View) -> Result<(), Breach> {
        let shown = view.log.get(..view.commit).unwrap_or(&view.log);
        for (at, entry) in shown.iter().enumerate() {
            match self.committed.get(at) {
                Some((known, _)) if known.is(entry) => {}
                Some((known, _)) => {
                    let text = format!("{entry} is committed, and so is {known}");
                    return Err(Breach::new(property::STATE_MACHINE_SAFETY, text));
                }
                None => self.committed.push((*entry, view.term)),
            }
        }
        Ok(())
    }

    fn check_applied(&self, applied: &[Entry]) -> Result<(), Breach> {
        for entry in applied {
            if !self.committed.iter().any(|(known, _)| known.is(entry)) {
                let text = format!("{entry} is applied and was never committed");
                return Err(Breach::new(property::STATE_MACHINE_SAFETY, text));
            }
        }
        Ok(())
    }
}

/// What must hold of all nodes together, after `node` did something.
pub(super) fn joint_violation(
    past: &Past,
    node: usize,
    views: &[&View],
    members_change: bool,
) -> Option<Breach> {
    let own = views[node];
    for other in views {
        if let Some(entry) = differs_below(&own.log, &other.log) {
            let text = format!("two logs hold the same entry and differ below it, at {entry}");
            return Some(Breach::new(property::LOG_MATCHING, text));
        }
    }
    for (entry, since) in &past.committed {
        // What a damaged disk held it gets back before it is counted on again.
        let counts = |view: &View| holds(&view.durable, entry) || view.lost.contains(entry);
        let holders = views.iter().filter(|view| counts(view));
        if !members_change && holders.count() * 2 <= views.len() {
            let text = format!("{entry} is committed, and not on the disks of a majority");
            return Some(Breach::new(property::DURABILITY, text));
        }
        let mut others = views.iter().filter(|view| !view.witness);
        if !others.any(|view| counts(view)) {
            let text = format!("{entry} is committed, and only witnesses hold it");
            return Some(Breach::new(property::DURABILITY, text));
        }
        let lacks = |view: &&&View| {
            view.role == Role::Leader && view.term > *since && !holds(&view.log, entry)
        };
        if let Some(leader) = views.iter().find(lacks) {
            let text = format!(
                "{entry}, committed in an earlier term, is not in the log of T{}'s leader",
                leader.term
            );
            return Some(Breach::new(property::LEADER_COMPLETENESS, text));
        }
    }
    None
}

/// Whether witnesses know of so much that nobody could be elected with them, by what is on the disks.
///
/// As long as no voter was late, the nodes that a cluster can spare may be gone, whichever they are.
/// Whoever is late is not waited for: without it somebody has to hold all that any witness knows of.
pub(super) fn nobody_could_lead(views: &[&View], late: bool) -> Option<Breach> {
    if late {
        let witnesses = views.iter().filter(|view| view.witness);
        let known = witnesses.map(|view| end(view)).max().flatten();
        let mut others = views.iter().filter(|view| !view.witness);
        let text = "by what is on the disks, witnesses know of more than anybody holds";
        let lost = !others.any(|view| end(view) >= known);
        return lost.then(|| Breach::new(property::WITNESSES, text.into()));
    }
    let spare = (views.len() as u32).saturating_sub(1) / 2;
    let mut gone = (0..1_u32 << views.len()).filter(|set| set.count_ones() == spare);
    let gone = gone.find(|gone| nobody_could_lead_without(views, *gone))?;
    let names = (0..views.len()).filter(|at| gone & (1 << at) != 0);
    let names: Vec<String> = names.map(|at| format!("n{}", at + 1)).collect();
    let text = format!(
        "by what is on the disks, nobody could be elected without {}",
        names.join(" and ")
    );
    Some(Breach::new(property::WITNESSES, text))
}

/// Whether none of those that are left could be elected by them.
fn nobody_could_lead_without(views: &[&View], gone: u32) -> bool {
    let left = || (0..views.len()).filter(|at| gone & (1 << at) == 0);
    !left().any(|at| {
        let candidate = views[at];
        let voters = left().filter(|at| end(views[*at]) <= end(candidate));
        !candidate.witness && voters.count() * 2 > views.len()
    })
}

/// Where a node's log ends on its disk, as votes compare it.
pub(super) fn end(view: &View) -> Option<(u64, u64)> {
    view.durable.last().map(|last| (last.term, last.index))
}

/// What must hold of one step of one node, whatever the others do.
pub(super) fn local_violation(before: &Node, after: &Node, done: &Done) -> Option<Breach> {
    if let Some(fault) = after.hull().fault() {
        return Some(Breach::new(property::NO_PANIC, fault.to_string()));
    }
    if let Some(error) = &done.refused {
        return Some(Breach::new(property::NO_PANIC, error.to_string()));
    }
    if let Some(error) = &done.not_opened {
        return Some(Breach::new(property::DURABILITY, error.to_string()));
    }
    let promises = done
        .sent
        .iter()
        .find_map(|message| broken_promise(after, message));
    promises
        .or_else(|| moved_back(before, after))
        .or_else(|| members::local_violation(before, after))
}

/// What a message promises and the disk does not hold.
fn broken_promise(node: &Node, message: &Message) -> Option<Breach> {
    let hard = node.disk().recovered().hard;
    let names = |vote| hard.term == message.term && hard.vote == Some(vote);
    let kept = match &message.body {
        Body::RequestVoteReply(RequestVoteReply { granted: true }) => names(message.to.id),
        Body::RequestVote(request) => {
            names(message.from.id) && node.disk().last_id() >= request.last
        }
        Body::AppendEntriesReply(AppendEntriesReply {
            verdict: AppendVerdict::Matched(index),
            ..
        })
        | Body::InstallSnapshotReply(InstallSnapshotReply {
            verdict: InstallVerdict::Matched(index),
            ..
        }) => {
            let count = usize::try_from(index.get()).unwrap_or(usize::MAX);
            let (log, durable) = (node.entries(), node.durable());
            hard.term >= message.term
                && durable
                    .get(..count)
                    .is_some_and(|held| log.get(..count) == Some(held))
        }
        _ => true,
    };
    (!kept).then(|| {
        let text = format!(
            "n{} says {} before the disk holds what it says",
            message.from.id.get(),
            message.body.name()
        );
        Breach::new(property::DURABILITY, text)
    })
}

fn moved_back(before: &Node, after: &Node) -> Option<Breach> {
    let (old, new) = (before.hull(), after.hull());
    let restarted = old.boot() != new.boot();
    let durable_term = before.disk().recovered().hard.term;
    let least = if restarted { durable_term } else { old.term() };
    if new.term() < least {
        let text = format!("the term falls from {least} to {}", new.term());
        return Some(Breach::new(property::MONOTONIC, text));
    }
    if !restarted && new.commit_index() < old.commit_index() {
        let text = format!("the commit index falls to {}", new.commit_index());
        return Some(Breach::new(property::MONOTONIC, text));
    }
    let revoted = old.vote().is_some() && new.vote() != old.vote();
    if !restarted && new.term() == old.term() && old.term() > Term::ZERO && revoted {
        let text = format!("the vote of {} changes to {:?}", old.term(), new.vote());
        return Some(Breach::new(property::MONOTONIC, text));
    }
    let led = old.role() == Role::Leader && new.role() == Role::Leader && !restarted;
    if led && old.term() == new.term() && !after.entries().starts_with(&before.entries()) {
        let text = format!("the leader of {} loses entries of its log", old.term());
        return Some(Breach::new(property::LEADER_APPEND_ONLY, text));
    }
    None
}

/// An entry below one that both logs hold, at which they differ.
fn differs_below(one: &[Entry], other: &[Entry]) -> Option<Entry> {
    let same_id = |(one, other): (&Entry, &Entry)| one.term == other.term;
    let common = one.iter().zip(other).rposition(same_id)?;
    let mut pairs = one.iter().zip(other).take(common + 1);
    pairs
        .find(|(one, other)| !one.is(other))
        .map(|(entry, _)| *entry)
}

/// Whether a log holds this very entry.
pub(super) fn holds(log: &[Entry], entry: &Entry) -> bool {
    usize::try_from(entry.index)
        .ok()
        .and_then(|index| log.get(index.checked_sub(1)?))
        .is_some_and(|held| held.is(entry))
}
