//! The very app of `examples/hello.rs`, in simulated worlds: crashes, partitions and lost writes,
//! drawn from seeds.

use std::time::Duration;

use raft_sim::sim::Sim;

#[path = "../examples/hello.rs"]
#[expect(dead_code, reason = "its main is for terminals")]
mod hello;

#[test]
fn hello_stays_linearizable_through_faults() {
    let put = |lot: &mut raft_sim::lot::Lot| {
        let (key, value) = (lot.below(5), lot.below(1_000_000));
        (format!("key {key}"), format!("value {value}"))
    };
    let report = Sim::new(hello::Store::default, put)
        .lasting(Duration::from_secs(20))
        .run(0..5)
        .expect("no seed breaks the store");
    assert!(report.totals.answered > 0);
}
