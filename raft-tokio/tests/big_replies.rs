//! One node and more bytes of replies in flight than a session keeps: nothing is wrong with that,
//! so nobody may notice.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "part of the tests: what goes wrong in them has to fail them"
)]

use raft_tokio::raft_node::settings::NodeSettings;
use raft_tokio::raft_node::state_machine::App;
use raft_tokio::{Client, Node};
use tokio::task::JoinSet;

/// Replies with as many bytes as it is asked for.
#[derive(Default, serde::Serialize, serde::Deserialize)]
struct Big;

impl App for Big {
    type Command = usize;
    type Reply = Vec<u8>;

    fn apply(&mut self, bytes: usize) -> Vec<u8> {
        vec![7; bytes]
    }
}

#[tokio::test]
async fn replies_beyond_what_a_session_keeps_end_no_session() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = NodeSettings::default();
    settings.sessions.max_answer_bytes = 1 << 20;
    let node = Node::builder(1)
        .members([(1, "127.0.0.1:1")])
        .listen("127.0.0.1:0")
        .data_dir(folder.path())
        .settings(settings)
        .start(Big)
        .await
        .unwrap();
    let client = Client::connect([node.local_addr().to_string()])
        .await
        .unwrap();
    let mut tasks = JoinSet::new();
    for _ in 0..500 {
        let app = client.of_app::<Big>().unwrap();
        tasks.spawn(async move {
            for _ in 0..4 {
                app.submit(10_000).await.unwrap();
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    node.shutdown().await.unwrap();
}
