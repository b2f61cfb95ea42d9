//! Who decides where members change: counted from the configurations in the logs, by the places of
//! nodes, and not by what hulls say.

use raft_core::configuration::{Configuration, Member, Members};
use raft_core::ids::{Incarnation, NodeId};
use raft_core::states::Role;

use super::Breach;
use super::node::{Entry, Node};
use super::past::{Past, end, holds};
use super::table::{View, place_of};
use crate::checkers::property;

/// The voters of a configuration, each a bit at its place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub(super) struct Sets {
    /// Of the members; in a joint configuration of its incoming half.
    members: u8,
    /// Of the outgoing half of a joint configuration; otherwise none.
    outgoing: u8,
    /// Of what the members are to become, while new ones catch up; otherwise none.
    target: u8,
}

impl Sets {
    pub(super) fn of(configuration: &Configuration) -> Self {
        let voters = |members: &Members| {
            let voters = members.iter().filter(|(_, member)| member.role.votes());
            voters.fold(0, |set, (id, _)| set | bit(place_of(*id)))
        };
        let optional = |members: &Option<Members>| members.as_ref().map_or(0, voters);
        Self {
            members: voters(&configuration.members),
            outgoing: optional(&configuration.outgoing),
            target: optional(&configuration.target),
        }
    }

    /// With other names.
    pub(super) fn renamed(self, name: impl Fn(u8) -> u8) -> Self {
        Self {
            members: renamed(self.members, &name),
            outgoing: renamed(self.outgoing, &name),
            target: renamed(self.target, &name),
        }
    }

    pub(super) const fn is_joint(self) -> bool {
        self.outgoing != 0
    }

    /// Who votes, if no change is under way.
    pub(super) fn settled(self) -> Option<u8> {
        (self.outgoing == 0 && self.target == 0).then_some(self.members)
    }

    const fn votes(self, place: usize) -> bool {
        (self.members | self.outgoing) & bit(place) != 0
    }

    /// Whether these nodes are a majority, of each half.
    fn is_quorum(self, nodes: u8) -> bool {
        let most = |half: u8| (half & nodes).count_ones() * 2 > half.count_ones();
        most(self.members) && (self.outgoing == 0 || most(self.outgoing))
    }

    /// Whether no two quorums, one of each, are without a common node.
    fn meets(self, other: Self) -> bool {
        !(0..=u8::MAX >> 3).any(|set| self.is_quorum(set) && other.is_quorum(!set))
    }
}

/// What a leader may be asked for: one more voter, one less, or one in place of another.
pub(super) fn wishes(voters: u8, nodes: usize) -> impl Iterator<Item = u8> {
    let all = bit(nodes) - 1;
    (1..=all).filter(move |wish| {
        let (come, go) = ((wish & !voters).count_ones(), (voters & !wish).count_ones());
        come <= 1 && go <= 1 && come + go > 0
    })
}

/// A set of places with other names.
pub(super) fn renamed(set: u8, name: impl Fn(u8) -> u8) -> u8 {
    places(set).fold(0, |set, place| set | bit(usize::from(name(place as u8))))
}

/// The members that are asked for.
pub(super) fn members_of(set: u8) -> Members {
    let voter = |place: usize| {
        let id = place as u64 + 1;
        let incarnation = Incarnation::new(u128::from(id));
        (NodeId::new(id), Member::voter(incarnation))
    };
    places(set).map(voter).collect()
}

/// The configuration in force by a log: the latest in it, committed or not.
pub(super) fn in_force(log: &[Entry], founding: Sets) -> Sets {
    let latest = log.iter().rev().find_map(|entry| entry.sets);
    latest.unwrap_or(founding)
}

/// What must hold of the configurations of one node, whatever the others do.
pub(super) fn local_violation(before: &Node, after: &Node) -> Option<Breach> {
    let (log, founding) = (after.entries(), after.founding());
    let broken = |text: String| Some(Breach::new(property::MEMBERSHIP, text));
    let (by_log, by_hull) = (
        in_force(&log, founding),
        Sets::of(after.hull().configuration()),
    );
    if by_log != by_hull {
        return broken(format!("{by_hull} is in force, and the log says {by_log}"));
    }
    let mut earlier = founding;
    for sets in log.iter().filter_map(|entry| entry.sets) {
        if !earlier.meets(sets) {
            return broken(format!("{sets} follows {earlier}: both can decide at once"));
        }
        earlier = sets;
    }
    let led = before.hull().role() == Role::Leader && before.hull().term() == after.hull().term();
    let known = before.entries().len();
    let appended = log.iter().skip(known).filter(|entry| entry.sets.is_some());
    let begun = appended.filter(|_| led).count() > 0;
    let commit = usize::try_from(after.hull().commit_index().get()).unwrap_or(usize::MAX);
    let last = commit.checked_sub(1).and_then(|at| log.get(at));
    if begun && last.is_none_or(|last| last.term != after.hull().term().get()) {
        let text = "a leader changes members before an entry of its term is committed";
        return broken(text.to_owned());
    }
    None
}

/// What must hold of all nodes together after `own` did something, whose view was `before`.
pub(super) fn joint_violation(
    (known, past): (&Past, &Past),
    own: usize,
    before: &View,
    views: &[&View],
) -> Option<Breach> {
    elected_by_too_few(own, before, views)
        .or_else(|| committed_by_too_few(known, past, before, own, views))
        .or_else(|| two_open(past, views))
        .or_else(|| could_lead_without(past, views))
        .or_else(|| nobody_could_lead(past, views))
}

/// Who has become leader has the votes of a quorum of the configuration in its log, or had them: some
/// may have gone on to later terms since.
fn elected_by_too_few(own: usize, before: &View, views: &[&View]) -> Option<Breach> {
    let leader = views[own];
    let was = before.role == Role::Leader && before.term == leader.term;
    if leader.role != Role::Leader || was {
        return None;
    }
    let granted = those(views, |view| {
        let vote = view.durable_vote.map(place_of);
        view.durable_term > leader.term || view.durable_term == leader.term && vote == Some(own)
    });
    let sets = in_force(&before.log, before.founding);
    (!sets.is_quorum(granted)).then(|| {
        let text = format!(
            "n{} is elected in T{} by {}, which is no majority of {sets}",
            own + 1,
            leader.term,
            Names(granted)
        );
        Breach::new(property::ELECTION_SAFETY, text)
    })
}

/// What is newly committed is on the disks of a quorum: of the configuration that was in force
/// before, or of one that was appended since.
fn committed_by_too_few(
    known: &Past,
    past: &Past,
    before: &View,
    own: usize,
    views: &[&View],
) -> Option<Breach> {
    let first = in_force(&before.log, before.founding);
    let later = views[own].log.iter().skip(before.log.len());
    let later = || later.clone().filter_map(|entry| entry.sets);
    let fresh = past.committed().iter().skip(known.committed().len());
    fresh.map(|(entry, _)| entry).find_map(|entry| {
        let holders = those(views, |view| holds(&view.durable, entry));
        let mut all = std::iter::once(first).chain(later());
        (!all.any(|sets| sets.is_quorum(holders))).then(|| {
            let text = format!(
                "n{} commits {entry}, which is on the disks of {}: no majority of {first}",
                own + 1,
                Names(holders)
            );
            Breach::new(property::DURABILITY, text)
        })
    })
}

/// No log has two configurations that are not committed.
fn two_open(past: &Past, views: &[&View]) -> Option<Breach> {
    let two = |view: &&View| open_in(past, view).count() > 1;
    let place = views.iter().position(two)?;
    let text = format!(
        "in the log of n{} stand two configurations that are not committed",
        place + 1
    );
    Some(Breach::new(property::MEMBERSHIP, text))
}

fn open_in<'a>(past: &'a Past, view: &'a View) -> impl Iterator<Item = Sets> + 'a {
    let committed = |entry: &Entry| past.committed().iter().any(|(known, _)| known.is(entry));
    let open = view.log.iter().filter(move |entry| !committed(entry));
    open.filter_map(|entry| entry.sets)
}

/// By what is on the disks, nobody could be elected who lacks what is committed.
fn could_lead_without(past: &Past, views: &[&View]) -> Option<Breach> {
    past.committed().iter().find_map(|(entry, _)| {
        let elected = |place: &usize| {
            let view = views[*place];
            let voters = those(views, |voter| end(voter) <= end(view));
            let sets = in_force(&view.durable, view.founding);
            !holds(&view.durable, entry) && sets.is_quorum(voters)
        };
        let place = (0..views.len()).find(elected)?;
        let text = format!(
            "by what is on the disks, n{} could be elected without {entry}, which is committed",
            place + 1
        );
        Some(Breach::new(property::LEADER_COMPLETENESS, text))
    })
}

/// By what is on the disks, somebody could be elected by any nodes that are a quorum of all
/// configurations that may decide: of the last that is committed, and of those in logs that are not.
fn nobody_could_lead(past: &Past, views: &[&View]) -> Option<Breach> {
    let mut committed = past.committed().iter().rev();
    let settled = committed.find_map(|(entry, _)| entry.sets);
    let founding = views.first().map(|view| view.founding);
    let deciding: Vec<Sets> = settled.or(founding).into_iter().collect();
    let open = views.iter().flat_map(|view| open_in(past, view));
    let deciding: Vec<Sets> = deciding.into_iter().chain(open).collect();
    let all = bit(views.len()) - 1;
    let enough = |up: &u8| deciding.iter().all(|sets| sets.is_quorum(*up));
    let electable = |up: u8| places(up).any(|place| is_electable(views, place, up));
    let stuck = (1..=all).filter(enough).find(|up| !electable(*up))?;
    let text = format!(
        "by what is on the disks, nobody could be elected by {} alone",
        Names(stuck)
    );
    Some(Breach::new(property::LIVENESS, text))
}

/// Whether these nodes would elect this one of them.
fn is_electable(views: &[&View], place: usize, up: u8) -> bool {
    let view = views[place];
    let voters = up & those(views, |voter| end(voter) <= end(view));
    may_lead(view, place) && in_force(&view.durable, view.founding).is_quorum(voters)
}

/// Whether a node may campaign after a crash: who is removed does not know then that this is committed.
fn may_lead(view: &View, place: usize) -> bool {
    let mut known = view.durable.iter().filter_map(|entry| entry.sets);
    view.founding.votes(place) || known.any(|sets| sets.votes(place))
}

/// The places of those of whom something holds.
fn those(views: &[&View], holds: impl Fn(&View) -> bool) -> u8 {
    let all = views.iter().enumerate().filter(|(_, view)| holds(view));
    all.fold(0, |set, (place, _)| set | bit(place))
}

/// The places in a set.
pub(super) fn places(set: u8) -> impl Iterator<Item = usize> {
    (0..8).filter(move |place| set & bit(*place) != 0)
}

const fn bit(place: usize) -> u8 {
    1 << place
}

/// A set of nodes, as one says it.
pub(super) struct Names(pub(super) u8);

impl std::fmt::Display for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<String> = places(self.0)
            .map(|place| format!("n{}", place + 1))
            .collect();
        write!(f, "{{{}}}", names.join(", "))
    }
}

impl std::fmt::Display for Sets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            members,
            outgoing,
            target,
        } = *self;
        write!(f, "{}", Names(members))?;
        if outgoing != 0 {
            write!(f, " with {}", Names(outgoing))?;
        }
        if target != 0 {
            write!(f, " on the way to {}", Names(target))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
