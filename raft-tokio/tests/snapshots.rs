//! Snapshots over real files and sockets: logs stay short, a start begins with the newest one, and who
//! was away for long gets it from another.
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
use raft_tokio::Node;
use raft_tokio::raft_core::settings::SnapshotPolicy;
use raft_tokio::raft_node::settings::NodeSettings;
use raft_tokio::raft_node::state_machine::App;
use raft_tokio::raft_node::status::Status;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use tokio::time::sleep;

/// Remembers everything.
#[derive(Default, Debug, Serialize, Deserialize)]
struct Notes(Vec<String>);

impl App for Notes {
    type Command = String;
    type Reply = usize;

    fn apply(&mut self, note: String) -> usize {
        self.0.push(note);
        self.0.len()
    }
}

/// A snapshot every ten entries, of which the log keeps none, in parts of a thousand bytes.
fn eager() -> NodeSettings {
    let mut settings = NodeSettings::default();
    settings.raft.snapshots = Some(SnapshotPolicy {
        after_entries: 10,
        after_bytes: u64::MAX,
    });
    settings.raft.snapshot_margin = 0;
    settings.raft.max_append_bytes = 1_000;
    settings
}

async fn start(id: u64, addresses: &[String], folder: &TempDir) -> Node<Notes> {
    Node::builder(id)
        .members((1..).zip(addresses.to_vec()))
        .data_dir(folder.path())
        .settings(eager())
        .start(Notes::default())
        .await
        .unwrap()
}

/// Waits until the node stands so.
async fn until(node: &Node<Notes>, what: &str, stands: impl Fn(&Status) -> bool) {
    for _ in 0..6_000 {
        if stands(&node.status()) {
            return;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("{what} did not come about: {:?}", node.status());
}

fn files(folder: &TempDir) -> usize {
    let names = std::fs::read_dir(folder.path()).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("snapshot")).count()
}

#[tokio::test]
async fn a_start_begins_with_the_snapshot_in_the_folder() {
    let (addresses, folder) = (free_addresses(1), TempDir::new().unwrap());
    let node = start(1, &addresses, &folder).await;
    for number in 0..95 {
        let length = node.submit(format!("note {number}")).await.unwrap();
        assert_eq!(length, number + 1);
    }
    // As long as another is due, it may be there beside the one before it.
    until(&node, "the last snapshot", |status| {
        let since = status.snapshot.map(|last| last.index);
        since.is_some_and(|since| status.applied_index.distance_from(since) < 10)
            && files(&folder) == 1
    })
    .await;
    let first = node.status().first_index;
    assert!(first.get() > 80, "the log begins with {first}");
    node.shutdown().await.unwrap();
    assert_eq!(files(&folder), 1, "the newest alone");
    let node = start(1, &addresses, &folder).await;
    let notes = node.read(|notes| notes.0.clone()).await.unwrap();
    assert_eq!(notes.len(), 95);
    assert_eq!(notes.last().map(String::as_str), Some("note 94"));
    assert_eq!(node.submit("one more".to_owned()).await.unwrap(), 96);
    node.shutdown().await.unwrap();
}

#[tokio::test]
async fn who_was_away_for_long_gets_a_snapshot() {
    let addresses = free_addresses(3);
    let folders: Vec<TempDir> = (0..3).map(|_| TempDir::new().unwrap()).collect();
    let (one, two, three) = tokio::join!(
        start(1, &addresses, &folders[0]),
        start(2, &addresses, &folders[1]),
        start(3, &addresses, &folders[2])
    );
    one.submit("first".to_owned()).await.unwrap();
    until(&three, "a log", |status| status.applied_index.get() > 0).await;
    three.shutdown().await.unwrap();
    let long = "x".repeat(200);
    for _ in 0..100 {
        two.submit(long.clone()).await.unwrap();
    }
    // On a slow disk a snapshot may be far behind, and its log then has what the third lacks.
    for node in [&one, &two] {
        until(node, "a short log", |status| status.first_index.get() > 50).await;
    }
    let third = start(3, &addresses, &folders[2]).await;
    until(&third, "a snapshot", |status| status.snapshot.is_some()).await;
    let notes = third.read(|notes| notes.0.len()).await.unwrap();
    assert_eq!(notes, 101);
    let status = third.status();
    assert!(status.first_index.get() > 50, "entry by entry: {status:?}");
    for node in [one, two, third] {
        node.shutdown().await.unwrap();
    }
}
