//! What clients saw: operations, when they were asked and what was answered.
//!
//! A history holds nothing that a client could not know. In particular it says nothing of logs,
//! terms or nodes: the check of [`crate::linearizable`] must not be misled by them.

use core::fmt::Debug;

use raft_core::time::Time;

/// All operations of a world's clients, in the order in which they were invoked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct History<I, O> {
    pub(crate) operations: Vec<Operation<I, O>>,
    /// Invocations and returns so far: every one has a moment of its own, also when several fall
    /// on one point of the world's clock.
    moments: u64,
}

impl<I, O> History<I, O> {
    /// A history in which nothing was asked yet.
    pub const fn new() -> Self {
        Self {
            operations: Vec::new(),
            moments: 0,
        }
    }

    /// A client asks for something.
    pub fn invoke(&mut self, client: u64, now: Time, input: I) -> OperationId {
        let id = OperationId(self.operations.len());
        let invoked = self.moment(now);
        self.operations.push(Operation {
            client,
            input,
            invoked,
            outcome: Outcome::Unknown,
            hint: None,
        });
        id
    }

    /// The client got an answer. What was already answered or refused stays as it is.
    pub fn answer(&mut self, id: OperationId, now: Time, output: O) {
        let moment = self.moment(now);
        self.close(id, Outcome::Answered(moment, output));
    }

    /// The client was told that the operation has not taken effect and never will. What was
    /// already answered or refused stays as it is.
    pub fn refuse(&mut self, id: OperationId) {
        self.close(id, Outcome::Refused);
    }

    /// Says in which order a search for an explanation should look first: by a number for each
    /// input that has one. Whether the history can be explained does not depend on it.
    pub fn hint(&mut self, order: impl Fn(&I) -> Option<u64>) {
        for operation in &mut self.operations {
            operation.hint = order(&operation.input);
        }
    }

    /// All operations, in the order in which they were invoked.
    pub fn operations(&self) -> &[Operation<I, O>] {
        &self.operations
    }

    /// One operation.
    pub fn operation(&self, id: OperationId) -> Option<&Operation<I, O>> {
        self.operations.get(id.0)
    }

    fn close(&mut self, id: OperationId, outcome: Outcome<O>) {
        let open = self
            .operations
            .get_mut(id.0)
            .filter(|operation| matches!(operation.outcome, Outcome::Unknown));
        if let Some(operation) = open {
            operation.outcome = outcome;
        }
    }

    fn moment(&mut self, time: Time) -> Moment {
        self.moments += 1;
        Moment {
            order: self.moments,
            time,
        }
    }
}

impl<I, O> Default for History<I, O> {
    fn default() -> Self {
        Self::new()
    }
}

/// The number of an operation in its history.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct OperationId(usize);

/// One operation of one client.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Operation<I, O> {
    /// Whose.
    pub client: u64,
    /// What was asked.
    pub input: I,
    /// When it was asked.
    pub invoked: Moment,
    /// What became of it.
    pub outcome: Outcome<O>,
    pub(crate) hint: Option<u64>,
}

/// What became of an operation, as far as its client knows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome<O> {
    /// It may have taken effect, may do so at any later time, or never.
    Unknown,
    /// It has not taken effect and never will.
    Refused,
    /// It was answered, at that moment.
    Answered(Moment, O),
}

/// A point in a history: its place in the order of all invocations and returns, and the clock.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Moment {
    /// The place in the order. No two moments of a history share one.
    pub order: u64,
    /// The world's clock.
    pub time: Time,
}
