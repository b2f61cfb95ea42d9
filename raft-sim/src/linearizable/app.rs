//! A user's own app as the meaning of its commands: no second model of it has to be written.

use core::marker::PhantomData;

use bytes::Bytes;
use raft_core::ids::EntryId;
use raft_core::time::LogTime;
use raft_node::codec::{Codec, CodecError, PayloadCodec};
use raft_node::state_machine::{App, AppMachine, Command, StateMachine};

use super::Sequential;
use crate::panics::caught;

/// The app `A`, one command at a time. Inputs and outputs are encoded, as clients send and get
/// them; between commands the app stands encoded too, so that it needs to be neither compared nor
/// cloned.
///
/// The app is taken to be one object: commands that touch different parts of it are still checked
/// together. For apps with many keys and clients write a [`Sequential`] that tells keys apart.
#[derive(Clone, Debug)]
pub struct AppModel<A> {
    initial: Vec<u8>,
    codec: PayloadCodec,
    app: PhantomData<fn() -> A>,
}

impl<A: App> AppModel<A> {
    /// The app as it is before the first command.
    ///
    /// # Errors
    ///
    /// The codec can't express the app's state.
    pub fn new(app: &A, codec: PayloadCodec) -> Result<Self, CodecError> {
        let mut initial = Vec::new();
        codec.encode(app, &mut initial)?;
        Ok(Self {
            initial,
            codec,
            app: PhantomData,
        })
    }

    fn step(&self, state: &[u8], input: &[u8]) -> Option<(Vec<u8>, Bytes)> {
        let app: A = self.codec.decode(state).ok()?;
        let mut machine = AppMachine::new(app, self.codec);
        let command = Command {
            id: EntryId::ORIGIN,
            time: LogTime::ZERO,
            payload: input,
        };
        // An order in which the app panics explains no answer.
        let output = caught(|| machine.apply(command)).ok()?;
        let mut after = Vec::new();
        self.codec.encode(machine.app(), &mut after).ok()?;
        Some((after, output))
    }
}

impl<A: App> Sequential for AppModel<A> {
    type Input = Bytes;
    type Output = Bytes;
    type State = Vec<u8>;
    type Key = ();

    fn initial(&self) -> Vec<u8> {
        self.initial.clone()
    }

    fn apply(&self, state: &Vec<u8>, input: &Bytes) -> Option<(Vec<u8>, Bytes)> {
        // Nor does an app whose state can't be read back explain any.
        self.step(state, input)
    }

    fn key(&self, _input: &Bytes) {}
}

#[cfg(test)]
mod tests {
    use raft_core::time::Time;
    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::history::History;
    use crate::linearizable::{EFFORT, Verdict, check};

    #[derive(Serialize, Deserialize)]
    struct Sum(u64);

    impl App for Sum {
        type Command = u64;
        type Reply = u64;
        fn apply(&mut self, command: u64) -> u64 {
            self.0 += command;
            self.0
        }
    }

    fn verdict(answers: [u64; 3]) -> Verdict {
        let codec = PayloadCodec::Postcard;
        let mut history = History::new();
        for answer in answers {
            let input = AppMachine::<Sum>::encode_command(codec, &1).unwrap();
            let id = history.invoke(1, Time::ZERO, input);
            let mut output = vec![0];
            codec.encode(&answer, &mut output).unwrap();
            history.answer(id, Time::ZERO, output.into());
        }
        check(&AppModel::new(&Sum(0), codec).unwrap(), &history, EFFORT)
    }

    /// Panics at every command.
    #[derive(Serialize, Deserialize)]
    struct Bomb;

    impl App for Bomb {
        type Command = u64;
        type Reply = u64;
        fn apply(&mut self, _command: u64) -> u64 {
            panic!("as it is meant to")
        }
    }

    #[test]
    fn a_command_at_which_the_app_panics_explains_no_answer_even_an_empty_one() {
        let codec = PayloadCodec::Postcard;
        let mut history = History::new();
        let input = AppMachine::<Bomb>::encode_command(codec, &1).unwrap();
        let id = history.invoke(1, Time::ZERO, input);
        history.answer(id, Time::ZERO, Bytes::new());
        let model = AppModel::new(&Bomb, codec).unwrap();
        let verdict = check(&model, &history, EFFORT);
        assert!(matches!(verdict, Verdict::NotLinearizable(_)));
    }

    #[test]
    fn an_app_is_its_own_model() {
        assert_eq!(verdict([1, 2, 3]), Verdict::Linearizable);
        assert!(matches!(verdict([1, 3, 2]), Verdict::NotLinearizable(_)));
    }
}
