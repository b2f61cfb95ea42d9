//! Whatever happened to a folder: what is said of it is what opening finds, and does.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;

use raft_log::examine::{self, Dump, Folders, Verdict};

use crate::folder_of;
use crate::support::idle::{Image, closed};
use crate::support::*;

/// Each byte of a closed log is changed in turn. What is said is what opening finds, and what it is
/// said to change is what it changes.
#[test]
fn what_is_said_of_any_changed_byte_is_what_opening_does() {
    let (image, _, _) = closed();
    let folder = folder_of(&image);
    let mut damaged = 0;
    for (name, content) in &image {
        for at in 0..content.len() {
            let mut image = image.clone();
            let changed = image.get_mut(name).unwrap();
            changed[at] ^= 1 << (at % 8);
            // In place: to write whole files anew takes most disks several times as long.
            let file = OpenOptions::new()
                .write(true)
                .open(folder.path().join(name));
            let file = file.unwrap();
            file.write_all_at(&changed[at..=at], at as u64).unwrap();
            damaged += u32::from(is_said_as_opened(folder.path(), image));
            file.write_all_at(&content[at..=at], at as u64).unwrap();
        }
    }
    assert!(damaged > 500, "{damaged}");
}

/// The same of parts that are lost: a block, the end of a file, a whole one.
#[test]
fn what_is_said_of_any_lost_part_is_what_opening_does() {
    let (whole, _, _) = closed();
    let mut damaged = 0;
    for (name, content) in &whole {
        let blocks = (0..content.len()).step_by(256);
        let filled = blocks
            .flat_map(|at| [(at, 0), (at, 0xff)])
            .map(|(at, byte)| {
                let mut filled = content.clone();
                filled[at..at + 256].fill(byte);
                Some(filled)
            });
        let cut = (0..content.len()).step_by(128);
        let cut = cut.map(|length| Some(content[..length].to_vec()));
        for changed in filled.chain(cut).chain([None]) {
            let mut image = whole.clone();
            match changed {
                Some(changed) => image.insert(name.clone(), changed),
                None => image.remove(name),
            };
            let folder = folder_of(&image);
            damaged += u32::from(is_said_as_opened(folder.path(), image));
        }
    }
    assert!(damaged > 10, "{damaged}");
}

/// Compares what is said of a folder with what opening a copy of it does. Whether it is damaged.
fn is_said_as_opened(folder: &Path, image: Image) -> bool {
    let folders = Folders {
        log: folder,
        snapshots: None,
    };
    let (mut verified, mut rehearsed) = (Vec::new(), Vec::new());
    let verdict = examine::verify(&folders, &mut verified).unwrap();
    examine::rehearse(&folders, &mut rehearsed).unwrap();
    examine::inspect(&folders, &mut Vec::new()).unwrap();
    let dumped = examine::dump(&folders, &Dump::default(), &mut Vec::new(), &mut Vec::new());
    assert_eq!(dumped.unwrap(), verdict);
    let text = String::from_utf8(rehearsed).unwrap();
    let fs = MemFs::of(image.clone());
    let opened = try_open(&fs);
    let is_damaged = match &opened {
        Ok((log, _)) => log.damage().is_some(),
        Err(_) => true,
    };
    assert_eq!(verdict == Verdict::Damaged, is_damaged, "{text}");
    let Ok((log, recovered)) = opened else {
        return true;
    };
    // The snapshot that the log begins after is not there.
    drop(run(log.join(recovered, None, false)).unwrap().unwrap());
    let lengths = |image: Image| -> BTreeMap<String, usize> {
        let length = |(name, content): (String, Vec<u8>)| (name, content.len());
        image.into_iter().map(length).collect()
    };
    assert_eq!(
        changed_as_said(lengths(image), &text),
        lengths(fs.image()),
        "{text}"
    );
    is_damaged
}

/// The lengths of files after the changes that a rehearsal told.
fn changed_as_said(mut files: BTreeMap<String, usize>, text: &str) -> BTreeMap<String, usize> {
    for line in text.lines().filter(|line| line.starts_with("  ")) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["take", ..] => {}
            ["cut", name, "from", from, "to", to, "bytes"] => {
                let before = files.insert(String::from(name), to.parse().unwrap());
                assert_eq!(before, Some(from.parse().unwrap()));
            }
            ["rename", from, "to", to] => {
                let length = files.remove(from).unwrap();
                files.insert(String::from(to), length);
            }
            ["remove", name] => {
                files.remove(name).unwrap();
            }
            ["write", name, length, "bytes"] => {
                let name = String::from(name.trim_end_matches(','));
                assert_eq!(files.insert(name, length.parse().unwrap()), None);
            }
            _ => panic!("not a change: {line}"),
        }
    }
    files
}
