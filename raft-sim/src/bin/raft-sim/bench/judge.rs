//! A long history of many clients, for the judge of linearizability.

use std::collections::BTreeMap;
use std::io;

use raft_core::time::Time;
use raft_sim::history::{History, OperationId};
use raft_sim::linearizable::{self, Sequential, Verdict};
use raft_sim::lot::Lot;

/// Registers that start at 0; each operation writes a number if another is there, and answers what
/// was there.
#[derive(Clone, Copy, Debug)]
struct Registers;

/// What is asked of a register.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Swap {
    register: u64,
    expected: u64,
    new: u64,
}

impl Swap {
    /// What is in the register afterwards.
    const fn applied(&self, state: u64) -> u64 {
        if state == self.expected {
            self.new
        } else {
            state
        }
    }
}

impl Sequential for Registers {
    type Input = Swap;
    type Output = u64;
    type State = u64;
    type Key = u64;

    fn initial(&self) -> u64 {
        0
    }

    fn apply(&self, state: &u64, swap: &Swap) -> Option<(u64, u64)> {
        Some((swap.applied(*state), *state))
    }

    fn key(&self, swap: &Swap) -> u64 {
        swap.register
    }
}

/// What a client is at.
#[derive(Clone, Copy)]
enum Client {
    Idle,
    Asked(OperationId, Swap),
    Done(OperationId, u64),
}

/// A history that could have happened: each operation takes effect at some moment between question
/// and answer, and one in a thousand is never answered.
pub(crate) fn history(seed: u64) -> History<Swap, u64> {
    let mut lot = Lot::of(seed, &[]);
    let mut history = History::new();
    let mut registers: BTreeMap<u64, u64> = BTreeMap::new();
    let mut clients = [Client::Idle; CLIENTS];
    let mut begun = 0;
    let mut now = Time::ZERO;
    while begun < OPERATIONS {
        now = now.after(std::time::Duration::from_micros(1));
        let place = lot.below(CLIENTS as u64) as usize;
        let Some(client) = clients.get_mut(place) else {
            continue;
        };
        *client = match *client {
            Client::Idle => {
                let register = lot.below(REGISTERS);
                let held = registers.get(&register).copied().unwrap_or(0);
                // Half of them find what they expect, unless another is quicker.
                let expected = if lot.chance(500) {
                    held
                } else {
                    lot.below(VALUES)
                };
                let new = lot.below(VALUES);
                let swap = Swap {
                    register,
                    expected,
                    new,
                };
                let id = history.invoke(begun, now, swap);
                begun += 1;
                Client::Asked(id, swap)
            }
            Client::Asked(id, swap) => {
                let state = registers.entry(swap.register).or_default();
                let (next, answer) = (swap.applied(*state), *state);
                *state = next;
                Client::Done(id, answer)
            }
            // Nobody hears of it.
            Client::Done(..) if lot.chance(1) => Client::Idle,
            Client::Done(id, answer) => {
                history.answer(id, now, answer);
                Client::Idle
            }
        };
    }
    history
}

/// Judges it. It must be found linearizable: it is.
pub(crate) fn judge(history: &History<Swap, u64>) -> io::Result<()> {
    match linearizable::check(&Registers, history, linearizable::EFFORT) {
        Verdict::Linearizable => Ok(()),
        other => Err(io::Error::other(format!(
            "a history that happened is {other:?}"
        ))),
    }
}

/// Operations of one history.
const OPERATIONS: u64 = 10_000;

const CLIENTS: usize = 16;
const REGISTERS: u64 = 8;
const VALUES: u64 = 50;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_is_linearizable_and_what_did_not_is_not() {
        let mut history = history(1);
        judge(&history).expect("it happened");
        let swap = Swap {
            register: 0,
            expected: 0,
            new: 1,
        };
        let id = history.invoke(u64::MAX, Time::from_millis(60_000), swap);
        history.answer(id, Time::from_millis(60_001), VALUES + 1);
        judge(&history).expect_err("nobody ever wrote that");
    }
}
