//! An app with a workload: commands and replies have types, and the app itself says what they mean.

use std::sync::Arc;

use bytes::Bytes;
use raft_node::codec::{Codec, CodecError, PayloadCodec};
use raft_node::state_machine::{App, AppMachine};

use super::{Asking, Glance, Subject};
use crate::linearizable::{AppModel, Sequential};
use crate::lot::Lot;
use crate::workload::{Look, OperationPlan, Step, Workload};
use crate::world::Asked;

/// An [`App`] and what its clients ask.
pub struct AppSubject<A, W> {
    make: Arc<dyn Fn() -> A>,
    workload: W,
    codec: PayloadCodec,
}

impl<A: App, W> AppSubject<A, W> {
    /// The app as each node starts with it, and what its clients ask.
    pub fn new(make: impl Fn() -> A + 'static, workload: W) -> Self {
        Self {
            make: Arc::new(make),
            workload,
            codec: PayloadCodec::Postcard,
        }
    }

    /// With another codec than postcard for commands and replies.
    #[must_use]
    pub const fn in_codec(mut self, codec: PayloadCodec) -> Self {
        self.codec = codec;
        self
    }
}

impl<A: App, W: Workload<A> + 'static> Subject for AppSubject<A, W> {
    type Machine = AppMachine<A>;
    type Model = Parts<A>;

    fn machine(&self) -> AppMachine<A> {
        AppMachine::new((self.make)(), self.codec)
    }

    fn model(&self) -> Result<Parts<A>, CodecError> {
        let inner = AppModel::new(&(self.make)(), self.codec)?;
        Ok(Parts { inner })
    }

    fn codec(&self) -> PayloadCodec {
        self.codec
    }

    fn step(
        &mut self,
        number: u64,
        operation: &OperationPlan,
        lot: Lot,
    ) -> Result<Asking<AppMachine<A>>, CodecError> {
        let (command, look) = match self.workload.step(number, operation, lot) {
            Step::Submit(command) => (command, None),
            Step::Read(command, look) => (command, Some(look)),
        };
        let asked = Asked {
            partition: self.workload.partition(&command),
            command: AppMachine::<A>::encode_command(self.codec, &command)?,
        };
        let read = look.map(|look| glance(look, &asked.command, self.codec));
        Ok(Asking { asked, read })
    }

    fn describe(&self, asked: &Asked) -> Option<String> {
        let command = self.codec.decode(&asked.command).ok()?;
        self.workload.describe(&command)
    }

    fn describe_reply(&self, reply: &[u8]) -> Option<String> {
        let reply = AppMachine::<A>::decode_reply(self.codec, reply).ok()?;
        self.workload.describe_reply(&reply)
    }

    fn returned(&mut self, asked: &Asked, reply: &[u8]) {
        let reply = AppMachine::<A>::decode_reply(self.codec, reply);
        if let (Ok(command), Ok(reply)) = (self.codec.decode(&asked.command), reply) {
            self.workload.returned(&command, &reply);
        }
    }
}

impl<A, W: core::fmt::Debug> core::fmt::Debug for AppSubject<A, W> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("AppSubject")
            .field("workload", &self.workload)
            .field("codec", &self.codec)
            .finish_non_exhaustive()
    }
}

/// A look at an app as a look at its machine, which answers as applying the command would.
fn glance<A: App>(look: Look<A>, command: &Bytes, codec: PayloadCodec) -> Glance<AppMachine<A>> {
    let command = command.clone();
    Arc::new(move |machine: &AppMachine<A>| {
        let mut bytes = vec![0];
        let encoded = codec.decode(&command).and_then(|command| {
            let reply = look(machine.app(), &command);
            codec.encode(&reply, &mut bytes)
        });
        match encoded {
            Ok(()) => bytes.into(),
            // No client can make anything of it, and no order of commands explains it.
            Err(_) => Bytes::new(),
        }
    })
}

/// An app as its own sequential model, one part of its state at a time.
#[derive(Clone, Debug)]
pub struct Parts<A> {
    inner: AppModel<A>,
}

impl<A: App> Sequential for Parts<A> {
    type Input = Asked;
    type Output = Bytes;
    type State = Vec<u8>;
    type Key = Option<u64>;

    fn initial(&self) -> Vec<u8> {
        self.inner.initial()
    }

    fn apply(&self, state: &Vec<u8>, input: &Asked) -> (Vec<u8>, Bytes) {
        self.inner.apply(state, &input.command)
    }

    fn key(&self, input: &Asked) -> Option<u64> {
        input.partition
    }
}
