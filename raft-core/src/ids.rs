//! The numbers Raft counts in, each a type of its own so that none stands in for another.
//!
//! A field is private, arithmetic is limited to what the paper does with it (the next one, the
//! distance between two), and zero is the paper's "initialized to 0": a real position before the
//! first entry, never a sentinel for "none" (that is what `Option` is for).

use core::fmt;
use core::hash::{Hash, Hasher};
use core::str::FromStr;

use serde::{Deserialize, Serialize};

/// Defines a newtype over an integer with `new`, `get`, `Display` and a short `Debug`.
macro_rules! number {
    ($(#[$meta:meta])* $name:ident, $inner:ty, $letter:literal) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name($inner);

        impl $name {
            /// Wraps the number.
            pub const fn new(number: $inner) -> Self {
                Self(number)
            }

            /// The number inside.
            pub const fn get(self) -> $inner {
                self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($letter, "{}"), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self, f)
            }
        }
    };
}

number!(
    /// A node's name within its cluster (the paper's server id). Chosen by the user, never reused
    /// for another machine; what tells two lives of one name apart is the [`Incarnation`].
    NodeId, u64, "n"
);

number!(
    /// A term: Raft's logical clock (paper 5.1). Terms only ever grow.
    Term, u64, "T"
);

number!(
    /// A position in the log. The first entry has index 1; [`LogIndex::ZERO`] is the position
    /// before it, as in Figure 2's "initialized to 0".
    LogIndex, u64, "i"
);

number!(
    /// How often a data folder has been opened. Raised durably before the first output of each
    /// start, so that two starts of one node can be told apart.
    Boot, u64, "b"
);

number!(
    /// A cluster's name, drawn at random when the cluster is founded.
    ClusterId, u128, "c"
);

number!(
    /// The driver's name for one proposal, read or command in flight. Each ticket resolves
    /// exactly once; the hull only ever hands it back.
    Ticket, u64, "t"
);

/// One life of a data folder: drawn at random when the folder is created. A node whose disk
/// was wiped comes back under its old [`NodeId`] but with another incarnation, and counts for
/// nothing until it is added again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(from = "u128", into = "u128")]
pub struct Incarnation {
    // In halves, the higher one first: a number of 128 bits would ask for memory aligned to it, and
    // make every message and every member larger by that.
    high: u64,
    low: u64,
}

impl Incarnation {
    /// Wraps the number.
    pub const fn new(number: u128) -> Self {
        Self {
            high: (number >> u64::BITS) as u64,
            low: number as u64,
        }
    }

    /// The number inside.
    pub const fn get(self) -> u128 {
        ((self.high as u128) << u64::BITS) | self.low as u128
    }
}

impl From<u128> for Incarnation {
    fn from(number: u128) -> Self {
        Self::new(number)
    }
}

impl From<Incarnation> for u128 {
    fn from(incarnation: Incarnation) -> Self {
        incarnation.get()
    }
}

impl Hash for Incarnation {
    /// As the number it is.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.get().hash(state);
    }
}

impl fmt::Debug for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "x{}", self.get())
    }
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl Term {
    /// The term before the first election.
    pub const ZERO: Self = Self(0);

    /// The following term.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl LogIndex {
    /// The position before the first entry.
    pub const ZERO: Self = Self(0);

    /// The following position.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The position before this one; the origin has none before it and answers itself.
    #[must_use]
    pub const fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// The position `count` entries further on.
    #[must_use]
    pub const fn plus(self, count: u64) -> Self {
        Self(self.0.saturating_add(count))
    }

    /// How many entries lie between `earlier` (exclusive) and `self` (inclusive); zero when
    /// `earlier` is not earlier.
    #[must_use]
    pub const fn distance_from(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl Boot {
    /// The following boot.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// What identifies an entry for ever: two logs that hold an entry with the same id hold the same
/// entry, and the same entries before it (Log Matching, Figure 3).
///
/// The order is the one of paper 5.4.1: the later term is more up to date, and within a term the
/// longer log.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct EntryId {
    /// The term of the leader that created the entry.
    pub term: Term,
    /// Its position in the log.
    pub index: LogIndex,
}

impl EntryId {
    /// The id before the first entry.
    pub const ORIGIN: Self = Self {
        term: Term::ZERO,
        index: LogIndex::ZERO,
    };

    /// The id of the entry at `index` created in `term`.
    pub const fn new(term: Term, index: LogIndex) -> Self {
        Self { term, index }
    }
}

impl fmt::Debug for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.index.0, self.term)
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A node in one of its lives. Quorums count peers, not names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Peer {
    /// The node's name.
    pub id: NodeId,
    /// Which life of its data folder speaks.
    pub incarnation: Incarnation,
}

impl Peer {
    /// The node `id` in its life `incarnation`.
    pub const fn new(id: NodeId, incarnation: Incarnation) -> Self {
        Self { id, incarnation }
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{:x}", self.id, self.incarnation.get())
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Reads what [`Peer`] prints, so that a life can be handed from one process to another as text.
impl FromStr for Peer {
    type Err = NoPeer;

    fn from_str(text: &str) -> Result<Self, NoPeer> {
        let (id, life) = text.split_once('/').ok_or(NoPeer)?;
        let id = id.strip_prefix('n').ok_or(NoPeer)?;
        let digits = |text: &str, radix| text.chars().all(|letter| letter.is_digit(radix));
        if !digits(id, 10) || !digits(life, 16) {
            return Err(NoPeer);
        }
        let id = id.parse().map_err(|_| NoPeer)?;
        let life = u128::from_str_radix(life, 16).map_err(|_| NoPeer)?;
        Ok(Self::new(NodeId::new(id), Incarnation::new(life)))
    }
}

/// A text is no node in one of its lives.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("this is no node in one of its lives, such as n4/8c3cf76969467191e6b501fcffc52881")]
pub struct NoPeer;

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn a_peer_is_read_back_from_what_it_prints() {
        for (id, life) in [(0, 0), (4, 0x8c3c), (u64::MAX, u128::MAX)] {
            let peer = Peer::new(NodeId::new(id), Incarnation::new(life));
            assert_eq!(peer.to_string().parse(), Ok(peer));
        }
        for text in [
            "",
            "/",
            "n",
            "n4",
            "n4/",
            "n/8c",
            "4/8c",
            "n4/+8c",
            "n4/x8c",
            "n-4/8c",
            "n+4/8c",
            "n4/8c/1",
            "n18446744073709551616/1",
            "n1/100000000000000000000000000000000",
            " n4/8c",
        ] {
            assert_eq!(text.parse::<Peer>(), Err(NoPeer), "{text:?}");
        }
    }
}
