//! Paper tests: one hull, driven by hand. Each test puts a node into a state, lets one thing
//! happen, and looks at what it says and what it has become. The key in a test's comment names the
//! sentence of the paper (docs/rules.toml) that it holds the hull to; tests without one hold it to
//! what a world that loses, doubles and delays may do to it.
//!
//! The files follow the sections of the paper (`s…`) and of the thesis (`t…`).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that finds nothing to look at has failed"
)]

mod support;

#[path = "paper/cache.rs"]
mod cache;
#[path = "paper/f13_receiving.rs"]
mod f13_receiving;
#[path = "paper/f13_under_way.rs"]
mod f13_under_way;
#[path = "paper/fingerprint.rs"]
mod fingerprint;
#[path = "paper/memory.rs"]
mod memory;
#[path = "paper/quiet.rs"]
mod quiet;
#[path = "paper/s5_1_terms.rs"]
mod s5_1_terms;
#[path = "paper/s5_2_election.rs"]
mod s5_2_election;
#[path = "paper/s5_3_commit.rs"]
mod s5_3_commit;
#[path = "paper/s5_3_leader.rs"]
mod s5_3_leader;
#[path = "paper/s5_3_replication.rs"]
mod s5_3_replication;
#[path = "paper/s5_4_1_restriction.rs"]
mod s5_4_1_restriction;
#[path = "paper/s5_4_2_prior_terms.rs"]
mod s5_4_2_prior_terms;
#[path = "paper/s5_5_crashes.rs"]
mod s5_5_crashes;
#[path = "paper/s5_6_timing.rs"]
mod s5_6_timing;
#[path = "paper/s6_configuration.rs"]
mod s6_configuration;
#[path = "paper/s6_membership.rs"]
mod s6_membership;
#[path = "paper/s7_sending.rs"]
mod s7_sending;
#[path = "paper/s7_taking.rs"]
mod s7_taking;
#[path = "paper/s7_window.rs"]
mod s7_window;
#[path = "paper/solo.rs"]
mod solo;
#[path = "paper/t10_2_1_parallel_disk.rs"]
mod t10_2_1_parallel_disk;
#[path = "paper/t3_10_priority.rs"]
mod t3_10_priority;
#[path = "paper/t3_10_transfer.rs"]
mod t3_10_transfer;
#[path = "paper/t3_8_elected_lives.rs"]
mod t3_8_elected_lives;
#[path = "paper/t3_8_lives.rs"]
mod t3_8_lives;
#[path = "paper/t3_8_repair.rs"]
mod t3_8_repair;
#[path = "paper/t3_8_votes.rs"]
mod t3_8_votes;
#[path = "paper/t4_2_3_stickiness.rs"]
mod t4_2_3_stickiness;
#[path = "paper/t4_2_removal.rs"]
mod t4_2_removal;
#[path = "paper/t6_2_check_quorum.rs"]
mod t6_2_check_quorum;
#[path = "paper/t6_4_1_leases.rs"]
mod t6_4_1_leases;
#[path = "paper/t6_4_reads.rs"]
mod t6_4_reads;
#[path = "paper/t9_6_pre_vote.rs"]
mod t9_6_pre_vote;
#[path = "paper/tickets.rs"]
mod tickets;
#[path = "paper/waiting.rs"]
mod waiting;
#[path = "paper/witness_told.rs"]
mod witness_told;
#[path = "paper/witnesses.rs"]
mod witnesses;
