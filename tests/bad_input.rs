//! What the world gets wrong, and what a node makes of it: a typed error, or something dropped and
//! counted. Never a panic, and nothing that was acknowledged is lost.
//!
//! Real sockets and real folders. Nothing here asserts how long anything takes: conditions are
//! polled until they hold, and give up only after far longer than they can need.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "part of the tests: what goes wrong in them has to fail them"
)]

#[path = "../raft-tokio/tests/support/ports.rs"]
mod ports;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ports::free_addresses;
use quorate::raft_log::fs::std_fs::StdFs;
use quorate::raft_log::{Completion, Fs, FsError, Operation, WalError};
use quorate::raft_node::error::StartError as NodeStartError;
use quorate::{App, Client, Mishap, Node, NodeBuilder, NodeId, NodeSettings};
use quorate::{PayloadCodec, StartError};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// Keeps every number it is given.
#[derive(Default, Debug, Serialize, Deserialize)]
struct Numbers(Vec<u64>);

impl App for Numbers {
    type Command = u64;
    type Reply = u64;

    fn apply(&mut self, number: u64) -> u64 {
        self.0.push(number);
        self.0.len() as u64
    }
}

#[tokio::test]
async fn a_peer_of_another_cluster_is_refused_and_counted() {
    // Another cluster of nodes 1 and 2 is founded, and then ours listens where its node 1 did.
    let addresses = free_addresses(2);
    let folders = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let theirs =
        |id: usize, first: &str| node(id as u64, [first, &addresses[1]], folders[id - 1].path());
    let one = theirs(1, &addresses[0])
        .start(Numbers::default())
        .await
        .unwrap();
    let two = theirs(2, &addresses[0])
        .start(Numbers::default())
        .await
        .unwrap();
    two.submit(1).await.unwrap();
    one.shutdown().await.unwrap();
    two.shutdown().await.unwrap();

    let ours = Healthy::start_at(&addresses[0]).await;
    let misled = theirs(2, &addresses[0])
        .start(Numbers::default())
        .await
        .unwrap();
    until(|| count(&ours.node, Mishap::WrongCluster) > 0).await;
    until(|| count(&misled, Mishap::RefusedByPeer) > 0).await;
    misled.shutdown().await.unwrap();
    ours.assert_unharmed().await;
}

#[tokio::test]
async fn a_stranger_who_calls_itself_a_node_is_refused_and_counted() {
    let ours = Healthy::start().await;
    let folder = TempDir::new().unwrap();
    let address = free_addresses(1).remove(0);
    let stranger = Node::builder(9)
        .members([(1, ours.address()), (9, address)])
        .data_dir(folder.path())
        .start(Numbers::default())
        .await
        .unwrap();
    until(|| count(&ours.node, Mishap::Stranger) > 0).await;
    stranger.shutdown().await.unwrap();
    ours.assert_unharmed().await;
}

#[tokio::test]
async fn a_stranger_who_speaks_something_else_is_cut_off_and_counted() {
    let ours = Healthy::start().await;
    let mut stranger = ours.knock().await;
    stranger.write_all(&[b'G'; 200]).await.unwrap();
    assert!(is_closed(&mut stranger).await);
    until(|| count(&ours.node, Mishap::NotOurProtocol) > 0).await;

    let mut later = hello(CLIENT);
    later[8] = 99;
    seal(&mut later);
    let mut stranger = ours.knock().await;
    stranger.write_all(&later).await.unwrap();
    let mut answer = [0; WELCOME_BYTES];
    stranger.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer[10], 1, "a caller of another version is told so");
    assert!(is_closed(&mut stranger).await);
    ours.assert_unharmed().await;
}

#[tokio::test]
async fn a_stranger_who_says_nothing_does_not_keep_others_out() {
    let ours = Healthy::start().await;
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(ours.knock().await);
    }
    Client::connect([ours.address()]).await.unwrap();
    until(|| count(&ours.node, Mishap::SlowHandshake) == 100).await;
    ours.assert_unharmed().await;
}

#[tokio::test]
async fn a_frame_with_a_hostile_length_ends_its_connection_and_is_counted() {
    let ours = Healthy::start().await;
    let mut client = ours.introduced().await;
    client.write_all(&[0xff; 8]).await.unwrap();
    assert!(is_closed(&mut client).await);
    until(|| count(&ours.node, Mishap::HostileLength) > 0).await;
    ours.assert_unharmed().await;
}

#[tokio::test]
async fn garbage_ends_its_connection_and_is_counted() {
    let ours = Healthy::start().await;
    // A well-formed frame of a kind that there is not, and one whose checksum is wrong.
    let unknown_kind = [0, 0, 0, 0, 0, 0, 0, 0, 77];
    for (number, good_checksum) in (1..).zip([true, false]) {
        let mut frame = unknown_kind;
        frame[0] = 5;
        let checksum = crc32c::crc32c(&frame[8..]) ^ u32::from(!good_checksum);
        frame[4..8].copy_from_slice(&checksum.to_le_bytes());
        let mut client = ours.introduced().await;
        client.write_all(&frame).await.unwrap();
        assert!(is_closed(&mut client).await);
        until(|| count(&ours.node, Mishap::BadFrame) == number).await;
    }
    ours.assert_unharmed().await;
}

#[tokio::test]
async fn a_command_that_is_no_command_of_the_app_is_answered_and_changes_nothing() {
    let ours = Healthy::start().await;
    let client = Client::connect([ours.address()]).await.unwrap();
    // The answer is one byte: not a reply of the app.
    assert_eq!(client.submit("not a number at all").await.unwrap().len(), 1);
    ours.assert_unharmed().await;
}

#[tokio::test]
async fn a_data_folder_of_another_node_is_refused() {
    let ours = Healthy::start().await;
    let folder = ours.stop().await;
    let error = single(2, folder.path())
        .start(Numbers::default())
        .await
        .unwrap_err();
    let expected = NodeStartError::FolderOfAnotherNode {
        owner: NodeId::new(1),
        id: NodeId::new(2),
    };
    assert_eq!(error, StartError::Node(expected));
    Healthy::resume(folder).await.assert_unharmed().await;
}

#[tokio::test]
async fn a_data_folder_of_another_cluster_or_codec_is_refused() {
    let ours = Healthy::start().await;
    let folder = ours.stop().await;
    let other_members = node(1, ["127.0.0.1:0", "127.0.0.1:1"], folder.path());
    let error = other_members.start(Numbers::default()).await.unwrap_err();
    assert!(matches!(error, StartError::OtherMembers { .. }), "{error}");
    let error = single(1, folder.path())
        .payload_codec(PayloadCodec::Postcard)
        .start(Numbers::default())
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            StartError::Node(NodeStartError::OtherPayloadCodec { .. })
        ),
        "{error}"
    );
    Healthy::resume(folder).await.assert_unharmed().await;
}

/// The next release wrote here, and somebody goes back to this one.
#[tokio::test]
async fn a_data_folder_of_a_later_format_is_refused_and_loses_nothing() {
    let ours = Healthy::start().await;
    let folder = ours.stop().await;
    let written = contents(folder.path());
    let version = 2;
    let mut frames = 0;
    for (path, own) in &written {
        let later = in_version(own, version);
        frames += usize::from(later != *own);
        std::fs::write(path, later).unwrap();
    }
    assert!(frames > 0, "nothing of a log was found in {written:?}");
    let later = contents(folder.path());
    let error = single(1, folder.path())
        .start(Numbers::default())
        .await
        .unwrap_err();
    let StartError::Log(WalError::UnknownVersion { version: found, .. }) = error else {
        panic!("{error}");
    };
    assert_eq!(found, version);
    assert!(contents(folder.path()) == later, "it was written to");
    // The build that can read it is started again, and has everything.
    for (path, own) in &written {
        std::fs::write(path, own).unwrap();
    }
    Healthy::resume(folder).await.assert_unharmed().await;
}

#[tokio::test]
async fn a_data_folder_in_use_is_refused() {
    let ours = Healthy::start().await;
    let error = single(1, ours.folder.path())
        .start(Numbers::default())
        .await
        .unwrap_err();
    let StartError::Log(WalError::Fs { cause, .. }) = error else {
        panic!("{error}");
    };
    assert!(matches!(cause, FsError::Locked { .. }), "{cause}");
    ours.assert_unharmed().await;
}

#[tokio::test]
async fn a_data_folder_that_can_not_be_one_is_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = single(1, file.path())
        .start(Numbers::default())
        .await
        .unwrap_err();
    assert!(matches!(error, StartError::Folder { .. }), "{error}");
    let error = Node::builder(1)
        .members([(1, "127.0.0.1:0")])
        .start(Numbers::default())
        .await
        .unwrap_err();
    assert_eq!(error, StartError::NoDataDir);
}

#[tokio::test]
async fn an_address_in_use_is_refused() {
    let ours = Healthy::start().await;
    let folder = TempDir::new().unwrap();
    let error = Node::builder(1)
        .members([(1, ours.address())])
        .data_dir(folder.path())
        .start(Numbers::default())
        .await
        .unwrap_err();
    let expected = StartError::Listen {
        address: ours.address(),
        kind: io::ErrorKind::AddrInUse,
    };
    assert_eq!(error, expected);
    ours.assert_unharmed().await;
}

#[tokio::test]
async fn an_address_that_cannot_be_resolved_is_refused() {
    let folder = TempDir::new().unwrap();
    let error = Node::builder(1)
        .members([(1, "127.0.0.1")])
        .data_dir(folder.path())
        .start(Numbers::default())
        .await
        .unwrap_err();
    let address = "127.0.0.1".to_owned();
    assert_eq!(error, StartError::Unresolved { address });
    assert!(error.to_string().contains("give HOST:PORT"), "{error}");
}

#[tokio::test]
async fn a_full_disk_stops_its_node_alone_and_loses_nothing() {
    let addresses = free_addresses(3);
    let folders: Vec<TempDir> = (0..3).map(|_| TempDir::new().unwrap()).collect();
    let is_full = Arc::new(AtomicBool::new(false));
    let builder = |id: usize| {
        Node::builder(id as u64)
            .members((1..).zip(addresses.clone()))
            .data_dir(folders[id - 1].path())
    };
    let disk = FullDisk {
        folder: StdFs::open(folders[0].path()).unwrap(),
        is_full: Arc::clone(&is_full),
    };
    let mut full = builder(1).start_on(disk, Numbers::default()).await.unwrap();
    let two = builder(2).start(Numbers::default()).await.unwrap();
    let three = builder(3).start(Numbers::default()).await.unwrap();
    for number in 1..=10 {
        two.submit(number).await.unwrap();
    }

    is_full.store(true, Ordering::SeqCst);
    for number in 11..=20 {
        three.submit(number).await.unwrap();
    }
    let fault = full.stopped().await.unwrap();
    assert!(
        fault.is_some(),
        "a node whose disk is full says why it stopped"
    );
    drop(full);

    is_full.store(false, Ordering::SeqCst);
    let again = builder(1).start(Numbers::default()).await.unwrap();
    for reader in [&again, &two, &three] {
        let numbers = reader.read(|numbers| numbers.0.clone()).await.unwrap();
        assert_eq!(numbers, Vec::from_iter(1..=20));
    }
    for node in [again, two, three] {
        node.shutdown().await.unwrap();
    }
}

/// A node, a cluster of its own, that has acknowledged some numbers.
struct Healthy {
    node: Node<Numbers>,
    folder: TempDir,
}

impl Healthy {
    async fn start() -> Self {
        Self::start_at("127.0.0.1:0").await
    }

    async fn start_at(address: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let builder = single(1, folder.path()).listen(address);
        let node = builder.start(Numbers::default()).await.unwrap();
        let healthy = Self { node, folder };
        for number in 1..=3 {
            healthy.node.submit(number).await.unwrap();
        }
        healthy
    }

    async fn resume(folder: TempDir) -> Self {
        let builder = single(1, folder.path());
        let node = builder.start(Numbers::default()).await.unwrap();
        Self { node, folder }
    }

    async fn stop(self) -> TempDir {
        self.node.shutdown().await.unwrap();
        self.folder
    }

    fn address(&self) -> String {
        self.node.local_addr().to_string()
    }

    async fn knock(&self) -> TcpStream {
        TcpStream::connect(self.node.local_addr()).await.unwrap()
    }

    /// A connection that was welcomed as a client's.
    async fn introduced(&self) -> TcpStream {
        let mut client = self.knock().await;
        client.write_all(&hello(CLIENT)).await.unwrap();
        let mut answer = [0; WELCOME_BYTES];
        client.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer[10], 0, "welcome");
        client
    }

    /// Everything acknowledged is still there, and more can be added, also after a restart.
    async fn assert_unharmed(self) {
        assert_eq!(self.node.submit(4).await.unwrap(), 4);
        let again = Self::resume(self.stop().await).await;
        let numbers = again.node.read(|numbers| numbers.0.clone()).await.unwrap();
        assert_eq!(numbers, [1, 2, 3, 4]);
        again.node.shutdown().await.unwrap();
    }
}

/// The files of a folder.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = std::fs::read_dir(folder).unwrap();
    let paths = files.map(|file| file.unwrap().path());
    paths
        .filter(|path| path.is_file())
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .collect()
}

/// A file of a log as a build would have written it whose frames have this version and are the same
/// otherwise.
fn in_version(file: &[u8], version: u16) -> Vec<u8> {
    let mut file = file.to_vec();
    for frame in file.chunks_exact_mut(256) {
        if frame.starts_with(b"QRWL") {
            frame[4..6].copy_from_slice(&version.to_le_bytes());
            let checksum = crc32c::crc32c(&frame[..124]);
            frame[124..128].copy_from_slice(&checksum.to_le_bytes());
        }
    }
    file
}

fn single(id: u64, folder: &Path) -> NodeBuilder {
    Node::builder(id)
        .members([(id, "127.0.0.1:0")])
        .data_dir(folder)
        .settings(impatient())
}

/// Node `id` of nodes 1 and 2.
fn node(id: u64, addresses: [&str; 2], folder: &Path) -> NodeBuilder {
    Node::builder(id)
        .members((1..).zip(addresses))
        .data_dir(folder)
        .settings(impatient())
}

/// Settings for nodes that are started so often that a second's wait for the first election
/// counts.
fn impatient() -> NodeSettings {
    let mut settings = NodeSettings::default();
    settings.raft.election_timeout = Duration::from_millis(200);
    settings.raft.heartbeat_interval = Duration::from_millis(50);
    settings.raft.stalled_write_after = Duration::from_secs(2);
    settings
}

fn count(node: &Node<Numbers>, mishap: Mishap) -> u64 {
    let mishaps: BTreeMap<Mishap, u64> = node.mishaps();
    mishaps.get(&mishap).copied().unwrap_or(0)
}

async fn until(holds: impl Fn() -> bool) {
    for _ in 0..6_000 {
        if holds() {
            return;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("what was waited for did not happen");
}

/// Whether the other side closes a connection without another word.
async fn is_closed(stream: &mut TcpStream) -> bool {
    let mut byte = [0];
    let read = timeout(Duration::from_secs(60), stream.read(&mut byte)).await;
    matches!(read, Ok(Ok(0) | Err(_)))
}

/// A disk that has no space left while `is_full` says so.
#[derive(Clone)]
struct FullDisk {
    folder: StdFs,
    is_full: Arc<AtomicBool>,
}

impl Fs for FullDisk {
    fn start(&self, operation: Operation) -> Completion {
        let grows = matches!(
            operation,
            Operation::Create { .. } | Operation::Write { .. } | Operation::SetLength { .. }
        );
        if grows && self.is_full.load(Ordering::SeqCst) {
            let detail = "this disk is full".to_owned();
            return Box::pin(async { Err(FsError::NoSpace { detail }) });
        }
        self.folder.start(operation)
    }
}

/// The first bytes of a connection, as the handshake of the protocol has them.
fn hello(kind: u8) -> [u8; HELLO_BYTES] {
    let mut bytes = [0; HELLO_BYTES];
    bytes[..8].copy_from_slice(b"quorate\n");
    bytes[8] = 2;
    bytes[10] = kind;
    seal(&mut bytes);
    bytes
}

fn seal(bytes: &mut [u8; HELLO_BYTES]) {
    let (content, checksum) = bytes.split_at_mut(HELLO_BYTES - 4);
    checksum.copy_from_slice(&crc32c::crc32c(content).to_le_bytes());
}

const HELLO_BYTES: usize = 68;
const WELCOME_BYTES: usize = 44;
const CLIENT: u8 = 2;
