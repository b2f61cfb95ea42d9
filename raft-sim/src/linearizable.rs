//! Whether a history is linearizable: whether its operations could have taken effect one after the
//! other, each at one moment between its invocation and its return (Herlihy and Wing, 1990).
//!
//! The search is Wing and Gong's (1993) with Lowe's memory (2017): take a minimal operation (one
//! that no other has to precede), let the sequential model answer it, go on if the answer is the
//! one the client got, back up if nothing fits; and never try the same set of taken operations
//! with the same state twice. Sets and states are remembered by 128-bit fingerprints.
//!
//! An operation of unknown outcome may take effect at any moment after its invocation, or never. It
//! is tried only where no answered operation fits, and at first only few of them in a row: the
//! order of a real history is nearly always found so, long before all subsets were tried.
//!
//! A history may come with a hint ([`History::hint`]) of the order in which to look first. It only
//! saves time: an order is accepted because it explains what clients saw, whoever proposed it, and
//! refused only after all others were.

use core::fmt;
use core::hash::{Hash, Hasher};
use std::collections::{BTreeMap, BTreeSet};

use crate::history::{History, Operation, Outcome};

mod app;
#[cfg(test)]
mod tests;

pub use app::AppModel;

/// What an object does when operations come one at a time: the meaning of its answers.
pub trait Sequential {
    /// What is asked.
    type Input: fmt::Debug;
    /// What is answered.
    type Output: PartialEq + fmt::Debug;
    /// What the object remembers.
    type State: Clone + Eq + Hash + fmt::Debug;
    /// Operations under different keys don't touch each other, so that each key's history can be
    /// checked by itself, which is a great deal faster. `()` for an object that can't be split.
    type Key: Ord + fmt::Debug;

    /// The object (or one key's part of it) before the first operation.
    fn initial(&self) -> Self::State;

    /// What an operation does, and what it answers. `None` if it can't be taken in this state at
    /// all, as when a user's app panics: no order in which it comes here explains any answer.
    fn apply(
        &self,
        state: &Self::State,
        input: &Self::Input,
    ) -> Option<(Self::State, Self::Output)>;

    /// The key that an operation touches.
    fn key(&self, input: &Self::Input) -> Self::Key;

    /// An input in words, for a report.
    fn say_input(&self, input: &Self::Input) -> String {
        format!("{input:?}")
    }

    /// An output in words, for a report.
    fn say_output(&self, output: &Self::Output) -> String {
        format!("{output:?}")
    }

    /// A state in words, for a report.
    fn say_state(&self, state: &Self::State) -> String {
        format!("{state:?}")
    }

    /// What of the object a report is about: nothing, if it is the whole.
    fn say_key(&self, key: &Self::Key) -> Option<String> {
        Some(format!("key {key:?}"))
    }
}

/// Checks a history against the meaning of its operations. Gives up after about `effort` steps of
/// the search in one key.
pub fn check<M: Sequential>(
    model: &M,
    history: &History<M::Input, M::Output>,
    effort: u64,
) -> Verdict {
    let mut parts: BTreeMap<M::Key, Vec<Asked<'_, M>>> = BTreeMap::new();
    for operation in history.operations() {
        if !matches!(operation.outcome, Outcome::Refused) {
            let key = model.key(&operation.input);
            parts.entry(key).or_default().push(operation);
        }
    }
    let mut undecided = false;
    for (key, operations) in &parts {
        match search(model, operations, effort) {
            Answer::Found => {}
            Answer::GaveUp => undecided = true,
            Answer::None(stuck) => {
                let part = model.say_key(key).map(|key| format!("under {key}: "));
                let part = part.unwrap_or_default();
                return Verdict::NotLinearizable(format!("{part}{stuck}"));
            }
        }
    }
    if undecided {
        Verdict::Undecided
    } else {
        Verdict::Linearizable
    }
}

/// An operation on this model's object.
type Asked<'a, M> = &'a Operation<<M as Sequential>::Input, <M as Sequential>::Output>;

/// What a check found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// There is an order.
    Linearizable,
    /// There is none; the text shows where the best attempt got stuck.
    NotLinearizable(String),
    /// The search was given up.
    Undecided,
}

/// Steps of search in one key after which a check may be given up. Ordinary histories need about
/// one for each operation.
pub const EFFORT: u64 = 2_000_000;

enum Answer {
    Found,
    None(String),
    GaveUp,
}

/// Searches the history of one key, with more and more operations of unknown outcome in a row.
fn search<M: Sequential>(model: &M, operations: &[Asked<'_, M>], effort: u64) -> Answer {
    for (most_unknown, share) in [(1, 8), (2, 8), (4, 8)] {
        let mut search = Search::new(model, operations, most_unknown);
        match search.run(effort / share) {
            Answer::Found => return Answer::Found,
            Answer::None(stuck) if !search.cut_short => return Answer::None(stuck),
            Answer::None(_) | Answer::GaveUp => {}
        }
    }
    Search::new(model, operations, usize::MAX).run(effort)
}

/// The search in the history of one key.
struct Search<'a, M: Sequential> {
    model: &'a M,
    /// The answered operations' invocations and returns that are not taken yet.
    open: Moments,
    answered: Vec<Answered<'a, M>>,
    /// The ones that may be taken now, in the order in which they are tried.
    lined_up: Vec<Which>,
    unknown: Vec<Unknown<'a, M>>,
    tried: BTreeSet<(u128, u128)>,
    /// How many unknown operations may be taken in a row, and whether that ever mattered.
    most_unknown: usize,
    cut_short: bool,
    taken: Vec<Taken<M::State>>,
    state: M::State,
    set: u128,
    /// How many answered operations the best attempt took, and what it looked like then.
    best: Option<(usize, String)>,
    answered_taken: usize,
}

struct Answered<'a, M: Sequential> {
    operation: Asked<'a, M>,
    output: &'a M::Output,
    /// The place of its return in the whole history.
    returned: u64,
}

struct Unknown<'a, M: Sequential> {
    operation: Asked<'a, M>,
    taken: bool,
}

/// An operation taken, and what to restore when backing up.
struct Taken<S> {
    which: Which,
    state: S,
    /// Where to go on without it.
    otherwise: Cursor,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    Answered(usize),
    Unknown(usize),
}

/// Where the search goes on.
#[derive(Clone, Copy)]
enum Cursor {
    /// At this place in the line of operations that may be taken.
    Line(usize),
    /// At this unknown operation; no answered one fits before the return that ends at `before`.
    Unknown { at: usize, before: u64 },
}

impl<'a, M: Sequential> Search<'a, M> {
    fn new(model: &'a M, operations: &[Asked<'a, M>], most_unknown: usize) -> Self {
        let mut answered = Vec::new();
        let mut unknown = Vec::new();
        let mut moments = Vec::new();
        for operation in operations {
            match &operation.outcome {
                Outcome::Answered(moment, output) => {
                    let number = answered.len();
                    moments.push((operation.invoked.order, Moment::Call(number)));
                    moments.push((moment.order, Moment::Return(moment.order)));
                    answered.push(Answered {
                        operation,
                        output,
                        returned: moment.order,
                    });
                }
                Outcome::Unknown => unknown.push(Unknown {
                    operation,
                    taken: false,
                }),
                Outcome::Refused => {}
            }
        }
        Self {
            model,
            open: Moments::new(moments, &answered),
            answered,
            lined_up: Vec::new(),
            unknown,
            tried: BTreeSet::new(),
            most_unknown,
            cut_short: false,
            taken: Vec::new(),
            state: model.initial(),
            set: 0,
            best: None,
            answered_taken: 0,
        }
    }

    fn run(&mut self, effort: u64) -> Answer {
        let mut cursor = START;
        for _ in 0..effort {
            let next = match cursor {
                Cursor::Line(rank) => {
                    let Some(before) = self.line_up() else {
                        return Answer::Found;
                    };
                    match self.lined_up.get(rank).copied() {
                        Some(Which::Answered(number)) => self.try_answered(number, rank),
                        Some(Which::Unknown(at)) => {
                            let otherwise = Cursor::Line(rank + 1);
                            Some(self.take_unknown(at, otherwise).unwrap_or(otherwise))
                        }
                        None => {
                            self.note_stuck();
                            Some(Cursor::Unknown { at: 0, before })
                        }
                    }
                }
                Cursor::Unknown { at, before } => self.try_unknown(at, before),
            };
            match next.or_else(|| self.back_up()) {
                Some(next) => cursor = next,
                None => {
                    let stuck = self.best.take().map_or_else(String::new, |(_, text)| text);
                    return Answer::None(stuck);
                }
            }
        }
        Answer::GaveUp
    }

    /// Lines up the operations that may be taken now, and answers the return before which one has
    /// to be; `None` when all answered ones are taken.
    ///
    /// Whatever has a hint comes in its order, behind what has none: these are reads, which fit
    /// now or later. Among them who returned first comes first, because one that was under way for
    /// long may have taken effect at any moment, and is more likely to have done so late.
    fn line_up(&mut self) -> Option<u64> {
        self.lined_up.clear();
        let mut at = self.open.after(0);
        let before = loop {
            match self.open.moment(at)? {
                Moment::Call(number) => self.lined_up.push(Which::Answered(number)),
                Moment::Return(order) => break order,
            }
            at = self.open.after(at);
        };
        let (answered, unknown) = (&self.answered, &self.unknown);
        let is_open = |one: &Unknown<'a, M>| {
            !one.taken && one.operation.hint.is_some() && one.operation.invoked.order < before
        };
        let hinted = (0..unknown.len()).filter(|at| unknown.get(*at).is_some_and(is_open));
        self.lined_up.extend(hinted.map(Which::Unknown));
        self.lined_up.sort_unstable_by_key(|which| match which {
            Which::Answered(number) => answered
                .get(*number)
                .map(|one| (one.operation.hint, one.returned)),
            Which::Unknown(at) => unknown.get(*at).map(|one| (one.operation.hint, 0)),
        });
        Some(before)
    }

    fn try_answered(&mut self, number: usize, rank: usize) -> Option<Cursor> {
        let otherwise = Cursor::Line(rank + 1);
        let candidate = self.answered.get(number)?;
        let applied = self.model.apply(&self.state, &candidate.operation.input);
        let fitting = applied.filter(|(_, output)| output == candidate.output);
        let set = self.set ^ fingerprint(number, 0);
        if let Some((state, _)) =
            fitting.filter(|(state, _)| self.tried.insert((set, digest(state))))
        {
            self.open.take(number);
            self.answered_taken += 1;
            return Some(self.advance(Which::Answered(number), state, set, otherwise));
        }
        Some(otherwise)
    }

    /// Tries the unknown operations from `at` on; `None` when none helps.
    fn try_unknown(&mut self, at: usize, before: u64) -> Option<Cursor> {
        let candidate = self.unknown.get(at)?;
        if candidate.operation.invoked.order > before {
            return None;
        }
        if self.unknown_in_a_row() >= self.most_unknown {
            self.cut_short = true;
            return None;
        }
        let otherwise = Cursor::Unknown { at: at + 1, before };
        Some(self.take_unknown(at, otherwise).unwrap_or(otherwise))
    }

    /// Takes an unknown operation, if that was not tried yet.
    fn take_unknown(&mut self, at: usize, otherwise: Cursor) -> Option<Cursor> {
        let candidate = self.unknown.get_mut(at).filter(|one| !one.taken)?;
        let (state, _) = self.model.apply(&self.state, &candidate.operation.input)?;
        let set = self.set ^ fingerprint(at, 1);
        // One that changes nothing helps nobody.
        if state == self.state || !self.tried.insert((set, digest(&state))) {
            return None;
        }
        candidate.taken = true;
        Some(self.advance(Which::Unknown(at), state, set, otherwise))
    }

    fn unknown_in_a_row(&self) -> usize {
        let is_unknown = |taken: &&Taken<M::State>| matches!(taken.which, Which::Unknown(_));
        self.taken.iter().rev().take_while(is_unknown).count()
    }

    fn advance(&mut self, which: Which, state: M::State, set: u128, otherwise: Cursor) -> Cursor {
        let state = core::mem::replace(&mut self.state, state);
        self.taken.push(Taken {
            which,
            state,
            otherwise,
        });
        self.set = set;
        START
    }

    /// Takes back the last operation, and goes on behind it.
    fn back_up(&mut self) -> Option<Cursor> {
        let last = self.taken.pop()?;
        self.state = last.state;
        match last.which {
            Which::Answered(number) => {
                self.set ^= fingerprint(number, 0);
                self.answered_taken -= 1;
                self.open.put_back(number);
            }
            Which::Unknown(at) => {
                self.set ^= fingerprint(at, 1);
                if let Some(candidate) = self.unknown.get_mut(at) {
                    candidate.taken = false;
                }
            }
        }
        Some(last.otherwise)
    }

    /// None of those in line can be taken: remembers the best such attempt.
    fn note_stuck(&mut self) {
        let better = self
            .best
            .as_ref()
            .is_none_or(|(taken, _)| *taken < self.answered_taken);
        let stuck = self
            .lined_up
            .iter()
            .filter_map(|which| match which {
                Which::Answered(number) => self.answered.get(*number),
                Which::Unknown(_) => None,
            })
            .min_by_key(|one| one.returned);
        let (true, Some(stuck)) = (better, stuck) else {
            return;
        };
        let operation = stuck.operation;
        let text = format!(
            "after {} of {} answered operations the state is {}, in which client {}'s {} of {:?} can't have been answered {}",
            self.answered_taken,
            self.answered.len(),
            self.model.say_state(&self.state),
            operation.client,
            self.model.say_input(&operation.input),
            operation.invoked.time,
            self.model.say_output(stuck.output),
        );
        self.best = Some((self.answered_taken, text));
    }
}

/// The invocations and returns of answered operations in order, as a list that operations are
/// taken out of and put back into in the reverse order.
struct Moments {
    /// Each with its neighbours; the first place is before all, the last after all.
    places: Vec<Place>,
    /// By operation: the places of its invocation and its return.
    of: Vec<(usize, usize)>,
}

#[derive(Clone, Copy)]
struct Place {
    moment: Option<Moment>,
    previous: usize,
    next: usize,
}

#[derive(Clone, Copy)]
enum Moment {
    Call(usize),
    /// The moment's place in the whole history.
    Return(u64),
}

impl Moments {
    fn new<M: Sequential>(mut moments: Vec<(u64, Moment)>, answered: &[Answered<'_, M>]) -> Self {
        moments.sort_unstable_by_key(|(order, _)| *order);
        let place = |wanted: u64| moments.partition_point(|(order, _)| *order < wanted) + 1;
        let of = answered
            .iter()
            .map(|one| (place(one.operation.invoked.order), place(one.returned)))
            .collect();
        let inner = moments.iter().map(|(_, moment)| Some(*moment));
        let places = core::iter::once(None)
            .chain(inner)
            .chain([None])
            .enumerate()
            .map(|(at, moment)| Place {
                moment,
                previous: at.saturating_sub(1),
                next: at + 1,
            })
            .collect();
        Self { places, of }
    }

    fn moment(&self, at: usize) -> Option<Moment> {
        self.places.get(at).and_then(|place| place.moment)
    }

    fn after(&self, at: usize) -> usize {
        self.places[at].next
    }

    fn take(&mut self, number: usize) {
        let (call, back) = self.of[number];
        self.unlink(call);
        self.unlink(back);
    }

    /// Undoes the last `take`.
    fn put_back(&mut self, number: usize) {
        let (call, back) = self.of[number];
        self.link(back);
        self.link(call);
    }

    fn unlink(&mut self, at: usize) {
        let Place { previous, next, .. } = self.places[at];
        self.places[previous].next = next;
        self.places[next].previous = previous;
    }

    fn link(&mut self, at: usize) {
        let Place { previous, next, .. } = self.places[at];
        self.places[previous].next = at;
        self.places[next].previous = at;
    }
}

/// Where each step of the search begins.
const START: Cursor = Cursor::Line(0);

/// A number for each operation, so that the exclusive or of a set's numbers stands for the set.
fn fingerprint(number: usize, kind: u64) -> u128 {
    let number = number as u64;
    let half = |salt: u64| u128::from(crate::spy::mix(crate::spy::mix(salt, number), kind));
    (half(0x6c69_6e65_6172) << 64) | half(0x697a_6162_6c65)
}

/// A fingerprint of a state.
fn digest(state: &impl Hash) -> u128 {
    let half = |salt| {
        let mut hasher = Digest(salt);
        state.hash(&mut hasher);
        u128::from(hasher.finish())
    };
    (half(0x7374_6174) << 64) | half(0x6573)
}

/// The same on every run and platform, unlike the standard library's.
struct Digest(u64);

impl Hasher for Digest {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = crate::spy::mix(self.0, crate::spy::fingerprint(bytes));
    }
}
