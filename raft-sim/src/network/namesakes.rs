//! Letters of another cluster that goes by the same names: its nodes have the same ids and addresses, and nothing
//! but the cluster that a letter names says that it is of no concern here.
//!
//! Nobody runs that other cluster: what it sends is made of what nodes here send, so that it fits so well that who
//! takes it for its own comes to harm.

use raft_core::chunk::{Chunk, ChunkBuilder};
use raft_core::ids::{ClusterId, Incarnation, Peer, Term};
use raft_core::message::{AppendVerdict, Body, Message};
use raft_core::record::{ClientHeader, Record};
use raft_node::letter::{Letter, Packet};

use crate::lot::Lot;

/// Another cluster whose letters come here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Namesake {
    /// The fault that lets them come.
    pub(super) fault: u32,
    /// For how many of a thousand letters that are sent here it sends one like it.
    pub(super) per_mille: u32,
    /// Whether it was made of copies of the data folders here, so that even the lives of its nodes are the same.
    pub(super) copied: bool,
}

impl Namesake {
    /// What it sends when this letter is sent here, if it sends anything. Nothing is made of letters of founders.
    pub(super) fn letter(self, here: &Letter, lot: &mut Lot) -> Option<Letter> {
        let own = here.cluster?;
        if !lot.chance(self.per_mille) {
            return None;
        }
        let packet = match &here.packet {
            Packet::Raft(message) => Packet::Raft(self.message(message, lot)),
            Packet::Forward(forward) => Packet::Forward(forward.clone()),
            Packet::ForwardReply(reply) => Packet::ForwardReply(reply.clone()),
            Packet::Genesis(_) | Packet::Hello => return None,
        };
        Some(Letter {
            cluster: Some(ClusterId::new(!own.get())),
            from: self.life(here.from),
            packet,
            ..here.clone()
        })
    }

    /// What hulls there tell each other: in another term, perhaps, of other entries, and to say yes to what is
    /// refused here.
    fn message(self, here: &Message, lot: &mut Lot) -> Message {
        let ahead = lot.pick(0, &[0, 1, 3]);
        let body = match here.body.clone() {
            Body::AppendEntries(mut append) => {
                let chunks = append.chunks.iter();
                append.chunks = chunks.map(|chunk| others_of(chunk, lot)).collect();
                Body::AppendEntries(append)
            }
            Body::AppendEntriesReply(mut reply) => {
                if let AppendVerdict::Conflict { refused, .. } = reply.verdict {
                    reply.verdict = AppendVerdict::Matched(refused);
                }
                Body::AppendEntriesReply(reply)
            }
            Body::PreVoteReply(mut reply) => {
                reply.granted = true;
                Body::PreVoteReply(reply)
            }
            Body::RequestVoteReply(mut reply) => {
                reply.granted = true;
                Body::RequestVoteReply(reply)
            }
            other => other,
        };
        Message {
            from: self.life(here.from),
            to: self.life(here.to),
            term: Term::new(here.term.get().saturating_add(ahead)),
            body,
        }
    }

    /// The node of this name there.
    const fn life(self, here: Peer) -> Peer {
        match self.copied {
            true => here,
            false => Peer::new(here.id, Incarnation::new(!here.incarnation.get())),
        }
    }
}

/// Other entries in the places of these, if they are of clients.
fn others_of(chunk: &Chunk, lot: &mut Lot) -> Chunk {
    let later = lot.between(1, 1_000);
    if chunk.is_ids_only() {
        return chunk.clone();
    }
    let mut builder = ChunkBuilder::new();
    for entry in chunk.entries() {
        let pushed = match entry.record {
            Record::Client { header, payload } => {
                let serial = header.serial.saturating_add(later);
                builder.push_client(ClientHeader { serial, ..header }, payload)
            }
            _ => return chunk.clone(),
        };
        if pushed.is_err() {
            return chunk.clone();
        }
    }
    let sealed = builder.seal(
        chunk.term(),
        chunk.first_index(),
        chunk.time(),
        crc32c::crc32c_append,
    );
    sealed.unwrap_or_else(|| chunk.clone())
}

#[cfg(test)]
mod tests {
    use raft_core::ids::{Boot, NodeId};
    use raft_core::message::RequestVoteReply;

    use super::*;

    fn grant(cluster: Option<u128>, granted: bool) -> Letter {
        let [from, to] = [1, 2].map(|id| Peer::new(NodeId::new(id), Incarnation::new(7)));
        let body = Body::RequestVoteReply(RequestVoteReply { granted });
        let term = Term::new(4);
        let packet = Packet::Raft(Message {
            from,
            to,
            term,
            body,
        });
        Letter {
            cluster: cluster.map(ClusterId::new),
            from,
            boot: Boot::new(1),
            to: to.id,
            packet,
        }
    }

    #[test]
    fn a_namesake_grants_what_is_refused_here_and_names_its_own_cluster() {
        for copied in [true, false] {
            let namesake = Namesake {
                fault: 0,
                per_mille: 1_000,
                copied,
            };
            let here = grant(Some(5), false);
            let there = namesake.letter(&here, &mut Lot::of(1, &[]));
            let there = there.expect("one for each letter");
            let Packet::Raft(message) = &there.packet else {
                panic!("{there:?}");
            };
            assert_ne!(there.cluster, here.cluster);
            assert_eq!((there.to, there.from.id), (here.to, here.from.id));
            assert_eq!(message.from, there.from);
            assert_eq!(there.from == here.from, copied);
            let granted = RequestVoteReply { granted: true };
            assert_eq!(message.body, Body::RequestVoteReply(granted));
        }
    }

    #[test]
    fn nothing_is_made_of_letters_of_founders() {
        let namesake = Namesake {
            fault: 0,
            per_mille: 1_000,
            copied: true,
        };
        let unfounded = grant(None, true);
        assert_eq!(namesake.letter(&unfounded, &mut Lot::of(1, &[])), None);
        let hello = Letter {
            packet: Packet::Hello,
            ..grant(Some(5), true)
        };
        assert_eq!(namesake.letter(&hello, &mut Lot::of(1, &[])), None);
    }
}
