//! What can go wrong, as the users of this crate meet it: whose fault, and what to do.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;

use raft_core::ids::NodeId;
use raft_log::error::StoreError;
use raft_log::{FsError, WalError};
use raft_node::codec::CodecError;
use raft_node::error::NodeFault;
use raft_node::settings::{Listed, SettingsProblem};
use raft_node::state_machine::ReplyError;

/// Why a node did not start. Nothing of it runs; what was in the folder is still there. What could be
/// refused without looking into the folder has made none.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum StartError {
    /// No data folder was given.
    #[error("no data folder was given; call data_dir")]
    NoDataDir,
    /// A node that joins was not told where to listen, or where it is reached.
    #[error("no address was given; call address, and listen if that is another one")]
    NoAddress,
    /// The data folder can't be opened.
    #[error("data folder {}: {cause}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What is wrong with it.
        cause: FsError,
    },
    /// The log in the data folder can't be opened: it is in use, damaged, or of another version.
    #[error(transparent)]
    Log(#[from] WalError),
    /// The snapshots in the data folder can't be used: they are damaged, or of another version.
    #[error(transparent)]
    Snapshots(#[from] StoreError),
    /// The cluster in the data folder has other members than were given. Give the same list, or
    /// another folder.
    #[error(
        "the data folder's cluster was founded by {founded:?}, not by {given:?}; \
         give the same list of members, or another folder"
    )]
    OtherMembers {
        /// Who founded the cluster.
        founded: BTreeSet<NodeId>,
        /// The list that was given.
        given: BTreeSet<NodeId>,
    },
    /// The address to listen at is not HOST:PORT, or its host is not known here.
    #[error(
        "can't listen at {address}: it can't be resolved; give HOST:PORT, with a host that is known \
         here, or another place by listen"
    )]
    Unresolved {
        /// The address.
        address: String,
    },
    /// Nobody can listen at the address. Another process may listen there, or it is no address of
    /// this machine: then say where to listen ([`NodeBuilder::listen`](crate::NodeBuilder::listen)).
    #[error(
        "can't listen at {address}: {kind}; stop who listens there, or give an address of this \
         machine by listen"
    )]
    Listen {
        /// The address.
        address: String,
        /// What the system said.
        kind: io::ErrorKind,
    },
    /// Settings that can't be used, or not with each other: all of them. Nothing was opened.
    #[error("the settings can't be used: {}", Listed(problems))]
    Settings {
        /// What is wrong.
        problems: Vec<SettingsProblem>,
    },
    /// The operating system gave no random numbers.
    #[error("the operating system gave no random numbers")]
    NoRandomness,
    /// What was given and what the folder holds do not fit together.
    #[error(transparent)]
    Node(#[from] raft_node::error::StartError),
}

/// Why there is no reply to a command.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SubmitError {
    /// The command can't be encoded. It was not applied, and never will be.
    #[error("the command can't be encoded: {0}")]
    Command(CodecError),
    /// There is no reply; it says whether the command may have been applied.
    #[error(transparent)]
    Node(#[from] raft_node::error::SubmitError),
    /// The reply is not one of the app's.
    #[error(transparent)]
    Reply(#[from] ReplyError),
}

/// Why a node did not stop in good order. It has stopped.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ShutdownError {
    /// It had stopped before, because of a fault.
    #[error("the node had stopped: {0}")]
    Fault(NodeFault),
    /// Its task was cancelled, or panicked.
    #[error("the node's task was cancelled")]
    Cancelled,
}
