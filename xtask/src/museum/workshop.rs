//! Copies of the workspace in which patches are tried, so that no trace of them stands in the
//! code.
//!
//! A copy stays in one place and only what differs is written: what a patch leaves alone is not
//! built again. Each worker has a copy of its own, and two folders for what is built from it, with
//! our own assertions and without.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use serde_json::Value;

use super::exhibit::Exhibit;
use super::simulator::Simulator;
use crate::error::TaskError;
use crate::no_std::target_folder;
use crate::tree::output;

/// How the simulator is built here: as a release, but in pieces that need not be built again.
const PROFILE: [&str; 5] = [
    "profile.museum.inherits=\"release\"",
    "profile.museum.lto=\"off\"",
    "profile.museum.codegen-units=16",
    "profile.museum.incremental=true",
    "profile.museum.debug=0",
];

/// How the simulator is built where few patches run for long.
const WHOLE: [&str; 1] = ["profile.release.debug=0"];

/// The test in raft-sim/tests that holds the write-ahead log to its contract.
const KIT: &str = "conformance_log";

/// Whether the code's own assertions are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Assertions {
    /// They judge beside the checkers.
    In,
    /// They are compiled out, and only the checkers outside judge.
    Out,
}

impl Assertions {
    const fn name(self) -> &'static str {
        match self {
            Self::In => "with",
            Self::Out => "without",
        }
    }
}

/// What is the same for all workers.
pub(super) struct Workshop {
    root: PathBuf,
    museum: PathBuf,
    /// A number for what is built: that of its sources.
    pub(super) code: String,
    /// The machine's cores.
    cores: usize,
    /// How many workers share them.
    jobs: usize,
    /// Whether builds take longer so that worlds take less.
    for_long: bool,
}

/// One worker's copy.
pub(super) struct Bench<'a> {
    workshop: &'a Workshop,
    place: usize,
}

impl Workshop {
    /// The workshop of the workspace at `root`, for `jobs` workers. With `for_long`, builds take
    /// longer so that worlds take less.
    pub(super) fn new(root: &Path, jobs: usize, for_long: bool) -> Result<Self, TaskError> {
        let cores = thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        Ok(Self {
            root: root.to_owned(),
            museum: target_folder(root).join("museum"),
            code: code(root)?,
            cores,
            jobs: jobs.max(1),
            for_long,
        })
    }

    /// Where results are kept unless a folder is given.
    pub(super) fn results(&self) -> PathBuf {
        self.museum.join("results")
    }

    /// The copy of the worker `place`.
    pub(super) const fn bench(&self, place: usize) -> Bench<'_> {
        Bench {
            workshop: self,
            place,
        }
    }

    fn program(&self, name: &str, assertions: Assertions) -> PathBuf {
        let folder = self.museum.join("programs").join(&self.code);
        let long = if self.for_long { "-long" } else { "" };
        folder.join(format!("{name}-{}{long}", assertions.name()))
    }
}

impl Bench<'_> {
    /// The simulator as it is.
    pub(super) fn sound(&self, assertions: Assertions) -> Result<Simulator, TaskError> {
        self.build("unpatched", None, assertions)
    }

    /// The simulator with a patch applied.
    pub(super) fn patched(
        &self,
        exhibit: &Exhibit,
        number: &str,
        assertions: Assertions,
    ) -> Result<Simulator, TaskError> {
        self.build(number, Some(exhibit), assertions)
    }

    /// Builds it, unless it was built before from the same.
    fn build(
        &self,
        name: &str,
        exhibit: Option<&Exhibit>,
        assertions: Assertions,
    ) -> Result<Simulator, TaskError> {
        let program = self.workshop.program(name, assertions);
        if program.is_file() {
            return Ok(Simulator::new(&program));
        }
        let copy = self.copy(exhibit)?;
        let target = self.target(assertions);
        let mut cargo = Command::new("cargo");
        let (profile, settings) = match self.workshop.for_long {
            true => ("release", WHOLE.as_slice()),
            false => ("museum", PROFILE.as_slice()),
        };
        cargo.args(["build", "--quiet", "--locked", "--profile", profile]);
        cargo.args(["--package", "quorate-sim", "--bin", "raft-sim"]);
        for setting in settings {
            cargo.args(["--config", setting]);
        }
        cargo.args(["--jobs", &self.share(exhibit).to_string()]);
        cargo.arg("--target-dir").arg(&target).current_dir(&copy);
        cargo.env_remove("CARGO_INCREMENTAL");
        match assertions {
            Assertions::In => cargo.env_remove("RUSTFLAGS"),
            Assertions::Out => cargo.env("RUSTFLAGS", "--cfg no_invariants"),
        };
        output(&mut cargo)?;
        self.put(&target.join(profile).join("raft-sim"), program)
    }

    /// The conformance kit's tests on the write-ahead log, of the code as it is or with a patch
    /// applied whose change has this number.
    pub(super) fn kit(&self, patch: Option<(&Exhibit, &str)>) -> Result<Simulator, TaskError> {
        let name = patch.map_or("unpatched", |(_, number)| number);
        let folder = self.workshop.museum.join("programs");
        let program = folder.join(&self.workshop.code).join(format!("{name}-kit"));
        if program.is_file() {
            return Ok(Simulator::new(&program));
        }
        let exhibit = patch.map(|(exhibit, _)| exhibit);
        let copy = self.copy(exhibit)?;
        let target = format!("target-kit-{}", self.place);
        let mut cargo = Command::new("cargo");
        cargo.args(["test", "--quiet", "--locked", "--no-run"]);
        cargo.args(["--package", "quorate-sim", "--test", KIT]);
        cargo.args([
            "--message-format",
            "json",
            "--config",
            "profile.dev.debug=0",
        ]);
        cargo.args(["--jobs", &self.share(exhibit).to_string()]);
        cargo.arg("--target-dir");
        cargo.arg(self.workshop.museum.join(target));
        cargo.env_remove("RUSTFLAGS").current_dir(&copy);
        let built = executable(&output(&mut cargo)?)
            .ok_or_else(|| TaskError::malformed(&copy, &format!("cargo built no test `{KIT}`")))?;
        self.put(&built, program)
    }

    /// This worker's copy, equal to the workspace but for a patch.
    fn copy(&self, exhibit: Option<&Exhibit>) -> Result<PathBuf, TaskError> {
        let copy = self.workshop.museum.join(format!("tree-{}", self.place));
        restore(&self.workshop.root, &copy)?;
        if code(&copy)? != self.workshop.code {
            let problem = "the sources have changed since this run began: start it again";
            return Err(TaskError::malformed(&self.workshop.root, &problem));
        }
        if let Some(exhibit) = exhibit {
            apply(&copy, &exhibit.path, false)?;
        }
        Ok(copy)
    }

    /// How many cores a build may use. Nobody else works while the code as it is is built.
    fn share(&self, exhibit: Option<&Exhibit>) -> usize {
        let share = exhibit.map_or(1, |_| self.workshop.jobs);
        (self.workshop.cores / share).max(1)
    }

    /// Keeps a program that was built, under another name first: it is there whole or not at all.
    fn put(&self, built: &Path, program: PathBuf) -> Result<Simulator, TaskError> {
        let half = program.with_extension(format!("half-{}", self.place));
        if let Some(folder) = half.parent() {
            make_folder(folder)?;
        }
        // Another process writes it: what one of ours has open for writing, a program that another
        // worker starts just now has open too, and then it can't be run.
        output(Command::new("cp").arg(built).arg(&half))?;
        match fs::rename(&half, &program) {
            Ok(()) => Ok(Simulator::new(&program)),
            Err(source) => Err(TaskError::File {
                path: program,
                source,
            }),
        }
    }

    /// Begins with what the first worker has built of the code as it is.
    pub(super) fn prepare(&self) -> Result<(), TaskError> {
        for assertions in [Assertions::In, Assertions::Out] {
            let first = self.workshop.bench(0).target(assertions);
            let own = self.target(assertions);
            if first.exists() && !own.exists() {
                output(Command::new("cp").arg("-a").arg(&first).arg(&own))?;
            }
        }
        Ok(())
    }

    /// The folder that is built into.
    fn target(&self, assertions: Assertions) -> PathBuf {
        let name = format!("target-{}-{}", assertions.name(), self.place);
        self.workshop.museum.join(name)
    }
}

/// The number of some bytes, as git counts it.
pub(super) fn number_of(bytes: &[u8]) -> Result<String, TaskError> {
    let failed = |error: std::io::Error| TaskError::Command {
        command: "git hash-object --stdin".to_owned(),
        output: error.to_string(),
    };
    let mut git = Command::new("git");
    git.args(["hash-object", "--stdin"]);
    git.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = git.spawn().map_err(failed)?;
    if let Some(mut pipe) = child.stdin.take() {
        pipe.write_all(bytes).map_err(failed)?;
    }
    let said = child.wait_with_output().map_err(failed)?.stdout;
    Ok(String::from_utf8_lossy(&said).chars().take(16).collect())
}

/// The number of all sources that a simulator is built from.
fn code(root: &Path) -> Result<String, TaskError> {
    let mut all = Vec::new();
    for path in listing(root)? {
        let parts: Vec<&str> = path.split('/').collect();
        let counts = match parts.as_slice() {
            [file] => file.starts_with("Cargo."),
            [folder, inner, ..] => {
                let is_kit = path == format!("raft-sim/tests/{KIT}.rs");
                folder.starts_with("raft-") && (*inner == "src" || *inner == "Cargo.toml" || is_kit)
            }
            [] => false,
        };
        if counts {
            let whole = root.join(&path);
            let bytes = fs::read(&whole).map_err(|source| TaskError::File {
                path: whole,
                source,
            })?;
            all.extend_from_slice(format!("{path} {}\n", bytes.len()).as_bytes());
            all.extend_from_slice(&bytes);
        }
    }
    number_of(&all)
}

/// The kit's program, among all that cargo says it has built.
fn executable(said: &str) -> Option<PathBuf> {
    let lines = said.lines().map(serde_json::from_str::<Value>);
    let mut paths = lines.filter_map(|line| {
        let built = line.ok().filter(|built| built["target"]["name"] == KIT)?;
        built["executable"].as_str().map(PathBuf::from)
    });
    paths.next()
}

/// Makes the copy equal to the workspace again.
fn restore(root: &Path, copy: &Path) -> Result<(), TaskError> {
    let wanted = listing(root)?;
    make_folder(copy)?;
    if !copy.join(".git").exists() {
        // A repository of its own, so that `git` doesn't take the one around it.
        output(
            Command::new("git")
                .args(["init", "--quiet"])
                .current_dir(copy),
        )?;
    }
    for path in listing(copy)?.difference(&wanted) {
        let path = copy.join(path);
        fs::remove_file(&path).map_err(|source| TaskError::File { path, source })?;
    }
    for path in &wanted {
        copy_file(&root.join(path), &copy.join(path))?;
    }
    Ok(())
}

/// Applies `patch` in `folder`; with `only_check`, says whether it would. Paths may begin with
/// `a/` and `b/` or not, and the counts of lines may be wrong.
pub(super) fn apply(folder: &Path, patch: &Path, only_check: bool) -> Result<(), TaskError> {
    let patch = match fs::canonicalize(patch) {
        Ok(whole) => whole,
        Err(source) => {
            let path = patch.to_owned();
            return Err(TaskError::File { path, source });
        }
    };
    let ways: [&[&str]; 3] = [&["-p1"], &["-p0"], &["-p1", "--recount"]];
    let mut first = Ok(());
    for way in ways {
        let mut git = Command::new("git");
        git.arg("apply").args(way);
        if only_check {
            git.arg("--check");
        }
        match output(git.arg(&patch).current_dir(folder)) {
            Ok(_) => return Ok(()),
            Err(error) if first.is_ok() => first = Err(error),
            Err(_) => {}
        }
    }
    first
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

/// Makes a folder and those around it.
pub(super) fn make_folder(path: &Path) -> Result<(), TaskError> {
    fs::create_dir_all(path).map_err(|source| TaskError::File {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHANGE: &str = "--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n one\n-two\n+three\n";

    /// Whether `patch` applies to a folder with one file.
    fn applies(patch: &str) -> bool {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("x"), "one\ntwo\n").unwrap();
        let path = folder.path().join("it.patch");
        fs::write(&path, patch).unwrap();
        output(
            Command::new("git")
                .args(["init", "--quiet"])
                .current_dir(folder.path()),
        )
        .unwrap();
        let applied = apply(folder.path(), &path, false).is_ok();
        let text = fs::read_to_string(folder.path().join("x")).unwrap();
        assert_eq!(applied, text == "one\nthree\n");
        applied
    }

    /// A test of a package has its command line built as well, and whichever is done first is told first.
    #[test]
    fn the_program_is_what_cargo_says() {
        let built = |name: &str, path: &str| {
            serde_json::json!({ "target": { "name": name }, "executable": path }).to_string()
        };
        let other = built("raft-sim", "/x/raft-sim");
        let kit = built(KIT, "/x/kit-1");
        let said = format!("{{\"executable\":null}}\nno json\n{other}\n{kit}\n");
        let found = executable(&said);
        assert_eq!(found, Some(PathBuf::from("/x/kit-1")), "not the other");
        assert_eq!(executable("{}"), None);
    }

    #[test]
    fn patches_apply_with_prefixes_or_without_and_with_a_header() {
        assert!(applies(CHANGE));
        assert!(applies(&CHANGE.replace("a/x", "x").replace("b/x", "x")));
        assert!(applies(&format!("# id: C01\n# story: a\n{CHANGE}")));
        assert!(applies(&CHANGE.replace("-1,2 +1,2", "-1,3 +1,3")));
        assert!(!applies(&CHANGE.replace("-two", "-four")));
    }
}
