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
    open: BTreeMap<String, OpenFile>,
}

impl Files {
    pub(super) const fn new(folder: PathBuf) -> Self {
        let open = BTreeMap::new();
        Self { folder, open }
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
        match file.takes_direct(offset, parts) {
            true => file.direct(&path),
            false => Ok(None),
        }
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
        if !self.open.contains_key(name) {
            let file = OpenFile::open(&self.path(name)?)?;
            self.keep_open(name, file);
        }
        self.open
            .get_mut(name)
            .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    fn keep_open(&mut self, name: &str, file: OpenFile) {
        if self.open.len() >= MAX_OPEN_FILES {
            self.open.retain(|_, open| open.must_stay_open());
        }
        self.open.insert(String::from(name), file);
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

/// Files without unsynced writes are closed when there are more.
const MAX_OPEN_FILES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_files_are_open_at_once_only_while_they_are_unsynced() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = Files::new(folder.path().to_owned());
        for number in 0..300 {
            let name = number.to_string();
            fs::write(folder.path().join(&name), [1]).unwrap();
            files.open(&name).unwrap().sync().unwrap();
            assert!(files.open.len() <= MAX_OPEN_FILES);
        }
        assert!(files.open.len() > 1, "those used last stay open");
    }
}
