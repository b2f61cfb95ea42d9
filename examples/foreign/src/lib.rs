//! A job queue on three machines, with a log of its own: what a user of Quorate might write.
//!
//! [`queue`] is the state machine, bytes in and bytes out; [`log`] keeps what must survive a crash
//! in one file. `tests/simulated.rs` runs both under simulated crashes, partitions and lost
//! writes, and shows that three plausible mistakes in them are found.

pub mod log;
pub mod queue;
