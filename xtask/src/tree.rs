//! The files of the workspace that git knows of: what is ignored is not checked.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::TaskError;

/// The workspace's text files.
pub(crate) struct Tree {
    /// Where the workspace stands.
    pub(crate) root: PathBuf,
    /// Its text files, in order of path.
    pub(crate) files: Vec<File>,
}

/// One text file.
pub(crate) struct File {
    /// Its path from the root, with `/`.
    pub(crate) path: String,
    /// What stands in it.
    pub(crate) text: String,
}

impl Tree {
    /// Reads the workspace at `root`: tracked files, and new ones that are not ignored. Files
    /// that are not UTF-8 (golden bytes) are left out.
    pub(crate) fn open(root: PathBuf) -> Result<Self, TaskError> {
        let arguments = ["ls-files", "--cached", "--others", "--exclude-standard"];
        let listing = output(Command::new("git").args(arguments).current_dir(&root))?;
        let mut files = Vec::new();
        for path in listing.lines() {
            let Ok(bytes) = fs::read(root.join(path)) else {
                continue; // removed, but not yet from the index
            };
            if let Ok(text) = String::from_utf8(bytes) {
                files.push(File {
                    path: path.to_owned(),
                    text,
                });
            }
        }
        files.sort_by(|left, right| left.path.cmp(&right.path));
        files.dedup_by(|left, right| left.path == right.path);
        Ok(Self { root, files })
    }

    /// The Rust files.
    pub(crate) fn rust(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.is_rust())
    }

    /// One file by its path.
    pub(crate) fn file(&self, path: &str) -> Result<&File, TaskError> {
        self.files
            .iter()
            .find(|file| file.path == path)
            .ok_or_else(|| TaskError::malformed(path, &"no such file in the workspace"))
    }
}

impl File {
    /// Whether it is Rust.
    pub(crate) fn is_rust(&self) -> bool {
        has_extension(&self.path, "rs")
    }

    /// Whether the whole file is test code, by its place.
    pub(crate) fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.split('/').any(|part| part == "tests")
    }

    /// The lines with their numbers, from 1.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.text.lines())
    }
}

/// Whether `path` ends in `.extension`.
pub(crate) fn has_extension(path: &str, extension: &str) -> bool {
    Path::new(path)
        .extension()
        .is_some_and(|found| found == extension)
}

/// What `command` prints; an error if it can't be run or fails.
pub(crate) fn output(command: &mut Command) -> Result<String, TaskError> {
    let failed = |output: String, command: &Command| TaskError::Command {
        command: format!("{command:?}"),
        output,
    };
    let result = match command.output() {
        Ok(result) => result,
        Err(error) => return Err(failed(error.to_string(), command)),
    };
    if result.status.success() {
        Ok(String::from_utf8_lossy(&result.stdout).into_owned())
    } else {
        let said = String::from_utf8_lossy(&result.stderr).into_owned();
        Err(failed(said, command))
    }
}
