//! What a node says of the folder that it opened.

#![allow(clippy::unwrap_used, reason = "part of the tests")]

use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex};

use raft_log::StdFs;
use raft_tokio::raft_node::state_machine::App;
use raft_tokio::{Node, NodeBuilder};
use tracing::field::Field;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

#[derive(serde::Serialize, serde::Deserialize)]
struct Nothing;

impl App for Nothing {
    type Command = ();
    type Reply = ();

    fn apply(&mut self, (): ()) {}
}

/// Keeps each event in words.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Subscriber for Notes {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = String::new();
        event.record(&mut |field: &Field, value: &dyn Debug| {
            write!(text, "{field}={value:?} ").unwrap();
        });
        self.0.lock().unwrap().push(text);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

fn one() -> NodeBuilder {
    let members = [(1, "127.0.0.1:1")];
    Node::builder(1).members(members).listen("127.0.0.1:0")
}

#[tokio::test]
async fn which_way_writes_go_is_told_once_and_can_be_asked() {
    let folder = tempfile::tempdir().unwrap();
    let way = StdFs::open(folder.path()).unwrap().writes();
    let notes = Notes::default();
    tracing::subscriber::set_global_default(notes.clone()).unwrap();
    let node = one().data_dir(folder.path()).start(Nothing).await.unwrap();
    assert_eq!(node.writes(), Some(way));
    node.shutdown().await.unwrap();
    let notes = notes.0.lock().unwrap();
    let told: Vec<_> = notes
        .iter()
        .filter(|note| note.contains("opened the folder"))
        .collect();
    assert_eq!(told.len(), 1, "{notes:?}");
    assert!(told[0].contains(&format!("writes={way}")), "{told:?}");
}

#[tokio::test]
async fn a_file_system_that_is_handed_in_says_that_itself() {
    let folder = tempfile::tempdir().unwrap();
    let fs = StdFs::open(folder.path()).unwrap();
    let node = one().start_on(fs, Nothing).await.unwrap();
    assert_eq!(node.writes(), None);
    node.shutdown().await.unwrap();
}
