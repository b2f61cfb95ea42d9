//! The paper's rules as pure functions: values in, verdict out. What a reader lays beside
//! Figure 2.
//!
//! | file | rules |
//! |---|---|
//! | [`term`] | All Servers, 5.1: which term is the later one, and what follows |
//! | [`vote`] | RequestVote, 5.2 and 5.4.1; PreVote, thesis 9.6 |
//! | [`append`] | AppendEntries, 5.3: where logs agree, and where to look when they don't |
//! | [`reconfigure`] | paper 6, thesis 4: which configuration may follow which |
//! | [`plan`] | what a change of members would go through, and its risks |
//! | [`catch_up`] | thesis 4.2.1: when a new member is close enough to count |
//! | [`commit`] | Leaders and AppendEntries, 5.3 and 5.4.2: how far the log is committed |
//! | [`repair`] | whose vote a node gives that lost entries, and when it is whole again |
//! | [`snapshot`] | InstallSnapshot, 7: whether one is needed, and how much of the log may go |
//! | [`lease`] | thesis 6.4.1: how long a promise to give no vote counts elsewhere |
//! | [`transfer`] | thesis 3.10: to whom leadership goes, and when |
//! | [`witness`] | how far a witness may be told of the log |
//!
//! Nothing here knows a log, a state or a message's way.

pub mod append;
pub mod catch_up;
pub mod commit;
pub mod lease;
pub mod plan;
pub mod reconfigure;
pub mod repair;
pub mod snapshot;
pub mod term;
pub mod transfer;
pub mod vote;
pub mod witness;
