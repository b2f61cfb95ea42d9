//! Three whole nodes in one process, over real sockets and files: what a user of this crate meets.
//!
//! Nothing here asserts how long anything takes.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "part of the tests: what goes wrong in them has to fail them"
)]

#[path = "support/ports.rs"]
mod ports;

use std::time::Duration;

use ports::free_addresses;
use raft_tokio::raft_core::states::Role;
use raft_tokio::raft_node::state_machine::App;
use raft_tokio::{Client, Node, NodeBuilder};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// Counts how often it was given each number.
#[derive(Default, Debug, Serialize, Deserialize)]
struct Tally(Vec<u32>);

impl App for Tally {
    type Command = usize;
    type Reply = u32;

    fn apply(&mut self, number: usize) -> u32 {
        if self.0.len() <= number {
            self.0.resize(number + 1, 0);
        }
        self.0[number] += 1;
        self.0[number]
    }
}

struct Cluster {
    addresses: Vec<String>,
    folders: Vec<TempDir>,
    nodes: Vec<Option<Node<Tally>>>,
}

impl Cluster {
    async fn start() -> Self {
        let mut cluster = Self {
            addresses: free_addresses(3),
            folders: (0..3).map(|_| TempDir::new().unwrap()).collect(),
            nodes: vec![None, None, None],
        };
        for place in 0..3 {
            cluster.start_node(place).await;
        }
        cluster
    }

    async fn start_node(&mut self, place: usize) {
        let node = self.builder(place).start(Tally::default()).await.unwrap();
        self.nodes[place] = Some(node);
    }

    fn builder(&self, place: usize) -> NodeBuilder {
        Node::builder(place as u64 + 1)
            .members((1..).zip(self.addresses.clone()))
            .data_dir(self.folders[place].path())
    }

    fn running(&self) -> impl Iterator<Item = &Node<Tally>> {
        self.nodes.iter().flatten()
    }

    /// The place of whoever leads.
    async fn leader(&self) -> usize {
        for _ in 0..6_000 {
            for (place, node) in self.nodes.iter().enumerate() {
                let role = node.as_ref().and_then(|node| node.status().role);
                if role == Some(Role::Leader) {
                    return place;
                }
            }
            sleep(Duration::from_millis(10)).await;
        }
        panic!("there is no leader");
    }

    async fn end(self) {
        for node in self.nodes.into_iter().flatten() {
            node.shutdown().await.unwrap();
        }
    }
}

#[tokio::test]
async fn every_node_takes_commands_and_every_node_can_read_them() {
    let cluster = Cluster::start().await;
    for (number, node) in cluster.running().enumerate() {
        assert_eq!(node.submit(number).await.unwrap(), 1);
    }
    for node in cluster.running() {
        let tally = node.read(|tally| tally.0.clone()).await.unwrap();
        assert_eq!(tally, [1, 1, 1]);
    }
    cluster.end().await;
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_restart_of_all_nodes() {
    let mut cluster = Cluster::start().await;
    for number in 0..20 {
        cluster
            .running()
            .next()
            .unwrap()
            .submit(number)
            .await
            .unwrap();
    }
    for place in 0..3 {
        let node = cluster.nodes[place].take().unwrap();
        node.shutdown().await.unwrap();
    }
    for place in 0..3 {
        cluster.start_node(place).await;
    }
    for node in cluster.running() {
        let tally = node.read(|tally| tally.0.clone()).await.unwrap();
        assert_eq!(tally, vec![1; 20]);
    }
    cluster.end().await;
}

/// A bit of what was durable long ago flips on one disk: the node starts without what comes after
/// it, and gets that from the others.
#[tokio::test]
async fn a_damaged_log_is_repaired_by_the_other_nodes() {
    let mut cluster = Cluster::start().await;
    for number in 0..20 {
        let node = cluster.running().next().unwrap();
        node.submit(number).await.unwrap();
    }
    let node = cluster.nodes[2].take().unwrap();
    node.read(|_| ()).await.unwrap();
    node.shutdown().await.unwrap();
    let folder = cluster.folders[2].path().to_owned();
    let segment = folder.join("0000000000000001.wal");
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[10 * 4096 + 50] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    cluster.start_node(2).await;
    assert!(folder.join("0000000000000001.wal.damaged").exists());
    let node = cluster.nodes[2].as_ref().unwrap();
    let tally = node.read(|tally| tally.0.clone()).await.unwrap();
    assert_eq!(tally, vec![1; 20]);
    cluster.end().await;
}

#[tokio::test]
async fn a_remote_client_loses_and_repeats_nothing_when_the_leader_goes() {
    let mut cluster = Cluster::start().await;
    let client = Client::connect(cluster.addresses.clone()).await.unwrap();
    let client = client.of_app::<Tally>().unwrap();
    let mut submissions = JoinSet::new();
    for number in 0..500 {
        let client = client.clone();
        submissions.spawn(async move { client.submit(number).await.unwrap() });
    }
    let mut acknowledged = 0;
    while let Some(times) = submissions.join_next().await {
        assert_eq!(times.unwrap(), 1);
        acknowledged += 1;
        if acknowledged == 100 {
            // Dropped, not shut down: nothing under way is given an outcome.
            let leader = cluster.leader().await;
            cluster.nodes[leader] = None;
        }
    }
    for node in cluster.running() {
        let tally = node.read(|tally| tally.0.clone()).await.unwrap();
        assert_eq!(tally, vec![1; 500]);
    }
    cluster.end().await;
}
