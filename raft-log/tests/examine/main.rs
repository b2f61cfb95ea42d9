//! Looking into folders: what is said of them, that it is what opening finds, and that nothing is
//! changed in them.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "part of the tests")]

mod damage;
mod in_use;
mod same_as_opening;
mod snapshots;
#[path = "../support/mod.rs"]
mod support;
mod told;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use raft_log::examine::{self, Dump, ExamineError, Folders, Verdict};
use support::idle::Image;
use tempfile::TempDir;

/// A folder with these files.
pub(crate) fn folder_of(image: &Image) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in image {
        fs::write(folder.path().join(name), content).unwrap();
    }
    folder
}

pub(crate) fn image_of(folder: &Path) -> Image {
    let file = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().unwrap();
        (name, fs::read(entry.path()).unwrap())
    };
    let all = fs::read_dir(folder).unwrap();
    all.map(|entry| file(entry.unwrap())).collect()
}

/// All of a folder, and when each file of it was last changed.
pub(crate) fn state_of(folder: &Path) -> (Image, BTreeMap<String, String>) {
    let image = image_of(folder);
    let changed = |name: &String| {
        let metadata = fs::metadata(folder.join(name)).unwrap();
        (name.clone(), format!("{:?}", metadata.modified().unwrap()))
    };
    let times = image.keys().map(changed).collect();
    (image, times)
}

pub(crate) type Said = Result<(Verdict, String), ExamineError>;

/// What one command says of a folder, which it leaves as it is.
pub(crate) fn said(
    folder: &Path,
    command: impl FnOnce(&Folders<'_>, &mut Vec<u8>) -> Result<Verdict, ExamineError>,
) -> Said {
    let before = state_of(folder);
    let mut out = Vec::new();
    let folders = Folders {
        log: folder,
        snapshots: None,
    };
    let verdict = command(&folders, &mut out);
    assert_eq!(state_of(folder), before, "the folder was changed");
    Ok((verdict?, String::from_utf8(out).unwrap()))
}

pub(crate) fn inspect(folder: &Path) -> Said {
    said(folder, |folders, out| examine::inspect(folders, out))
}

pub(crate) fn verify(folder: &Path) -> Said {
    said(folder, |folders, out| examine::verify(folders, out))
}

pub(crate) fn rehearse(folder: &Path) -> Said {
    said(folder, |folders, out| examine::rehearse(folders, out))
}

/// Remarks come behind the entries.
pub(crate) fn dump(folder: &Path, dump: Dump) -> Said {
    said(folder, |folders, out| {
        let mut remarks = Vec::new();
        let verdict = examine::dump(folders, &dump, out, &mut remarks);
        out.append(&mut remarks);
        verdict
    })
}
