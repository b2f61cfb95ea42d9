//! Two lives of one node, beside each other: the first was not lost, it was only cut off.

use crate::support::*;
use raft_core::configuration::Configuration;
use raft_core::hull::Input;
use raft_core::ids::{Incarnation, NodeId, Peer, Term};
use raft_core::log::memory::MemoryLog;
use raft_core::message::Message;
use raft_core::settings::Settings;
use raft_core::snapshot::{Snapshot, SnapshotId};
use raft_core::states::Role;
use raft_core::time::LogTime;

/// Node 2 in its second life.
fn second_life() -> Peer {
    Peer::new(NodeId::new(2), Incarnation::new(2001))
}

/// All up to 9@5, by when 2 was replaced by another life of it, and 4 and 5 are gone.
fn later() -> (Snapshot, Vec<u8>) {
    let terms = [1, 5, 5, 5, 5, 5, 5, 5, 5];
    let machine = ids_of(1, &terms)
        .into_iter()
        .map(|id| (id, vec![7]))
        .collect();
    let content = Store::content(&machine);
    let id = SnapshotId {
        last: id(9, 5),
        length: content.len() as u64,
        digest: Store::digest(&content),
    };
    let configuration = Configuration::of_voters([peer(1), second_life(), peer(3)]);
    (
        Snapshot {
            id,
            configuration,
            time: LogTime::ZERO,
        },
        content,
    )
}

fn open(me: Peer, settings: Settings, log: MemoryLog, store: Store) -> Node {
    let mut setup = setup(me.id.get(), 5);
    setup.me = me;
    setup.settings = settings.into();
    let mut node = Node::with_store(setup, log, store);
    node.settle();
    node
}

/// What is left to the store of the snapshot is to say that it is stored.
fn all_but_stored(node: &mut Node) {
    let (snapshot, content) = later();
    node.receive(3, 5, install(1, &snapshot, 0, &[]));
    node.auto_store = false;
    node.receive(3, 5, install(2, &snapshot, 0, &content));
    node.store_one();
    node.settle();
    node.sent();
}

/// A node that has the snapshot, and was elected or votes by its configuration.
fn up_to_date(me: Peer, settings: Settings) -> Node {
    let mut node = open(me, settings, MemoryLog::new(), Store::default());
    let (snapshot, content) = later();
    let from = if me.id.get() == 3 {
        second_life()
    } else {
        peer(3)
    };
    for (request, part) in [(1, &[][..]), (2, &content[..])] {
        let body = install(request, &snapshot, 0, part);
        let (to, term) = (me, Term::new(5));
        node.step(Input::Message(Message {
            from,
            to,
            term,
            body,
        }));
    }
    node.sent();
    assert_eq!(node.hull.last(), id(9, 5));
    node
}

fn two_leaders(mut one: Node, settings: Settings) {
    assert_eq!((one.hull.role(), one.term()), (Role::Candidate, 6));
    one.sent();
    // The first life of 2 is cut off as 1 was: it knows nothing of its removal, and no more of the log.
    one.receive(2, 6, vote_reply(true));
    assert_eq!(one.hull.role(), Role::Candidate, "two of five");
    // Those that have elected a leader of term 6 are the two others of the three.
    let mut two = up_to_date(second_life(), settings);
    let mut three = up_to_date(peer(3), settings);
    for _ in 0..20 {
        if two.hull.role() == Role::Follower {
            two.time_out();
        }
        for message in two.sent() {
            if message.to == peer(3) {
                three.now = three.now.max(two.now);
                three.step(Input::Message(message));
            }
        }
        for message in three.sent() {
            if message.to == second_life() {
                two.step(Input::Message(message));
            }
        }
    }
    assert_eq!(
        (two.hull.role(), two.term()),
        (Role::Leader, 6),
        "a correct election"
    );
    // Now the store of 1 is done.
    while one.store_one() {
        one.settle();
    }
    assert_eq!(one.hull.configuration(), two.hull.configuration());
    assert_ne!(
        (one.hull.role(), one.term()),
        (Role::Leader, 6),
        "2 leads that term"
    );
}

#[test]
fn a_vote_of_another_life_elects_nobody_without_pre_vote() {
    let settings = Settings {
        pre_vote: false,
        check_quorum: false,
        ..settings()
    };
    let mut one = open(peer(1), settings, MemoryLog::new(), Store::default());
    one.receive(3, 5, append(id(0, 0), chunks(1, &[1]), 1));
    all_but_stored(&mut one);
    one.time_out();
    two_leaders(one, settings);
}

#[test]
fn a_vote_of_another_life_elects_nobody_after_late_pre_votes() {
    let settings = settings();
    let mut one = open(peer(1), settings, MemoryLog::new(), Store::default());
    one.receive(3, 5, append(id(0, 0), chunks(1, &[1]), 1));
    // In its first boot it asks for pre-votes; the answers are late.
    one.ask();
    one.restart();
    one.settle();
    all_but_stored(&mut one);
    one.ask();
    one.receive(2, 5, pre_vote_reply(1, 6));
    one.receive(4, 5, pre_vote_reply(1, 6));
    two_leaders(one, settings);
}
