//! What a world replicates: a state machine, what clients ask of it, and what its answers mean.
//!
//! A world itself knows nothing but bytes. A [`Subject`] turns a plan's operations into commands,
//! makes the state machine that every node starts with, and is the sequential model that tells
//! whether what clients saw can be explained. There are two: [`AppSubject`] for an
//! [`App`](raft_node::state_machine::App), whose commands have types, and [`MachineSubject`] for a
//! bare [`StateMachine`].

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
    fn describe(&self, _asked: &Asked) -> Option<String> {
        None
    }

    /// What a reply says, in a word or two: for stories and pictures.
    fn describe_reply(&self, _reply: &[u8]) -> Option<String> {
        None
    }

    /// An operation was answered.
    fn returned(&mut self, _asked: &Asked, _reply: &[u8]) {}
}

/// What a client asks for.
pub struct Asking<M> {
    /// The command, as the history has it.
    pub asked: Asked,
    /// How to answer it from the state alone, if it is a linearizable read.
    pub read: Option<Glance<M>>,
}

/// A way to answer a command from the state alone: the bytes that applying it would answer.
pub type Glance<M> = Arc<dyn Fn(&M) -> Bytes + Send + Sync>;

impl<M> core::fmt::Debug for Asking<M> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Asking")
            .field("asked", &self.asked)
            .field("reads", &self.read.is_some())
            .finish()
    }
}
