//! The examples of `docs/`, compiled: each stands here word for word, among what it leaves out. They
//! are compiled and not run, and a test compares them with what the documents say.
#![cfg(feature = "tokio")]

use std::error::Error;
use std::time::Duration;

use quorate::raft_core::comms::Comms;
use quorate::raft_core::hull::{Apply, Hull, Input, Load, Resolved, Setup, SnapshotJob};
use quorate::raft_core::log::{Log, Recovered};
use quorate::raft_core::message::Lane;
use quorate::raft_core::settings::Lease;
use quorate::raft_core::time::Time;
use quorate::raft_core::trace::Event;
use quorate::{App, Member, Node, NodeId, NodeSettings, Peer};
use raft_sim::sim::Sim;
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
struct Counter(u64);

impl App for Counter {
    type Command = u64;
    type Reply = u64;

    fn apply(&mut self, add: u64) -> u64 {
        self.0 += add;
        self.0
    }
}

/// `docs/driving-the-hull.md`
#[rustfmt::skip]
#[expect(dead_code, reason = "to be compiled")]
fn driving(setup: Setup, recovered: Recovered, driven: &mut Driven) -> Result<(), Box<dyn Error>> {
    let Driven { clock, log, comms, state_machine_queue, store_queue } = driven;
    let mut hull = Hull::open(setup, recovered, clock.now())?;
    loop {
        while let Some(write) = hull.next_write() { log.begin(write) }
        let mut after = None;
        while let Some(to) = hull.next_destination(after) {
            after = Some(to);
            for lane in Lane::ALL {
                while let Some(message) = hull.next_send(to, lane, comms.room(to, lane)) {
                    comms.send(to, lane, message);
                }
            }
        }
        while let Some(load) = hull.next_load() { begin_reading(load) }
        while let Some(resolved) = hull.next_resolved() { tell_who_waits(resolved) }
        while let Some(apply) = hull.next_apply(MAX_BYTES) { state_machine_queue.push(apply) }
        while let Some(job) = hull.next_snapshot_job() { store_queue.push(job) }
        while let Some(event) = hull.next_event() { tracing(event) }
        if let Some(fault) = hull.fault() { return Err(fault.clone().into()) }

        let input = next_thing_that_happens(hull.deadline());
        hull.step(clock.now(), input); // the clock is read after the input was taken
    }
}

/// `docs/leadership.md`
#[rustfmt::skip]
#[expect(dead_code, reason = "to be compiled")]
async fn leading(leader: &Node<Counter>, node: &Node<Counter>) -> Result<(), Box<dyn Error>> {
    let to = leader.handle().hand_over(None).await?;   // to whoever is fittest
    leader.handle().hand_over(Some(NodeId::new(2))).await?; // or to this one

    let mut target = leader.status().configuration.members.clone();
    if let Some(member) = target.named_mut(&NodeId::new(1)) {
        member.priority = 200; // rather this one than the others
    }
    leader.reconfigure(target).await?;

    println!("{}", node.handle().explain().await?);
    println!("{to}");
    Ok(())
}

/// `docs/leadership.md`
#[rustfmt::skip]
#[expect(dead_code, reason = "to be compiled")]
fn falling_silent(settings: &mut NodeSettings) {
    settings.raft.quiescent_after = Some(Duration::from_secs(5)); // on all nodes
}

/// `docs/membership.md`
#[rustfmt::skip]
#[expect(dead_code, reason = "to be compiled")]
async fn changing_the_members(leader: &Node<Counter>) -> Result<(), Box<dyn Error>> {
    let new = Node::builder(4)
        .join([(1, "10.0.0.1:7001"), (2, "10.0.0.2:7001")])
        .address("10.0.0.4:7001")
        .data_dir("/var/lib/counter")
        .start(Counter::default())
        .await?;
    let me = new.status().me; // n4, in the life of this data folder

    println!("{me:?}");

    let new: Peer = "n4/8c3cf76969467191e6b501fcffc52881".parse()?; // as the new node prints `me`
    let mut target = leader.status().configuration.members.clone();
    let joined = Member { address: "10.0.0.4:7001".into(), ..Member::voter(new.incarnation) };
    target.insert(new.id, joined);
    leader.reconfigure(target).await?; // when it returns, the new members alone decide
    Ok(())
}

/// `docs/reads.md`
#[rustfmt::skip]
#[expect(dead_code, reason = "to be compiled")]
async fn reading(node: &Node<Counter>, settings: &mut NodeSettings) -> Result<(), Box<dyn Error>> {
    let now  = node.read(|counter| counter.0).await?;        // any node
    let then = node.read_stale(|counter| counter.0).await?;  // as it stands here

    settings.raft.lease = Some(Lease {
        duration: Duration::from_millis(900), // at most election_timeout
        max_drift_per_mille: 1,               // no clock gains more on any other
    });
    println!("{now} {then}");
    Ok(())
}

/// `docs/witness.md`
#[rustfmt::skip]
#[expect(dead_code, reason = "to be compiled")]
async fn with_a_witness() -> Result<(), Box<dyn Error>> {
    // On each of the three, with its own id; node 3 is the small machine.
    Node::builder(3)
        .members([(1, "10.0.0.1:7001"), (2, "10.0.0.2:7001"), (3, "10.0.0.3:7001")])
        .witnesses([3])
        .data_dir("/var/lib/counter")
        .start(Counter::default())
        .await?;
    Ok(())
}

/// `docs/testing.md`
#[expect(dead_code, reason = "to be compiled")]
#[expect(
    unnameable_test_items,
    reason = "a hundred worlds take longer than this is worth"
)]
fn simulated() {
    #[test]
    fn the_counter_survives() {
        Sim::new(Counter::default, |lot| 1 + lot.below(9)).check(0..100);
    }
}

/// A counter that checks itself.
#[derive(Default, Serialize, Deserialize)]
struct Checked(Counter);

impl App for Checked {
    type Command = u64;
    type Reply = u64;
    fn apply(&mut self, add: u64) -> u64 {
        let before = self.0.0;
        let sum = self.0.apply(add);
        assert!(sum >= before, "the sum never falls");
        sum
    }
}

#[expect(dead_code, reason = "to be compiled")]
fn checked() -> Sim {
    Sim::new(Checked::default, |lot| 1 + lot.below(9))
}

/// What the loop around a hull has at hand.
struct Driven {
    clock: Clock,
    log: Box<dyn Log>,
    comms: Box<dyn Comms>,
    state_machine_queue: Vec<Apply>,
    store_queue: Vec<SnapshotJob>,
}

struct Clock;

impl Clock {
    fn now(&self) -> Time {
        Time::default()
    }
}

fn begin_reading(_: Load) {}
fn tell_who_waits(_: Resolved) {}
fn tracing(_: Event) {}
fn next_thing_that_happens(_: Option<Time>) -> Input {
    Input::DeadlinePassed
}

const MAX_BYTES: usize = 1 << 20;

/// Code as it counts: without its spaces and line ends.
fn bare(code: &str) -> String {
    code.split_whitespace().collect()
}

#[test]
fn the_documents_show_what_is_compiled_here() {
    let compiled = bare(include_str!("documented.rs"));
    let documents = [
        (
            "driving-the-hull",
            include_str!("../docs/driving-the-hull.md"),
            1,
        ),
        ("leadership", include_str!("../docs/leadership.md"), 4),
        ("membership", include_str!("../docs/membership.md"), 2),
        ("reads", include_str!("../docs/reads.md"), 2),
        ("testing", include_str!("../docs/testing.md"), 2),
        ("witness", include_str!("../docs/witness.md"), 1),
    ];
    for (name, text, expected) in documents {
        let blocks = text.split("```rust").skip(1);
        let blocks: Vec<&str> = blocks
            .filter_map(|rest| rest.split_once('\n')?.1.split("```").next())
            .collect();
        assert_eq!(blocks.len(), expected, "examples in {name}.md");
        for block in blocks {
            assert!(compiled.contains(&bare(block)), "{name}.md has\n{block}");
        }
    }
}
