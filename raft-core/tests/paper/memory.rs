//! How much of the log is in memory: within one budget, whoever hangs.

use std::sync::Arc;

use raft_core::chunk::Chunk;
use raft_core::error::Dropped;
use raft_core::hull::{Input, Outcome, Proposals, Refusal};
use raft_core::ids::{NodeId, Ticket};
use raft_core::message::{Body, Lane};
use raft_core::settings::{Settings, SettingsProblem};
use raft_core::states::Role;

use crate::f13_receiving::snapshot;
use crate::support::{Node, append, chunks, conflict, id, index, install, settings, setup};

const BUDGET: usize = 4_096;

/// Small limits: a command of 256 bytes is a twelfth of what may be in memory.
fn tight() -> Settings {
    Settings {
        max_memory_bytes: BUDGET,
        max_cached_bytes: 1_024,
        max_bytes_in_flight: 2_048,
        max_append_bytes: 1_024,
        ..settings()
    }
}

/// A leader with small limits that hands in a command, which node 2 acknowledges if it gets it.
fn command(node: &mut Node) -> Ticket {
    let ticket = node.propose(&[7; 256]);
    node.sent();
    let last = node.hull.last().index.get();
    node.acknowledge(2, last);
    ticket
}

fn was_full(node: &Node, ticket: Ticket) -> bool {
    match node.outcome(ticket) {
        Some(Outcome::Refused(Refusal::MemoryFull { limit: BUDGET, .. })) => true,
        Some(Outcome::Refused(refusal)) => panic!("{refusal}"),
        _ => false,
    }
}

#[test]
fn a_follower_that_hangs_costs_the_others_nothing() {
    let mut node = Node::leading_with(tight());
    for _ in 0..200 {
        let ticket = command(&mut node);
        let id = node.hull.last();
        assert_eq!(
            node.outcome(ticket),
            Some(Outcome::Committed(id)),
            "at once"
        );
        let hung = node.hull.bytes_in_flight(NodeId::new(3)).unwrap();
        // What goes last may go beyond, or nothing larger than the window would ever go.
        assert!(hung < 1_024 + 400, "{hung} bytes under way to it");
        let cached = node.hull.cached_bytes();
        assert!(cached <= 1_024, "{cached} bytes kept");
        assert_eq!(node.loads.len(), 0, "nothing is read back for it");
    }
    assert_eq!(node.applied.len(), 201);
}

/// Each has its part of half of the budget, whatever the others do with theirs.
#[test]
fn followers_share_half_of_the_budget() {
    for (size, share) in [(3, BUDGET / 4), (5, BUDGET / 8), (9, BUDGET / 16)] {
        let mut setup = setup(1, size);
        setup.settings = Arc::new(Settings {
            max_append_bytes: 64,
            max_bytes_in_flight: BUDGET / 4,
            ..tight()
        });
        let mut node = Node::with_setup(setup, Default::default());
        node.settle();
        node.elect();
        for from in 2..=size {
            node.acknowledge(from, 1);
        }
        node.sent();
        for _ in 0..200 {
            node.propose(&[7; 32]);
            node.sent();
            let last = node.hull.last().index.get();
            for from in 3..=(size / 2 + 1).max(3) {
                node.acknowledge(from, last);
            }
            let bytes = |to| node.hull.bytes_in_flight(NodeId::new(to)).unwrap();
            let (hung, all) = (bytes(2), node.hull.bytes_in_memory());
            assert!(hung <= share + 100, "{hung} of {share}");
            assert!(all <= BUDGET, "{all} bytes in memory");
        }
        let hung = node.hull.bytes_in_flight(NodeId::new(2)).unwrap();
        assert!(hung > share - 100, "{hung} of {share}");
        assert_eq!(
            node.hull.next_index(NodeId::new(3)),
            Some(node.hull.last().index.next())
        );
    }
}

/// What is read, applied, sent and kept is one sum.
#[test]
fn a_follower_and_a_state_machine_that_hang_cost_the_budget_together() {
    let mut node = Node::leading_with(Settings {
        max_applying_bytes: 1_024,
        ..tight()
    });
    node.auto_apply = false;
    for number in 0..100 {
        let ticket = command(&mut node);
        assert!(!was_full(&node, ticket));
        assert_eq!(node.commit(), number + 2, "commands go on being committed");
        while node.hull.next_apply(512).is_some() {}
        let all = node.hull.bytes_in_memory();
        assert!(all <= BUDGET, "{all} bytes in memory");
    }
    let hung = node.hull.bytes_in_flight(NodeId::new(3)).unwrap();
    let kept = node.hull.cached_bytes();
    assert!(hung > 0 && kept < BUDGET - hung, "{hung} and {kept}");
}

/// Beside the budget: one message for each follower and for the state machine, and one command.
#[test]
fn all_that_can_hang_costs_the_budget_together() {
    for max_applying_bytes in [1, 1_024, 4 << 20] {
        let mut node = Node::leading_with(Settings {
            max_append_bytes: 256,
            max_applying_bytes,
            ..tight()
        });
        let beside = 400;
        let mut handed_out = index(0);
        node.auto_apply = false;
        for number in 0..100 {
            let ticket = command(&mut node);
            assert!(!was_full(&node, ticket));
            assert_eq!(node.commit(), number + 2, "commands go on being committed");
            while let Some(apply) = node.hull.next_apply(512) {
                handed_out = apply.last_index();
            }
            let all = node.hull.bytes_in_memory();
            assert!(all <= BUDGET, "{all} bytes in memory");
        }
        // From here on nobody answers.
        node.auto_sync = false;
        while !{
            let ticket = node.propose(&[7; 256]);
            node.sent();
            was_full(&node, ticket)
        } {
            let all = node.hull.bytes_in_memory();
            assert!(all <= BUDGET + beside, "{all} bytes in memory");
        }
        node.acknowledge(2, node.hull.last().index.get());
        node.sync();
        node.auto_apply = true;
        node.step(Input::Applied(handed_out));
        assert_eq!(node.hull.applied_index(), node.hull.commit_index());
    }
}

/// A quarter for the state machine, whatever the other settings would let it have; what is larger goes alone.
#[test]
fn a_state_machine_that_hangs_has_a_quarter_of_the_budget() {
    let mut node = Node::leading_with(tight());
    node.auto_apply = false;
    for _ in 0..20 {
        command(&mut node);
    }
    let mut out = 0;
    for _ in 0..20 {
        while let Some(apply) = node.hull.next_apply(usize::MAX) {
            out += apply.chunks.iter().map(Chunk::pinned_bytes).sum::<usize>();
        }
        // What is no longer in memory is read back.
        node.settle();
    }
    assert!(
        out > BUDGET / 4 - 400 && out < BUDGET / 4 + 400,
        "{out} bytes handed out"
    );
}

/// Entries that only the state machine still holds are in memory, too.
#[test]
fn what_only_the_state_machine_holds_is_counted() {
    let mut node = Node::leading_with(tight());
    node.auto_apply = false;
    let mut held: Vec<Chunk> = Vec::new();
    for _ in 0..20 {
        command(&mut node);
        node.acknowledge(3, node.hull.last().index.get());
        while let Some(apply) = node.hull.next_apply(256) {
            held.extend(apply.chunks);
        }
    }
    let (all, kept) = (node.hull.bytes_in_memory(), node.hull.cached_bytes());
    let out: usize = held.iter().map(Chunk::pinned_bytes).sum();
    assert!(out > 512, "{out} bytes handed out");
    assert_eq!(all, kept + out, "the others hold everything");
    // It is done with the first of them.
    let first = held.remove(0);
    node.step(Input::Applied(first.last_index()));
    assert_eq!(node.hull.bytes_in_memory(), all - first.pinned_bytes());
}

/// A disk that hangs has what is left of the budget.
#[test]
fn what_is_under_way_to_who_hangs_leaves_half_to_what_is_not_durable() {
    let mut node = Node::leading_with(tight());
    for _ in 0..40 {
        command(&mut node);
    }
    let hung = node.hull.bytes_in_flight(NodeId::new(3)).unwrap();
    node.auto_sync = false;
    let mut taken = 0;
    while !{
        let ticket = command(&mut node);
        was_full(&node, ticket)
    } {
        taken += 1;
        assert!(taken < 100, "the budget has an end");
    }
    let (kept, all) = (node.hull.cached_bytes(), node.hull.bytes_in_memory());
    assert!(
        kept > BUDGET / 2 && all <= BUDGET,
        "{kept} of {all}, {hung}"
    );
    assert!(all > BUDGET - 400, "{all} bytes in memory");
}

#[test]
fn a_state_machine_that_hangs_costs_the_budget_and_gets_all_in_the_end() {
    let mut node = Node::leading_with(tight());
    node.auto_apply = false;
    for number in 0..100 {
        let ticket = command(&mut node);
        assert!(!was_full(&node, ticket));
        assert_eq!(node.commit(), number + 2, "commands go on being committed");
        let cached = node.hull.cached_bytes();
        assert!(cached <= BUDGET, "{cached} bytes kept");
    }
    node.auto_apply = true;
    node.settle();
    let applied: Vec<u64> = node.applied.iter().map(|(id, _)| id.index.get()).collect();
    assert!(applied.into_iter().eq(1..=101));
}

#[test]
fn while_its_disk_hangs_a_leader_refuses_what_does_not_fit_and_commits_what_does() {
    let mut node = Node::leading_with(tight());
    node.auto_sync = false;
    let mut taken = 0;
    while !{
        let ticket = command(&mut node);
        node.acknowledge(3, node.hull.last().index.get());
        was_full(&node, ticket)
    } {
        taken += 1;
        assert!(taken < 100, "the budget has an end");
    }
    let bytes = node.hull.cached_bytes();
    assert!(
        bytes <= BUDGET && bytes > BUDGET - 400,
        "{bytes} bytes kept"
    );
    assert_eq!(node.commit(), taken + 1, "the others have all of it");
    // What weighs nothing is taken: a new leader's no-op must get in.
    let mut barrier = Proposals::new();
    barrier.push_no_op(Ticket::new(1_000)).unwrap();
    node.step(Input::Propose(barrier));
    assert_eq!(node.hull.last().index.get(), taken + 2);
    node.sync();
    let ticket = command(&mut node);
    assert!(!was_full(&node, ticket), "there is room again");
}

#[test]
fn while_its_disk_hangs_a_follower_takes_no_more_than_fits() {
    let mut setup = setup(1, 3);
    setup.settings = Arc::new(Settings {
        max_memory_bytes: 400,
        max_cached_bytes: 0,
        max_bytes_in_flight: 400,
        max_append_bytes: 400,
        ..settings()
    });
    let mut node = Node::with_setup(setup, Node::holding(5, &[1]).log);
    node.settle();
    node.auto_sync = false;
    node.receive(2, 5, append(id(1, 1), chunks(2, &[5; 5]), 1));
    let (first, last) = (node.hull.cached_bytes(), node.hull.last());
    assert!(first > 200 && first <= 400, "{first}");
    node.receive(2, 5, append(last, chunks(7, &[5; 5]), 1));
    assert_eq!(node.hull.last(), last);
    assert_eq!(node.drops(), [Dropped::NoRoom]);
    node.receive(2, 5, append(last, Vec::new(), 3));
    assert_eq!(node.commit(), 3, "what carries no entries is heard");
    node.sync();
    node.receive(2, 5, append(last, chunks(7, &[5; 5]), 1));
    assert_eq!(node.hull.last(), id(11, 5));
}

/// A follower whose disk hangs, when it takes no more of the log while so many parts of a snapshot wait for its
/// store.
fn full_beside(parts: usize) -> Node {
    let mut setup = setup(1, 3);
    setup.settings = Arc::new(tight());
    let mut node = Node::with_setup(setup, Node::holding(5, &[1]).log);
    node.settle();
    let (snapshot, content) = snapshot(&[1; 2_000]);
    assert!(content.len() > BUDGET);
    node.receive(2, 5, install(1, &snapshot, 0, &[]));
    (node.auto_store, node.auto_sync) = (false, false);
    for (number, part) in content.chunks(1_024).take(parts).enumerate() {
        let (number, offset) = (number as u64, number * 1_024);
        node.receive(2, 5, install(2 + number, &snapshot, offset as u64, part));
    }
    loop {
        let last = node.hull.last();
        let next = last.index.get() + 1;
        node.receive(2, 5, append(last, chunks(next, &[5; 5]), 0));
        if node.hull.last() == last {
            assert_eq!(node.drops(), [Dropped::NoRoom]);
            return node;
        }
        assert!(next < 1_000, "the budget has an end");
    }
}

/// What comes of a snapshot and what comes of the log are in one memory.
#[test]
fn parts_of_a_snapshot_that_wait_for_the_store_leave_entries_so_much_less() {
    for parts in 0..=2 {
        let mut node = full_beside(parts);
        let (kept, last) = (node.hull.cached_bytes(), node.hull.last());
        let all = kept + parts * 1_024;
        assert!(
            all > BUDGET - 400 && all <= BUDGET,
            "{kept} bytes of entries beside {parts} parts"
        );
        node.auto_store = true;
        node.settle();
        let next = last.index.get() + 1;
        node.receive(2, 5, append(last, chunks(next, &[5; 5]), 0));
        let takes_more = node.hull.last() != last;
        assert_eq!(takes_more, parts > 0, "once the store has written them");
    }
}

#[test]
fn what_comes_alone_is_taken_however_large() {
    let mut node = Node::leading_with(tight());
    let ticket = node.propose(&[7; 2 * BUDGET]);
    node.sent();
    node.acknowledge(2, 2);
    assert_eq!(node.outcome(ticket), Some(Outcome::Committed(id(2, 1))));
    assert_eq!(node.hull.cached_bytes(), 0, "and let go of");
}

#[test]
fn no_window_and_no_cache_is_larger_than_the_budget() {
    let problems = |max_bytes_in_flight, max_cached_bytes| {
        let settings = Settings {
            max_bytes_in_flight,
            max_cached_bytes,
            ..tight()
        };
        settings.validate()
    };
    assert_eq!(problems(BUDGET, BUDGET), []);
    for (name, found) in [
        ("max_bytes_in_flight", problems(BUDGET + 1, BUDGET)),
        ("max_cached_bytes", problems(BUDGET, BUDGET + 1)),
    ] {
        let problem = SettingsProblem::MemoryTooSmall {
            max_memory_bytes: BUDGET,
            name,
            value: BUDGET + 1,
        };
        assert_eq!(found, [problem]);
    }
}

/// Takes no notice of the hull for two election timeouts but to read what happened.
fn rest(node: &mut Node) {
    node.now = node.now.after(2 * settings().election_timeout);
    node.hull.step(node.now, Input::Rouse);
    while node.hull.next_event().is_some() {}
}

/// Whoever drives it may have no room for so long.
#[test]
fn a_hull_at_rest_keeps_what_was_not_pulled() {
    let mut node = Node::holding(5, &[1, 2]);
    node.hear(2, 5);
    rest(&mut node);
    let to = NodeId::new(2);
    let answer = node.hull.next_send(to, Lane::Control, usize::MAX);
    assert!(matches!(
        answer.map(|message| message.body),
        Some(Body::HeartbeatReply(_))
    ));

    let ticket = Ticket::new(7);
    node.hull.step(node.now, Input::Read(vec![ticket]));
    rest(&mut node);
    let refused = node.hull.next_resolved();
    assert_eq!(refused.map(|resolved| resolved.ticket), Some(ticket));

    let mut node = Node::in_role(Role::Leader);
    node.sent();
    node.receive(2, 6, conflict(node.last_request(2), 2, id(0, 0)));
    node.hull.next_send(to, Lane::Entries, usize::MAX);
    rest(&mut node);
    let load = node.hull.next_load();
    assert_eq!(load.map(|load| load.range.start), Some(index(1)));
}
