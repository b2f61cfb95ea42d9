//! Breadth first through all states of a world, on all cores.
//!
//! The states of one depth are gone on from side by side. Threads only read what is known; what
//! has to be found out first (a step of a hull, mostly) they note, and it is found out between
//! their rounds. So which states are found does not depend on how many they are. From which state a
//! new one is reached first does: how often situations are counted, and which of the shortest ways
//! to a mistake is told, may differ.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, ScopedJoinHandle};

use raft_core::error::OpenError;

use super::alike::Renamings;
use super::moves::{Knowledge, Move, Obstacle, Question, Way, Words};
use super::past::Pasts;
use super::state::{Block, Bound, MOST_BLOCKS, Place, State};
use super::story;
use super::table::Table;
use super::useless::Simpler;
use super::visited::{Fingerprint, Visited};
use super::{Explored, Reductions, Situations, Stop, Verdict, World};

/// How far an exploration got.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Progress {
    /// Different states found.
    pub states: usize,
    /// Those of them that were looked at: all that can happen in them was, or all of it can happen
    /// in another state where less was used up.
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

/// Explores a world on so many threads (as there are cores, if `None`), for as long as `go_on`
/// says, which is asked every few thousand states.
///
/// # Errors
///
/// A hull can't be opened with the world's settings.
pub fn explore(
    world: &World,
    jobs: Option<NonZeroUsize>,
    mut go_on: impl FnMut(&Progress) -> Result<(), Stop>,
) -> Result<Explored, OpenError> {
    let mut reductions = Reductions::of(world);
    loop {
        let mut search = Search::new(*world, reductions, jobs)?;
        let verdict = match search.run(&mut go_on) {
            Ok(()) => search.confirmed(Verdict::Complete),
            Err(End::Stop(stop)) => search.confirmed(Verdict::BoundedOut(stop)),
            Err(End::Asymmetric) => None,
            Err(End::Broken { from, to }) => {
                story::tell(&mut search, &from, to).map(Verdict::Broken)
            }
        };
        if let Some(verdict) = verdict {
            return Ok(search.explored(verdict));
        }
        // A hull does otherwise than was said of it: all is explored anew without that.
        let is_symmetric = search.known.table.is_symmetric();
        match reductions.weaker(is_symmetric) {
            Some(weaker) => reductions = weaker,
            None => return Ok(search.explored(Verdict::BoundedOut(Stop::Contradiction))),
        }
    }
}

/// What is known so far.
#[derive(Debug)]
pub(super) struct Search {
    pub(super) known: Knowledge,
    jobs: usize,
    beginning: State,
    visited: Visited,
    /// The states of the present depth.
    layer: Vec<Block>,
    /// The states of every few depths, to find the way to a state by.
    landmarks: Vec<Vec<Block>>,
    situations: Situations,
    transitions: u64,
    expanded: usize,
    depth: usize,
    /// All states that were met.
    #[cfg(test)]
    pub(super) met: Vec<State>,
}

/// Why the search ends.
#[derive(Debug)]
pub(super) enum End {
    Stop(Stop),
    /// A hull takes another step when names are exchanged.
    Asymmetric,
    Broken {
        from: Box<Found>,
        to: Move,
    },
}

/// A state, and a state of the last landmarks that it follows from.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) state: State,
    pub(super) from: Place,
}

/// What one thread did in a round.
#[derive(Debug, Default)]
struct Work {
    blocks: Vec<Block>,
    questions: BTreeSet<Question>,
    /// States that wait for answers.
    waiting: Vec<Place>,
    expanded: usize,
    transitions: u64,
    situations: Situations,
    broken: Option<(Place, Move)>,
    /// Room that is used again.
    words: Words,
    ways: Vec<Way>,
    moves: Vec<Move>,
    nets: Vec<Vec<u32>>,
}

impl Search {
    pub(super) fn new(
        world: World,
        reductions: Reductions,
        jobs: Option<NonZeroUsize>,
    ) -> Result<Self, OpenError> {
        let nodes = usize::from(world.nodes);
        let renamings = if reductions.renames {
            Renamings::of(nodes, usize::from(world.witnesses.max(world.joiners)))
        } else {
            Renamings::none(nodes)
        };
        let simpler = if reductions.simplifies {
            Simpler::of(&world)
        } else {
            Simpler::Nothing
        };
        let (table, locals) = Table::begin(&world, renamings, simpler)?;
        let mut beginning = State::default();
        beginning.locals[..nodes].copy_from_slice(&locals);
        let cores = || thread::available_parallelism().ok();
        Ok(Self {
            known: Knowledge {
                world,
                reductions,
                pasts: Pasts::new(&table.renamings),
                table,
            },
            jobs: jobs.or_else(cores).map_or(1, NonZeroUsize::get),
            beginning,
            visited: Visited::new(),
            layer: Vec::new(),
            landmarks: Vec::new(),
            situations: Situations::default(),
            transitions: 0,
            expanded: 0,
            depth: 0,
            #[cfg(test)]
            met: Vec::new(),
        })
    }

    pub(super) fn run(
        &mut self,
        go_on: &mut impl FnMut(&Progress) -> Result<(), Stop>,
    ) -> Result<(), End> {
        let mut words = Words::default();
        self.known.write_canonical(&self.beginning, &mut words);
        self.visited.add(Fingerprint::of(&words.best));
        let mut block = Block::default();
        block.push(Place::default(), &words.best);
        self.layer = vec![block];
        while !self.layer.is_empty() {
            go_on(&self.progress()).map_err(End::Stop)?;
            #[cfg(test)]
            self.note_met();
            let next = self.go_on_from_layer(go_on)?;
            let done = std::mem::replace(&mut self.layer, next);
            if self.depth % DEPTHS_BETWEEN_LANDMARKS == 0 {
                self.landmarks.push(done);
            }
            if self.layer.len() > MOST_BLOCKS {
                return Err(End::Stop(Stop::Numbers));
            }
            if !self.layer.is_empty() {
                self.depth += 1;
            }
        }
        Ok(())
    }

    fn explored(&self, verdict: Verdict) -> Explored {
        Explored {
            verdict,
            progress: self.progress(),
            situations: self.situations,
        }
    }

    /// The verdict, if hulls do all that was said of them.
    fn confirmed(&self, verdict: Verdict) -> Option<Verdict> {
        self.known.table.confirm(self.jobs).then_some(verdict)
    }

    /// Goes on from all states of the present depth; answers those of the next.
    fn go_on_from_layer(
        &mut self,
        go_on: &mut impl FnMut(&Progress) -> Result<(), Stop>,
    ) -> Result<Vec<Block>, End> {
        let mut places = self.undominated();
        let mut blocks = Vec::new();
        while !places.is_empty() {
            let (works, stop) = self.round(&places, go_on);
            let mut questions = BTreeSet::new();
            let mut broken: Option<(Place, Move)> = None;
            places.clear();
            for work in works {
                blocks.extend(work.blocks);
                questions.extend(work.questions);
                places.extend(work.waiting);
                self.expanded += work.expanded;
                self.transitions += work.transitions;
                self.situations.add(&work.situations);
                let earliest =
                    |found: &(Place, Move)| broken.as_ref().is_none_or(|known| found.0 < known.0);
                broken = work.broken.filter(earliest).or(broken);
            }
            if let Some((place, to)) = broken {
                let from = Box::new(self.find(&self.layer, place));
                return Err(End::Broken { from, to });
            }
            stop.map_err(End::Stop)?;
            for question in questions {
                self.known.answer(question).map_err(End::Stop)?;
            }
            if !self.known.table.is_symmetric() {
                return Err(End::Asymmetric);
            }
        }
        for block in &mut blocks {
            block.shrink();
        }
        Ok(blocks)
    }

    /// The states of the present depth but those of which all that can happen in them can happen
    /// in another state that was met, which differs only in that less is used up.
    fn undominated(&mut self) -> Vec<Place> {
        let next = AtomicUsize::new(0);
        let work = || {
            let (mut kept, mut dominated) = (Vec::new(), 0);
            let (mut state, mut words) = (State::default(), Vec::new());
            while let Some((number, block)) = take_next(&self.layer, &next) {
                for place in block.places(number, self.known.nodes()) {
                    block.read(place.offset(), self.known.nodes(), &mut state);
                    if self.is_dominated(&mut state, &mut words) {
                        dominated += 1;
                    } else {
                        kept.push(place);
                    }
                }
            }
            (kept, dominated)
        };
        let all = side_by_side(self.jobs, work);
        let mut places = Vec::new();
        for (kept, dominated) in all {
            places.extend(kept);
            self.expanded += dominated;
        }
        places
    }

    fn is_dominated(&self, state: &mut State, words: &mut Vec<u32>) -> bool {
        let spent = state.spent;
        let dominates = self.known.reductions.dominates;
        Bound::ALL.into_iter().any(|bound| {
            let less = spent.one_less(bound).filter(|_| dominates);
            less.is_some_and(|less| {
                state.spent = less;
                let fingerprint = state.fingerprint(self.known.nodes(), words);
                self.visited.contains(fingerprint)
            })
        })
    }

    /// Goes on from states for which everything is known; the others wait.
    fn round(
        &self,
        places: &[Place],
        go_on: &mut impl FnMut(&Progress) -> Result<(), Stop>,
    ) -> (Vec<Work>, Result<(), Stop>) {
        let (next, over) = (AtomicUsize::new(0), AtomicBool::new(false));
        let (expanded, transitions) = (AtomicUsize::new(0), AtomicU64::new(0));
        let bytes = AtomicUsize::new(0);
        let present = self.progress();
        let portion = || {
            let start = next.fetch_add(PORTION, Ordering::Relaxed);
            let portion = places.get(start..)?;
            let portion = portion.get(..PORTION).unwrap_or(portion);
            (!portion.is_empty() && !over.load(Ordering::Relaxed)).then_some(portion)
        };
        let work_on = |portion: &[Place], work: &mut Work| {
            let before = (work.expanded, work.transitions, work.bytes());
            for place in portion {
                self.expand(*place, work);
            }
            expanded.fetch_add(work.expanded - before.0, Ordering::Relaxed);
            transitions.fetch_add(work.transitions - before.1, Ordering::Relaxed);
            bytes.fetch_add(work.bytes() - before.2, Ordering::Relaxed);
            if work.broken.is_some() {
                over.store(true, Ordering::Relaxed);
            }
        };
        thread::scope(|scope| {
            let helper = || {
                let mut work = Work::default();
                while let Some(portion) = portion() {
                    work_on(portion, &mut work);
                }
                work
            };
            let helpers: Vec<_> = (1..self.jobs).map(|_| scope.spawn(helper)).collect();
            let (mut own, mut answer) = (Work::default(), Ok(()));
            while let Some(portion) = portion() {
                work_on(portion, &mut own);
                answer = go_on(&Progress {
                    states: self.visited.len(),
                    expanded: present.expanded + expanded.load(Ordering::Relaxed),
                    transitions: present.transitions + transitions.load(Ordering::Relaxed),
                    bytes: present.bytes + bytes.load(Ordering::Relaxed),
                    ..present
                });
                if answer.is_err() {
                    over.store(true, Ordering::Relaxed);
                    break;
                }
            }
            let mut works = vec![own];
            works.extend(helpers.into_iter().map(joined));
            (works, answer)
        })
    }

    /// Goes on from one state, or notes what has to be found out before.
    fn expand(&self, place: Place, work: &mut Work) {
        let Found { state, from } = self.find(&self.layer, place);
        let from = if self.depth % DEPTHS_BETWEEN_LANDMARKS == 0 {
            place
        } else {
            from
        };
        match self.list_ways(&state, work) {
            Err(to) => work.break_at(place, to),
            Ok(false) => work.waiting.push(place),
            Ok(true) => {
                let ways = std::mem::take(&mut work.ways);
                for way in &ways {
                    if !self.add_all(&state, way, from, work) {
                        continue;
                    }
                    let looked = self.known.look(&state, way, &mut work.situations);
                    if looked.is_err() {
                        work.break_at(place, way.to);
                    }
                }
                work.ways = ways;
                work.expanded += 1;
            }
        }
    }

    /// Lists where all that can happen leads; answers whether all of it is known.
    fn list_ways(&self, state: &State, work: &mut Work) -> Result<bool, Move> {
        let mut is_known = true;
        work.ways.clear();
        self.known.list_moves(state, &mut work.moves);
        for to in &work.moves {
            match self.known.follow(state, *to) {
                Ok(way) => work.ways.push(way),
                Err(Obstacle::Idle) => {}
                Err(Obstacle::Broken(_)) => return Err(*to),
                Err(Obstacle::Unknown(question)) => {
                    work.questions.insert(question);
                    is_known = false;
                }
            }
        }
        Ok(is_known)
    }

    /// Adds the states that a move leads to; answers whether any is new.
    fn add_all(&self, state: &State, way: &Way, from: Place, work: &mut Work) -> bool {
        let mut any_new = false;
        self.known.list_nets(state, way, &mut work.nets);
        let mut next = way.next.clone();
        for net in work.nets.drain(..) {
            work.transitions += 1;
            next.net = net;
            self.known.write_canonical(&next, &mut work.words);
            let fingerprint = Fingerprint::of(&work.words.best);
            if self.visited.add(fingerprint) {
                any_new = true;
                match work.blocks.last_mut().filter(|block| !block.is_full()) {
                    Some(block) => block.push(from, &work.words.best),
                    None => {
                        let mut block = Block::default();
                        block.push(from, &work.words.best);
                        work.blocks.push(block);
                    }
                }
            }
        }
        any_new
    }

    pub(super) fn find(&self, layer: &[Block], place: Place) -> Found {
        let mut state = State::default();
        let block = &layer[place.block()];
        let (from, _) = block.read(place.offset(), self.known.nodes(), &mut state);
        Found { state, from }
    }

    /// The states that a state follows from, the first of all first, each the last one's landmark.
    pub(super) fn landmarks_before(&self, found: &Found) -> Vec<State> {
        let mut states = Vec::new();
        let mut from = found.from;
        for layer in self.landmarks.iter().rev() {
            let found = self.find(layer, from);
            from = found.from;
            states.push(found.state);
        }
        states.reverse();
        states
    }

    pub(super) const fn beginning(&self) -> &State {
        &self.beginning
    }

    /// The states of the depth that was begun last.
    #[cfg(test)]
    pub(super) fn latest(&self) -> Vec<Found> {
        let nodes = self.known.nodes();
        let places = self.layer.iter().enumerate();
        let places = places.flat_map(|(number, block)| block.places(number, nodes));
        places.map(|place| self.find(&self.layer, place)).collect()
    }

    #[cfg(test)]
    fn note_met(&mut self) {
        let latest = self.latest();
        self.met.extend(latest.into_iter().map(|found| found.state));
    }

    pub(super) fn progress(&self) -> Progress {
        let table = &self.known.table;
        Progress {
            states: self.visited.len(),
            expanded: self.expanded,
            transitions: self.transitions,
            depth: self.depth,
            locals: table.locals(),
            steps: table.steps(),
            messages: table.messages(),
            bytes: self.bytes(),
        }
    }

    fn bytes(&self) -> usize {
        let landmarks = self.landmarks.iter().flatten();
        let blocks = landmarks.chain(&self.layer).map(Block::bytes);
        blocks.sum::<usize>() + self.visited.bytes() + self.known.table.bytes()
    }
}

impl Work {
    fn bytes(&self) -> usize {
        self.blocks.iter().map(Block::bytes).sum()
    }

    fn break_at(&mut self, place: Place, to: Move) {
        let is_first = |(known, ..): &(Place, Move)| place < *known;
        if self.broken.as_ref().is_none_or(is_first) {
            self.broken = Some((place, to));
        }
    }
}

/// Does the same on so many threads, this one among them.
pub(super) fn side_by_side<T: Send>(jobs: usize, work: impl Fn() -> T + Sync) -> Vec<T> {
    thread::scope(|scope| {
        let others: Vec<_> = (1..jobs).map(|_| scope.spawn(&work)).collect();
        let own = work();
        std::iter::once(own)
            .chain(others.into_iter().map(joined))
            .collect()
    })
}

/// What a thread answers. Its panic is this one's too: what it had in hand was not looked at.
fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}

/// The next block that nobody took.
fn take_next<'a>(blocks: &'a [Block], next: &AtomicUsize) -> Option<(usize, &'a Block)> {
    let number = next.fetch_add(1, Ordering::Relaxed);
    blocks.get(number).map(|block| (number, block))
}

/// How many states a thread goes on from before it takes more.
const PORTION: usize = 256;
/// How many depths lie between those whose states are kept.
const DEPTHS_BETWEEN_LANDMARKS: usize = 8;
