//! A durable, replicated key-value store: one process a node, `put KEY VALUE` and `get KEY`.
use quorate::{App, Node};
use std::{collections::BTreeMap, env, error::Error, io, process::ExitCode};

#[derive(Default, serde::Serialize, serde::Deserialize)]
pub(crate) struct Store(BTreeMap<String, String>);

impl App for Store {
    type Command = (String, String);
    type Reply = Option<String>;
    fn apply(&mut self, (key, value): Self::Command) -> Self::Reply {
        self.0.insert(key, value)
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let Err(error) = run().await else {
        return ExitCode::SUCCESS;
    };
    eprintln!("{error}"); // what is wrong, and what to do; `{error:?}` would be for programmers
    ExitCode::FAILURE
}

async fn run() -> Result<(), Box<dyn Error>> {
    let id: u64 = env::args().nth(1).ok_or("which node?")?.parse()?;
    let node = Node::builder(id)
        .members((1..=3).map(|id| (id, format!("127.0.0.1:{}", 7_000 + id))))
        .data_dir(env::temp_dir().join(format!("quorate-hello-{id}")))
        .start(Store::default())
        .await?;
    for line in io::stdin().lines() {
        let answer: Result<_, Box<dyn Error>> = match line?.split(' ').collect::<Vec<_>>()[..] {
            ["put", key, value] => node
                .submit((key.into(), value.into()))
                .await
                .map_err(Into::into),
            ["get", key] => {
                let key = key.to_owned();
                let found = node.read(move |store| store.0.get(&key).cloned());
                found.await.map_err(Into::into)
            }
            _ => Err("put KEY VALUE, or get KEY".into()),
        };
        match answer {
            Ok(value) => println!("{value:?}"),
            Err(error) => println!("{error}"),
        }
    }
    Ok(node.shutdown().await?)
}
