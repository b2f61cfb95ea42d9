//! An app with a mistake in it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "part of the tests: what goes wrong in them has to fail them"
)]

use raft_tokio::raft_node::state_machine::App;
use raft_tokio::{Node, ShutdownError};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

#[derive(Serialize, Deserialize)]
struct Panics;

impl App for Panics {
    type Command = ();
    type Reply = ();
    fn apply(&mut self, (): ()) {
        panic!("an app with a mistake in it");
    }
}

#[tokio::test]
async fn a_node_whose_app_panics_has_stopped_and_its_address_is_free() {
    let folder = tempfile::tempdir().unwrap();
    let mut node = Node::builder(1)
        .members([(1, "127.0.0.1:1")])
        .listen("127.0.0.1:0")
        .data_dir(folder.path())
        .start(Panics)
        .await
        .unwrap();
    let address = node.local_addr();
    assert!(node.submit(()).await.is_err());
    assert_eq!(node.stopped().await, Err(ShutdownError::Cancelled));
    TcpListener::bind(address).await.unwrap();
}
