//! What a failing world leaves behind for people: its plan to run again, its page to look at, its
//! recording for programs.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::export;
use crate::page;
use crate::plan::Plan;
use crate::trace::Recording;

/// The files that [`write()`] wrote.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Files {
    /// The plan: `raft-sim replay --plan` and `raft-sim shrink --plan` take it.
    pub plan: PathBuf,
    /// The page.
    pub page: PathBuf,
    /// The recording as JSON lines, which `raft-sim open` takes.
    pub recording: PathBuf,
}

/// Writes a failing world into a folder, as `NAME.plan`, `NAME.html` and `NAME.json`. The folder is
/// made if it is not there; older files of the same name are replaced. Names are by the seed that
/// failed, see [`name`] and [`shrunk_name`]: a shrunk plan may have another seed of its own.
///
/// # Errors
///
/// The folder can't be made, or a file in it not be written; the error names which.
pub fn write(
    folder: &Path,
    name: &str,
    plan: &Plan,
    recording: &Recording,
) -> Result<Files, io::Error> {
    let named = |path: &Path, error: io::Error| {
        io::Error::new(error.kind(), format!("{}: {error}", path.display()))
    };
    fs::create_dir_all(folder).map_err(|error| named(folder, error))?;
    let put = |extension: &str, text: String| {
        let path = folder.join(format!("{name}.{extension}"));
        fs::write(&path, text).map_err(|error| named(&path, error))?;
        Ok::<_, io::Error>(path)
    };
    Ok(Files {
        plan: put("plan", plan.to_text())?,
        page: put("html", page::html(recording, &page::title(recording)))?,
        recording: put("json", export::json_lines(recording))?,
    })
}

/// What the files of a seed's world are called.
pub fn name(seed: u64) -> String {
    format!("seed-{seed}")
}

/// What the files of a shrunk world are called, by what they were called before.
pub fn shrunk_name(name: &str) -> String {
    format!("{name}.shrunk")
}

/// What a shrunk world is called on its page and in its story: by the seed that failed, and by its
/// own where that is another.
pub fn shrunk_title(seed: u64, plan: &Plan) -> String {
    match plan.seed {
        own if own == seed => format!("Seed {seed}, shrunk"),
        own => format!("Seed {seed}, shrunk to a plan of seed {own}"),
    }
}

/// Where failures are written unless somebody says otherwise.
pub const FOLDER: &str = "target/raft-sim";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Swarm;
    use crate::trace::sample;

    #[test]
    fn a_failure_is_three_files_that_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let plan = Plan::draw(47, &Swarm::default());
        let recording = sample::recording();
        let inner = folder.path().join("a/b");
        let files = write(&inner, &name(47), &plan, &recording).unwrap();
        let read = |path: &Path| fs::read_to_string(path).unwrap();
        assert_eq!(Plan::parse(&read(&files.plan)), Ok(plan.clone()));
        assert_eq!(
            export::parse(&read(&files.recording)),
            Ok(recording.clone())
        );
        assert!(read(&files.page).contains("Seed 47: leader_completeness is violated"));
        assert!(files.page.ends_with("a/b/seed-47.html"));
        let error = write(&files.page, "x", &plan, &recording).unwrap_err();
        assert!(error.to_string().contains("seed-47.html"), "{error}");
    }

    #[test]
    fn a_shrunk_world_is_called_by_the_seed_that_failed() {
        let plan = Plan::draw(47, &Swarm::default());
        assert_eq!(shrunk_name(&name(1250)), "seed-1250.shrunk");
        assert_eq!(shrunk_title(47, &plan), "Seed 47, shrunk");
        let other = "Seed 1250, shrunk to a plan of seed 47";
        assert_eq!(shrunk_title(1250, &plan), other);
    }
}
