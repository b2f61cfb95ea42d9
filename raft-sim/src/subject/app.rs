//! An app with a workload: commands and replies have types, and the app itself says what they mean.

use std::sync::Arc;

use bytes::Bytes;
use raft_node::codec::{Codec, CodecError, PayloadCodec};
use raft_node::state_machine::{App, AppMachine};

use super::{Asking, Glance, StateLook, Subject, say_bytes, shorten};
use crate::linearizable::{AppModel, Sequential};
use crate::lot::Lot;
use crate::workload::{Look, OperationPlan, Step, Workload};
use crate::world::Asked;

/// An [`App`] and what its clients ask.
pub struct AppSubject<A, W> {
    make: Arc<dyn Fn() -> A>,
    workload: W,
    codec: PayloadCodec,
    compares_states: bool,
}

impl<A: App, W> AppSubject<A, W> {
    /// The app as each node starts with it, and what its clients ask.
    pub fn new(make: impl Fn() -> A + 'static, workload: W) -> Self {
        Self {
            make: Arc::new(make),
            workload,
            codec: PayloadCodec::Postcard,
            compares_states: false,
        }
    }

    /// With another codec than postcard for commands and replies.
    #[must_use]
    pub const fn in_codec(mut self, codec: PayloadCodec) -> Self {
        self.codec = codec;
        self
    }

    /// Also compares the app's state between nodes after each command, as its codec writes it.
    #[must_use]
    pub const fn comparing_states(mut self) -> Self {
        self.compares_states = true;
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
        let codec = self.codec;
        Ok(Parts { inner, codec })
    }

    fn tries_snapshots(&self) -> bool {
        self.compares_states
    }

    fn has_one_form(&self) -> bool {
        self.workload.has_one_form()
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
            stamp: None,
        };
        let read = look.map(|look| glance(look, &asked.command, self.codec));
        Ok(Asking { asked, read })
    }

    fn describe(&self, asked: &Asked) -> Option<String> {
        let command = self.codec.decode(&asked.command).ok()?;
        let told = self.workload.describe(&command);
        told.or_else(|| Some(say(Some(&command), &asked.command)))
    }

    fn describe_reply(&self, reply: &[u8]) -> Option<String> {
        let value = AppMachine::<A>::decode_reply(self.codec, reply).ok()?;
        let told = self.workload.describe_reply(&value);
        told.or_else(|| Some(say(Some(&value), reply)))
    }

    fn state(&self) -> Option<StateLook<AppMachine<A>>> {
        self.compares_states
            .then(|| self.state_in_snapshots())
            .flatten()
    }

    fn state_in_snapshots(&self) -> Option<StateLook<AppMachine<A>>> {
        let codec = self.codec;
        let write = move |app: &A| {
            let mut bytes = Vec::new();
            codec.encode(app, &mut bytes).ok().map(|()| bytes)
        };
        let look = StateLook::new(move |machine: &AppMachine<A>| write(machine.app()));
        Some(look.in_any_order(move |bytes| write(&codec.decode(bytes).ok()?)))
    }

    fn say_command(&self, command: &[u8]) -> String {
        say_command::<A>(self.codec, command)
    }

    fn say_reply(&self, reply: &[u8]) -> String {
        say_reply::<A>(self.codec, reply)
    }

    fn say_state(&self, state: &[u8]) -> String {
        say_state::<A>(self.codec, state)
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

fn say_command<A: App>(codec: PayloadCodec, command: &[u8]) -> String {
    let value = codec.decode::<A::Command>(command);
    say(value.ok().as_ref(), command)
}

fn say_reply<A: App>(codec: PayloadCodec, reply: &[u8]) -> String {
    let value = AppMachine::<A>::decode_reply(codec, reply);
    say(value.ok().as_ref(), reply)
}

fn say_state<A: App>(codec: PayloadCodec, state: &[u8]) -> String {
    let value = codec.decode::<A>(state);
    say(value.ok().as_ref(), state)
}

/// A value as JSON, which every type with serde has; its bytes where it has not.
fn say<T: serde::Serialize>(value: Option<&T>, bytes: &[u8]) -> String {
    let text = value.and_then(|value| serde_json::to_string(value).ok());
    text.map_or_else(|| say_bytes(bytes), shorten)
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
    codec: PayloadCodec,
}

impl<A: App> Sequential for Parts<A> {
    type Input = Asked;
    type Output = Bytes;
    type State = Vec<u8>;
    type Key = Option<u64>;

    fn initial(&self) -> Vec<u8> {
        self.inner.initial()
    }

    fn apply(&self, state: &Vec<u8>, input: &Asked) -> Option<(Vec<u8>, Bytes)> {
        self.inner.apply(state, &input.command)
    }

    fn key(&self, input: &Asked) -> Option<u64> {
        input.partition
    }

    fn say_input(&self, input: &Asked) -> String {
        say_command::<A>(self.codec, &input.command)
    }

    fn say_output(&self, output: &Bytes) -> String {
        say_reply::<A>(self.codec, output)
    }

    fn say_state(&self, state: &Vec<u8>) -> String {
        say_state::<A>(self.codec, state)
    }

    fn say_key(&self, key: &Option<u64>) -> Option<String> {
        key.map(|key| format!("key {key}"))
    }
}
