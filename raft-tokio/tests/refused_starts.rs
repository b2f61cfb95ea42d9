//! A start that is refused leaves the disk as it was: what can be refused without the folder is
//! refused before there is one.

#![allow(
    clippy::unwrap_used,
    reason = "part of the tests: what goes wrong in them has to fail them"
)]

use std::net::TcpListener;

use raft_tokio::raft_core::ids::NodeId;
use raft_tokio::raft_core::rules::reconfigure::TargetProblem;
use raft_tokio::raft_log::fs::std_fs::StdFs;
use raft_tokio::raft_log::{WalError, WalSettings};
use raft_tokio::raft_node::codec::PayloadCodec;
use raft_tokio::raft_node::error::StartError as Node;
use raft_tokio::raft_node::settings::NodeSettings;
use raft_tokio::{NodeBuilder, StartError};
use support::Heap;
use tempfile::TempDir;

mod support;

/// What starting a node gives, and whether a folder or a file was there then that was not before: in
/// a folder that has to be made, and in an empty one.
async fn refused(builder: NodeBuilder) -> StartError {
    let parent = TempDir::new().unwrap();
    let made = parent.path().join("of/the/node");
    let first = builder.clone().data_dir(&made).start(Heap::default()).await;
    let first = first.err().unwrap();
    assert!(is_empty(&parent), "{first}: the folder was made");
    let fs = StdFs::open(parent.path()).unwrap();
    let second = builder.start_on(fs, Heap::default()).await.err().unwrap();
    assert!(is_empty(&parent), "{second}: files were made");
    assert_eq!(first, second);
    first
}

fn is_empty(folder: &TempDir) -> bool {
    std::fs::read_dir(folder.path()).unwrap().next().is_none()
}

fn alone() -> NodeBuilder {
    node(1).members([(1, "127.0.0.1:0")])
}

fn node(id: u64) -> NodeBuilder {
    raft_tokio::Node::builder(id)
}

#[tokio::test]
async fn who_is_no_member_gets_no_folder() {
    let id = NodeId::new(9);
    let builder = node(9).members([(1, "127.0.0.1:0")]);
    assert_eq!(refused(builder).await, Node::NotAMember { id }.into());
    // Told where to listen, it is no member either.
    let builder = node(9).members([(1, "127.0.0.1:0")]);
    let builder = builder.listen("127.0.0.1:0");
    assert_eq!(refused(builder).await, Node::NotAMember { id }.into());
    let builder = node(9).join([(1, "127.0.0.1:1")]);
    assert_eq!(refused(builder).await, StartError::NoAddress);
    let builder = node(9).join([(9, "127.0.0.1:0")]);
    assert_eq!(refused(builder).await, Node::NobodyToJoin { id }.into());
}

#[tokio::test]
async fn members_that_can_found_nothing_get_no_folder() {
    let members = [(1, "127.0.0.1:0"), (2, "127.0.0.1:1"), (3, "127.0.0.1:1")];
    let builder = node(1).members(members).witnesses([2, 3]);
    let parent = TempDir::new().unwrap();
    let folder = parent.path().join("new");
    let refused = builder.data_dir(&folder).start(Heap::default()).await;
    let problem = TargetProblem::TooManyWitnesses { witnesses: 2 };
    assert_eq!(refused.err(), Some(Node::Founders(problem).into()));
    assert!(!folder.exists());
}

#[tokio::test]
async fn an_address_that_can_not_be_listened_at_gets_no_folder() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    let error = refused(alone().listen(&address)).await;
    let kind = std::io::ErrorKind::AddrInUse;
    assert_eq!(error, StartError::Listen { address, kind });
    let address = "nowhere".to_owned();
    let error = refused(alone().listen(&address)).await;
    assert_eq!(error, StartError::Unresolved { address });
    let long = "a".repeat(300);
    let error = refused(node(1).members([(1, "127.0.0.1:0"), (2, &long)])).await;
    assert!(matches!(
        error,
        StartError::Node(Node::AddressTooLong { bytes: 300, .. })
    ));
}

#[tokio::test]
async fn settings_that_can_not_be_used_get_no_folder() {
    let settings = NodeSettings {
        max_requests: 0,
        ..NodeSettings::default()
    };
    let error = refused(alone().settings(settings)).await;
    assert!(matches!(error, StartError::Settings { .. }), "{error}");
    let wal = WalSettings {
        block_bytes: 1_000,
        ..WalSettings::default()
    };
    let error = refused(alone().wal(wal)).await;
    assert!(
        matches!(error, StartError::Log(WalError::Settings { .. })),
        "{error}"
    );
    let codec = PayloadCodec::Postcard;
    if !codec.is_built_in() {
        let error = refused(alone().payload_codec(codec)).await;
        assert_eq!(error, Node::CodecNotBuiltIn { codec }.into());
    }
}

/// The address is taken before the folder is opened.
#[tokio::test]
async fn a_folder_that_is_in_use_leaves_the_address_to_others() {
    let folder = TempDir::new().unwrap();
    let first = alone().data_dir(folder.path());
    let first = first.start(Heap::default()).await.unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let second = alone().listen(address.to_string()).data_dir(folder.path());
    let second = second.start(Heap::default()).await;
    assert!(matches!(second, Err(StartError::Log(WalError::Fs { .. }))));
    TcpListener::bind(address).unwrap();
    first.shutdown().await.unwrap();
}
