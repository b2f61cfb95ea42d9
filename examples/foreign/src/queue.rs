//! The state machine: jobs wait in line, workers take them, and a job that is not finished in time
//! goes back to the front.
//!
//! Commands and replies are text:
//!
//! | command | reply |
//! |---|---|
//! | `push JOB` | `queued N`: how many wait now |
//! | `take WORKER` | `run JOB`, or `idle` |
//! | `done WORKER JOB` | `done`, or `too late` if the worker no longer has the job |
//! | anything else | `what?` |

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use quorate::raft_node::codec::{Codec, PostcardCodec};
use quorate::{
    Command, StateError, StateMachine, StateReader, StateWriter, WholeReader, WholeWriter,
};
use serde::{Deserialize, Serialize};

/// Jobs that wait, and jobs that are being worked on.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct JobQueue {
    waiting: VecDeque<String>,
    /// By job: who has it, and until when, in milliseconds of log time.
    taken: BTreeMap<String, (String, u64)>,
}

impl JobQueue {
    /// The whole state as text: the same text for the same state.
    pub fn state(&self) -> String {
        format!("{:?} {:?}", self.waiting, self.taken)
    }

    fn push(&mut self, job: &str) -> String {
        self.waiting.push_back(job.to_owned());
        format!("queued {}", self.waiting.len())
    }

    fn take(&mut self, worker: &str, now: u64) -> String {
        let Some(job) = self.waiting.pop_front() else {
            return "idle".to_owned();
        };
        let holder = (worker.to_owned(), now.saturating_add(PATIENCE));
        self.taken.insert(job.clone(), holder);
        format!("run {job}")
    }

    fn finish(&mut self, worker: &str, job: &str) -> String {
        if self
            .taken
            .get(job)
            .is_none_or(|(holder, _)| holder != worker)
        {
            return "too late".to_owned();
        }
        self.taken.remove(job);
        "done".to_owned()
    }

    /// Jobs whose time is over go back to the front, the last one first.
    fn expire(&mut self, now: u64) {
        let late =
            |(job, (_, until)): (&String, &(String, u64))| (*until < now).then(|| job.clone());
        let over: Vec<String> = self.taken.iter().filter_map(late).collect();
        for job in over {
            self.taken.remove(&job);
            self.waiting.push_front(job);
        }
    }
}

impl StateMachine for JobQueue {
    /// Log time is the only clock there is: all nodes see the same, whenever they apply.
    fn apply(&mut self, command: Command<'_>) -> Bytes {
        let now = command.time.as_millis();
        self.expire(now);
        let text = String::from_utf8_lossy(command.payload);
        let words: Vec<&str> = text.split(' ').collect();
        let reply = match words.as_slice() {
            ["push", job] => self.push(job),
            ["take", worker] => self.take(worker, now),
            ["done", worker, job] => self.finish(worker, job),
            _ => "what?".to_owned(),
        };
        reply.into()
    }

    /// The queue is small: it goes into a snapshot in one piece.
    fn snapshot(&self) -> Result<Box<dyn StateReader>, StateError> {
        let mut bytes = Vec::new();
        PostcardCodec.encode(self, &mut bytes)?;
        Ok(Box::new(WholeReader::new(bytes.into())))
    }

    fn restore(&self) -> Box<dyn StateWriter<Self>> {
        Box::new(WholeWriter::new(|bytes: &[u8]| {
            Ok(PostcardCodec.decode(bytes)?)
        }))
    }
}

/// How long a worker may take, in milliseconds.
const PATIENCE: u64 = 3_000;
