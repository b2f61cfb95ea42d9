//! What can go wrong at a node, as its users meet it. Each error says what is known of the state
//! and what to do next.

use raft_core::error::{Fault, OpenError};
use raft_core::hull::{Doubt, NotHandedOver, Refusal, Withdrawal};
use raft_core::ids::{ClusterId, NodeId};
use raft_core::log::LogError;
use raft_core::rules::reconfigure::TargetProblem;

use crate::codec::PayloadCodec;
use crate::genesis::GenesisFault;
use crate::identity::IdentityError;
use crate::session::Halt;
use crate::settings::{Listed, SettingsProblem};
use crate::state_machine::StateError;

/// Why a submission has no reply.
///
/// Only [`SubmitError::Unknown`] and [`SubmitError::Settled`] leave open whether the command was
/// or will be applied, and [`SubmitError::ReplyForgotten`] says that it was; after all others it
/// was not and never will be, as far as this call goes: who retries a command whose first attempt had no known outcome still knows nothing of that one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SubmitError {
    /// Too much is under way at this node. Nothing was sent; wait for outcomes, then try again.
    #[error("{under_way} requests or bytes are under way at this node, of at most {limit}")]
    Overloaded {
        /// Requests or bytes under way.
        under_way: usize,
        /// The limit in the settings.
        limit: usize,
    },
    /// The command is larger than an entry may be. Nothing was sent.
    #[error("the command has {bytes} bytes, of at most {limit} (max_payload_bytes)")]
    TooLarge {
        /// The command's length.
        bytes: usize,
        /// The limit in the settings.
        limit: usize,
    },
    /// Session 0 is not a session.
    #[error("session 0 can't carry commands; open one")]
    NoSession,
    /// The command was never given to a leader by this call, so it is in no log on its account and
    /// never will be.
    #[error("the command was not sent: {0}")]
    NotSent(NotSent),
    /// The session is not (or no longer) open: this attempt was not applied, and none under this
    /// session ever will be from here on. A *retry* of a command whose first attempt may have been
    /// applied must take this as unknown. Open a new session.
    #[error("session {session} is not open (any more); command {serial} was not applied now")]
    SessionExpired {
        /// The session.
        session: u64,
        /// The command's number.
        serial: u64,
    },
    /// The session's client has said that it knows this command's answer, so the answer is gone.
    #[error("command {serial} of session {session} was settled before; its answer is gone")]
    Settled {
        /// The session.
        session: u64,
        /// The command's number.
        serial: u64,
    },
    /// The command was applied, once, by an earlier attempt, and its reply was too much to keep
    /// (`SessionLimits::max_answer_bytes`). Read the state if the outcome matters.
    #[error("command {serial} of session {session} was applied before; its reply was not kept")]
    ReplyForgotten {
        /// The session.
        session: u64,
        /// The command's number.
        serial: u64,
    },
    /// The command may be applied, now or later. Retrying is safe under the same session and
    /// serial only ([`Handle::submit_as`](crate::handle::Handle::submit_as)).
    #[error("the outcome of command {serial} of session {session} is unknown: {why}")]
    Unknown {
        /// The session.
        session: u64,
        /// The command's number.
        serial: u64,
        /// Why nobody here can say.
        why: Uncertain,
    },
}

/// Why a command was never given to a leader.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotSent {
    /// No leader was known for as long as was waited.
    #[error(
        "no leader was known for as long as was waited; try again, or ask this node why (explain)"
    )]
    NoLeader,
    /// This node is a witness and never answers. Ask another one.
    #[error("this node is a witness, which applies nothing; ask another one")]
    Witness,
    /// This node is no member of the cluster any more, and nobody there answers it. Ask another one.
    #[error("this node is no member any more; ask another one")]
    Removed,
    /// The node has stopped or is stopping.
    #[error("this node has stopped")]
    Stopped,
}

/// Why the outcome of a command is unknown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Uncertain {
    /// Nothing was heard of it for as long as was waited.
    #[error("it was not seen applied for as long as was waited")]
    TimedOut,
    /// The node stopped first.
    #[error("this node stopped first")]
    Stopped,
    /// This node is no member of the cluster any more, and hears no more of what becomes of it.
    #[error("this node is no member any more, and hears no more of it")]
    Removed,
    /// A snapshot took the place of the entries that would tell, and its session has ended in them.
    #[error("its session has ended among entries that this node got as a snapshot")]
    Skipped,
}

/// Why a read gave nothing. A read changes nothing, so it can always be tried again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ReadError {
    /// Too many reads are under way at this node.
    #[error("{under_way} reads are under way at this node, of at most {limit}")]
    Overloaded {
        /// Reads under way.
        under_way: usize,
        /// The limit in the settings.
        limit: usize,
    },
    /// This node is a witness: it has no state to read. Ask another one.
    #[error("this node is a witness and has no state to read; ask another one")]
    Witness,
    /// This node is no member of the cluster any more: no leader confirms anything to it, and what it holds
    /// grows old. Ask another one.
    #[error("this node is no member any more; ask another one")]
    Removed,
    /// No leader could confirm the read for as long as was waited.
    #[error(
        "no leader confirmed the read for as long as was waited; try again, or ask this node why (explain)"
    )]
    TimedOut,
    /// The node has stopped or is stopping.
    #[error("this node has stopped")]
    Stopped,
}

/// Why leadership was not handed over. Commands and reads are not touched by it: what was held up
/// meanwhile goes on, here or at whoever leads.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TransferError {
    /// It was not begun. Only the leader can hand over: ask the one that the refusal names.
    #[error("{0}")]
    Refused(Refusal),
    /// It was begun and came to nothing.
    #[error("{0}")]
    Failed(NotHandedOver),
    /// The node's cluster is not founded yet.
    #[error("this node's cluster is not founded yet")]
    NotFounded,
    /// Too many ask at once.
    #[error("{limit} requests to hand over are waiting already")]
    Overloaded {
        /// As many as may wait.
        limit: usize,
    },
    /// The node has stopped or is stopping.
    #[error("this node has stopped")]
    Stopped,
}

/// Why the members were not changed, or may not have been.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ReconfigureError {
    /// Nothing was begun. Only the leader changes members: ask the one that the refusal names.
    #[error("{0}")]
    Refused(Refusal),
    /// It was begun and given up: the members are those they were.
    #[error("{0}")]
    Withdrawn(Withdrawal),
    /// It was begun, and a later leader goes on with it or has never heard of it. The
    /// configuration in force tells which.
    #[error("what becomes of the change is not known: {0:?}")]
    Unknown(Doubt),
    /// The node's cluster is not founded yet, or the node has not joined it yet.
    #[error("this node's cluster is not founded yet")]
    NotFounded,
    /// Too many ask at once.
    #[error("{limit} requests to change the members are waiting already")]
    Overloaded {
        /// As many as may wait.
        limit: usize,
    },
    /// The node has stopped or is stopping. What it had begun may go on elsewhere.
    #[error("this node has stopped")]
    Stopped,
}

/// Why there is no plan of a change of members. Nothing was changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PlanError {
    /// The members can't become this.
    #[error("the target can't be: {0}")]
    Target(TargetProblem),
    /// The node's cluster is not founded yet, or the node has not joined it yet.
    #[error("this node's cluster is not founded yet")]
    NotFounded,
    /// Too many ask at once.
    #[error("{limit} requests to change the members are waiting already")]
    Overloaded {
        /// As many as may wait.
        limit: usize,
    },
    /// The node has stopped or is stopping.
    #[error("this node has stopped")]
    Stopped,
}

/// Why a node could not start. Nothing was changed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum StartError {
    /// The node is not among the founding members it was given.
    #[error("{id} is not among the members it was started with")]
    NotAMember {
        /// The node.
        id: NodeId,
    },
    /// The node joins a cluster of which it was told no other member.
    #[error("{id} is to join a cluster, and was given no member of it to ask")]
    NobodyToJoin {
        /// The node.
        id: NodeId,
    },
    /// A member's address is longer than a configuration can hold.
    #[error("the address of {id} has {bytes} bytes, of at most {limit}")]
    AddressTooLong {
        /// The member.
        id: NodeId,
        /// The address's length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The founders can't found a cluster.
    #[error("the founders can't be: {0}")]
    Founders(TargetProblem),
    /// This build does not have the codec.
    #[error("the payload codec {codec} is not built in (feature `bincode`)")]
    CodecNotBuiltIn {
        /// The codec.
        codec: PayloadCodec,
    },
    /// The newest snapshot can't be the state. Another build wrote it, or the state machine is not
    /// what wrote it.
    #[error("the state can't be restored from the newest snapshot: {0}")]
    Restore(#[from] StateError),
    /// Settings that can't be used, all of them.
    #[error("the settings can't be used: {}", Listed(problems))]
    Settings {
        /// What is wrong.
        problems: Vec<SettingsProblem>,
    },
    /// The data folder is another node's. Check which folder this node was given.
    #[error(
        "the data folder belongs to {owner}, not to {id}; check which folder this node was given"
    )]
    FolderOfAnotherNode {
        /// Whose folder it is.
        owner: NodeId,
        /// The node that was to start.
        id: NodeId,
    },
    /// The cluster's payloads are in another codec, and reading them in this one could give valid
    /// wrong commands. Start with the cluster's codec.
    #[error("cluster {cluster} was founded with {founded} payloads; this node was given {given}")]
    OtherPayloadCodec {
        /// The cluster.
        cluster: ClusterId,
        /// The codec in its genesis record.
        founded: PayloadCodec,
        /// The codec this node was given.
        given: PayloadCodec,
    },
    /// The identity in the data folder can't be read.
    #[error("the identity in the data folder can't be read: {0}")]
    Identity(#[from] IdentityError),
    /// The log holds entries, but not whose they are.
    #[error("the data folder holds a log but no identity")]
    IdentityMissing,
    /// The hull refused what the log recovered.
    #[error("{0}")]
    Hull(#[from] OpenError),
}

/// How a driver ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Exit {
    /// It was asked to ([`Handle::shutdown`](crate::handle::Handle::shutdown)).
    Shutdown,
    /// It could not go on.
    Fault(NodeFault),
}

/// What stopped a node. All requests under way were given their outcomes first.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NodeFault {
    /// The hull stopped.
    #[error("{0}")]
    Hull(#[from] Fault),
    /// The log failed before there was a hull.
    #[error("the log failed: {0}")]
    Log(#[from] LogError),
    /// The founded cluster could not be opened.
    #[error("{0}")]
    Open(#[from] OpenError),
    /// The founders can't agree.
    #[error("{0}")]
    Genesis(#[from] GenesisFault),
    /// An entry can't be applied by this build.
    #[error("{0}")]
    Apply(#[from] Halt),
    /// The state can't be restored from the snapshot it stands in, which is the only place it stands
    /// in on this node. Nothing was changed.
    #[error("the state can't be restored from its snapshot: {0}")]
    Restore(#[from] StateError),
}
