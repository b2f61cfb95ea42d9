//! What an entry can hold: typed records, borrowed from the chunk they stand in.

use crate::ids::EntryId;
use crate::time::LogTime;

/// One entry of the log as its chunk shows it: the paper's "command for state machine, and term
/// when entry was received by leader" (Figure 2), and the time its leader stamped it with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry<'a> {
    /// What identifies the entry.
    pub id: EntryId,
    /// When its leader took it, in log time.
    pub time: LogTime,
    /// What it holds.
    pub record: Record<'a>,
}

/// What an entry holds. Every kind has a tag in the chunk's table from the first version on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Record<'a> {
    /// Nothing: what a new leader commits first (paper 8), and what a read through the log uses.
    NoOp,
    /// A command for the state machine.
    Client {
        /// Which client, how far it is, and what it knows to be answered.
        header: ClientHeader,
        /// The command, in the cluster's payload codec.
        payload: &'a [u8],
    },
    /// [S6.19] A configuration, encoded ([`crate::configuration::Configuration::decode`]). In force
    /// from its append on, not from its commit.
    Config(&'a [u8]),
    /// A kind this build does not know. It is stored and replicated as it is; what applies
    /// entries must stop before it, since skipping it would let replicas diverge.
    Unknown {
        /// The tag.
        kind: u8,
        /// The content.
        payload: &'a [u8],
    },
    /// The entry's id is known, its payload is not here (a chunk of ids only).
    Absent {
        /// The tag of what is missing.
        kind: u8,
    },
}

/// What a client command carries beside its payload, for exactly-once sessions (thesis 6.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ClientHeader {
    /// The session; zero for a command without one.
    pub session: u64,
    /// The command's number within the session.
    pub serial: u64,
    /// All serials below this one are answered; their answers need not be kept.
    pub settled: u64,
}

impl Record<'_> {
    /// The tag in the chunk's table.
    pub const fn kind(&self) -> u8 {
        match self {
            Self::NoOp => kind::NO_OP,
            Self::Client { .. } => kind::CLIENT,
            Self::Config(_) => kind::CONFIG,
            Self::Unknown { kind, .. } | Self::Absent { kind } => *kind,
        }
    }
}

/// The tags of record kinds, as they stand on disk and on the wire.
pub mod kind {
    /// [`super::Record::NoOp`].
    pub const NO_OP: u8 = 1;
    /// [`super::Record::Client`].
    pub const CLIENT: u8 = 2;
    /// [`super::Record::Config`].
    pub const CONFIG: u8 = 3;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_record_names_the_tag_it_has_on_disk() {
        assert_eq!(Record::NoOp.kind(), 1);
        assert_eq!(Record::Config(&[]).kind(), 3);
        assert_eq!(Record::Absent { kind: 2 }.kind(), 2);
        let unknown = Record::Unknown {
            kind: 9,
            payload: &[],
        };
        assert_eq!(unknown.kind(), 9);
        let header = ClientHeader {
            session: 1,
            serial: 1,
            settled: 0,
        };
        let client = Record::Client {
            header,
            payload: &[],
        };
        assert_eq!(client.kind(), 2);
    }
}
