//! What is replicated: the user's state machine, in its two forms.

use bytes::Bytes;
use raft_core::ids::EntryId;
use raft_core::time::LogTime;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec::{Codec, CodecError, PayloadCodec};

mod content;

pub use content::{StateError, StateReader, StateWriter, WholeReader, WholeWriter};

/// A deterministic state machine (paper 2): the same commands in the same order give the same
/// state and the same replies on every node. It must use no clock, no randomness, no map with a
/// random order, and nothing outside itself.
pub trait StateMachine: Send + 'static {
    /// Applies one command and returns the reply for its client. Called once for each command, in
    /// the order of the log. A command that makes no sense is answered, not panicked on.
    fn apply(&mut self, command: Command<'_>) -> Bytes;

    /// The state as it is now, to be read part by part while more commands are applied: what they
    /// change must not show. Two machines in the same state may give different bytes. A machine
    /// whose state fits into memory twice may copy it ([`WholeReader`]).
    ///
    /// # Errors
    ///
    /// The state can't be written down. No snapshot is taken, and the log grows on.
    fn snapshot(&self) -> Result<Box<dyn StateReader>, StateError>;

    /// What makes a machine of this kind out of what [`StateMachine::snapshot`] gave, here or on
    /// another node. This machine stays as it is until the other is complete and takes its place;
    /// the two share nothing but what both were made with.
    fn restore(&self) -> Box<dyn StateWriter<Self>>
    where
        Self: Sized;
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

    /// Applies one command; see [`StateMachine`] for what that must not do. Snapshots are what
    /// serde makes of the whole app, at once: an app that is too large for that is better a
    /// [`StateMachine`].
    fn apply(&mut self, command: Self::Command) -> Self::Reply;
}

/// An [`App`] as a [`StateMachine`], through the cluster's payload codec.
///
/// A reply is one byte: 0, and then the app's answer; 1 for a command that could not be decoded, and
/// changed nothing; 2 for one that was applied, and whose answer could not be encoded.
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

    fn snapshot(&self) -> Result<Box<dyn StateReader>, StateError> {
        let mut bytes = Vec::new();
        self.codec.encode(&self.app, &mut bytes)?;
        Ok(Box::new(WholeReader::new(bytes.into())))
    }

    fn restore(&self) -> Box<dyn StateWriter<Self>> {
        let codec = self.codec;
        Box::new(WholeWriter::new(move |bytes: &[u8]| {
            let app = codec.decode(bytes)?;
            Ok(Self { app, codec })
        }))
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
    fn an_app_goes_through_a_snapshot() {
        let machine = AppMachine::new(Sum(300), PayloadCodec::Postcard);
        let mut reader = machine.snapshot().unwrap();
        let mut writer = AppMachine::new(Sum(0), PayloadCodec::Postcard).restore();
        while let Some(part) = reader.next_part(1) {
            assert_eq!(part.len(), 1);
            writer.write(&part).unwrap();
        }
        assert_eq!(writer.finish().unwrap().app().0, 300);
    }

    #[test]
    fn bytes_that_are_no_app_are_an_error() {
        let machine = AppMachine::new(Sum(0), PayloadCodec::Postcard);
        for bytes in [&[][..], &[0x80], &[1, 1]] {
            let mut writer = machine.restore();
            writer.write(bytes).unwrap();
            assert!(matches!(writer.finish(), Err(StateError::Codec(_))));
        }
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

    /// Answers what no codec can express.
    #[derive(Serialize, Deserialize)]
    struct Speechless(u64);

    #[derive(Deserialize, PartialEq, Debug)]
    struct NoWords;

    impl Serialize for NoWords {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("no words"))
        }
    }

    impl App for Speechless {
        type Command = u64;
        type Reply = NoWords;
        fn apply(&mut self, command: u64) -> NoWords {
            self.0 += command;
            NoWords
        }
    }

    #[test]
    fn a_reply_that_can_not_be_encoded_says_that_the_command_was_applied() {
        let codec = PayloadCodec::Postcard;
        let mut machine = AppMachine::new(Speechless(1), codec);
        let reply = machine.apply(command(&[5]));
        let decoded = |reply| AppMachine::<Speechless>::decode_reply(codec, reply);
        assert_eq!(decoded(&reply), Err(ReplyError::ReplyNotEncoded));
        assert_eq!(machine.app().0, 6);
        assert_eq!(decoded(&[3]), Err(ReplyError::NotAReply));
        assert_eq!(decoded(&[]), Err(ReplyError::NotAReply));
    }
}
