//! Two logs of your own, in databases: what to read before you write one.
//!
//! | log | what to see there |
//! |---|---|
//! | [`redb_log`] | one transaction a write; its test fails the power at any moment |
//! | [`sqlite_log`] | the state machine's tables in the same database, applied with the applied index |
//!
//! [`store`] is what they share: a thread for the database, which may block while a log may not; [`rows`],
//! how chunks stand in one.

pub mod redb_log;
pub mod rows;
pub mod sqlite_log;
pub mod store;
