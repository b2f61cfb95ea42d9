//! What is replicated: which lines were applied, how often, and what they held.
//!
//! Hundreds of lines are in flight at once, so they are applied in another order than they have in
//! the file. The digest does not depend on that order, and yet changes with every byte of every
//! line, with a line that is missing, and with one that is applied twice.

use std::collections::BTreeMap;

use bytes::Bytes;
use quorate::App;
use serde::{Deserialize, Serialize};

/// All lines applied so far, by their number in the file.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Lines(BTreeMap<u64, Line>);

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
struct Line {
    times: u64,
    content: u128,
}

/// One line of the file: the command.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PutLine {
    pub(crate) number: u64,
    pub(crate) content: Bytes,
}

impl App for Lines {
    type Command = PutLine;
    /// How often this line has been applied now: once.
    type Reply = u64;

    fn apply(&mut self, line: PutLine) -> u64 {
        let entry = self.0.entry(line.number).or_default();
        entry.times += 1;
        entry.content = fnv(fnv(SEED, &entry.content.to_le_bytes()), &line.content);
        entry.times
    }
}

impl Lines {
    /// How many different lines were applied.
    pub(crate) fn count(&self) -> u64 {
        self.0.len() as u64
    }

    /// How many lines were applied more than once.
    pub(crate) fn repeated(&self) -> u64 {
        self.0.values().filter(|line| line.times > 1).count() as u64
    }

    /// A digest of everything: numbers, times and contents, in order of the numbers.
    pub(crate) fn digest(&self) -> u128 {
        self.0.iter().fold(SEED, |digest, (number, line)| {
            let digest = fnv(digest, &number.to_le_bytes());
            let digest = fnv(digest, &line.times.to_le_bytes());
            fnv(digest, &line.content.to_le_bytes())
        })
    }
}

/// FNV-1a with 128 bits: short, the same everywhere, and good enough against accidents.
fn fnv(digest: u128, bytes: &[u8]) -> u128 {
    bytes.iter().fold(digest, |digest, byte| {
        (digest ^ u128::from(*byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
    })
}

const SEED: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
