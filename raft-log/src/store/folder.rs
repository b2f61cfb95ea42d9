//! The store's folder: the operations it is made of, with errors that say what was tried.

use std::sync::OnceLock;

use bytes::Bytes;

use crate::error::StoreError;
use crate::fs::{Answer, Fs, FsError, Operation};

/// A folder that may hold other files, too.
#[derive(Debug)]
pub(super) struct Folder<F> {
    fs: F,
    /// Why the folder can't be made durable any more.
    failed_sync: OnceLock<StoreError>,
}

impl<F: Fs> Folder<F> {
    pub(super) const fn new(fs: F) -> Self {
        Self {
            fs,
            failed_sync: OnceLock::new(),
        }
    }

    /// Whether a sync of the folder failed, and why: what it holds is not known any more.
    pub(super) fn failed_sync(&self) -> Option<&StoreError> {
        self.failed_sync.get()
    }

    /// Does what has no answer but that it is done.
    pub(super) async fn run(
        &self,
        action: &'static str,
        operation: Operation,
    ) -> Result<(), StoreError> {
        self.ask(action, operation).await.map(|_| ())
    }

    /// The names and lengths of all files.
    pub(super) async fn list(&self) -> Result<Vec<(String, u64)>, StoreError> {
        match self.ask("list the folder", Operation::List).await? {
            Answer::Names(names) => Ok(names),
            Answer::Done | Answer::Bytes(_) => Err(no_answer("list the folder")),
        }
    }

    /// Reads; fewer bytes than asked for only at the end of the file.
    pub(super) async fn read(
        &self,
        name: &str,
        offset: u64,
        length: usize,
    ) -> Result<Bytes, StoreError> {
        let read = Operation::Read {
            name: String::from(name),
            offset,
            length,
        };
        match self.ask("read a snapshot", read).await? {
            Answer::Bytes(bytes) => Ok(bytes),
            Answer::Done | Answer::Names(_) => Err(no_answer("read a snapshot")),
        }
    }

    /// Makes a file that is empty, whatever was there of its name. The name is durable, so that no
    /// crash can later let another file of that name be renamed.
    pub(super) async fn create(&self, name: &'static str) -> Result<(), StoreError> {
        self.remove(name).await?;
        let name = String::from(name);
        let create = Operation::Create { name, length: 0 };
        self.run("create a snapshot", create).await?;
        self.sync().await
    }

    /// Removes a file, if it is there.
    pub(super) async fn remove(&self, name: &str) -> Result<(), StoreError> {
        let name = String::from(name);
        match self.fs.start(Operation::Remove { name }).await {
            Ok(_) | Err(FsError::NotFound { .. }) => Ok(()),
            Err(cause) => Err(StoreError::Fs {
                action: "remove a snapshot",
                cause,
            }),
        }
    }

    /// Makes what was created, renamed and removed durable.
    pub(super) async fn sync(&self) -> Result<(), StoreError> {
        let synced = self.run("sync the folder", Operation::SyncFolder).await;
        if let Err(error) = &synced {
            self.failed_sync.get_or_init(|| error.clone());
        }
        synced
    }

    async fn ask(&self, action: &'static str, operation: Operation) -> Result<Answer, StoreError> {
        let answer = self.fs.start(operation).await;
        answer.map_err(|cause| StoreError::Fs { action, cause })
    }
}

fn no_answer(action: &'static str) -> StoreError {
    StoreError::Fs {
        action,
        cause: FsError::Io {
            detail: String::from("the file system gave another operation's answer"),
        },
    }
}
