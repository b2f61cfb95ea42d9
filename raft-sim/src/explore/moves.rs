//! What can happen in a state, and what comes of it: read from what is known, or asked for.

use raft_core::states::Role;

use super::members;
use super::past::{Pasts, joint_violation, nobody_could_lead};
use super::situations::Seen;
use super::state::{Bound, Spent, State};
use super::table::{Deed, Table, View};
use super::useless::Simpler;
use super::worlds::MAX_NODES;
use super::{Breach, Reductions, Situations, Stop, World};

/// One thing that can happen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Move {
    pub(super) node: usize,
    /// Whether the node crashes right before.
    pub(super) crashes: bool,
    pub(super) deed: Deed,
    /// Whether the message stays on its way.
    pub(super) doubles: bool,
}

/// What a move leads to, but for what is on its way.
#[derive(Clone, Debug)]
pub(super) struct Way {
    pub(super) to: Move,
    pub(super) next: State,
    pub(super) step: u32,
    notable: bool,
}

/// What has to be found out before a state can be gone on from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Question {
    /// What a node does.
    Step { local: u32, deed: Deed },
    /// What becomes of the past.
    Past { past: u32, step: u32, over: u64 },
}

/// Why a move leads nowhere.
#[derive(Debug)]
pub(super) enum Obstacle {
    /// It changes nothing.
    Idle,
    Unknown(Question),
    Broken(Breach),
}

/// All that was found out about a world.
#[derive(Debug)]
pub(super) struct Knowledge {
    pub(super) world: World,
    pub(super) reductions: Reductions,
    pub(super) table: Table,
    pub(super) pasts: Pasts,
}

impl Knowledge {
    pub(super) fn nodes(&self) -> usize {
        usize::from(self.world.nodes)
    }

    /// Finds something out.
    pub(super) fn answer(&mut self, question: Question) -> Result<(), Stop> {
        match question {
            Question::Step { local, deed } => self.table.take(local, deed).map(|_| ()),
            Question::Past { past, step, over } => {
                self.pasts.find_out(past, step, over, &self.table)
            }
        }
    }

    /// All that can happen in a state, within the world's bounds.
    pub(super) fn list_moves(&self, state: &State, moves: &mut Vec<Move>) {
        moves.clear();
        for node in 0..self.nodes() {
            let view = &self.table.local(state.locals[node]).view;
            let deeds = [
                (true, Deed::TimeOut),
                (view.can_wait, Deed::Wait),
                (view.role == Role::Leader, Deed::Propose),
                (view.role == Role::Leader && !view.reading, Deed::Read),
                (true, Deed::Snapshot),
                (!view.stalled, Deed::Stall),
                (view.stalled, Deed::Sync),
                (true, Deed::Crash),
            ];
            for (_, deed) in deeds.into_iter().filter(|(possible, _)| *possible) {
                self.list_move(state, node, deed, moves);
            }
            for writes in 0..view.writes {
                self.list_move(state, node, Deed::Damage(writes), moves);
            }
            let asked = view.settled.filter(|_| view.role == Role::Leader);
            for wish in asked
                .into_iter()
                .flat_map(|voters| self.world.wishes(voters))
            {
                self.list_move(state, node, Deed::Change(wish), moves);
            }
        }
        let mut last = None;
        for message in &state.net {
            // Of several that are the same, one is enough.
            if last.replace(*message) != Some(*message) {
                let node = self.table.receiver(*message);
                self.list_move(state, node, Deed::Receive(*message), moves);
            }
        }
    }

    /// Whether a node in this state crashes only right before it does something: until then nobody
    /// can tell. Not so where the crash takes what is in the log and not on the disk.
    fn fuses_crash(&self, view: &View) -> bool {
        self.reductions.fuses && !view.stalled
    }

    fn list_move(&self, state: &State, node: usize, deed: Deed, moves: &mut Vec<Move>) {
        let view = &self.table.local(state.locals[node]).view;
        let lasts_through_crash = matches!(
            deed,
            Deed::TimeOut | Deed::Stall | Deed::Snapshot | Deed::Receive(_)
        ) && self.fuses_crash(view);
        for crashes in [false, true] {
            for doubles in [false, true] {
                let to = Move {
                    node,
                    crashes,
                    deed,
                    doubles,
                };
                let possible = (!crashes || lasts_through_crash)
                    && (!doubles || matches!(deed, Deed::Receive(_)));
                if possible && self.spend(state, to).is_some() {
                    moves.push(to);
                }
            }
        }
    }

    /// What is used up after a move, if the bounds allow it.
    fn spend(&self, state: &State, to: Move) -> Option<Spent> {
        let leads = self.table.local(state.locals[to.node]).view.role == Role::Leader;
        let price = match to.deed {
            Deed::TimeOut if leads && !to.crashes => Some(Bound::Ticks),
            Deed::TimeOut => Some(Bound::Elections),
            Deed::Propose => Some(Bound::Slots),
            Deed::Read => Some(Bound::Reads),
            Deed::Snapshot => Some(Bound::Snapshots),
            Deed::Change(_) => Some(Bound::Changes),
            Deed::Damage(_) => Some(Bound::Damages),
            Deed::Crash => Some(Bound::Crashes),
            Deed::Stall => Some(Bound::Stalls),
            Deed::Receive(_) | Deed::Wait | Deed::Sync => None,
        };
        let crash = to.crashes.then_some(Bound::Crashes);
        let double = to.doubles.then_some(Bound::Doubles);
        let mut spent = state.spent;
        for bound in [price, crash, double].into_iter().flatten() {
            if spent.of(bound) >= self.world.limit(bound) {
                return None;
            }
            spent = spent.one_more(bound);
        }
        Some(spent)
    }

    /// Where a move leads, but for what is on its way.
    pub(super) fn follow(&self, state: &State, to: Move) -> Result<Way, Obstacle> {
        let mut next = State {
            spent: self.spend(state, to).unwrap_or(state.spent),
            net: Vec::new(),
            locals: state.locals,
            past: state.past,
        };
        let mut notable = false;
        if to.crashes {
            notable |= self.advance(&mut next, to.node, Deed::Crash)?.1;
        }
        let (step, changed) = self.advance(&mut next, to.node, to.deed)?;
        if to.deed == Deed::Crash {
            let view = &self.table.local(state.locals[to.node]).view;
            // It was looked at, and nobody can tell before the node does something.
            if self.fuses_crash(view) {
                return Err(Obstacle::Idle);
            }
        }
        Ok(Way {
            to,
            next,
            step,
            notable: notable | changed,
        })
    }

    /// Lets a node take a step; answers which, and whether it is notable.
    fn advance(&self, state: &mut State, node: usize, deed: Deed) -> Result<(u32, bool), Obstacle> {
        let local = state.locals[node];
        let number = self
            .table
            .known(local, deed)
            .ok_or(Obstacle::Unknown(Question::Step { local, deed }))?;
        let step = self.table.step(number);
        if step.idle {
            return Err(Obstacle::Idle);
        }
        if let Some(breach) = &step.breach {
            return Err(Obstacle::Broken(breach.clone()));
        }
        state.locals[node] = step.next;
        if step.notable || step.read.is_some() || !step.applied.is_empty() {
            let past = state.past;
            let over = self.earliest_term(state);
            let question = Question::Past {
                past,
                step: number,
                over,
            };
            match self.pasts.known(past, number, over) {
                None => return Err(Obstacle::Unknown(question)),
                Some(Err(breach)) => return Err(Obstacle::Broken(breach.clone())),
                Some(Ok(past)) => state.past = *past,
            }
        }
        Ok((number, step.notable))
    }

    /// A term before which no node will be again, crash or no crash.
    fn earliest_term(&self, state: &State) -> u64 {
        if !self.reductions.simplifies {
            return 0;
        }
        let terms = state.locals[..self.nodes()]
            .iter()
            .map(|local| self.table.local(*local).view.durable_term);
        terms.min().unwrap_or(0)
    }

    /// What may be on its way after a step: all, or any selection that there is room for. None if
    /// the move makes no difference by that.
    pub(super) fn list_nets(&self, state: &State, way: &Way, nets: &mut Vec<Vec<u32>>) {
        nets.clear();
        let mut left = state.net.clone();
        let mut copy = None;
        if let Deed::Receive(message) = way.to.deed {
            if let Ok(at) = left.binary_search(&message) {
                left.remove(at);
            }
            copy = way.to.doubles.then_some(message);
        }
        left.extend_from_slice(&self.table.step(way.step).sends);
        if !self.world.heartbeats {
            left.retain(|message| !self.table.is_heartbeat(*message));
        }
        if self.reductions.simplifies {
            let latest = self.latest_term(&way.next);
            let simpler = |message| self.simpler(&way.next, message, latest);
            left = left.into_iter().filter_map(simpler).collect();
            copy = match copy.map(simpler) {
                // The copy would do nothing: then it need not be made.
                Some(None) => return,
                Some(copy) => copy,
                None => None,
            };
        }
        left.sort_unstable();
        let room = self.world.in_flight.map_or(usize::MAX, usize::from);
        // A copy that is lost need not be made.
        let room = room.saturating_sub(usize::from(copy.is_some()));
        // Fewer than there is room for could do no more than these.
        for chosen in selections(left.len(), room) {
            let kept = chosen.iter().filter_map(|at| left.get(*at).copied());
            let mut kept: Vec<u32> = kept.chain(copy).collect();
            kept.sort_unstable();
            if !nets.contains(&kept) {
                nets.push(kept);
            }
        }
    }

    /// The latest term that there can be in any state that follows, if that is known.
    fn latest_term(&self, state: &State) -> u64 {
        let terms = state.locals[..self.nodes()]
            .iter()
            .map(|local| self.table.local(*local).view.term);
        let left = self.world.elections - state.spent.of(Bound::Elections);
        terms.max().unwrap_or(0) + u64::from(left)
    }

    /// What stands for a message from now on; none if it makes no difference any more.
    fn simpler(&self, state: &State, number: u32, latest: u64) -> Option<u32> {
        let message = self.table.message(number);
        let view_of = |node: usize| &self.table.local(state.locals[node]).view;
        let view = view_of(self.table.receiver(number));
        if view.has_no_use_for(message) {
            return None;
        }
        if self.table.simpler != Simpler::Alike {
            return Some(number);
        }
        let is_past = view.is_past(message);
        if is_past || view.has_voted_against(message) {
            // All that can come of it is that its sender learns a term.
            let sender = view_of(self.table.sender(number));
            if sender.durable_term >= latest {
                return None;
            }
        }
        Some(if is_past {
            self.table.late(number)
        } else {
            number
        })
    }

    /// Writes down the state that stands for this one and all that differ from it by a renaming.
    pub(super) fn write_canonical(&self, state: &State, words: &mut Words) {
        let nodes = self.nodes();
        words.best.clear();
        state.write(nodes, &mut words.best);
        for renaming in 1..self.table.renamings.count() {
            self.rename(state, renaming, &mut words.renamed);
            if words.renamed.locals[..nodes] > words.best[3..3 + nodes] {
                continue;
            }
            self.rename_rest(state, renaming, &mut words.renamed);
            words.other.clear();
            words.renamed.write(nodes, &mut words.other);
            if words.other[3..] < words.best[3..]
                || words.other[3..] == words.best[3..] && words.other[2] < words.best[2]
            {
                std::mem::swap(&mut words.best, &mut words.other);
            }
        }
    }

    fn rename(&self, state: &State, renaming: usize, into: &mut State) {
        for (node, local) in state.locals.iter().enumerate().take(self.nodes()) {
            let name = self.table.renamings.node(renaming, node);
            into.locals[name] = self.table.local_image(*local, renaming);
        }
    }

    fn rename_rest(&self, state: &State, renaming: usize, into: &mut State) {
        into.spent = state.spent;
        let renamings = &self.table.renamings;
        into.past = self.pasts.image(state.past, renaming, renamings);
        into.net.clear();
        let image = |message: &u32| self.table.message_image(*message, renaming);
        into.net.extend(state.net.iter().map(image));
        into.net.sort_unstable();
    }

    /// Checks a new state in which something notable changed, and counts the situations.
    pub(super) fn look(
        &self,
        before: &State,
        way: &Way,
        situations: &mut Situations,
    ) -> Result<(), Breach> {
        if !way.notable {
            return Ok(());
        }
        let (after, node) = (&way.next, way.to.node);
        let empty = &self.table.local(after.locals[0]).view;
        let mut views: [&View; MAX_NODES] = [empty; MAX_NODES];
        for (view, local) in views.iter_mut().zip(after.locals).take(self.nodes()) {
            *view = &self.table.local(local).view;
        }
        let views = &views[..self.nodes()];
        let past = self.pasts.get(after.past);
        let changes = self.world.changes > 0;
        if let Some(breach) = joint_violation(past, node, views, changes) {
            return Err(breach);
        }
        if self.world.witnesses > 0 {
            let late = after.spent.of(Bound::Ticks) > 0;
            if let Some(breach) = nobody_could_lead(views, late) {
                return Err(breach);
            }
        }
        let own_before = &self.table.local(before.locals[node]).view;
        let known = self.pasts.get(before.past);
        if changes {
            let breach = members::joint_violation((known, past), node, own_before, views);
            breach.map_or(Ok(()), Err)?;
        }
        let crashed = way.to.deed == Deed::Crash && own_before.log != own_before.durable;
        let seen = Seen {
            own: node,
            members_change: changes,
            own_before,
            views,
            known,
            past,
        };
        seen.count(crashed, situations);
        Ok(())
    }
}

/// Room to write states down in.
#[derive(Debug, Default)]
pub(super) struct Words {
    pub(super) best: Vec<u32>,
    other: Vec<u32>,
    renamed: State,
}

/// All ways to choose `room` of `count` places, each ascending; all places if there is room.
fn selections(count: usize, room: usize) -> Vec<Vec<usize>> {
    if count <= room {
        return vec![(0..count).collect()];
    }
    let mut chosen: Vec<Vec<usize>> = vec![Vec::new()];
    for place in 0..count {
        let with = chosen.iter().filter(|some| some.len() < room).map(|some| {
            let mut with = some.clone();
            with.push(place);
            with
        });
        let with: Vec<_> = with.collect();
        chosen.extend(with);
    }
    chosen.retain(|some| some.len() == room);
    chosen
}
