//! Quorate in a simulated world.

pub mod checkers;
mod client;
mod clock;
pub mod directed;
mod disk;
mod executor;
pub mod export;
pub mod history;
pub mod key_value;
pub mod linearizable;
pub mod lot;
pub mod markers;
pub mod nemesis;
pub mod network;
pub mod page;
pub mod plan;
mod process;
mod rules;
pub mod script;
pub mod sim;
pub mod spy;
pub mod story;
pub mod subject;
pub mod trace;
mod window;
pub mod workload;
pub mod world;
