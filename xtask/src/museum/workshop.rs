//! A copy of the workspace in which patches are tried, so that no trace of them stands in the
//! code.
//!
//! The copy stays in one place and only what differs is written: what a patch leaves alone is not
//! built again.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::TaskError;
use crate::no_std::target_folder;
use crate::tree::output;

/// The copy, and where its programs go.
pub(super) struct Workshop {
    root: PathBuf,
    copy: PathBuf,
    target: PathBuf,
    programs: PathBuf,
    invariants: bool,
}

impl Workshop {
    /// The workshop of the workspace at `root`. Without `invariants` the code's own assertions
    /// are compiled out, and only the checkers outside judge.
    pub(super) fn new(root: &Path, invariants: bool) -> Self {
        let museum = target_folder(root).join("museum");
        let name = |with: &str, without: &str| if invariants { with } else { without }.to_owned();
        Self {
            root: root.to_owned(),
            copy: museum.join(name("tree", "tree-no-invariants")),
            target: museum.join(name("target", "target-no-invariants")),
            programs: museum.join(name("bin", "bin-no-invariants")),
            invariants,
        }
    }

    /// Builds the simulator with `patch` applied, or as it is; returns the program.
    pub(super) fn build(&self, name: &str, patch: Option<&Path>) -> Result<PathBuf, TaskError> {
        self.restore()?;
        if let Some(patch) = patch {
            apply(&self.copy, patch, false)?;
        }
        let mut cargo = Command::new("cargo");
        cargo.args(["build", "--quiet", "--release", "--locked"]);
        cargo.args(["--package", "quorate-sim", "--bin", "raft-sim"]);
        cargo.arg("--target-dir").arg(&self.target);
        cargo.current_dir(&self.copy);
        if !self.invariants {
            cargo.env("RUSTFLAGS", "--cfg no_invariants");
        }
        output(&mut cargo)?;
        let program = self.programs.join(name);
        make_folder(&self.programs)?;
        copy_file(&self.target.join("release/raft-sim"), &program)?;
        Ok(program)
    }

    /// Makes the copy equal to the workspace again.
    fn restore(&self) -> Result<(), TaskError> {
        let wanted = listing(&self.root)?;
        make_folder(&self.copy)?;
        if !self.copy.join(".git").exists() {
            // A repository of its own, so that `git` doesn't take the one around it.
            output(
                Command::new("git")
                    .args(["init", "--quiet"])
                    .current_dir(&self.copy),
            )?;
        }
        for path in listing(&self.copy)?.difference(&wanted) {
            let path = self.copy.join(path);
            fs::remove_file(&path).map_err(|source| TaskError::File { path, source })?;
        }
        for path in &wanted {
            copy_file(&self.root.join(path), &self.copy.join(path))?;
        }
        Ok(())
    }
}

/// Applies `patch` in `folder`; with `only_check`, says whether it would.
pub(super) fn apply(folder: &Path, patch: &Path, only_check: bool) -> Result<(), TaskError> {
    let patch = match fs::canonicalize(patch) {
        Ok(whole) => whole,
        Err(source) => {
            let path = patch.to_owned();
            return Err(TaskError::File { path, source });
        }
    };
    let mut git = Command::new("git");
    git.arg("apply");
    if only_check {
        git.arg("--check");
    }
    output(git.arg(patch).current_dir(folder)).map(|_| ())
}

/// The files of a repository that are not ignored and exist.
fn listing(folder: &Path) -> Result<BTreeSet<String>, TaskError> {
    let arguments = ["ls-files", "--cached", "--others", "--exclude-standard"];
    let listing = output(Command::new("git").args(arguments).current_dir(folder))?;
    let paths = listing.lines().map(str::to_owned);
    Ok(paths.filter(|path| folder.join(path).is_file()).collect())
}

/// Writes `to` only if it differs: what is written anew is built anew.
fn copy_file(from: &Path, to: &Path) -> Result<(), TaskError> {
    let failed = |source| TaskError::File {
        path: from.to_owned(),
        source,
    };
    let bytes = fs::read(from).map_err(failed)?;
    if fs::read(to).is_ok_and(|present| present == bytes) {
        return Ok(());
    }
    if let Some(folder) = to.parent() {
        make_folder(folder)?;
    }
    fs::copy(from, to).map_err(failed)?;
    Ok(())
}

fn make_folder(path: &Path) -> Result<(), TaskError> {
    fs::create_dir_all(path).map_err(|source| TaskError::File {
        path: path.to_owned(),
        source,
    })
}
