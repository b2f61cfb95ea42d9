//! Which configuration is in force: the latest in the log, committed or not (paper 6).

use raft_core::checksum::crc32c;
use raft_core::chunk::{Chunk, ChunkBuilder};
use raft_core::configuration::Configuration;
use raft_core::ids::{NodeId, Term};
use raft_core::states::Role;
use raft_core::time::LogTime;

use crate::support::{Node, append, chunks, id, index, peer, vote_reply};

#[test]
fn a_configuration_is_in_force_as_soon_as_it_is_appended() {
    let mut node = Node::holding(5, &[1]);
    node.receive(2, 5, append(id(1, 1), vec![configuration(2, 5, 5)], 0));
    assert_eq!((node.commit(), members(&node)), (0, vec![1, 2, 3, 4, 5]));
    // Three of five elect now, no longer two of three.
    let term = node.stand();
    node.receive(2, term, vote_reply(true));
    assert_eq!(node.hull.role(), Role::Candidate);
    node.receive(5, term, vote_reply(true));
    assert_eq!(node.hull.role(), Role::Leader);
}

#[test]
fn entries_of_other_kinds_leave_the_configuration_as_it_is() {
    let mut node = Node::holding(5, &[1]);
    node.receive(2, 5, append(id(1, 1), chunks(2, &[5, 5]), 0));
    assert_eq!(members(&node), [1, 2, 3]);
}

#[test]
fn a_configuration_that_is_overwritten_gives_way_to_the_one_before_it() {
    let mut node = Node::holding(5, &[1]);
    let grown = vec![configuration(2, 5, 4), configuration(3, 5, 5)];
    node.receive(2, 5, append(id(1, 1), grown, 0));
    assert_eq!(members(&node), [1, 2, 3, 4, 5]);
    // What stands before the overwritten entry stays in force.
    node.receive(3, 6, append(id(2, 5), chunks(3, &[6]), 0));
    assert_eq!(members(&node), [1, 2, 3, 4]);
    node.receive(3, 7, append(id(1, 1), chunks(2, &[7, 7]), 0));
    assert_eq!(
        (members(&node), node.terms()),
        (vec![1, 2, 3], vec![1, 7, 7])
    );
}

/// The ids of the configuration in force.
fn members(node: &Node) -> Vec<u64> {
    let ids = node.hull.configuration().ids();
    ids.into_iter().map(NodeId::get).collect()
}

/// An entry that makes nodes 1 to `size` the voters.
fn configuration(at: u64, term: u64, size: u64) -> Chunk {
    let mut builder = ChunkBuilder::new();
    let voters = Configuration::of_voters((1..=size).map(peer));
    builder.push_config(&voters).unwrap();
    let sealed = builder.seal(Term::new(term), index(at), LogTime::ZERO, crc32c);
    sealed.unwrap()
}
