//! One node in a process of its own, told what to do on its standard input.
//!
//! `status` and `digest` are answered with one line each on standard output; at the end of the
//! input the node shuts down, so that no node outlives whoever started it.

use std::path::PathBuf;
use std::thread;

use clap::Args;
use quorate::{Node, Role};
use tokio::sync::mpsc;

use crate::Failure;
use crate::app::Lines;

/// What a node is told when it starts.
#[derive(Args)]
pub(crate) struct NodeArguments {
    /// Its name.
    #[arg(long)]
    id: u64,
    /// The addresses of nodes 1, 2 and so on.
    #[arg(long, value_delimiter = ',')]
    members: Vec<String>,
    /// Its data folder.
    #[arg(long)]
    data: PathBuf,
}

/// Runs a node until its standard input ends.
pub(crate) async fn serve(arguments: NodeArguments) -> Result<(), Failure> {
    let node = Node::builder(arguments.id)
        .members((1..).zip(arguments.members))
        .data_dir(arguments.data)
        .start(Lines::default())
        .await?;
    println!("ready");
    let mut questions = questions();
    while let Some(question) = questions.recv().await {
        match question.as_str() {
            "status" => println!("{}", status(&node)),
            "digest" => println!("{}", digest(&node).await?),
            other => eprintln!("node {}: what is {other:?}?", arguments.id),
        }
    }
    node.shutdown().await?;
    Ok(())
}

/// `LEADING APPLIED COMMITTED`: whether it leads, and how far it is.
fn status(node: &Node<Lines>) -> String {
    let status = node.status();
    let leading = u8::from(status.role == Some(Role::Leader));
    format!(
        "{leading} {} {}",
        status.applied_index.get(),
        status.commit_index.get()
    )
}

/// `DIGEST COUNT REPEATED` of the node's own copy.
async fn digest(node: &Node<Lines>) -> Result<String, Failure> {
    let answer = node
        .read_stale(|lines| {
            let (count, repeated) = (lines.count(), lines.repeated());
            format!("{:032x} {count} {repeated}", lines.digest())
        })
        .await?;
    Ok(answer)
}

/// The lines of the standard input, read by a thread because reading it blocks.
fn questions() -> mpsc::Receiver<String> {
    let (sender, questions) = mpsc::channel(8);
    thread::spawn(move || {
        for line in std::io::stdin().lines() {
            let Ok(line) = line else { return };
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    questions
}
