//! `cargo xtask no-std`: raft-core in a static library without std, linked into a C program and
//! run.
//!
//! A `no_std` attribute alone proves little: a dependency may bring std along. A library with its
//! own panic handler can't be built then. How many crates raft-core brings along is counted here,
//! too.

use std::path::Path;
use std::process::Command;

use crate::error::TaskError;
use crate::tree::{Tree, output};

mod crates;

/// Counts what raft-core brings along; builds, links and runs xtask/no_std_check.
pub(crate) fn run(tree: &Tree) -> Result<bool, TaskError> {
    let folder = tree.root.join("xtask/no_std_check");
    let below = crates::below_core(&folder.join("Cargo.toml"))?;
    let names = below.iter().map(String::as_str).collect::<Vec<_>>();
    let (count, names) = (names.len(), names.join(", "));
    let most = crates::MOST;
    if count > most {
        println!("no-std: raft-core brings {count} crates along, of at most {most}: {names}");
        return Ok(false);
    }
    println!("no-std: raft-core brings {count} crates along: {names}");
    let target = target_folder(&tree.root).join("no_std_check");
    let mut build = Command::new("cargo");
    build.args(["build", "--quiet", "--release", "--locked"]);
    build.arg("--manifest-path").arg(folder.join("Cargo.toml"));
    build.arg("--target-dir").arg(&target);
    output(&mut build)?;
    let program = target.join("elects_itself");
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let mut link = Command::new(compiler);
    link.arg(folder.join("main.c"));
    link.arg(target.join("release/libno_std_check.a"));
    link.arg("-o").arg(&program);
    output(&mut link)?;
    output(&mut Command::new(program))?;
    println!("no-std: a hull in a static library without std elects itself");
    Ok(true)
}

/// Where this build puts what it makes.
pub(crate) fn target_folder(root: &Path) -> std::path::PathBuf {
    let given = std::env::var_os("CARGO_TARGET_DIR").map(std::path::PathBuf::from);
    given.unwrap_or_else(|| root.join("target"))
}
