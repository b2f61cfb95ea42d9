//! The state machine that worlds run unless a caller brings one: a few keys with lists of values.
//!
//! Every value written is unique within a world, so that a reply shows which writes came before it
//! and in which order: the sharpest history there is for a linearizability check.

use std::collections::BTreeMap;
use std::fmt;

use raft_node::state_machine::App;
use serde::{Deserialize, Serialize};

use crate::lot::Lot;
use crate::workload::{Action, OperationPlan, Step, Workload};

/// A map from keys to lists of values.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct KeyValue {
    lists: BTreeMap<u8, Vec<u64>>,
}

/// What clients ask of a [`KeyValue`]. `tag` is unique in its world, so that no two commands of a
/// world are equal.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Command {
    /// Which key.
    pub key: u8,
    /// Unique in its world; the value that is written, where one is.
    pub tag: u64,
    /// What to do with it.
    pub verb: Verb,
}

/// What a [`Command`] does with its key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Verb {
    /// Replace the list by the tag alone.
    Put,
    /// Add the tag to the list.
    Append,
    /// Replace the list by the tag alone if this is the list's last value.
    Swap(Option<u64>),
    /// Change nothing.
    Get,
}

/// What a [`KeyValue`] answers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Reply {
    /// It is done; how long the list was before.
    Done(u32),
    /// Whether the swap took place.
    Swapped(bool),
    /// The list.
    Values(Vec<u64>),
}

impl KeyValue {
    /// What a [`Verb::Get`] of this key answers.
    pub fn read(&self, key: u8) -> Reply {
        Reply::Values(self.lists.get(&key).cloned().unwrap_or_default())
    }
}

impl App for KeyValue {
    type Command = Command;
    type Reply = Reply;

    fn apply(&mut self, command: Command) -> Reply {
        let list = self.lists.entry(command.key).or_default();
        let length = u32::try_from(list.len()).unwrap_or(u32::MAX);
        match command.verb {
            Verb::Put => {
                list.clear();
                list.push(command.tag);
                Reply::Done(length)
            }
            Verb::Append => {
                // Lists stay short, so that replies do: what falls out was read before.
                if list.len() >= MOST_VALUES {
                    list.clear();
                }
                list.push(command.tag);
                Reply::Done(length)
            }
            Verb::Swap(expected) => {
                let fits = list.last().copied() == expected;
                if fits {
                    list.clear();
                    list.push(command.tag);
                }
                Reply::Swapped(fits)
            }
            Verb::Get => self.read(command.key),
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, tag, verb } = self;
        match verb {
            Verb::Put => write!(f, "k{key}=[{tag}]"),
            Verb::Append => write!(f, "k{key}+{tag}"),
            Verb::Swap(Some(expected)) => write!(f, "k{key}={tag} if {expected}"),
            Verb::Swap(None) => write!(f, "k{key}={tag} if empty"),
            Verb::Get => write!(f, "k{key}?"),
        }
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done(length) => write!(f, "done, there were {length}"),
            Self::Swapped(true) => write!(f, "swapped"),
            Self::Swapped(false) => write!(f, "not swapped"),
            Self::Values(values) => write!(f, "{values:?}"),
        }
    }
}

/// Turns a plan's operations into commands of a [`KeyValue`].
#[derive(Clone, Debug, Default)]
pub struct KeyValueWorkload {
    /// The value last seen under each key, for swaps that have a chance.
    seen: BTreeMap<u8, Option<u64>>,
}

impl Workload<KeyValue> for KeyValueWorkload {
    fn has_one_form(&self) -> bool {
        true
    }

    fn step(&mut self, number: u64, operation: &OperationPlan, _lot: Lot) -> Step<KeyValue> {
        let command = |key, verb| Command {
            key,
            tag: number + 1,
            verb,
        };
        match operation.action {
            Action::Put(key) => Step::Submit(command(key, Verb::Put)),
            Action::Append(key) => Step::Submit(command(key, Verb::Append)),
            Action::Swap(key) => {
                let seen = self.seen.get(&key).copied().flatten();
                Step::Submit(command(key, Verb::Swap(seen)))
            }
            Action::Get(key) => Step::Submit(command(key, Verb::Get)),
            Action::Read(key) => Step::Read(
                command(key, Verb::Get),
                |app: &KeyValue, command: &Command| app.read(command.key),
            ),
            // Who only says that it is there submits no command.
            Action::Custom | Action::Keep => Step::Submit(command(0, Verb::Append)),
        }
    }

    fn partition(&self, command: &Command) -> Option<u64> {
        Some(u64::from(command.key))
    }

    fn describe(&self, command: &Command) -> Option<String> {
        Some(command.to_string())
    }

    fn describe_reply(&self, reply: &Reply) -> Option<String> {
        Some(reply.to_string())
    }

    fn returned(&mut self, command: &Command, reply: &Reply) {
        let last = match (command.verb, reply) {
            (Verb::Put | Verb::Append, _) | (Verb::Swap(_), Reply::Swapped(true)) => {
                Some(command.tag)
            }
            (_, Reply::Values(values)) => values.last().copied(),
            (Verb::Swap(_) | Verb::Get, Reply::Done(_) | Reply::Swapped(_)) => return,
        };
        self.seen.insert(command.key, last);
    }
}

/// The most values under one key.
const MOST_VALUES: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_swap_takes_place_only_on_the_value_expected() {
        let mut app = KeyValue::default();
        let command = |tag, verb| Command { key: 1, tag, verb };
        assert_eq!(app.apply(command(5, Verb::Put)), Reply::Done(0));
        assert_eq!(app.apply(command(6, Verb::Append)), Reply::Done(1));
        let stale = command(7, Verb::Swap(Some(5)));
        assert_eq!(app.apply(stale), Reply::Swapped(false));
        let fresh = command(8, Verb::Swap(Some(6)));
        assert_eq!(app.apply(fresh), Reply::Swapped(true));
        assert_eq!(app.read(1), Reply::Values(vec![8]));
        assert_eq!(app.read(2), Reply::Values(Vec::new()));
    }
}
