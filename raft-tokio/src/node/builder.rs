//! From a description to a running node: port, folder, log, driver, in this order.
//!
//! What can be refused without the folder is refused before there is one, so that a start that fails
//! leaves nothing behind.

use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use raft_core::ids::NodeId;
use raft_core::log::Recovered;
use raft_core::store::StartReader;
use raft_log::fs::std_fs::StdFs;
use raft_log::store::{FileStore, StoreSettings};
use raft_log::{Fs, Wal, WalError, WalSettings};
use raft_node::codec::PayloadCodec;
use raft_node::driver::{Driver, Parts};
use raft_node::error::Exit;
use raft_node::first_state::FirstState;
use raft_node::identity::{GenesisRecord, Identity as FolderIdentity};
use raft_node::settings::{NodeSettings, NodeSetup};
use raft_node::state_machine::{App, AppMachine};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::clock::TokioClock;
use crate::comms::{ACCEPTED_WAITING, CommsSettings, TcpComms, resolve};
use crate::error::StartError;
use crate::identity::Identity;
use crate::listener::{Door, Place};
use crate::metrics::Counters;
use crate::node::Node;
use crate::serve::{Desk, ServiceSettings};

/// Describes a node; [`NodeBuilder::start`] starts it.
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it is started"]
pub struct NodeBuilder {
    id: NodeId,
    members: BTreeMap<NodeId, String>,
    joins: bool,
    witnesses: BTreeSet<NodeId>,
    address: Option<String>,
    data_dir: Option<PathBuf>,
    listen: Option<String>,
    payload_codec: PayloadCodec,
    settings: NodeSettings,
    comms: CommsSettings,
    service: ServiceSettings,
    wal: WalSettings,
}

impl NodeBuilder {
    pub(crate) fn new(id: u64) -> Self {
        Self {
            id: NodeId::new(id),
            members: BTreeMap::new(),
            joins: false,
            witnesses: BTreeSet::new(),
            address: None,
            data_dir: None,
            listen: None,
            payload_codec: PayloadCodec::DEFAULT,
            settings: NodeSettings::default(),
            comms: CommsSettings::default(),
            service: ServiceSettings::default(),
            wal: WalSettings::default(),
        }
    }

    /// All members of the cluster, this node among them, with the address that the others reach
    /// each at. The same list on every node.
    pub fn members<T: Into<String>>(mut self, members: impl IntoIterator<Item = (u64, T)>) -> Self {
        self.members = members
            .into_iter()
            .map(|(id, address)| (NodeId::new(id), address.into()))
            .collect();
        self
    }

    /// For a node that was not there when the cluster was founded, in place of
    /// [`Self::members`]: some of those that are members when it is added, with their addresses. The
    /// node starts, says in [`Status::me`](raft_node::status::Status::me) who it is, and waits to
    /// be added ([`Node::reconfigure`], asked of the leader). Whom it is to talk to it then learns
    /// from the log. Started again later, it needs none of this, and may be given it.
    pub fn join<T: Into<String>>(mut self, members: impl IntoIterator<Item = (u64, T)>) -> Self {
        self.joins = true;
        self.members(members)
    }

    /// Which of the members are witnesses, the same on every node; for a node that joins, itself, if
    /// it is to be one. A witness votes and keeps no payloads: it needs little disk, answers nobody
    /// and never leads (docs/witness.md). There must be fewer of them than of the others.
    pub fn witnesses(mut self, ids: impl IntoIterator<Item = u64>) -> Self {
        self.witnesses = ids.into_iter().map(NodeId::new).collect();
        self
    }

    /// Where the others reach this node, if the list of members does not say so: of a node that
    /// joins, the address that it is to be added with.
    pub fn address(mut self, address: impl Into<String>) -> Self {
        self.address = Some(address.into());
        self
    }

    /// The folder that holds everything this node must not forget. Made if it is missing. One
    /// node's alone, for ever.
    pub fn data_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.data_dir = Some(folder.into());
        self
    }

    /// Where to listen, if not where the others reach this node.
    pub fn listen(mut self, address: impl Into<String>) -> Self {
        self.listen = Some(address.into());
        self
    }

    /// How commands and replies are encoded. The same on every node, for ever.
    pub const fn payload_codec(mut self, codec: PayloadCodec) -> Self {
        self.payload_codec = codec;
        self
    }

    /// The limits of the node and of its hull.
    pub const fn settings(mut self, settings: NodeSettings) -> Self {
        self.settings = settings;
        self
    }

    /// The limits of the network between nodes.
    pub const fn comms(mut self, settings: CommsSettings) -> Self {
        self.comms = settings;
        self
    }

    /// What remote clients may ask of this node.
    pub const fn service(mut self, settings: ServiceSettings) -> Self {
        self.service = settings;
        self
    }

    /// How the log lies on disk. A `log_id` of zero is drawn at random.
    pub const fn wal(mut self, settings: WalSettings) -> Self {
        self.wal = settings;
        self
    }

    /// Starts the node. Returns as soon as it listens; the first start of a cluster waits in the
    /// background until every member has been up once, and submissions wait with it.
    ///
    /// Must be called inside a tokio runtime with its network and timer enabled.
    ///
    /// # Errors
    ///
    /// See [`StartError`]: what is wrong, and what to do.
    pub async fn start<A: App>(self, app: A) -> Result<Node<A>, StartError> {
        self.check()?;
        let folder = self.data_dir.clone().ok_or(StartError::NoDataDir)?;
        let start = self.prepared().await?;
        if !folder.exists() {
            start.setup.check_founders()?;
        }
        let fs = match StdFs::open(&folder) {
            Ok(fs) => fs,
            Err(cause) => return Err(StartError::Folder { folder, cause }),
        };
        let (path, writes) = (folder.display(), fs.writes());
        tracing::info!(node = %self.id, folder = %path, %writes, "opened the folder");
        let mut node = self.run(start, fs, app).await?;
        node.writes = Some(writes);
        Ok(node)
    }

    /// [`Self::start`] on a file system of your own, in place of a folder; or in a folder that is used in
    /// another way than by default ([`StdFs::open_with`]).
    ///
    /// # Errors
    ///
    /// See [`StartError`].
    pub async fn start_on<A: App>(self, fs: impl Fs, app: A) -> Result<Node<A>, StartError> {
        self.check()?;
        let start = self.prepared().await?;
        self.run(start, fs, app).await
    }

    /// What needs no folder, or the error that speaks against starting.
    async fn prepared(&self) -> Result<Prepared, StartError> {
        let (own, listen) = self.places()?;
        let setup = self.setup()?;
        setup.check()?;
        let wal = self.wal_settings()?;
        let Ok(addresses) = resolve(&listen).await else {
            return Err(StartError::Unresolved { address: listen });
        };
        let place = match Place::taken(&addresses) {
            Ok(place) => place,
            Err(error) => return Err(cannot_listen(listen, &error)),
        };
        Ok(Prepared {
            setup,
            wal,
            own,
            listen,
            place,
        })
    }

    async fn run<A: App>(
        self,
        start: Prepared,
        fs: impl Fs,
        app: A,
    ) -> Result<Node<A>, StartError> {
        let witness = self.witnesses.contains(&self.id);
        let mut state = FirstState::new(AppMachine::new(app, self.payload_codec));
        let (wal, store, recovered) = opened(fs, start.wal, witness, &mut state).await?;
        let record = self.founded(&recovered)?;
        let (listener, address) = match start.place.listen() {
            Ok(listening) => listening,
            Err(error) => return Err(cannot_listen(start.listen, &error)),
        };

        let identity = Identity::new(
            self.id,
            &start.own,
            self.members.clone(),
            self.payload_codec.tag(),
            record.map(|record| record.cluster),
        );
        let identity = Arc::new(identity.joining(self.joins));
        let counters = Arc::new(Counters::default());
        let (peers, accepted) = mpsc::channel(ACCEPTED_WAITING);
        let parts = Parts {
            log: wal,
            snapshots: Box::new(store),
            comms: TcpComms::new(
                Arc::clone(&identity),
                self.comms,
                accepted,
                Arc::clone(&counters),
            ),
            clock: TokioClock::new(),
            state,
        };
        let (driver, handle) = Driver::start(start.setup, parts, recovered)?;
        let door = Door::new(
            Arc::new(Desk {
                handle: handle.clone(),
                identity,
                counters: Arc::clone(&counters),
                settings: self.service,
            }),
            peers,
            self.comms,
        );
        let door = tokio::spawn(door.keep(listener));
        Ok(Node {
            handle,
            codec: self.payload_codec,
            address,
            writes: None,
            counters,
            door: door.abort_handle(),
            driver: Some(tokio::spawn(with_its_door(driver, door))),
        })
    }

    /// All settings together, before anything is opened.
    fn check(&self) -> Result<(), StartError> {
        let mut problems = self.settings.validate();
        problems.extend(self.comms.validate(&self.settings));
        problems.extend(self.service.validate(&self.settings));
        if !problems.is_empty() {
            return Err(StartError::Settings { problems });
        }
        let problems = self.wal.validate();
        if !problems.is_empty() {
            return Err(WalError::Settings { problems }.into());
        }
        Ok(())
    }

    /// The genesis record in the folder, if there is one, and if it founded the cluster that is
    /// described here. An identity that can't be read is the driver's to refuse.
    fn founded(&self, recovered: &Recovered) -> Result<Option<GenesisRecord>, StartError> {
        let identity = recovered
            .identity
            .as_deref()
            .and_then(|bytes| FolderIdentity::decode(bytes).ok());
        let Some(identity) = identity.filter(|identity| identity.me.id == self.id) else {
            return Ok(None);
        };
        let Some(record) = identity.stage.record() else {
            return Ok(None);
        };
        let given: BTreeSet<NodeId> = self.members.keys().copied().collect();
        let founded: BTreeSet<NodeId> = record.founders.members.keys().copied().collect();
        if given != founded && !self.joins {
            return Err(StartError::OtherMembers { founded, given });
        }
        Ok(Some(record.clone()))
    }

    /// Where the others reach this node, if that is known, and where it listens.
    fn places(&self) -> Result<(String, String), StartError> {
        let given = self.address.as_ref();
        let own = given.or_else(|| self.members.get(&self.id));
        let listen = self.listen.as_ref().or(own);
        let listen = listen.cloned().ok_or_else(|| self.no_address())?;
        Ok((own.cloned().unwrap_or_default(), listen))
    }

    const fn no_address(&self) -> StartError {
        match self.joins {
            true => StartError::NoAddress,
            false => StartError::Node(raft_node::error::StartError::NotAMember { id: self.id }),
        }
    }

    /// The log's settings, with a mark of its own for a log that is created.
    fn wal_settings(&self) -> Result<WalSettings, StartError> {
        let mut settings = self.wal;
        if settings.log_id == 0 {
            settings.log_id = getrandom::u64().map_err(|_| StartError::NoRandomness)?;
        }
        Ok(settings)
    }

    fn setup(&self) -> Result<NodeSetup, StartError> {
        let seed = getrandom::u64().map_err(|_| StartError::NoRandomness)?;
        let mut entropy = [0; 16];
        getrandom::fill(&mut entropy).map_err(|_| StartError::NoRandomness)?;
        Ok(NodeSetup {
            id: self.id,
            members: self.members.clone(),
            joins: self.joins,
            witnesses: self.witnesses.clone(),
            settings: self.settings,
            payload_codec: self.payload_codec,
            seed,
            entropy: u128::from_le_bytes(entropy),
        })
    }
}

/// What was found to be in order before a folder was opened.
struct Prepared {
    setup: NodeSetup,
    wal: WalSettings,
    /// Where the others reach this node, if that is known.
    own: String,
    /// Where it was told to listen.
    listen: String,
    place: Place,
}

/// Drives a node to its end, and then shuts its door: a node that is started again at once must find
/// its address free, also after a panic of its state machine.
async fn with_its_door(driver: impl Future<Output = Exit>, door: JoinHandle<()>) -> Exit {
    let mut driver = pin!(driver);
    let ended = poll_fn(|cx| {
        // Nothing looks at the driver again after it has panicked.
        match catch_unwind(AssertUnwindSafe(|| driver.as_mut().poll(cx))) {
            Ok(polled) => polled.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    })
    .await;
    door.abort();
    let _ended = door.await;
    ended.unwrap_or_else(|panic| resume_unwind(panic))
}

fn cannot_listen(address: String, error: &std::io::Error) -> StartError {
    let kind = error.kind();
    StartError::Listen { address, kind }
}

/// The log and the snapshots, and what there is to start from, which goes to `state`. Damage is told.
async fn opened<F: Fs>(
    fs: F,
    settings: WalSettings,
    witness: bool,
    state: &mut dyn StartReader,
) -> Result<(Wal<F>, FileStore<F>, Recovered), StartError> {
    let (wal, recovered) = Wal::open(fs.clone(), settings).await?;
    tell_of(wal.damage());
    let was_damaged = wal.damage().is_some();
    if let Some(torn) = wal.torn_tail() {
        tracing::warn!(%torn, "what stood behind the end of the log was dropped");
    }
    let (store, stored) = FileStore::open_reading(fs, StoreSettings::default(), state).await?;
    if let Some(damage) = store.damage() {
        tracing::warn!(%damage, "a snapshot was lost");
    }
    let (wal, recovered) = wal.join(recovered, stored, witness).await?;
    tell_of(wal.damage().filter(|_| !was_damaged));
    Ok((wal, store, recovered))
}

/// Says what opening the log found damaged.
fn tell_of(damage: Option<&WalError>) {
    if let Some(damage) = damage {
        tracing::warn!(%damage, "entries were lost, and are fetched from the other nodes");
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use raft_node::settings::SettingsProblem;

    use super::*;

    #[derive(serde::Serialize, serde::Deserialize)]
    struct Nothing;

    impl App for Nothing {
        type Command = ();
        type Reply = ();
        fn apply(&mut self, (): ()) {}
    }

    /// The names of the settings that a builder changed like this refuses.
    fn refused(change: impl FnOnce(&mut NodeBuilder)) -> Vec<&'static str> {
        let mut builder = NodeBuilder::new(1);
        change(&mut builder);
        let Err(StartError::Settings { problems }) = builder.check() else {
            return Vec::new();
        };
        let name = |problem: SettingsProblem| match problem {
            SettingsProblem::Raft(_) => "raft",
            SettingsProblem::TooSmall { name, .. }
            | SettingsProblem::TooShort { name, .. }
            | SettingsProblem::TooLong { name, .. } => name,
        };
        problems.into_iter().map(name).collect()
    }

    #[test]
    fn the_defaults_can_be_used_together() {
        assert_eq!(refused(|_| {}), [""; 0]);
    }

    #[test]
    fn what_the_node_allows_the_network_and_the_service_must_take() {
        let all = refused(|builder| builder.settings.raft.max_payload_bytes = 20 << 20);
        assert_eq!(all, ["limits.max_body_bytes", "service.max_command_bytes"]);
        let few = refused(|builder| builder.settings.sessions.max_answers = 1_000);
        assert_eq!(few, ["sessions.max_answers"]);
    }

    #[test]
    fn limits_of_zero_are_refused_by_name() {
        let zero = Duration::ZERO;
        let comms = refused(|builder| {
            builder.comms.max_queued_bytes = 0;
            builder.comms.handshake_timeout = zero;
            builder.comms.first_backoff = zero;
        });
        let expected = [
            "comms.max_queued_bytes",
            "comms.handshake_timeout",
            "comms.first_backoff",
        ];
        assert_eq!(comms, expected);
        let backoff = refused(|builder| builder.comms.longest_backoff = zero);
        assert_eq!(backoff, ["comms.longest_backoff"]);
        let too_long = Duration::from_secs(86_400);
        let patience = refused(|builder| {
            builder.comms.gone_after = too_long;
            builder.service.gone_after = zero;
        });
        assert_eq!(patience, ["comms.gone_after", "service.gone_after"]);
        let patience = refused(|builder| builder.service.gone_after = too_long);
        assert_eq!(patience, ["service.gone_after"]);
        let service = refused(|builder| {
            builder.service.max_under_way = 0;
            builder.service.max_under_way_bytes = 0;
            builder.service.max_unread_bytes = 0;
        });
        let expected = [
            "service.max_under_way",
            "service.max_under_way_bytes",
            "service.max_unread_bytes",
        ];
        assert_eq!(service, expected);
    }

    #[test]
    fn a_node_without_remote_clients_needs_no_service() {
        let none = refused(|builder| {
            builder.service.max_clients = 0;
            builder.service.max_under_way = 0;
            builder.settings.sessions.max_answers = 10;
        });
        assert_eq!(none, [""; 0]);
    }

    #[tokio::test]
    async fn settings_are_refused_before_the_folder_is_touched() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("data");
        let settings = NodeSettings {
            sweep_interval: Duration::ZERO,
            ..NodeSettings::default()
        };
        let problems = settings.validate();
        let refused = NodeBuilder::new(1)
            .members([(1, "127.0.0.1:0")])
            .data_dir(&folder)
            .settings(settings)
            .start(Nothing)
            .await;
        assert_eq!(refused.err(), Some(StartError::Settings { problems }));
        let wal = WalSettings {
            groups_in_flight: 0,
            ..WalSettings::default()
        };
        let problems = wal.validate();
        let refused = NodeBuilder::new(1)
            .members([(1, "127.0.0.1:0")])
            .data_dir(&folder)
            .wal(wal)
            .start(Nothing)
            .await;
        let expected = StartError::from(WalError::Settings { problems });
        assert_eq!(refused.err(), Some(expected));
        assert!(!folder.exists());
    }
}
