//! The floor: chunks without a protocol. What no replicated log of chunks can do without, and nothing
//! else: nobody asks, answers, counts or waits.

use bytes::Bytes;
use raft_core::chunk::ChunkBuilder;
use raft_core::ids::{LogIndex, Term};
use raft_core::log::memory::MemoryLog;
use raft_core::log::{HardState, Write};
use raft_core::record::{ClientHeader, Record};
use raft_core::time::LogTime;

use super::{Cluster, Digest, Failure, Shape};

/// As many logs and state machines as there would be nodes.
pub(crate) struct ChunksAlone {
    nodes: Vec<Node>,
    next: LogIndex,
    answered: u64,
}

#[derive(Clone, Default)]
struct Node {
    log: MemoryLog,
    machine: Digest,
}

impl Cluster for ChunksAlone {
    fn found(shape: Shape) -> Result<Self, Failure> {
        Ok(Self {
            nodes: vec![Node::default(); usize::try_from(shape.voters)?],
            next: LogIndex::ZERO.next(),
            answered: 0,
        })
    }

    fn commit(&mut self, payload: &[u8], count: usize) -> Result<(), Failure> {
        let mut records = ChunkBuilder::with_capacity(count, count * payload.len());
        for _ in 0..count {
            records.push_client(ClientHeader::default(), payload)?;
        }
        let time = LogTime::from_millis(0);
        let chunk = records.seal(Term::new(1), self.next, time, crc32c::crc32c_append);
        let chunk = chunk.ok_or("nothing was proposed")?;
        self.next = chunk.last_index().next();
        for node in &mut self.nodes {
            node.log.write(Write {
                append: chunk.clone().into(),
                identity: None,
                ..Write::of_identity(HardState::default(), Bytes::new())
            })?;
            for entry in chunk.entries() {
                if let Record::Client { payload, .. } = entry.record {
                    node.machine.apply(payload);
                }
            }
        }
        self.answered += count as u64;
        Ok(())
    }

    fn digests(&self) -> Vec<Digest> {
        self.nodes.iter().map(|node| node.machine).collect()
    }

    fn answered(&self) -> u64 {
        self.answered
    }
}
