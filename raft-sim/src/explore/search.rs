//! Breadth first through all states of a world.

use raft_core::error::OpenError;
use raft_core::states::Role;

use super::past::{Past, Pasts, joint_violation};
use super::situations::Seen;
use super::slices::Slices;
use super::story;
use super::table::{Deed, Table, View};
use super::worlds::MAX_NODES;
use super::{Breach, Explored, Situations, Stop, Verdict, World};

/// How far an exploration got.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Progress {
    /// Different states found.
    pub states: usize,
    /// Those of them from which all that can happen was looked at.
    pub expanded: usize,
    /// Ways from one state to a next.
    pub transitions: u64,
    /// The most that happened on a shortest way to a state that was expanded.
    pub depth: usize,
    /// Different states of single nodes.
    pub locals: usize,
    /// Steps that hulls took; all others were looked up.
    pub steps: usize,
    /// Different messages.
    pub messages: usize,
    /// About how many bytes all of it takes.
    pub bytes: usize,
}

/// Explores a world, for as long as `go_on` says, which is asked every few thousand states.
///
/// # Errors
///
/// A hull can't be opened with the world's settings.
pub fn explore(
    world: &World,
    mut go_on: impl FnMut(&Progress) -> Result<(), Stop>,
) -> Result<Explored, OpenError> {
    let mut search = Search::new(*world, true)?;
    let mut end = search.run(&mut go_on);
    let confirmed = match end {
        Err(End::Broken { .. }) => true,
        Ok(()) | Err(End::Stop(_)) => search.table.confirm_forgotten(),
    };
    if !confirmed {
        search = Search::new(*world, false)?;
        end = search.run(&mut go_on);
    }
    let verdict = match end {
        Ok(()) => Verdict::Complete,
        Err(End::Stop(stop)) => Verdict::BoundedOut(stop),
        Err(End::Broken { from, to, breach }) => {
            Verdict::Broken(story::tell(&mut search, from, to, &breach))
        }
    };
    Ok(Explored {
        verdict,
        progress: search.progress(),
        situations: search.situations,
    })
}

/// What is known so far.
#[derive(Debug)]
pub(super) struct Search {
    pub(super) world: World,
    /// Whether messages that make no difference any more are left out of states.
    forgets: bool,
    pub(super) table: Table,
    /// What is on its way, as ascending numbers of messages.
    nets: Slices,
    /// Each node's state, then the number of the net, of the past, and the packed spending.
    states: Slices,
    parents: Vec<u32>,
    pasts: Pasts,
    untouched: Vec<u32>,
    situations: Situations,
    transitions: u64,
    expanded: usize,
    depth: usize,
    /// Where the states of the present depth end.
    layer_end: usize,
    moves: Vec<Move>,
    outcomes: Vec<u32>,
}

/// One thing that can happen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Move {
    pub(super) node: usize,
    pub(super) deed: Deed,
    /// Whether the message stays on its way.
    pub(super) doubles: bool,
}

/// Why the search ends.
#[derive(Debug)]
pub(super) enum End {
    Stop(Stop),
    Broken { from: u32, to: Move, breach: Breach },
}

/// One state, taken apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct State {
    locals: [u32; MAX_NODES],
    net: u32,
    past: u32,
    spent: Spent,
}

/// What was used up of a world's bounds, four bits each.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Spent(u32);

impl Spent {
    const ELECTIONS: u32 = 0;
    const SLOTS: u32 = 4;
    const CRASHES: u32 = 8;
    const DOUBLES: u32 = 12;
    const STALLS: u32 = 16;
    const TICKS: u32 = 20;

    const fn of(self, what: u32) -> u8 {
        ((self.0 >> what) & 15) as u8
    }

    const fn one_more(self, what: u32) -> Self {
        Self(self.0 + (1 << what))
    }
}

impl Search {
    pub(super) fn new(world: World, forgets: bool) -> Result<Self, OpenError> {
        let (table, untouched) = Table::begin(u64::from(world.nodes), world.settings())?;
        Ok(Self {
            world,
            forgets,
            table,
            nets: Slices::new(),
            states: Slices::new(),
            parents: Vec::new(),
            pasts: Pasts::default(),
            untouched,
            situations: Situations::default(),
            transitions: 0,
            expanded: 0,
            depth: 0,
            layer_end: 1,
            moves: Vec::new(),
            outcomes: Vec::new(),
        })
    }

    pub(super) fn run(
        &mut self,
        go_on: &mut impl FnMut(&Progress) -> Result<(), Stop>,
    ) -> Result<(), End> {
        let (net, _) = self.nets.intern(&[]).ok_or(End::Stop(Stop::Numbers))?;
        let mut locals = [0; MAX_NODES];
        locals[..self.untouched.len()].copy_from_slice(&self.untouched);
        let beginning = State {
            locals,
            net,
            past: self.pasts.intern(Past::default()),
            spent: Spent::default(),
        };
        self.add(&beginning, 0).map_err(End::Stop)?;
        while self.expanded < self.states.len() {
            if self.expanded % STATES_BETWEEN_QUESTIONS == 0 {
                go_on(&self.progress()).map_err(End::Stop)?;
            }
            if self.expanded == self.layer_end {
                self.layer_end = self.states.len();
                self.depth += 1;
            }
            let state = u32::try_from(self.expanded).map_err(|_| End::Stop(Stop::Numbers))?;
            self.expand(state)?;
            self.expanded += 1;
        }
        Ok(())
    }

    fn expand(&mut self, number: u32) -> Result<(), End> {
        let state = self.state(number);
        let mut moves = std::mem::take(&mut self.moves);
        self.list_moves(&state, &mut moves);
        for to in &moves {
            self.follow(number, &state, *to)?;
        }
        self.moves = moves;
        Ok(())
    }

    /// Adds the states that a move leads to.
    fn follow(&mut self, from: u32, state: &State, to: Move) -> Result<(), End> {
        let broken = |breach| End::Broken { from, to, breach };
        let local = state.locals[to.node];
        let step = self.table.take(local, to.deed).map_err(End::Stop)?;
        if self.table.step(step).idle {
            return Ok(());
        }
        if let Some(breach) = &self.table.step(step).breach {
            return Err(broken(breach.clone()));
        }
        let next = self.after(state, to, step).map_err(broken)?;
        let notable = self.table.step(step).notable;
        let mut any_new = false;
        let mut nets = std::mem::take(&mut self.outcomes);
        self.list_nets(state, to, step, &mut nets)
            .map_err(End::Stop)?;
        for net in &nets {
            self.transitions += 1;
            let next = State { net: *net, ..next };
            any_new |= self.add(&next, from).map_err(End::Stop)?;
        }
        self.outcomes = nets;
        if any_new && notable {
            self.look(state, &next, to).map_err(broken)?;
        }
        Ok(())
    }

    /// The state after a move, but for what is on its way.
    fn after(&mut self, state: &State, to: Move, step: u32) -> Result<State, Breach> {
        let mut next = *state;
        let step = self.table.step(step);
        next.locals[to.node] = step.next;
        next.spent = match self.price(state, to) {
            Some(what) => next.spent.one_more(what),
            None => next.spent,
        };
        if step.notable || !step.applied.is_empty() {
            let before = &self.table.local(state.locals[to.node]).view;
            let after = &self.table.local(step.next).view;
            let past = self.pasts.get(state.past);
            let past = past.after(to.node, before, after, &step.applied)?;
            next.past = self.pasts.intern(past);
        }
        Ok(next)
    }

    /// Checks a new state in which something notable changed, and counts the situations.
    fn look(&mut self, before: &State, after: &State, to: Move) -> Result<(), Breach> {
        let count = usize::from(self.world.nodes);
        let empty = &self.table.local(after.locals[0]).view;
        let mut views: [&View; MAX_NODES] = [empty; MAX_NODES];
        for (view, local) in views.iter_mut().zip(after.locals).take(count) {
            *view = &self.table.local(local).view;
        }
        let views = &views[..count];
        let past = self.pasts.get(after.past);
        if let Some(breach) = joint_violation(past, to.node, views) {
            return Err(breach);
        }
        let own_before = &self.table.local(before.locals[to.node]).view;
        let known = self.pasts.get(before.past);
        let crashed = to.deed == Deed::Crash && own_before.log != own_before.durable;
        let seen = Seen {
            own: to.node,
            own_before,
            views,
            known,
            past,
        };
        seen.count(crashed, &mut self.situations);
        Ok(())
    }

    /// All that can happen in a state, within the world's bounds.
    fn list_moves(&self, state: &State, moves: &mut Vec<Move>) {
        moves.clear();
        let nodes = usize::from(self.world.nodes);
        // Nodes that did nothing yet are alike: the first of them is the first to do something.
        let untouched = |node: &usize| state.locals[*node] == self.untouched[*node];
        let touchable = (0..nodes).find(untouched).map_or(nodes, |first| first + 1);
        for node in 0..touchable {
            let view = &self.table.local(state.locals[node]).view;
            let leads = view.role == Role::Leader;
            let deeds = [
                (true, Deed::TimeOut),
                (view.can_wait, Deed::Wait),
                (leads, Deed::Propose),
                (!view.stalled, Deed::Stall),
                (view.stalled, Deed::Sync),
                (true, Deed::Crash),
            ];
            for (_, deed) in deeds.into_iter().filter(|(possible, _)| *possible) {
                let to = Move {
                    node,
                    deed,
                    doubles: false,
                };
                if self.affords(state, to) {
                    moves.push(to);
                }
            }
        }
        let mut last = None;
        for message in self.nets.get(state.net) {
            // Of several that are the same, one is enough.
            if last.replace(*message) == Some(*message) {
                continue;
            }
            let node = self.table.receiver(*message);
            for doubles in [false, true] {
                let to = Move {
                    node,
                    deed: Deed::Receive(*message),
                    doubles,
                };
                if node < touchable && self.affords(state, to) {
                    moves.push(to);
                }
            }
        }
    }

    /// Which bound a move uses up, if any.
    fn price(&self, state: &State, to: Move) -> Option<u32> {
        let view = &self.table.local(state.locals[to.node]).view;
        match to.deed {
            Deed::TimeOut if view.role == Role::Leader => Some(Spent::TICKS),
            Deed::TimeOut => Some(Spent::ELECTIONS),
            Deed::Propose => Some(Spent::SLOTS),
            Deed::Crash => Some(Spent::CRASHES),
            Deed::Stall => Some(Spent::STALLS),
            Deed::Receive(_) if to.doubles => Some(Spent::DOUBLES),
            Deed::Receive(_) | Deed::Wait | Deed::Sync => None,
        }
    }

    fn affords(&self, state: &State, to: Move) -> bool {
        let Some(what) = self.price(state, to) else {
            return true;
        };
        let world = &self.world;
        let limit = match what {
            Spent::ELECTIONS => world.elections,
            Spent::SLOTS => world.slots,
            Spent::CRASHES => world.crashes,
            Spent::DOUBLES => world.doubles,
            Spent::STALLS => world.stalls,
            _ => world.ticks,
        };
        state.spent.of(what) < limit
    }

    /// What may be on its way after a step: all, or any selection that there is room for.
    fn list_nets(
        &mut self,
        state: &State,
        to: Move,
        step: u32,
        nets: &mut Vec<u32>,
    ) -> Result<(), Stop> {
        nets.clear();
        let mut left = self.nets.get(state.net).to_vec();
        if let Deed::Receive(message) = to.deed {
            if !to.doubles {
                if let Ok(at) = left.binary_search(&message) {
                    left.remove(at);
                }
            }
        }
        left.extend_from_slice(&self.table.step(step).sends);
        left.sort_unstable();
        if !self.world.heartbeats {
            left.retain(|message| !self.table.is_heartbeat(*message));
        }
        if self.forgets {
            self.forget(state, to, step, &mut left);
        }
        let room = self.world.in_flight.map_or(usize::MAX, usize::from);
        if left.len() <= room {
            let (net, _) = self.nets.intern(&left).ok_or(Stop::Numbers)?;
            nets.push(net);
            return Ok(());
        }
        // Fewer than there is room for could do no more than these.
        for chosen in selections(left.len(), room) {
            let kept: Vec<u32> = chosen
                .iter()
                .filter_map(|at| left.get(*at).copied())
                .collect();
            let (net, _) = self.nets.intern(&kept).ok_or(Stop::Numbers)?;
            if !nets.contains(&net) {
                nets.push(net);
            }
        }
        Ok(())
    }

    /// Leaves out what can make no difference any more.
    fn forget(&self, state: &State, to: Move, step: u32, net: &mut Vec<u32>) {
        let step = self.table.step(step);
        // Nothing changed for what was on its way before.
        if step.next == state.locals[to.node] && step.sends.is_empty() {
            return;
        }
        net.retain(|message| {
            let receiver = self.table.receiver(*message);
            let local = if receiver == to.node {
                step.next
            } else {
                state.locals[receiver]
            };
            !self.table.is_forgettable(local, *message)
        });
    }

    fn add(&mut self, state: &State, parent: u32) -> Result<bool, Stop> {
        let nodes = usize::from(self.world.nodes);
        let mut list = [0; MAX_NODES + 3];
        list[..nodes].copy_from_slice(&state.locals[..nodes]);
        list[nodes] = state.net;
        list[nodes + 1] = state.past;
        list[nodes + 2] = state.spent.0;
        let added = self.states.intern(&list[..nodes + 3]);
        let (_, new) = added.ok_or(Stop::Numbers)?;
        if new {
            self.parents.push(parent);
        }
        Ok(new)
    }

    pub(super) fn state(&self, number: u32) -> State {
        let list = self.states.get(number);
        let nodes = usize::from(self.world.nodes);
        let mut locals = [0; MAX_NODES];
        locals[..nodes].copy_from_slice(&list[..nodes]);
        State {
            locals,
            net: list[nodes],
            past: list[nodes + 1],
            spent: Spent(list[nodes + 2]),
        }
    }

    /// The moves from the beginning to a state.
    pub(super) fn way_to(&mut self, state: u32) -> Vec<(u32, Move)> {
        let mut way = Vec::new();
        let mut at = state;
        while at != 0 {
            let parent = self.parents[at as usize];
            if let Some(to) = self.move_between(parent, at) {
                way.push((parent, to));
            }
            at = parent;
        }
        way.reverse();
        way
    }

    fn move_between(&mut self, from: u32, to: u32) -> Option<Move> {
        let (before, after) = (self.state(from), self.state(to));
        let mut moves = Vec::new();
        self.list_moves(&before, &mut moves);
        moves.into_iter().find(|to| {
            let Ok(step) = self.table.take(before.locals[to.node], to.deed) else {
                return false;
            };
            let Ok(next) = self.after(&before, *to, step) else {
                return false;
            };
            let mut nets = Vec::new();
            next.locals == after.locals
                && next.past == after.past
                && next.spent == after.spent
                && self.list_nets(&before, *to, step, &mut nets).is_ok()
                && nets.contains(&after.net)
        })
    }

    pub(super) fn local_of(&self, state: u32, node: usize) -> u32 {
        self.state(state).locals[node]
    }

    pub(super) fn progress(&self) -> Progress {
        Progress {
            states: self.states.len(),
            expanded: self.expanded,
            transitions: self.transitions,
            depth: self.depth,
            locals: self.table.locals(),
            steps: self.table.steps(),
            messages: self.table.messages(),
            bytes: self.states.bytes()
                + self.nets.bytes()
                + self.table.bytes()
                + self.parents.capacity() * size_of::<u32>(),
        }
    }
}

/// All ways to choose `room` of `count` places, each ascending.
fn selections(count: usize, room: usize) -> Vec<Vec<usize>> {
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

/// How many states are expanded before it is asked again whether to go on.
const STATES_BETWEEN_QUESTIONS: usize = 4_096;
