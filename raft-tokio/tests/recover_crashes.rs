//! Going on alone, with the power failing at every change on the way: it is done whole, or not
//! at all and can be done again.

#![allow(clippy::unwrap_used, reason = "part of the tests")]

#[path = "support/memory_fs.rs"]
mod memory_fs;

use std::future::poll_fn;

use memory_fs::{Contents, Loss, MemoryFs};
use raft_tokio::raft_core::chunk::ChunkBuilder;
use raft_tokio::raft_core::configuration::Configuration;
use raft_tokio::raft_core::ids::{
    Boot, ClusterId, EntryId, Incarnation, LogIndex, NodeId, Peer, Term,
};
use raft_tokio::raft_core::log::{HardState, Log as _, Recovered, Write};
use raft_tokio::raft_core::time::LogTime;
use raft_tokio::raft_log::{Wal, WalSettings};
use raft_tokio::raft_node::codec::PayloadCodec;
use raft_tokio::raft_node::identity::{GenesisRecord, Identity, SharedSettings, Stage};
use raft_tokio::recover::{RecoverError, Recovery, recover_on};

#[tokio::test]
async fn whenever_the_power_fails_it_was_not_done_or_is_done_whole() {
    let before = folder().await;
    let steps = {
        let fs = before.failing_after(usize::MAX);
        recover_on(fs.clone(), &wish(), NEW).await.unwrap();
        fs.changes()
    };
    let mut outcomes = [0, 0];
    for changes in 0..steps {
        let fs = before.failing_after(changes);
        let failed = recover_on(fs.clone(), &wish(), NEW).await;
        let mut seen = Vec::new();
        for loss in losses() {
            let fs = fs.after(loss);
            // Where little can be lost, several losses leave the same.
            if seen.contains(&fs.visible()) {
                continue;
            }
            seen.push(fs.visible());
            let is_done = state_of(&fs).await;
            // Whoever was told that it is done finds it so.
            assert!(is_done || failed.is_err(), "{changes} {loss:?}");
            outcomes[usize::from(is_done)] += 1;
            again(&fs, is_done).await;
        }
    }
    assert!(outcomes.iter().all(|seen| *seen > 0), "{outcomes:?}");
}

/// Whether the node is alone, looking at all that says so. Otherwise nothing of it has changed.
async fn state_of(fs: &MemoryFs) -> bool {
    // A start of the node would open the log in the same way.
    let recovered = open(fs).await.1;
    let identity = Identity::decode(recovered.identity.as_deref().unwrap()).unwrap();
    assert_eq!(identity.me, peer(2));
    assert_eq!(recovered.lost_through, None, "nothing is damaged");
    let Stage::Founded(record) = identity.stage else {
        unreachable!("{:?}", identity.stage)
    };
    let alone = Configuration::of_voters([peer(2)]);
    if record.cluster == OLD {
        assert_eq!(record.founders, three());
        assert_eq!((recovered.last, recovered.hard), (LAST.index, hard()));
        assert_eq!(recovered.configurations, []);
        return false;
    }
    assert_eq!(record.cluster, NEW);
    assert_eq!(record.founders, alone);
    let first = LAST.index.next();
    assert_eq!(recovered.last, first);
    assert_eq!(recovered.hard.term, hard().term.next());
    assert_eq!(recovered.hard.vote, None);
    assert_eq!(recovered.configurations, [(first, alone)]);
    let told = fs.content(&format!("RECOVERED-{NEW}")).unwrap();
    let told = String::from_utf8(told).unwrap();
    assert!(told.contains("because: a test"), "{told}");
    assert!(
        told.ends_with(&format!("entry {}\n", EntryId::new(Term::new(4), first))),
        "{told}"
    );
    true
}

/// What was not done can be done; what is done is not done twice.
async fn again(fs: &MemoryFs, is_done: bool) {
    let again = recover_on(fs.clone(), &wish(), NEW).await;
    if is_done {
        assert!(matches!(
            again,
            Err(RecoverError::OtherCluster { found: NEW })
        ));
    } else {
        assert_eq!(again.unwrap().last, LAST);
        assert!(state_of(fs).await);
    }
}

/// The folder of node 2 of three, with two commands in its log.
async fn folder() -> MemoryFs {
    let fs = MemoryFs::default();
    let (mut wal, _) = open(&fs).await;
    let stage = Stage::Founded(GenesisRecord {
        cluster: OLD,
        payload_codec: PayloadCodec::Postcard,
        shared: SharedSettings::default(),
        founders: three(),
    });
    let identity = Identity { me: peer(2), stage };
    let mut records = ChunkBuilder::new();
    for command in [b"one", b"two"] {
        records.push_client(Default::default(), command).unwrap();
    }
    let time = LogTime::from_millis(5);
    let chunk = records.seal(LAST.term, LogIndex::new(1), time, crc32c::crc32c_append);
    let mut write = Write::of_identity(hard(), identity.encode());
    write.append.push(chunk.unwrap());
    wal.begin(write);
    poll_fn(|cx| wal.poll_durable(cx)).await.unwrap();
    fs
}

async fn open(fs: &MemoryFs) -> (Wal<MemoryFs>, Recovered) {
    Wal::open(fs.clone(), WalSettings::default()).await.unwrap()
}

fn losses() -> impl Iterator<Item = Loss> {
    let contents = [Contents::Nothing, Contents::All, Contents::Torn];
    let with = |contents| [true, false].map(|names| Loss { names, contents });
    contents.into_iter().flat_map(with)
}

fn wish() -> Recovery {
    Recovery {
        survivor: NodeId::new(2),
        reason: String::from("a test"),
        cluster: Some(OLD),
        accept_loss: true,
    }
}

fn hard() -> HardState {
    HardState {
        boot: Boot::new(1),
        term: Term::new(3),
        vote: Some(NodeId::new(1)),
        ..HardState::default()
    }
}

fn three() -> Configuration {
    Configuration::of_voters((1..=3).map(peer))
}

fn peer(id: u64) -> Peer {
    Peer::new(NodeId::new(id), Incarnation::new(u128::from(id) * 100))
}

const OLD: ClusterId = ClusterId::new(7);
const NEW: ClusterId = ClusterId::new(8);
const LAST: EntryId = EntryId::new(Term::new(2), LogIndex::new(2));
