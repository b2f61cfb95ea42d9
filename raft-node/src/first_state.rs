//! The replicated state that a node starts with: an empty one, or what its newest snapshot holds.

use core::fmt;

use raft_core::snapshot::Snapshot;
use raft_core::store::{ContentDigest, StartReader};

use crate::session::{SessionLimits, Sessions, SessionsWriter};
use crate::state_machine::{StateError, StateMachine, StateWriter};

/// What a node's state is made of when it starts.
///
/// A store that looks through its newest snapshot when it is opened hands the content to this, which
/// makes the state of it: so it is read once. From any other store the driver reads it, as the first
/// thing it does.
pub struct FirstState<S> {
    empty: Sessions<S>,
    found: Option<Found<S>>,
}

/// A state that is made while the store is opened.
enum Found<S> {
    /// So far all went well.
    Whole(Restoration<S>),
    /// This snapshot can't be the state.
    Failed(Snapshot, StateError),
}

impl<S: StateMachine> FirstState<S> {
    /// What is replicated, having applied nothing.
    pub const fn new(state_machine: S) -> Self {
        Self {
            empty: Sessions::new(state_machine, SessionLimits::DEFAULT),
            found: None,
        }
    }

    /// The state to start with, and whether it is as of the snapshot that is stored: otherwise that
    /// has to be read yet.
    pub(crate) fn made_of(
        self,
        stored: Option<&Snapshot>,
        limits: SessionLimits,
    ) -> Result<(Sessions<S>, bool), StateError> {
        let Self { mut empty, found } = self;
        let is_it = |of: &Snapshot| stored.is_some_and(|stored| stored.id == of.id);
        match found {
            Some(Found::Whole(restoration)) if is_it(restoration.snapshot()) => {
                let mut sessions = restoration.finish()?;
                sessions.set_limits(limits);
                Ok((sessions, true))
            }
            Some(Found::Failed(of, error)) if is_it(&of) => Err(error),
            // The store has another by now, or the log goes on from none.
            Some(_) | None => {
                empty.set_limits(limits);
                Ok((empty, false))
            }
        }
    }
}

impl<S: StateMachine> StartReader for FirstState<S> {
    fn begin(&mut self, snapshot: &Snapshot) {
        let restoration = Restoration::new(snapshot.clone(), &self.empty);
        self.found = Some(Found::Whole(restoration));
    }

    fn read(&mut self, content: &[u8]) {
        if let Some(Found::Whole(restoration)) = &mut self.found {
            if let Err(error) = restoration.write(content) {
                self.found = Some(Found::Failed(restoration.snapshot().clone(), error));
            }
        }
    }
}

impl<S> fmt::Debug for FirstState<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FirstState")
            .field("found", &self.found.is_some())
            .finish_non_exhaustive()
    }
}

/// A state on its way out of a snapshot.
pub(crate) struct Restoration<S> {
    snapshot: Snapshot,
    digest: ContentDigest,
    writer: Box<SessionsWriter<S>>,
}

impl<S: StateMachine> Restoration<S> {
    /// Nothing of it was read yet. Nothing of `old` is taken over but what it was made with.
    pub(crate) fn new(snapshot: Snapshot, old: &Sessions<S>) -> Self {
        Self {
            snapshot,
            digest: ContentDigest::new(),
            writer: Box::new(old.restore()),
        }
    }

    pub(crate) const fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// How many bytes were taken.
    pub(crate) const fn length(&self) -> u64 {
        self.digest.length()
    }

    /// Takes the next bytes.
    pub(crate) fn write(&mut self, part: &[u8]) -> Result<(), StateError> {
        self.digest.update(part);
        if self.digest.length() > self.snapshot.id.length {
            return Err(StateError::Damaged);
        }
        self.writer.write(part)
    }

    /// All were taken: the state, if they are what the snapshot names.
    pub(crate) fn finish(self) -> Result<Sessions<S>, StateError> {
        let Self {
            snapshot,
            digest,
            writer,
        } = self;
        let id = snapshot.id;
        if (digest.length(), digest.finish()) != (id.length, id.digest) {
            return Err(StateError::Damaged);
        }
        let sessions = writer.finish()?;
        match sessions.applied() == id.last.index {
            true => Ok(sessions),
            false => Err(StateError::Damaged),
        }
    }
}
