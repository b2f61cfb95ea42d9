//! The way out when a majority of the voters is lost for good: one node goes on alone, as another
//! cluster, with what it holds.
//!
//! This breaks what Raft promises, and there is no other way: what only the lost nodes held is gone,
//! though clients were told that it is durable, and what was never committed may come to be. So
//! nothing does it by itself. The node must be stopped; it is named; and each promise that would be
//! broken must be given up by name ([`Recovery::accept_loss`]). What was done, and why, stays in the
//! folder in a file of its own, written before anything is changed.
//!
//! The cluster gets a new id. So no node of the old one, should it come back after all, is heard
//! here or hears this one. The others join with empty folders.

use std::fmt;
use std::future::poll_fn;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use raft_core::chunk::ChunkBuilder;
use raft_core::configuration::{Configuration, Member, MemberRole};
use raft_core::ids::{ClusterId, EntryId, NodeId, Peer, Term};
use raft_core::log::{HardState, Log as _, LogError, Recovered, Write};
use raft_log::error::StoreError;
use raft_log::{
    Answer, FileStore, Fs, FsError, Operation, StdFs, StoreSettings, Wal, WalError, WalSettings,
};
use raft_node::identity::{GenesisRecord, Identity, IdentityError, Stage};

/// What is to be done, and how sure whoever does it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recovery {
    /// The node whose folder it is.
    pub survivor: NodeId,
    /// Why, and who decided it: kept in the record.
    pub reason: String,
    /// The cluster that the survivor takes itself for; `None` to be told.
    pub cluster: Option<ClusterId>,
    /// Whether it is accepted that acknowledged commands may be lost, and refused or unanswered ones
    /// may take effect.
    pub accept_loss: bool,
}

/// What a folder holds: what to choose the survivor by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Standing {
    /// Whose folder it is.
    pub node: Peer,
    /// The cluster that it belongs to.
    pub cluster: ClusterId,
    /// The latest term that it knows.
    pub term: Term,
    /// The last entry that it holds.
    pub last: EntryId,
    /// How far its log once reached, if it was damaged.
    pub lost_through: Option<EntryId>,
    /// The configuration in force, as far as this node knows.
    pub configuration: Configuration,
}

/// What was done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Audit {
    /// The cluster that is no more.
    pub old: ClusterId,
    /// The one that the survivor is now alone in.
    pub new: ClusterId,
    /// The survivor.
    pub survivor: Peer,
    /// The last entry that it held. All up to here counts as committed from now on.
    pub last: EntryId,
    /// How far its log once reached, if it was damaged: what lies between is lost.
    pub lost_through: Option<EntryId>,
    /// The configuration that was in force.
    pub before: Configuration,
    /// The entry with which the survivor becomes the only member.
    pub first: EntryId,
    /// The name of the record in the folder.
    pub record: String,
}

/// Tells what a node in `folder` holds. It must not be running. The log is opened as at a start of the
/// node: what a crash tore is cut off, and damage is set aside; nothing else changes.
///
/// # Errors
///
/// See [`RecoverError`].
pub async fn look(folder: &Path) -> Result<Standing, RecoverError> {
    let (_, recovered) = open(&folder_at(folder)?).await?;
    Standing::of(&recovered)
}

/// Makes the node in `folder` the only member of a cluster of its own. It must not be running.
///
/// # Errors
///
/// See [`RecoverError`]. Nothing was changed, unless the disk itself failed.
pub async fn recover(folder: &Path, recovery: &Recovery) -> Result<Audit, RecoverError> {
    let fs = folder_at(folder)?;
    let mut new = [0; 16];
    getrandom::fill(&mut new).map_err(|_| RecoverError::NoRandomness)?;
    recover_on(fs, recovery, ClusterId::new(u128::from_le_bytes(new))).await
}

/// [`recover`] on a file system of your own, with the new cluster's id, which must be drawn at
/// random.
///
/// # Errors
///
/// See [`RecoverError`].
pub async fn recover_on(
    fs: impl Fs,
    recovery: &Recovery,
    new: ClusterId,
) -> Result<Audit, RecoverError> {
    let (mut wal, recovered) = open(&fs).await?;
    let plan = Plan::of(&recovered, recovery, new)?;
    keep_record(&fs, &plan, recovery).await?;
    let write = plan.write(&recovered)?;
    wal.begin(write);
    poll_fn(|cx| wal.poll_durable(cx)).await?;
    Ok(plan.audit)
}

/// The folder, if there is one: a name that was mistyped must not become one.
fn folder_at(folder: &Path) -> Result<StdFs, RecoverError> {
    if !folder.is_dir() {
        let folder = folder.to_owned();
        return Err(RecoverError::NoFolder { folder });
    }
    StdFs::open(folder).map_err(|cause| RecoverError::Folder {
        folder: folder.to_owned(),
        cause,
    })
}

/// The log and what it holds, if that is all there is.
async fn open<F: Fs>(fs: &F) -> Result<(Wal<F>, Recovered), RecoverError> {
    let (wal, recovered) = Wal::open(fs.clone(), WalSettings::default()).await?;
    let (_, stored) = FileStore::open(fs.clone(), StoreSettings::default()).await?;
    let witness = is_witness(&recovered);
    let (wal, recovered) = wal.join(recovered, stored, witness).await?;
    let last = last_of(&recovered);
    let stored = recovered.stored.as_ref().map(|stored| stored.id.last);
    if let Some(snapshot) = stored.filter(|stored| stored.index > last.index) {
        return Err(RecoverError::Unfinished { snapshot, last });
    }
    Ok((wal, recovered))
}

/// Whether the node is a witness, as far as it knows.
fn is_witness(recovered: &Recovered) -> bool {
    identity(recovered).is_ok_and(|(me, record)| {
        let configuration = configuration(recovered, &record);
        configuration.admits(me) && configuration.is_witness(me.id)
    })
}

/// What is to be written.
struct Plan {
    audit: Audit,
    identity: Identity,
    alone: Configuration,
}

impl Plan {
    fn of(
        recovered: &Recovered,
        recovery: &Recovery,
        new: ClusterId,
    ) -> Result<Self, RecoverError> {
        let (_, record) = identity(recovered)?;
        let standing = Standing::of(recovered)?;
        let (me, old, last) = (standing.node, standing.cluster, standing.last);
        if me.id != recovery.survivor {
            return Err(RecoverError::OtherNode { found: me.id });
        }
        if recovery.cluster.is_some_and(|named| named != old) {
            return Err(RecoverError::OtherCluster { found: old });
        }
        let before = standing.configuration;
        let member = before.member(me.id).filter(|_| before.admits(me));
        let Some(member) = member.cloned() else {
            return Err(RecoverError::NoMember);
        };
        if member.role.is_witness() || recovered.holds_ids_only {
            return Err(RecoverError::Witness);
        }
        let others = before.ids().iter().filter(|id| **id != me.id).count();
        if others == 0 {
            return Err(RecoverError::AlreadyAlone);
        }
        if !recovery.accept_loss || recovery.cluster.is_none() || recovery.reason.is_empty() {
            return Err(RecoverError::NotForced {
                cluster: old,
                last,
                lost_through: recovered.lost_through,
                others,
            });
        }
        let term = recovered.hard.term.next();
        let alone = alone(me.id, member);
        let record = GenesisRecord {
            cluster: new,
            founders: alone.clone(),
            ..record
        };
        Ok(Self {
            audit: Audit {
                old,
                new,
                survivor: me,
                last,
                lost_through: recovered.lost_through,
                before,
                first: EntryId::new(term, last.index.next()),
                record: format!("RECOVERED-{new}"),
            },
            identity: Identity {
                me,
                stage: Stage::Founded(record),
            },
            alone,
        })
    }

    /// All of it, as one write: the survivor's own configuration, in a term in which nobody else
    /// ever was.
    fn write(&self, recovered: &Recovered) -> Result<Write, RecoverError> {
        let first = self.audit.first;
        let mut records = ChunkBuilder::new();
        let checksum = crc32c::crc32c_append;
        let pushed = records.push_config(&self.alone).is_ok();
        let chunk = pushed
            .then(|| records.seal(first.term, first.index, recovered.time, checksum))
            .flatten()
            .ok_or(RecoverError::NoMember)?;
        let hard = HardState {
            term: first.term,
            vote: None,
            to_other_life: false,
            ..recovered.hard
        };
        let mut write = Write::of_identity(hard, self.identity.encode());
        write.append.push(chunk);
        Ok(write)
    }
}

/// Who the node is, and of which cluster.
fn identity(recovered: &Recovered) -> Result<(Peer, GenesisRecord), RecoverError> {
    let bytes = recovered.identity.as_deref();
    let identity = Identity::decode(bytes.ok_or(RecoverError::NoCluster)?)?;
    match identity.stage {
        Stage::Founded(record) => Ok((identity.me, record)),
        Stage::Born | Stage::Keeps(_) => Err(RecoverError::NoCluster),
    }
}

/// The configuration of this member alone, as a voter whatever it was.
fn alone(id: NodeId, member: Member) -> Configuration {
    let role = MemberRole::Voter;
    Configuration::new([(id, Member { role, ..member })])
}

/// The last entry of the log, or of the snapshot it begins after.
fn last_of(recovered: &Recovered) -> EntryId {
    let mark = recovered.snapshot.as_ref().map(|mark| mark.last);
    let term = recovered.runs.last().or(mark.as_ref());
    EntryId::new(term.map_or(Term::ZERO, |run| run.term), recovered.last)
}

/// The configuration in force.
fn configuration(recovered: &Recovered, record: &GenesisRecord) -> Configuration {
    let mark = recovered.snapshot.as_ref();
    let in_log = recovered.configurations.last().map(|(_, latest)| latest);
    let latest = in_log.or(mark.map(|mark| &mark.configuration));
    latest.unwrap_or(&record.founders).clone()
}

/// Writes the record into the folder: aside, synced, renamed.
async fn keep_record(fs: &impl Fs, plan: &Plan, recovery: &Recovery) -> Result<(), RecoverError> {
    let text = plan.audit.told(&recovery.reason);
    let (from, to) = (String::from("RECOVERED.new"), plan.audit.record.clone());
    let run = async |operation| fs.start(operation).await.map_err(RecoverError::Record);
    if let Answer::Names(names) = run(Operation::List).await? {
        if names.iter().any(|(name, _)| *name == from) {
            let name = from.clone();
            run(Operation::Remove { name }).await?;
        }
    }
    let (name, length) = (from.clone(), text.len() as u64);
    run(Operation::Create { name, length }).await?;
    let write = Operation::Write {
        name: from.clone(),
        offset: 0,
        parts: vec![Bytes::from(text)],
    };
    run(write).await?;
    let name = from.clone();
    run(Operation::Sync { name }).await?;
    run(Operation::Rename { from, to }).await?;
    run(Operation::SyncFolder).await?;
    Ok(())
}

impl Standing {
    fn of(recovered: &Recovered) -> Result<Self, RecoverError> {
        let (node, record) = identity(recovered)?;
        Ok(Self {
            node,
            cluster: record.cluster,
            term: recovered.hard.term,
            last: last_of(recovered),
            lost_through: recovered.lost_through,
            configuration: configuration(recovered, &record),
        })
    }
}

/// A line for each.
impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (node, life) = (self.node.id, self.node.incarnation);
        writeln!(f, "{node} (incarnation {life}) of cluster {}", self.cluster)?;
        writeln!(f, "its log ends at {}, it knows {}", self.last, self.term)?;
        if let Some(lost) = self.lost_through {
            writeln!(f, "its log was damaged, and had reached up to {lost}")?;
        }
        let members = told_of(&self.configuration);
        let voters = match self.configuration.admits(self.node) {
            true => "one of the members",
            false => "none of the members",
        };
        writeln!(f, "it is {voters} {members}, as far as it knows")
    }
}

/// The members by name.
fn told_of(configuration: &Configuration) -> String {
    let members: Vec<String> = configuration
        .ids()
        .iter()
        .map(ToString::to_string)
        .collect();
    members.join(", ")
}

impl Audit {
    /// The record, as it is kept.
    fn told(&self, reason: &str) -> String {
        let lost = match self.lost_through {
            None => String::from("the log was whole"),
            Some(lost) => format!("the log was damaged and had reached up to {lost}"),
        };
        format!(
            "cluster {old} of {members} was given up\n\
             because: {reason}\n\
             {survivor} (incarnation {life}) goes on alone as cluster {new}\n\
             its log ended at {last}, all of which counts as committed; {lost}\n\
             its own configuration is entry {first}\n",
            old = self.old,
            members = told_of(&self.before),
            survivor = self.survivor.id,
            life = self.survivor.incarnation,
            new = self.new,
            last = self.last,
            first = self.first,
        )
    }
}

/// Why a node was not made to go on alone.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RecoverError {
    /// There is no such folder.
    #[error("there is no folder {}", folder.display())]
    NoFolder {
        /// The folder.
        folder: PathBuf,
    },
    /// The folder can't be opened.
    #[error("data folder {}: {cause}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What is wrong with it.
        cause: FsError,
    },
    /// The log can't be opened: it is in use, or damaged beyond what can be told.
    #[error(transparent)]
    Log(#[from] WalError),
    /// The snapshots can't be used.
    #[error(transparent)]
    Snapshots(#[from] StoreError),
    /// The log failed while the change was written; open the folder again to see what it holds.
    #[error(transparent)]
    Write(#[from] LogError),
    /// The record could not be written, so nothing was changed.
    #[error("the record can't be kept: {0}")]
    Record(FsError),
    /// The folder's identity can't be read.
    #[error("the folder's identity: {0}")]
    Identity(#[from] IdentityError),
    /// The folder belongs to no founded cluster. Nothing can be lost with it: start with an empty one.
    #[error("the folder belongs to no cluster that was founded; use an empty one instead")]
    NoCluster,
    /// The folder is another node's.
    #[error("the folder is {found}'s; name the node whose folder it is")]
    OtherNode {
        /// Whose it is.
        found: NodeId,
    },
    /// The folder is of another cluster than the one named.
    #[error("the folder is of cluster {found}; name that one, if it is the one that is lost")]
    OtherCluster {
        /// Which one it is of.
        found: ClusterId,
    },
    /// The configuration in force does not hold this node: another one must be the survivor.
    #[error("the configuration in force does not hold this node; choose one that it holds")]
    NoMember,
    /// The node is a witness: it knows which entries there are, and holds none of them.
    #[error("this node is a witness, which holds no commands; choose one that does")]
    Witness,
    /// The node is the only member already.
    #[error("this node is the only member already; just start it")]
    AlreadyAlone,
    /// A snapshot came in before the crash and is not part of the log yet.
    #[error(
        "a snapshot up to {snapshot} is stored, but the log ends at {last}: start this node once, \
         stop it when it runs, and recover then"
    )]
    Unfinished {
        /// The snapshot's last entry.
        snapshot: EntryId,
        /// The log's last entry.
        last: EntryId,
    },
    /// What would be given up was not given up by name.
    #[error(
        "{others} other members may hold what this node lacks: acknowledged commands after {last} \
         would be lost{}, and what was never acknowledged takes effect. If they are lost for good, \
         name cluster {cluster}, give a reason, and accept the loss",
        Damage(*lost_through)
    )]
    NotForced {
        /// The cluster that would be given up.
        cluster: ClusterId,
        /// The last entry that this node holds.
        last: EntryId,
        /// How far its log once reached, if it was damaged.
        lost_through: Option<EntryId>,
        /// How many other members there are.
        others: usize,
    },
    /// The system gives no random numbers, so that no id can be drawn.
    #[error("the system gives no random numbers")]
    NoRandomness,
}

/// What a damaged log lacks, in words.
struct Damage(Option<EntryId>);

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => Ok(()),
            Some(lost) => write!(f, " (it held up to {lost} itself, and was damaged)"),
        }
    }
}
