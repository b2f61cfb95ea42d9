//! Members that change over real sockets and files: a node joins, one leaves, one moves.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "part of the tests: what goes wrong in them has to fail them"
)]

#[path = "support/ports.rs"]
mod ports;

use std::time::Duration;

use ports::free_addresses;
use raft_tokio::raft_core::configuration::{Member, Members};
use raft_tokio::raft_core::ids::NodeId;
use raft_tokio::raft_core::states::Role;
use raft_tokio::raft_node::error::{ReadError, ReconfigureError};
use raft_tokio::raft_node::state_machine::App;
use raft_tokio::raft_node::status::Phase;
use raft_tokio::{Node, StartError, raft_node};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use tokio::time::sleep;

/// The sum of all that it was given.
#[derive(Default, Debug, Serialize, Deserialize)]
struct Sum(u64);

impl App for Sum {
    type Command = u64;
    type Reply = u64;

    fn apply(&mut self, number: u64) -> u64 {
        self.0 += number;
        self.0
    }
}

/// A node's folder, where it is reached, and itself while it runs.
struct Place {
    id: u64,
    address: String,
    folder: TempDir,
    node: Option<Node<Sum>>,
}

impl Place {
    fn new(id: u64) -> Self {
        Self {
            id,
            address: free_address(),
            folder: TempDir::new().unwrap(),
            node: None,
        }
    }

    async fn found(&mut self, members: &[(u64, String)]) {
        let builder = Node::builder(self.id).members(members.to_vec());
        let builder = builder.data_dir(self.folder.path());
        self.node = Some(builder.start(Sum::default()).await.unwrap());
    }

    async fn join(&mut self, members: &[(u64, String)]) {
        let builder = Node::builder(self.id).join(members.to_vec());
        let builder = builder.address(self.address.clone());
        let builder = builder.data_dir(self.folder.path());
        self.node = Some(builder.start(Sum::default()).await.unwrap());
    }

    fn node(&self) -> &Node<Sum> {
        self.node.as_ref().unwrap()
    }

    async fn stop(&mut self) {
        self.node.take().unwrap().shutdown().await.unwrap();
    }
}

/// Makes these the members, whoever leads.
async fn become_members(places: &[&Place], target: &[&Place]) {
    let mut members = Members::new();
    for place in target {
        let me = until(|| place.node().status().me).await;
        let member = Member {
            address: place.address.clone(),
            ..Member::voter(me.incarnation)
        };
        members.insert(me.id, member);
    }
    for _ in 0..6_000 {
        let running = places.iter().filter_map(|place| place.node.as_ref());
        let leader = running
            .into_iter()
            .find(|node| node.status().role == Some(Role::Leader));
        if let Some(leader) = leader {
            match leader.reconfigure(members.clone()).await {
                Ok(_) => return,
                Err(ReconfigureError::Refused(_) | ReconfigureError::Unknown(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("nobody would change the members");
}

async fn until<T>(look: impl Fn() -> Option<T>) -> T {
    for _ in 0..6_000 {
        if let Some(seen) = look() {
            return seen;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("it never came");
}

#[tokio::test]
async fn a_cluster_goes_on_when_all_its_founders_have_been_replaced() {
    let mut places: Vec<Place> = (1..=6).map(Place::new).collect();
    let founders: Vec<(u64, String)> = places[..3]
        .iter()
        .map(|place| (place.id, place.address.clone()))
        .collect();
    for place in &mut places[..3] {
        place.found(&founders).await;
    }
    assert_eq!(places[0].node().submit(1).await.unwrap(), 1);
    for place in &mut places[3..] {
        // One that is told of one member alone has to learn of all others.
        place.join(&founders[..1]).await;
    }
    until(|| (places[3].node().status().phase == Phase::Joining).then_some(())).await;
    for gone in 0..3 {
        let all: Vec<&Place> = places.iter().collect();
        become_members(&all[gone..], &all[gone + 1..gone + 4]).await;
        // Who asks the one that is gone does not wait until its time is over.
        let looked = places[gone].node().read(|sum| sum.0).await;
        assert_eq!(looked, Err(ReadError::Removed));
        places[gone].stop().await;
        let sum = places[gone + 3].node().submit(1).await.unwrap();
        assert_eq!(sum, gone as u64 + 2);
    }
    // They find each other again, and need nobody who is gone for it.
    for place in &mut places[3..] {
        place.stop().await;
    }
    for place in &mut places[3..] {
        place.join(&founders[..1]).await;
    }
    for place in &places[3..] {
        let sum = place.node().read(|sum| sum.0).await.unwrap();
        assert_eq!(sum, 4);
    }
    for place in &mut places[3..] {
        place.stop().await;
    }
}

#[tokio::test]
async fn a_member_moves() {
    let mut places: Vec<Place> = (1..=3).map(Place::new).collect();
    let founders: Vec<(u64, String)> = places
        .iter()
        .map(|place| (place.id, place.address.clone()))
        .collect();
    for place in &mut places {
        place.found(&founders).await;
    }
    assert_eq!(places[2].node().submit(1).await.unwrap(), 1);
    let address = free_address();
    places[2].address.clone_from(&address);
    let all: Vec<&Place> = places.iter().collect();
    become_members(&all, &all).await;
    places[2].stop().await;
    let builder = Node::builder(3).members(founders).address(address);
    let builder = builder.data_dir(places[2].folder.path());
    places[2].node = Some(builder.start(Sum::default()).await.unwrap());
    assert_eq!(places[2].node().submit(1).await.unwrap(), 2);
    // It counts where it is now: without the others' answers to it nothing would be decided.
    places[0].stop().await;
    assert_eq!(places[2].node().submit(1).await.unwrap(), 3);
    for place in &mut places[1..] {
        place.stop().await;
    }
}

#[tokio::test]
async fn who_joins_must_say_where_it_is_reached() {
    let folder = TempDir::new().unwrap();
    let builder = Node::builder(4).join([(1, "127.0.0.1:1")]);
    let refused = builder.data_dir(folder.path()).start(Sum::default()).await;
    assert_eq!(refused.err(), Some(StartError::NoAddress));
    let nobody: [(u64, &str); 0] = [];
    let builder = Node::builder(4).join(nobody).address(free_address());
    let refused = builder.data_dir(folder.path()).start(Sum::default()).await;
    let id = NodeId::new(4);
    let nobody = raft_node::error::StartError::NobodyToJoin { id };
    assert_eq!(refused.err(), Some(StartError::Node(nobody)));
}

fn free_address() -> String {
    free_addresses(1).remove(0)
}
