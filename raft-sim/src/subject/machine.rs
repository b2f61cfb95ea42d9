//! A bare state machine: bytes in, bytes out, and copies of itself to say what they mean.

use core::fmt;
use core::hash::{Hash, Hasher};
use std::sync::Arc;

use bytes::Bytes;
use raft_core::ids::EntryId;
use raft_core::time::LogTime;
use raft_node::codec::{CodecError, PayloadCodec};
use raft_node::state_machine::{Command, StateMachine};

use super::{Asking, StateLook, Subject, say_bytes};
use crate::linearizable::Sequential;
use crate::lot::Lot;
use crate::panics::caught;
use crate::spy::{fingerprint, mix};
use crate::workload::OperationPlan;
use crate::world::Asked;

/// A [`StateMachine`] and what its clients ask.
pub struct MachineSubject<M> {
    make: Arc<dyn Fn() -> M>,
    command: Arc<dyn Fn(&mut Lot) -> Bytes>,
    look: Option<StateLook<M>>,
}

impl<M> MachineSubject<M> {
    /// The machine as each node starts with it, and a way to draw a command.
    pub fn new(
        make: impl Fn() -> M + 'static,
        command: impl Fn(&mut Lot) -> Bytes + 'static,
    ) -> Self {
        Self {
            make: Arc::new(make),
            command: Arc::new(command),
            look: None,
        }
    }

    /// Also compares the machine's state between nodes after each command.
    #[must_use]
    pub fn comparing(mut self, look: Option<StateLook<M>>) -> Self {
        self.look = look;
        self
    }
}

impl<M: StateMachine + Clone> Subject for MachineSubject<M> {
    type Machine = M;
    type Model = MachineModel<M>;

    fn machine(&self) -> M {
        (self.make)()
    }

    fn model(&self) -> Result<MachineModel<M>, CodecError> {
        Ok(MachineModel {
            initial: (self.make)(),
            look: self.look.clone(),
        })
    }

    fn tries_snapshots(&self) -> bool {
        true
    }

    fn codec(&self) -> PayloadCodec {
        PayloadCodec::Postcard
    }

    fn state(&self) -> Option<StateLook<M>> {
        self.look.clone()
    }

    fn step(
        &mut self,
        _number: u64,
        _operation: &OperationPlan,
        mut lot: Lot,
    ) -> Result<Asking<M>, CodecError> {
        let asked = Asked {
            partition: None,
            command: (self.command)(&mut lot),
            stamp: None,
        };
        Ok(Asking { asked, read: None })
    }
}

impl<M> fmt::Debug for MachineSubject<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MachineSubject").finish_non_exhaustive()
    }
}

/// A state machine as its own sequential model.
pub struct MachineModel<M> {
    initial: M,
    look: Option<StateLook<M>>,
}

impl<M: StateMachine + Clone> Sequential for MachineModel<M> {
    type Input = Asked;
    type Output = Bytes;
    type State = MachineState<M>;
    type Key = ();

    fn initial(&self) -> MachineState<M> {
        MachineState {
            machine: self.initial.clone(),
            print: 0,
        }
    }

    fn apply(&self, state: &MachineState<M>, input: &Asked) -> Option<(MachineState<M>, Bytes)> {
        let mut machine = state.machine.clone();
        let (id, time) = input.stamp.unwrap_or((EntryId::ORIGIN, LogTime::ZERO));
        let payload = &input.command;
        // An order in which the machine panics explains no answer.
        let reply = caught(|| machine.apply(Command { id, time, payload })).ok()?;
        let seen = self.look.as_ref().and_then(|look| look.write(&machine));
        let print = match seen {
            Some(bytes) => fingerprint(&bytes),
            None => [id.index.get(), time.as_millis(), fingerprint(payload)]
                .into_iter()
                .fold(state.print, mix),
        };
        Some((MachineState { machine, print }, reply))
    }

    fn key(&self, _input: &Asked) {}

    fn say_input(&self, input: &Asked) -> String {
        say_bytes(&input.command)
    }

    fn say_output(&self, output: &Bytes) -> String {
        say_bytes(output)
    }

    fn say_state(&self, state: &MachineState<M>) -> String {
        let seen = self
            .look
            .as_ref()
            .and_then(|look| look.write(&state.machine));
        seen.map_or_else(|| format!("{state:?}"), |bytes| say_bytes(&bytes))
    }

    fn say_key(&self, _key: &()) -> Option<String> {
        None
    }
}

impl<M> fmt::Debug for MachineModel<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MachineModel").finish_non_exhaustive()
    }
}

/// A machine after some commands. Machines need not be comparable: two states are equal when they
/// look equal, or without a look, when the same commands led to them in the same order.
#[derive(Clone)]
pub struct MachineState<M> {
    machine: M,
    print: u64,
}

impl<M> PartialEq for MachineState<M> {
    fn eq(&self, other: &Self) -> bool {
        self.print == other.print
    }
}

impl<M> Eq for MachineState<M> {}

impl<M> Hash for MachineState<M> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.print.hash(hasher);
    }
}

impl<M> fmt::Debug for MachineState<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "state {:016x}", self.print)
    }
}
