//! How a replayed world says what passes between nodes, in words.

use bytes::Bytes;
use raft_node::frame::{FrameLimits, decode};
use raft_node::letter::Packet;

use crate::script::print;

/// What a frame says, without who says it to whom.
pub(crate) fn frame(bytes: &Bytes) -> String {
    let letter = match decode(bytes.clone(), &FrameLimits::default()) {
        Ok(letter) => letter,
        Err(error) => return format!("bytes that are no letter: {error}"),
    };
    match &letter.packet {
        Packet::Raft(message) => print::message(message),
        Packet::Genesis(news) => match (&news.keeps, news.founded) {
            (None, _) => "Genesis: keeps nothing yet".to_owned(),
            (Some(_), false) => "Genesis: keeps a record".to_owned(),
            (Some(_), true) => "Genesis: founded".to_owned(),
        },
        Packet::Forward(forward) => {
            let commands = forward.commands.iter();
            let names: Vec<String> = commands
                .map(|command| format!("{}#{}", command.session, command.serial))
                .collect();
            format!("Forward [{}] reads {:?}", names.join(" "), forward.reads)
        }
        Packet::ForwardReply(reply) => format!(
            "ForwardReply refused {:?} reads {:?}",
            reply.refused, reply.reads
        ),
        Packet::Hello => "Hello".to_owned(),
    }
}
