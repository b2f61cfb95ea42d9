//! What a world replicates: a state machine, what clients ask of it, and what its answers mean.
//!
//! A world itself knows nothing but bytes. A [`Subject`] turns a plan's operations into commands,
//! makes the state machine that every node starts with, and is the sequential model that tells
//! whether what clients saw can be explained. There are two: [`AppSubject`] for an
//! [`App`](raft_node::state_machine::App), whose commands have types, and [`MachineSubject`] for a
//! bare [`StateMachine`].

use core::fmt;
use std::sync::Arc;

use bytes::Bytes;
use raft_node::codec::{CodecError, PayloadCodec};
use raft_node::state_machine::StateMachine;

use crate::linearizable::Sequential;
use crate::lot::Lot;
use crate::workload::OperationPlan;
use crate::world::Asked;

mod app;
mod machine;

pub use app::AppSubject;
pub use machine::{MachineModel, MachineState, MachineSubject};

/// What a world replicates.
///
/// It must depend on nothing but what it is given, or its worlds can't be replayed.
pub trait Subject: 'static {
    /// The state machine that nodes run.
    type Machine: StateMachine;
    /// What the machine does when commands come one at a time.
    type Model: Sequential<Input = Asked, Output = Bytes>;

    /// The machine as each node starts with it.
    fn machine(&self) -> Self::Machine;

    /// The sequential model of the machine.
    ///
    /// # Errors
    ///
    /// The machine's first state can't be encoded.
    fn model(&self) -> Result<Self::Model, CodecError>;

    /// The codec that the cluster's genesis record names.
    fn codec(&self) -> PayloadCodec;

    /// What operation `number` of the plan is.
    ///
    /// # Errors
    ///
    /// The command can't be encoded.
    fn step(
        &mut self,
        number: u64,
        operation: &OperationPlan,
        lot: Lot,
    ) -> Result<Asking<Self::Machine>, CodecError>;

    /// What a client asks for, in a word or two: for stories and pictures.
    fn describe(&self, asked: &Asked) -> Option<String> {
        Some(self.say_command(&asked.command))
    }

    /// What a reply says, in a word or two: for stories and pictures.
    fn describe_reply(&self, reply: &[u8]) -> Option<String> {
        Some(self.say_reply(reply))
    }

    /// How to look at a machine's state, to compare it between nodes after each command; `None`
    /// to compare only what they answer.
    fn state(&self) -> Option<StateLook<Self::Machine>> {
        None
    }

    /// How to look at a machine's state where it goes into a snapshot and where it comes out of
    /// one: as [`Self::state`], but seldom enough to do it always.
    fn state_in_snapshots(&self) -> Option<StateLook<Self::Machine>> {
        self.state()
    }

    /// Whether the same state is the same bytes in every snapshot ([`crate::workload::Workload::has_one_form`]).
    fn has_one_form(&self) -> bool {
        false
    }

    /// Whether the machine is tried on whether it comes out of snapshots as it went in.
    fn tries_snapshots(&self) -> bool {
        false
    }

    /// A command in words, for a report.
    fn say_command(&self, command: &[u8]) -> String {
        say_bytes(command)
    }

    /// A reply in words, for a report.
    fn say_reply(&self, reply: &[u8]) -> String {
        say_bytes(reply)
    }

    /// A state as its [`StateLook`] wrote it, in words, for a report.
    fn say_state(&self, state: &[u8]) -> String {
        say_bytes(state)
    }

    /// An operation was answered.
    fn returned(&mut self, _asked: &Asked, _reply: &[u8]) {}
}

/// How to look at the state of a machine.
pub struct StateLook<M> {
    write: Arc<WriteState<M>>,
    rewrite: Option<Arc<Rewrite>>,
}

/// Writes a state.
type WriteState<M> = dyn Fn(&M) -> Option<Vec<u8>> + Send + Sync;

/// Reads a state that was written and writes it again.
type Rewrite = dyn Fn(&[u8]) -> Option<Vec<u8>> + Send + Sync;

impl<M> StateLook<M> {
    /// By writing the state as bytes, the same bytes for the same state; `None` if it can't be
    /// written.
    pub fn new(write: impl Fn(&M) -> Option<Vec<u8>> + Send + Sync + 'static) -> Self {
        Self {
            write: Arc::new(write),
            rewrite: None,
        }
    }

    /// The same, where a state can be written in several ways: `rewrite` reads one and writes it
    /// again, perhaps in another order.
    #[must_use]
    pub fn in_any_order(
        mut self,
        rewrite: impl Fn(&[u8]) -> Option<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        self.rewrite = Some(Arc::new(rewrite));
        self
    }

    pub(crate) fn write(&self, machine: &M) -> Option<Vec<u8>> {
        (self.write)(machine)
    }

    /// Whether this state, read and written many times, always comes out the same.
    pub(crate) fn is_written_one_way(&self, state: &[u8]) -> bool {
        let Some(rewrite) = &self.rewrite else {
            return true;
        };
        (0..REWRITES).all(|_| rewrite(state).is_some_and(|again| again == state))
    }
}

impl<M> Clone for StateLook<M> {
    fn clone(&self) -> Self {
        Self {
            write: self.write.clone(),
            rewrite: self.rewrite.clone(),
        }
    }
}

impl<M> fmt::Debug for StateLook<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateLook").finish_non_exhaustive()
    }
}

/// Bytes in words: as text if they are one.
pub(crate) fn say_bytes(bytes: &[u8]) -> String {
    let text = match core::str::from_utf8(bytes) {
        Ok(text) if !text.contains(char::is_control) => format!("{text:?}"),
        Ok(_) | Err(_) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    };
    shorten(text)
}

/// At most a few lines of a report.
pub(crate) fn shorten(text: String) -> String {
    match text.char_indices().nth(LONGEST) {
        None => text,
        Some((end, _)) => {
            let (start, rest) = text.split_at(end);
            format!("{start}… and {} bytes more", rest.len())
        }
    }
}

/// Two elements have the same random order twice in half of all cases, and 64 times never.
const REWRITES: u32 = 64;

/// The most characters of a value in a report.
const LONGEST: usize = 240;

/// What a client asks for.
pub struct Asking<M> {
    /// The command, as the history has it.
    pub asked: Asked,
    /// How to answer it from the state alone, if it is a linearizable read.
    pub read: Option<Glance<M>>,
}

/// A way to answer a command from the state alone: the bytes that applying it would answer.
pub type Glance<M> = Arc<dyn Fn(&M) -> Bytes + Send + Sync>;

impl<M> fmt::Debug for Asking<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asking")
            .field("asked", &self.asked)
            .field("reads", &self.read.is_some())
            .finish()
    }
}
