//! Case `nodes`: three real nodes over TCP and files, and clients that wait for each answer.
//!
//! Beside them, in the same run, what no cluster on this machine goes below: one bare write that lasts, and
//! one message there and back through the system's own network.

use std::error::Error;
use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use clap::{Args, value_parser};
use raft_tokio::Node;
use raft_tokio::raft_node::state_machine::App;
use raft_tokio::raft_node::status::Status;
use serde::{Deserialize, Serialize};
use tokio::runtime::Runtime;

use crate::clusters::Failure;
use crate::meter::median;
use crate::report::{Figure, Report};

/// What can be chosen.
#[derive(Debug, Args)]
pub(crate) struct NodesOptions {
    /// Clients that each wait for their answer before they go on, separated by commas.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "1,16,256,1024",
        value_parser = value_parser!(u32).range(1..=65_536)
    )]
    clients: Vec<u32>,
    /// Bytes of each command.
    #[arg(long, default_value_t = 256, value_parser = value_parser!(u32).range(1..=1 << 20))]
    payload: u32,
    /// Seconds for each number of clients.
    #[arg(long, default_value_t = 4, value_parser = value_parser!(u32).range(1..=600))]
    seconds: u32,
    /// Have the clients ask a node that does not lead.
    #[arg(long)]
    follower: bool,
    /// A folder on the disk to be measured: a new one in it is used, and removed.
    #[arg(long, default_value = "target")]
    folder: PathBuf,
}

/// Counts commands and reads them.
#[derive(Default, Serialize, Deserialize)]
struct Seen {
    commands: u64,
    bytes: u64,
}

impl App for Seen {
    type Command = String;
    type Reply = u64;

    fn apply(&mut self, command: String) -> u64 {
        self.commands += 1;
        self.bytes += command.len() as u64;
        self.commands
    }
}

/// Measures a cluster.
pub(crate) fn run(options: &NodesOptions) -> Result<Report, Box<dyn Error>> {
    let folder = options.folder.join("bench-nodes");
    if folder.exists() {
        return Err(format!("{} is there already; remove it", folder.display()).into());
    }
    std::fs::create_dir_all(&folder)?;
    let measured = measure(options, &folder);
    std::fs::remove_dir_all(&folder)?;
    let notes = vec![
        format!(
            "three nodes in one process, over TCP on the loopback, each with a folder of its own on the same disk; \
             commands of {} B, each answered when it is durable on a majority and applied, before its client goes \
             on; {} s for each number of clients",
            options.payload, options.seconds
        ),
        "the floor of one command: one write and fdatasync, and one message there and back"
            .to_owned(),
    ];
    Ok(Report {
        bench: "nodes",
        notes,
        figures: measured?,
    })
}

fn measure(options: &NodesOptions, folder: &Path) -> Result<Vec<Figure>, Failure> {
    let bytes = options.payload as usize;
    let figure = |case: &str, system: &str, value, unit| Figure {
        case: case.to_owned(),
        system: system.to_owned(),
        value,
        unit,
    };
    let mut figures = vec![
        figure(
            "alone",
            "the disk: write, fdatasync",
            disk(folder, bytes)?,
            "us",
        ),
        figure(
            "alone",
            "the loopback: there and back",
            loopback(bytes)?,
            "us",
        ),
    ];
    let runtime = Runtime::new()?;
    let (nodes, asked) = runtime.block_on(found(folder, options.follower))?;
    let mut commands = 1;
    for clients in &options.clients {
        let began = Instant::now();
        let span = Duration::from_secs(u64::from(options.seconds));
        let waits = runtime.block_on(ask(&asked, *clients, bytes, began + span))?;
        let took = began.elapsed().as_secs_f64();
        commands += waits.len() as u64;
        let case = format!("{clients} clients");
        let mut figure = |value, unit| figures.push(figure(&case, "quorate", value, unit));
        figure(waits.len() as f64 / took, "commands/s");
        for (share, unit) in [(50, "us, half"), (99, "us, 99 %"), (100, "us, the longest")] {
            let at = (waits.len() - 1) * share / 100;
            figure(waits.get(at).copied().unwrap_or(f64::NAN), unit);
        }
    }
    let seen = runtime.block_on(asked.read(|seen| (seen.commands, seen.bytes)))?;
    let expected = (commands, (commands - 1) * bytes as u64);
    drop(asked);
    for node in nodes.into_iter().filter_map(Arc::into_inner) {
        runtime.block_on(node.shutdown())?;
    }
    match seen == expected {
        true => Ok(figures),
        false => Err(format!("expected {expected:?}: {seen:?}").into()),
    }
}

/// The nodes, with a leader, and the one that is to be asked.
async fn found(
    folder: &Path,
    follower: bool,
) -> Result<(Vec<Arc<Node<Seen>>>, Arc<Node<Seen>>), Failure> {
    let ports = (0..3).map(|_| TcpListener::bind("127.0.0.1:0"));
    let ports = ports.collect::<Result<Vec<_>, _>>()?;
    let members = ports.iter().zip(1..);
    let members = members.map(|(port, id)| Ok((id, port.local_addr()?.to_string())));
    let members = members.collect::<Result<Vec<(u64, String)>, Failure>>()?;
    drop(ports);
    let starts = members.iter().map(|(id, _)| {
        let builder = Node::builder(*id).members(members.clone());
        let builder = builder.data_dir(folder.join(id.to_string()));
        tokio::spawn(async move { builder.start(Seen::default()).await })
    });
    let mut nodes = Vec::new();
    for start in starts.collect::<Vec<_>>() {
        nodes.push(Arc::new(start.await??));
    }
    let Some(first) = nodes.first() else {
        return Err("no node was started".into());
    };
    first.submit(String::new()).await?;
    let leads = |status: &Status| status.leader == status.me.map(|me| me.id);
    let asked = nodes.iter().find(|node| leads(&node.status()) != follower);
    let asked = asked.ok_or("the leader was lost already")?.clone();
    Ok((nodes, asked))
}

/// Lets clients ask until the time is over; what each answer took, in order, in microseconds.
async fn ask(
    node: &Arc<Node<Seen>>,
    clients: u32,
    bytes: usize,
    until: Instant,
) -> Result<Vec<f64>, Failure> {
    let client = |_| {
        let node = Arc::clone(node);
        tokio::spawn(async move {
            let (command, mut waits) = ("7".repeat(bytes), Vec::new());
            while Instant::now() < until {
                let asked = Instant::now();
                node.submit(command.clone()).await?;
                waits.push(microseconds(asked.elapsed()));
            }
            Ok::<_, raft_tokio::SubmitError>(waits)
        })
    };
    let mut waits = Vec::new();
    for client in (0..clients).map(client).collect::<Vec<_>>() {
        waits.extend(client.await??);
    }
    waits.sort_by(f64::total_cmp);
    Ok(waits)
}

/// What one write takes that lasts, to a file that is as long already.
fn disk(folder: &Path, bytes: usize) -> Result<f64, Failure> {
    let path = folder.join("file");
    std::fs::write(&path, vec![0; bytes * TIMES])?;
    let file = OpenOptions::new().write(true).open(&path)?;
    file.sync_all()?;
    let block = vec![7; bytes];
    let mut times = Vec::new();
    for number in 0..TIMES {
        let began = Instant::now();
        file.write_all_at(&block, (number * bytes) as u64)?;
        file.sync_data()?;
        times.push(microseconds(began.elapsed()));
    }
    std::fs::remove_file(path)?;
    Ok(median(times))
}

/// What one message takes to another thread and back.
fn loopback(bytes: usize) -> Result<f64, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut near = TcpStream::connect(listener.local_addr()?)?;
    let (mut far, _) = listener.accept()?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let echo = thread::spawn(move || {
        let mut message = vec![0; bytes];
        while far.read_exact(&mut message).is_ok() && far.write_all(&message).is_ok() {}
    });
    let (mut message, mut times) = (vec![7; bytes], Vec::new());
    for _ in 0..TIMES {
        let began = Instant::now();
        near.write_all(&message)?;
        near.read_exact(&mut message)?;
        times.push(microseconds(began.elapsed()));
    }
    drop(near);
    echo.join().map_err(|_| "the echo has panicked")?;
    Ok(median(times))
}

fn microseconds(span: Duration) -> f64 {
    span.as_secs_f64() * 1e6
}

/// How often the floor is measured.
const TIMES: usize = 4_000;
