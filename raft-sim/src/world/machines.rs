//! What state machines did: where each operation of the history was applied, and what went wrong,
//! put into words: answers and states that differ from node to node, and panics.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::World;
use crate::checkers::{Violation, property};
use crate::history::Outcome;
use crate::subject::Subject;
use crate::witness::{Applicant, Applied, Finding};

impl<S: Subject> World<'_, S> {
    /// Whether all state machines have done the same so far.
    pub(super) fn check_machines(&self) -> Result<(), Violation> {
        match self.witness.finding() {
            None => Ok(()),
            Some(finding @ (Finding::Differs { .. } | Finding::OtherSnapshot { .. })) => {
                // What is lost in a snapshot shows as a difference between nodes: the cause is told.
                self.check_snapshots()?;
                Err(self.tell_finding(&finding))
            }
            Some(finding) => Err(self.tell_finding(&finding)),
        }
    }

    /// Whether state machines come out of snapshots as they went in.
    pub(super) fn check_snapshots(&self) -> Result<(), Violation> {
        let tried = self.subject.tries_snapshots();
        let make = || self.subject.machine();
        match tried
            .then(|| self.witness.through_snapshots(make))
            .flatten()
        {
            None => Ok(()),
            Some(finding) => Err(self.tell_finding(&finding)),
        }
    }

    /// Applies everything that was applied once more on a fresh copy.
    pub(super) fn replay_machines(&self) -> Result<(), Violation> {
        self.witness
            .replay(self.subject.machine(), self.subject.state().as_ref());
        self.check_machines()
    }

    /// Finds for each operation where it may have been applied: the search for an explanation looks
    /// there first, and the model of a machine that looks at log time is told that of the place.
    pub(super) fn place_history(&mut self) {
        let mut open: BTreeMap<Bytes, Vec<usize>> = BTreeMap::new();
        for (number, operation) in self.history.operations.iter().enumerate() {
            if operation.outcome != Outcome::Refused {
                let command = operation.input.command.clone();
                open.entry(command).or_default().push(number);
            }
        }
        let mut left_over = Vec::new();
        for applied in self.witness.applied() {
            if !self.place(&mut open, &applied, true) {
                left_over.push(applied);
            }
        }
        for applied in left_over {
            self.place(&mut open, &applied, false);
        }
    }

    /// Gives a place to an operation that may have been applied there: of those that were answered
    /// so while it was under way the one that returned first, which leaves a place for every other
    /// one. What is left over goes to those that never learned their answer.
    fn place(
        &mut self,
        open: &mut BTreeMap<Bytes, Vec<usize>>,
        applied: &Applied,
        answered: bool,
    ) -> bool {
        let Some(numbers) = open.get_mut(&applied.command) else {
            return false;
        };
        let operations = &self.history.operations;
        let returned = |number: usize| {
            let operation = operations.get(number)?;
            let fits = operation.invoked.time <= applied.at;
            match &operation.outcome {
                Outcome::Answered(moment, reply) => (answered && fits)
                    .then_some(moment)
                    .filter(|moment| moment.time >= applied.at && *reply == applied.reply)
                    .map(|moment| moment.order),
                Outcome::Unknown => (!answered && fits).then_some(0),
                Outcome::Refused => None,
            }
        };
        let places = numbers.iter().enumerate();
        let first = places
            .filter_map(|(place, &number)| returned(number).map(|order| (order, place)))
            .min();
        let Some((_, place)) = first else {
            return false;
        };
        let number = numbers.remove(place);
        if let Some(operation) = self.history.operations.get_mut(number) {
            operation.hint = Some(applied.stamp.0.index.get());
            operation.input.stamp = Some(applied.stamp);
        }
        true
    }

    fn tell_finding(&self, finding: &Finding) -> Violation {
        match finding {
            Finding::Panicked {
                node,
                id,
                command,
                text,
            } => {
                let command = self.subject.say_command(command);
                let text = format!(
                    "the state machine of {node} panicked at index {} ({}), command {command}: \
                     {text}",
                    id.index, id.term
                );
                Violation {
                    node: Some(*node),
                    ..self.violation(property::APP_PANIC, text)
                }
            }
            Finding::OtherSnapshot { second, .. } => Violation {
                node: Some(*second),
                ..self.violation(property::APP_DETERMINISM, tell_snapshots(finding))
            },
            Finding::LostInSnapshot { node, .. } => Violation {
                node: Some(*node),
                ..self.violation(property::APP_SNAPSHOTS, self.tell_lost(finding))
            },
            Finding::Differs {
                id,
                command,
                first: (first, one),
                second: (second, other),
                reply,
            } => {
                let (node, second) = match second {
                    Applicant::Node(node) if node == first => {
                        (Some(*node), format!("{node} after a restart"))
                    }
                    Applicant::Node(node) => (Some(*node), node.to_string()),
                    Applicant::Copy => (None, "a fresh copy".to_owned()),
                };
                let command = self.subject.say_command(command);
                let at = format!("index {} ({}), command {command}", id.index, id.term);
                let text = if *reply {
                    let (one, other) = (self.subject.say_reply(one), self.subject.say_reply(other));
                    format!("{first} and {second} answered differently at {at}: {one} and {other}")
                } else {
                    let (one, other) = (self.subject.say_state(one), self.subject.say_state(other));
                    format!(
                        "{first} and {second} answered alike, but have different states after \
                         {at}: {one} and {other}"
                    )
                };
                Violation {
                    node,
                    ..self.violation(property::APP_DETERMINISM, text)
                }
            }
        }
    }
}

impl<S: Subject> World<'_, S> {
    /// What a machine answers without snapshots and with them, in words.
    fn tell_lost(&self, finding: &Finding) -> String {
        let Finding::LostInSnapshot {
            node,
            id,
            command,
            reply,
            restored,
        } = finding
        else {
            return String::new();
        };
        let (command, reply) = (
            self.subject.say_command(command),
            self.subject.say_reply(reply),
        );
        let restored = match restored {
            Ok(other) => format!("answers {}", self.subject.say_reply(other)),
            Err(text) => format!("does not: {text}"),
        };
        format!(
            "{node} answered {reply} at index {} ({}), command {command}; a copy of its state machine \
             that was written to a snapshot and read back before each command {restored}: look at what \
             snapshots leave out",
            id.index, id.term
        )
    }
}

/// Two states that a snapshot holds or held, in words.
fn tell_snapshots(finding: &Finding) -> String {
    let Finding::OtherSnapshot {
        id,
        commands,
        first,
        second,
    } = finding
    else {
        return String::new();
    };
    format!(
        "after the same {commands} commands, the last at index {}, the state that {first} put into a \
         snapshot and the one that {second} put into one, or got out of one, differ",
        id.index
    )
}
