//! Going on alone when a majority is lost for good.

#![allow(clippy::unwrap_used, reason = "part of the tests")]

mod support;

use raft_tokio::Node;
use raft_tokio::raft_core::ids::{ClusterId, NodeId};
use raft_tokio::recover::{RecoverError, Recovery, look, recover};
use support::{Heap, alone_with_all, stopped, stopped_with};
use tempfile::TempDir;

#[tokio::test]
async fn one_node_goes_on_alone_with_all_it_held_if_it_is_forced() {
    let (folders, addresses) = stopped().await;
    let folder = folders[1].path();
    let mut wish = Recovery {
        survivor: NodeId::new(2),
        reason: String::from("the cellar is flooded; Ada decided it"),
        cluster: None,
        accept_loss: false,
    };
    let refused = recover(folder, &wish).await.unwrap_err();
    let RecoverError::NotForced {
        cluster, others, ..
    } = refused
    else {
        unreachable!("{refused}")
    };
    assert_eq!(others, 2);
    wish.accept_loss = true;
    let refused = recover(folder, &wish).await;
    assert!(matches!(refused, Err(RecoverError::NotForced { .. })));
    wish.cluster = Some(cluster);
    let audit = recover(folder, &wish).await.unwrap();
    assert_eq!(audit.old, cluster);
    assert_ne!(audit.new, cluster);
    let record = std::fs::read_to_string(folder.join(&audit.record)).unwrap();
    assert!(
        record.contains("because: the cellar is flooded"),
        "{record}"
    );

    let node = alone_with_all(folder, &addresses[1]).await;
    let heap = node.read(|heap| heap.0.clone()).await.unwrap();
    assert_eq!(heap, (1..=10).collect::<Vec<_>>());
    node.shutdown().await.unwrap();
    let again = recover(folder, &wish).await;
    assert!(matches!(again, Err(RecoverError::OtherCluster { found }) if found == audit.new));
    wish.cluster = Some(audit.new);
    let again = recover(folder, &wish).await;
    assert!(matches!(again, Err(RecoverError::AlreadyAlone)));
}

#[tokio::test]
async fn what_is_named_wrongly_is_refused_and_nothing_changes() {
    let (folders, addresses) = stopped().await;
    let wish = Recovery {
        survivor: NodeId::new(2),
        reason: String::from("a test"),
        cluster: Some(ClusterId::new(1)),
        accept_loss: true,
    };
    let other = recover(folders[1].path(), &wish).await;
    assert!(matches!(other, Err(RecoverError::OtherCluster { .. })));
    let other = recover(folders[0].path(), &wish).await;
    assert!(matches!(other, Err(RecoverError::OtherNode { found }) if found == NodeId::new(1)));
    let empty = TempDir::new().unwrap();
    let none = recover(empty.path(), &wish).await;
    assert!(matches!(none, Err(RecoverError::NoCluster)));
    let mut nodes = Vec::new();
    for (folder, id) in folders.iter().zip(1..) {
        let builder = Node::builder(id)
            .members((1..).zip(addresses.clone()))
            .data_dir(folder.path());
        nodes.push(builder.start(Heap::default()).await.unwrap());
    }
    assert_eq!(nodes[2].submit(10).await.unwrap(), 10);
    for node in nodes {
        node.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_witness_can_not_go_on_alone() {
    let (folders, _) = stopped_with([3]).await;
    let folder = folders[2].path();
    let wish = Recovery {
        survivor: NodeId::new(3),
        reason: String::from("a test"),
        cluster: Some(look(folder).await.unwrap().cluster),
        accept_loss: true,
    };
    let refused = recover(folder, &wish).await;
    assert!(matches!(refused, Err(RecoverError::Witness)));
}

#[tokio::test]
async fn a_witness_started_again_is_what_it_was_and_answers_nobody() {
    let (folders, addresses) = stopped_with([3]).await;
    // Started again as what it is, it is what it was; as anything else it is refused.
    let builder = |id: u64| {
        let members = (1..).zip(addresses.clone());
        Node::builder(id)
            .members(members)
            .data_dir(folders[id as usize - 1].path())
    };
    let refused = builder(3).start(Heap::default()).await;
    assert!(refused.is_err());
    let one = builder(1).witnesses([3]).start(Heap::default()).await;
    let three = builder(3).witnesses([3]).start(Heap::default()).await;
    let (one, three) = (one.unwrap(), three.unwrap());
    assert_eq!(one.submit(10).await.unwrap(), 10);
    let refused = three.submit(11).await;
    assert!(refused.is_err(), "{refused:?}");
    one.shutdown().await.unwrap();
    three.shutdown().await.unwrap();
}
