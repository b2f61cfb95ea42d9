//! Quorate in a simulated world.

pub mod checkers;
pub mod history;
pub mod linearizable;
pub mod spy;
