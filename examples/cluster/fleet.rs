//! Three node processes: started, asked, killed, started again, and never left behind.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{self, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::Failure;

/// The nodes of one cluster. Dropping it kills them.
pub(crate) struct Fleet {
    addresses: Vec<String>,
    folder: Folder,
    nodes: Vec<NodeProcess>,
}

/// What a node says of itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    pub(crate) leading: bool,
    pub(crate) applied: u64,
    pub(crate) committed: u64,
}

/// What a node holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Holding {
    pub(crate) digest: String,
    pub(crate) lines: u64,
    pub(crate) repeated: u64,
}

impl Fleet {
    /// Starts three nodes on free ports with empty data folders.
    pub(crate) async fn start() -> Result<Self, Failure> {
        let addresses = free_addresses()?;
        let folder = Folder::create()?;
        let mut fleet = Self {
            addresses,
            folder,
            nodes: Vec::new(),
        };
        for id in 1..=fleet.addresses.len() {
            let node = NodeProcess::start(id, &fleet.addresses, &fleet.folder.0).await?;
            fleet.nodes.push(node);
        }
        Ok(fleet)
    }

    pub(crate) fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// The place of the leader among the nodes, once there is one. Nodes that don't answer are
    /// passed over.
    pub(crate) async fn leader(&mut self) -> Result<usize, Failure> {
        let give_up = Instant::now() + PATIENCE;
        while Instant::now() < give_up {
            for (place, node) in self.nodes.iter_mut().enumerate() {
                if node.is_running() && node.standing().await?.leading {
                    return Ok(place);
                }
            }
            sleep(Duration::from_millis(1)).await;
        }
        Err(format!("no leader in {PATIENCE:?}").into())
    }

    /// Kills a node as a power failure would: SIGKILL, in the middle of whatever it does.
    pub(crate) async fn kill(&mut self, place: usize) -> Result<(), Failure> {
        let node = self.nodes.get_mut(place).ok_or("no such node")?;
        node.process.kill().await?;
        node.is_killed = true;
        Ok(())
    }

    /// Starts a killed node again on the data it left.
    pub(crate) async fn restart(&mut self, place: usize) -> Result<(), Failure> {
        let node = NodeProcess::start(place + 1, &self.addresses, &self.folder.0).await?;
        *self.nodes.get_mut(place).ok_or("no such node")? = node;
        Ok(())
    }

    /// Waits until all nodes have applied the same, and that is everything committed; returns what
    /// each holds.
    pub(crate) async fn agree(&mut self) -> Result<Vec<Holding>, Failure> {
        let give_up = Instant::now() + PATIENCE;
        let mut standings = Vec::new();
        while Instant::now() < give_up {
            standings.clear();
            for node in &mut self.nodes {
                standings.push(node.standing().await?);
            }
            let most = standings.iter().map(|standing| standing.committed).max();
            let led = standings.iter().any(|standing| standing.leading);
            if led && standings.iter().all(|node| Some(node.applied) == most) {
                let mut holdings = Vec::new();
                for node in &mut self.nodes {
                    holdings.push(node.holding().await?);
                }
                return Ok(holdings);
            }
            sleep(Duration::from_millis(5)).await;
        }
        Err(format!("the nodes do not agree after {PATIENCE:?}: {standings:?}").into())
    }

    /// Ends all nodes in good order and removes their data.
    pub(crate) async fn end(mut self) -> Result<(), Failure> {
        for node in &mut self.nodes {
            node.end().await?;
        }
        self.folder.remove();
        Ok(())
    }
}

/// One node's process, and the pipes to it. Killed when dropped.
struct NodeProcess {
    process: Child,
    questions: Option<ChildStdin>,
    answers: Lines<BufReader<ChildStdout>>,
    is_killed: bool,
}

impl NodeProcess {
    async fn start(id: usize, addresses: &[String], folder: &Path) -> Result<Self, Failure> {
        let mut process = Command::new(std::env::current_exe()?)
            .arg("__node")
            .args(["--id", &id.to_string()])
            .args(["--members", &addresses.join(",")])
            .arg("--data")
            .arg(folder.join(id.to_string()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let questions = process.stdin.take();
        let answers = process.stdout.take().ok_or("the node has no output")?;
        let mut node = Self {
            process,
            questions,
            answers: BufReader::new(answers).lines(),
            is_killed: false,
        };
        match node.answer().await?.as_str() {
            "ready" => Ok(node),
            other => Err(format!("node {id} said {other:?} instead of ready").into()),
        }
    }

    const fn is_running(&self) -> bool {
        !self.is_killed
    }

    async fn standing(&mut self) -> Result<Standing, Failure> {
        let answer = self.ask("status\n").await?;
        let mut fields = answer.split(' ').map(str::parse::<u64>);
        let mut field = || fields.next().ok_or("a status is too short");
        Ok(Standing {
            leading: field()?? == 1,
            applied: field()??,
            committed: field()??,
        })
    }

    async fn holding(&mut self) -> Result<Holding, Failure> {
        let answer = self.ask("digest\n").await?;
        let mut fields = answer.split(' ');
        let mut field = || fields.next().ok_or("a digest is too short");
        Ok(Holding {
            digest: field()?.to_owned(),
            lines: field()?.parse()?,
            repeated: field()?.parse()?,
        })
    }

    async fn ask(&mut self, question: &str) -> Result<String, Failure> {
        let questions = self.questions.as_mut().ok_or("the node has ended")?;
        questions.write_all(question.as_bytes()).await?;
        self.answer().await
    }

    async fn answer(&mut self) -> Result<String, Failure> {
        let line = timeout(PATIENCE, self.answers.next_line())
            .await
            .map_err(|_| "a node does not answer")??;
        Ok(line.ok_or("a node has ended early; see what it said above")?)
    }

    async fn end(&mut self) -> Result<(), Failure> {
        self.questions = None;
        let status = timeout(PATIENCE, self.process.wait()).await??;
        if status.success() {
            Ok(())
        } else {
            Err(format!("a node ended with {status}").into())
        }
    }
}

/// A temporary folder. Kept when the run fails, so that one can look.
struct Folder(PathBuf);

impl Folder {
    fn create() -> Result<Self, Failure> {
        let folder = std::env::temp_dir().join(format!("quorate-cluster-{}", process::id()));
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        std::fs::create_dir_all(&folder)?;
        Ok(Self(folder))
    }

    fn remove(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("could not remove {}: {error}", self.0.display());
        }
        self.0 = PathBuf::new();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.0.as_os_str().is_empty() {
            eprintln!("the nodes' data is kept in {}", self.0.display());
        }
    }
}

/// Three loopback addresses that nobody listens at. Below the range that systems take outgoing
/// ports from, so that no connection sits on a killed node's port when it comes back.
fn free_addresses() -> Result<Vec<String>, Failure> {
    let first = 20_000 + u16::try_from(process::id() % 9_973).unwrap_or(0);
    let addresses: Vec<String> = (first..32_000)
        .filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .map(|port| format!("127.0.0.1:{port}"))
        .take(3)
        .collect();
    if addresses.len() < 3 {
        return Err("no three free ports between 20,000 and 32,000".into());
    }
    Ok(addresses)
}

const PATIENCE: Duration = Duration::from_secs(60);
