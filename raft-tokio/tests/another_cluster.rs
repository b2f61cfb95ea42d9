//! A client whose cluster is replaced by another one at the same address.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "part of the tests: what goes wrong in them has to fail them"
)]

#[path = "support/ports.rs"]
mod ports;

use ports::free_addresses;
use raft_tokio::raft_core::ids::NodeId;
use raft_tokio::raft_node::state_machine::App;
use raft_tokio::recover::{Recovery, look, recover};
use raft_tokio::{Client, Node};
use tempfile::TempDir;

/// Counts how often it was given each number.
#[derive(Default, Debug, serde::Serialize, serde::Deserialize)]
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

/// A node among members at these addresses, numbered from `first` on.
async fn node(id: u64, first: u64, addresses: &[String], folder: &TempDir) -> Node<Tally> {
    Node::builder(id)
        .members((first..).zip(addresses.iter().cloned()))
        .data_dir(folder.path())
        .start(Tally::default())
        .await
        .unwrap()
}

/// Clients that have each been answered once.
async fn busy_clients(count: usize, addresses: &[String]) -> Vec<Client> {
    let mut clients = Vec::new();
    for _ in 0..count {
        clients.push(Client::connect(addresses).await.unwrap());
    }
    for client in &clients {
        client.of_app::<Tally>().unwrap().submit(0).await.unwrap();
    }
    clients
}

/// Has the client count a seven. If it is told that this was done, it was, and by nobody else's command.
async fn counts_truly(client: &Client, node: &Node<Tally>) {
    let outcome = client.of_app::<Tally>().unwrap().submit(7).await;
    let applied = node.read(|tally| tally.0.get(7).copied()).await.unwrap();
    if let Ok(reply) = outcome {
        assert_eq!((applied, reply), (Some(1), 1));
    }
}

/// Sessions are numbered by the log, so another cluster has some of the same numbers, of others.
#[tokio::test]
async fn what_another_cluster_answers_to_others_is_no_answer_to_this_client() {
    let address = free_addresses(1);
    let folders = [(); 2].map(|()| TempDir::new().unwrap());
    let old = node(1, 1, &address, &folders[0]).await;
    let early = [
        Client::connect(&address).await.unwrap(),
        Client::connect(&address).await.unwrap(),
    ];
    let client = Client::connect(&address).await.unwrap();
    drop(early);
    old.shutdown().await.unwrap();

    let new = node(1, 1, &address, &folders[1]).await;
    let _others = busy_clients(8, &address).await;
    counts_truly(&client, &new).await;
    // The client has a session of the new cluster now, if it had none before.
    let reply = client.of_app::<Tally>().unwrap().submit(8).await;
    assert_eq!(reply.unwrap(), 1);
    new.shutdown().await.unwrap();
}

/// The same after a recovery: the survivor lacks the entry that opened the session, and gives its number to
/// another client.
#[tokio::test]
async fn what_a_recovered_cluster_answers_to_others_is_no_answer_to_a_client_of_the_lost_one() {
    let addresses = free_addresses(3);
    let folders = [(); 3].map(|()| TempDir::new().unwrap());
    let mut nodes = Vec::new();
    for (id, folder) in (1..).zip(&folders) {
        nodes.push(node(id, 1, &addresses, folder).await);
    }
    nodes[2].submit(1).await.unwrap();
    nodes.pop().unwrap().shutdown().await.unwrap();
    let mut early = Vec::new();
    for _ in 0..6 {
        early.push(Client::connect(&addresses).await.unwrap());
    }
    let client = Client::connect(&addresses).await.unwrap();
    drop(early);
    for node in nodes {
        node.shutdown().await.unwrap();
    }

    let folder = folders[2].path();
    let wish = Recovery {
        survivor: NodeId::new(3),
        reason: String::from("a test"),
        cluster: Some(look(folder).await.unwrap().cluster),
        accept_loss: true,
    };
    recover(folder, &wish).await.unwrap();
    let survivor = node(3, 3, &addresses[2..], &folders[2]).await;
    let _others = busy_clients(16, &addresses[2..]).await;
    counts_truly(&client, &survivor).await;
    let reply = client.of_app::<Tally>().unwrap().submit(8).await;
    assert_eq!(reply.unwrap(), 1);
    survivor.shutdown().await.unwrap();
}
