//! Quorate in a simulated world.

pub mod checkers;
mod client;
mod clock;
mod disk;
mod executor;
pub mod history;
pub mod key_value;
pub mod linearizable;
pub mod lot;
pub mod markers;
pub mod nemesis;
pub mod network;
pub mod plan;
mod process;
pub mod script;
pub mod sim;
pub mod spy;
pub mod subject;
pub mod trace;
mod window;
pub mod workload;
pub mod world;
