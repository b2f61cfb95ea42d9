//! The files of a folder by their flat names, of which some stay open.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::open_file::OpenFile;

/// The files of a folder.
///
/// - One with unsynced writes stays open: the kernel tells a failed write only to descriptors that
///   were open when it failed.
#[derive(Debug)]
pub(super) struct Files {
    folder: PathBuf,
    open: BTreeMap<String, Kept>,
    /// How often any of them was asked for.
    uses: u64,
    /// So many are open at most, and those with unsynced writes.
    most: usize,
}

/// A file that stays open.
#[derive(Debug)]
struct Kept {
    file: OpenFile,
    /// Which use was its last.
    used: u64,
}

impl Files {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            open: BTreeMap::new(),
            uses: 0,
            most: share_of_process(),
        }
    }

    /// What a write goes to that the file takes directly; `None` if it does not.
    pub(super) fn direct(
        &mut self,
        name: &str,
        offset: u64,
        parts: &[Bytes],
    ) -> io::Result<Option<Arc<File>>> {
        let path = self.path(name)?;
        let file = self.open(name)?;
        if !file.takes_direct(offset, parts) {
            return Ok(None);
        }
        if file.has_direct() {
            return file.direct(&path);
        }
        self.make_room_for_direct();
        self.open(name)?.direct(&path)
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from)?, self.path(to)?)?;
        self.open.remove(to);
        if let Some(open) = self.open.remove(from) {
            self.open.insert(String::from(to), open);
        }
        Ok(())
    }

    pub(super) fn remove(&mut self, name: &str) -> io::Result<()> {
        self.open.remove(name);
        fs::remove_file(self.path(name)?)
    }

    /// The open file of this name.
    pub(super) fn open(&mut self, name: &str) -> io::Result<&mut OpenFile> {
        self.uses = self.uses.saturating_add(1);
        if !self.open.contains_key(name) {
            self.make_room(self.most);
            let file = self.open_anew(name)?;
            let kept = Kept { file, used: 0 };
            self.open.insert(String::from(name), kept);
        }
        let kept = self.open.get_mut(name);
        let kept = kept.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        kept.used = self.uses;
        Ok(&mut kept.file)
    }

    /// Opens a file; in place of others, from then on, if the process may have no more of them.
    fn open_anew(&mut self, name: &str) -> io::Result<OpenFile> {
        let path = self.path(name)?;
        let opened = OpenFile::open(&path);
        let full = Some(rustix::io::Errno::MFILE.raw_os_error());
        if opened.as_ref().err().and_then(io::Error::raw_os_error) != full {
            return opened;
        }
        self.most = self.open.len() / 2;
        self.make_room(self.most);
        OpenFile::open(&path)
    }

    /// Closes the second descriptor of the file that was not used for longest, of those that are written
    /// directly, if they are many: most are written no more.
    fn make_room_for_direct(&mut self) {
        let direct = self.open.values_mut().filter(|kept| kept.file.has_direct());
        let direct: Vec<&mut Kept> = direct.collect();
        if direct.len() >= MOST_DIRECT {
            let oldest = direct.into_iter().min_by_key(|kept| kept.used);
            oldest.into_iter().for_each(|kept| kept.file.close_direct());
        }
    }

    /// Closes the files that were not used for longest, of those that may be closed, until fewer are open.
    fn make_room(&mut self, most: usize) {
        while self.open.len() >= most.max(1) {
            let closable = |(_, kept): &(&String, &Kept)| !kept.file.must_stay_open();
            let closable = self.open.iter().filter(closable);
            let oldest = closable.min_by_key(|(_, kept)| kept.used);
            let Some(name) = oldest.map(|(name, _)| name.clone()) else {
                return;
            };
            self.open.remove(&name);
        }
    }

    /// Names are flat: nothing outside the folder can be reached.
    pub(super) fn path(&self, name: &str) -> io::Result<PathBuf> {
        let flat = Path::new(name).file_name().is_some_and(|last| last == name);
        if flat {
            Ok(self.folder.join(name))
        } else {
            Err(io::ErrorKind::InvalidInput.into())
        }
    }
}

/// How many files a folder keeps open: enough for a read anywhere in a long log, and no more than a quarter of
/// what the process may have, who has other things to open.
fn share_of_process() -> usize {
    let allowed = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let quarter = usize::try_from(allowed.unwrap_or(u64::MAX) / 4);
    quarter.unwrap_or(MOST_OPEN).clamp(LEAST_OPEN, MOST_OPEN)
}

/// As many segments of 16 MiB are 16 GiB.
const MOST_OPEN: usize = 1024;
const LEAST_OPEN: usize = 64;
/// So many are written directly at the same time, and some that were just before.
const MOST_DIRECT: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: usize = 64;

    fn files(folder: &tempfile::TempDir) -> Files {
        let mut files = Files::new(folder.path().to_owned());
        files.most = MOST;
        files
    }

    #[test]
    fn many_files_are_open_at_once_only_while_they_are_unsynced() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = files(&folder);
        for number in 0..300 {
            let name = number.to_string();
            fs::write(folder.path().join(&name), [1]).unwrap();
            files.open(&name).unwrap().sync().unwrap();
            // It is asked for in between.
            files.open("0").unwrap();
            assert!(files.open.len() <= MOST);
        }
        let is_open = |number: usize| files.open.contains_key(&number.to_string());
        let used_last = 300 - MOST + 1..300;
        for number in 0..300 {
            let expected = number == 0 || used_last.contains(&number);
            assert_eq!(is_open(number), expected, "{number}");
        }
    }

    #[test]
    fn few_files_are_written_directly_at_the_same_time() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = files(&folder);
        if super::super::direct::probe(folder.path()).is_err() {
            println!("skipped, as there are no direct writes here");
            return;
        }
        let parts = [Bytes::from(vec![1; 4096])];
        for number in 0..40 {
            let name = number.to_string();
            fs::write(folder.path().join(&name), [0; 4096]).unwrap();
            files.open(&name).unwrap().sync().unwrap();
            for name in [&name, "0"] {
                assert!(files.direct(name, 0, &parts).unwrap().is_some());
            }
            let direct = files.open.values().filter(|kept| kept.file.has_direct());
            assert_eq!(direct.count(), MOST_DIRECT.min(number + 1));
        }
        assert!(files.open("1").unwrap().is_synced());
        assert!(files.direct("1", 0, &parts).unwrap().is_some(), "again");
    }

    #[test]
    fn what_is_unsynced_stays_open_whatever_else_is_used() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = files(&folder);
        for number in 0..300 {
            let name = number.to_string();
            fs::write(folder.path().join(&name), [1]).unwrap();
            let part = Bytes::from_static(&[2]);
            let file = files.open(&name).unwrap();
            file.write_buffered(0, &[part]).unwrap();
        }
        assert_eq!(files.open.len(), 300);
        for number in 0..300 {
            files.open(&number.to_string()).unwrap().sync().unwrap();
        }
        fs::write(folder.path().join("one more"), [1]).unwrap();
        files.open("one more").unwrap();
        assert_eq!(files.open.len(), MOST, "all others are synced");
    }
}
