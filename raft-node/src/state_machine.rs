//! What is replicated: the user's state machine, in its two forms.

use bytes::Bytes;
use raft_core::ids::EntryId;
use raft_core::time::LogTime;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec::{Codec, CodecError, PayloadCodec};

/// A deterministic state machine (paper 2): the same commands in the same order give the same
/// state and the same replies on every node. It must use no clock, no randomness, no map with a
/// random order, and nothing outside itself.
pub trait StateMachine: Send + 'static {
    /// Applies one command and returns the reply for its client. Called once for each command, in
    /// the order of the log. A command that makes no sense is answered, not panicked on.
    fn apply(&mut self, command: Command<'_>) -> Bytes;
}

/// One command, as a state machine meets it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Command<'a> {
    /// The entry it stands in.
    pub id: EntryId,
    /// When its leader took it, in log time: the only time a state machine may use.
    pub time: LogTime,
    /// The client's bytes.
    pub payload: &'a [u8],
}

/// A state machine of types instead of bytes.
pub trait App: Serialize + DeserializeOwned + Send + 'static {
    /// What clients ask for.
    type Command: Serialize + DeserializeOwned + Send + 'static;
    /// What they get back.
    type Reply: Serialize + DeserializeOwned + Send + 'static;

    /// Applies one command; see [`StateMachine`] for what that must not do.
    fn apply(&mut self, command: Self::Command) -> Self::Reply;
}

/// An [`App`] as a [`StateMachine`], through the cluster's payload codec.
///
/// A reply is one byte, 0 for an answer of the app or 1 for a command that could not be decoded,
/// and then the answer.
#[derive(Clone, Debug)]
pub struct AppMachine<A> {
    app: A,
    codec: PayloadCodec,
}

impl<A: App> AppMachine<A> {
    /// The app, with the codec of its commands and replies.
    pub const fn new(app: A, codec: PayloadCodec) -> Self {
        Self { app, codec }
    }

    /// The app, as far as it has been applied.
    pub const fn app(&self) -> &A {
        &self.app
    }

    /// The bytes of a command for this codec.
    ///
    /// # Errors
    ///
    /// The codec can't express the command.
    pub fn encode_command(codec: PayloadCodec, command: &A::Command) -> Result<Bytes, CodecError> {
        let mut bytes = Vec::new();
        codec.encode(command, &mut bytes)?;
        Ok(bytes.into())
    }

    /// The reply that the bytes hold.
    ///
    /// # Errors
    ///
    /// The command could not be decoded where it was applied, or the reply can't be here.
    pub fn decode_reply(codec: PayloadCodec, bytes: &[u8]) -> Result<A::Reply, ReplyError> {
        match bytes.split_first() {
            Some((&ANSWER, reply)) => codec.decode(reply).map_err(ReplyError::Reply),
            Some((&UNDECODABLE, _)) => Err(ReplyError::Command),
            Some((&UNENCODABLE, _)) => Err(ReplyError::ReplyNotEncoded),
            _ => Err(ReplyError::NotAReply),
        }
    }

    fn reply(&mut self, payload: &[u8]) -> Vec<u8> {
        let Ok(command) = self.codec.decode(payload) else {
            return vec![UNDECODABLE];
        };
        let reply = self.app.apply(command);
        let mut bytes = vec![ANSWER];
        match self.codec.encode(&reply, &mut bytes) {
            Ok(()) => bytes,
            Err(_) => vec![UNENCODABLE],
        }
    }
}

impl<A: App> StateMachine for AppMachine<A> {
    fn apply(&mut self, command: Command<'_>) -> Bytes {
        self.reply(command.payload).into()
    }
}

/// Why there is no reply of the app's type.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ReplyError {
    /// The command is in the log but could not be decoded there: nothing was done. The client was
    /// built with another `Command` type.
    #[error("the command could not be decoded where it was applied; nothing was done")]
    Command,
    /// The command was done, but its reply could not be encoded.
    #[error("the command was applied, but its reply could not be encoded")]
    ReplyNotEncoded,
    /// The command was done, but its reply can't be decoded here. The client was built with
    /// another `Reply` type.
    #[error("the command was applied, but its reply can't be decoded: {0}")]
    Reply(CodecError),
    /// The bytes are not a reply of an app at all.
    #[error("the bytes are not an app's reply")]
    NotAReply,
}

const ANSWER: u8 = 0;
const UNDECODABLE: u8 = 1;
const UNENCODABLE: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

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

    fn command(payload: &[u8]) -> Command<'_> {
        Command {
            id: EntryId::ORIGIN,
            time: LogTime::ZERO,
            payload,
        }
    }

    #[test]
    fn an_app_answers_through_its_codec() {
        let codec = PayloadCodec::Postcard;
        let mut machine = AppMachine::new(Sum(1), codec);
        let bytes = AppMachine::<Sum>::encode_command(codec, &300).unwrap();
        let reply = machine.apply(command(&bytes));
        assert_eq!(AppMachine::<Sum>::decode_reply(codec, &reply), Ok(301));
        assert_eq!(machine.app().0, 301);
    }

    #[test]
    fn an_undecodable_command_is_answered_and_changes_nothing() {
        let codec = PayloadCodec::Postcard;
        let mut machine = AppMachine::new(Sum(1), codec);
        let reply = machine.apply(command(&[0x80]));
        assert_eq!(
            AppMachine::<Sum>::decode_reply(codec, &reply),
            Err(ReplyError::Command)
        );
        assert_eq!(machine.app().0, 1);
    }
}
