//! A cluster that ran and was stopped.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "part of the tests; not every one needs all of it"
)]

mod ports;

use std::path::Path;

use ports::free_addresses;
use raft_tokio::Node;
use raft_tokio::raft_node::state_machine::App;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

/// All numbers it was given.
#[derive(Default, Debug, Serialize, Deserialize)]
pub(crate) struct Heap(pub(crate) Vec<u64>);

impl App for Heap {
    type Command = u64;
    type Reply = usize;

    fn apply(&mut self, number: u64) -> usize {
        self.0.push(number);
        self.0.len()
    }
}

/// Three nodes that ran and were stopped, with their folders and addresses.
pub(crate) async fn stopped() -> (Vec<TempDir>, Vec<String>) {
    stopped_with([]).await
}

/// The same, where some of them are witnesses.
pub(crate) async fn stopped_with<const N: usize>(
    witnesses: [u64; N],
) -> (Vec<TempDir>, Vec<String>) {
    let addresses = free_addresses(3);
    let folders: Vec<_> = (0..3).map(|_| TempDir::new().unwrap()).collect();
    let mut nodes = Vec::new();
    for (folder, id) in folders.iter().zip(1..) {
        let builder = Node::builder(id)
            .members((1..).zip(addresses.clone()))
            .witnesses(witnesses)
            .data_dir(folder.path());
        nodes.push(builder.start(Heap::default()).await.unwrap());
    }
    for number in 1..=9 {
        nodes[0].submit(number).await.unwrap();
    }
    nodes[1].read(|_| ()).await.unwrap();
    for node in nodes {
        node.shutdown().await.unwrap();
    }
    (folders, addresses)
}

/// Node 2 as the only member there is, in its recovered folder. It holds what the three were given.
pub(crate) async fn alone_with_all(folder: &Path, address: &str) -> Node<Heap> {
    let node = Node::builder(2)
        .members([(2, address)])
        .data_dir(folder)
        .start(Heap::default())
        .await
        .unwrap();
    assert_eq!(node.submit(10).await.unwrap(), 10);
    node
}
