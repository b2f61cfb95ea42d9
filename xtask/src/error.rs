//! What keeps a task from being done at all; what it finds is a [`crate::findings::Finding`].

use std::path::PathBuf;

/// A task could not run. Nothing in the workspace has changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TaskError {
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A program could not be started, or failed.
    #[error("`{command}` failed: {output}")]
    Command {
        /// What was run.
        command: String,
        /// What it said, or why it did not start.
        output: String,
    },
    /// A file is not what its kind must be.
    #[error("{}: {problem}", path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

impl TaskError {
    /// A file that is not what its kind must be.
    pub(crate) fn malformed(path: impl Into<PathBuf>, problem: &impl ToString) -> Self {
        Self::Malformed {
            path: path.into(),
            problem: problem.to_string(),
        }
    }
}
