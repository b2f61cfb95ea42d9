//! One state of a world, as numbers, and states written one after the other.

use super::visited::Fingerprint;
use super::worlds::MAX_NODES;

/// One state: what each node is like, what is on its way, what was, and what was used up.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct State {
    /// The number of each node's state; 0 beyond the world's nodes.
    pub(super) locals: [u32; MAX_NODES],
    pub(super) past: u32,
    pub(super) spent: Spent,
    /// What is on its way, as ascending numbers of messages.
    pub(super) net: Vec<u32>,
}

/// What was used up of a world's bounds, three bits each.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Spent(u32);

/// One of a world's bounds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Bound {
    Elections,
    Slots,
    Crashes,
    Doubles,
    Stalls,
    Ticks,
    Changes,
    Damages,
    Reads,
    Snapshots,
}

/// States in a row, each after the word that says where it came from.
#[derive(Debug, Default)]
pub(super) struct Block {
    words: Vec<u32>,
}

/// Which state of a list of blocks, in one word.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub(super) struct Place(u32);

impl State {
    /// Writes the state down, so that different states of one world differ.
    pub(super) fn write(&self, nodes: usize, into: &mut Vec<u32>) {
        into.extend([self.net.len() as u32, self.spent.0, self.past]);
        into.extend(&self.locals[..nodes]);
        into.extend(&self.net);
    }

    /// What was written down.
    pub(super) fn of(words: &[u32], nodes: usize) -> Self {
        let mut state = Self::default();
        state.read(nodes, words);
        state
    }

    /// Reads what [`State::write`] wrote.
    fn read(&mut self, nodes: usize, words: &[u32]) {
        self.spent = Spent(words[1]);
        self.past = words[2];
        self.locals[..nodes].copy_from_slice(&words[3..3 + nodes]);
        self.net.clear();
        self.net.extend_from_slice(&words[3 + nodes..]);
    }

    pub(super) fn fingerprint(&self, nodes: usize, words: &mut Vec<u32>) -> Fingerprint {
        words.clear();
        self.write(nodes, words);
        Fingerprint::of(words)
    }
}

impl Spent {
    pub(super) const fn of(self, bound: Bound) -> u8 {
        ((self.0 >> bound.shift()) & 7) as u8
    }

    pub(super) const fn one_more(self, bound: Bound) -> Self {
        Self(self.0 + (1 << bound.shift()))
    }

    /// With one less used up, if any was.
    pub(super) fn one_less(self, bound: Bound) -> Option<Self> {
        (self.of(bound) > 0).then(|| Self(self.0 - (1 << bound.shift())))
    }
}

impl Bound {
    pub(super) const ALL: [Self; 10] = [
        Self::Elections,
        Self::Slots,
        Self::Crashes,
        Self::Doubles,
        Self::Stalls,
        Self::Ticks,
        Self::Changes,
        Self::Damages,
        Self::Reads,
        Self::Snapshots,
    ];

    const fn shift(self) -> u32 {
        3 * match self {
            Self::Elections => 0,
            Self::Slots => 1,
            Self::Crashes => 2,
            Self::Doubles => 3,
            Self::Stalls => 4,
            Self::Ticks => 5,
            Self::Changes => 6,
            Self::Damages => 7,
            Self::Reads => 8,
            Self::Snapshots => 9,
        }
    }
}

impl Block {
    pub(super) fn push(&mut self, from: Place, words: &[u32]) {
        self.words.push(from.0);
        self.words.extend_from_slice(words);
    }

    /// Whether the next state would stand where a place can't say.
    pub(super) fn is_full(&self) -> bool {
        self.words.len() >= FULL
    }

    pub(super) fn bytes(&self) -> usize {
        self.words.capacity() * size_of::<u32>()
    }

    /// Reads the state at an offset: where it came from, and where the next one stands.
    pub(super) fn read(&self, offset: usize, nodes: usize, state: &mut State) -> (Place, usize) {
        let start = offset + 1;
        let end = start + 3 + nodes + self.words[start] as usize;
        state.read(nodes, &self.words[start..end]);
        (Place(self.words[offset]), end)
    }

    /// The places of all states in it, in order.
    pub(super) fn places(&self, block: usize, nodes: usize) -> impl Iterator<Item = Place> {
        let mut offset = 0;
        std::iter::from_fn(move || {
            let length = *self.words.get(offset + 1)?;
            let place = Place::new(block, offset);
            offset += 4 + nodes + length as usize;
            Some(place)
        })
    }

    pub(super) fn shrink(&mut self) {
        self.words.shrink_to_fit();
    }
}

impl Place {
    fn new(block: usize, offset: usize) -> Self {
        Self(((block as u32) << 16) | offset as u32)
    }

    pub(super) const fn block(self) -> usize {
        (self.0 >> 16) as usize
    }

    pub(super) const fn offset(self) -> usize {
        (self.0 & 0xffff) as usize
    }
}

/// Offsets of states are below 65,536.
const FULL: usize = 1 << 16;
/// Blocks that a place can name.
pub(super) const MOST_BLOCKS: usize = 1 << 16;
