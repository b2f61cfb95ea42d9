//! Quorate in a simulated world.

pub mod checkers;
pub mod spy;
