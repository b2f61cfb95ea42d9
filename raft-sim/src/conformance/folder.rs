//! A real folder, for logs that can't be given their files.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use super::platter::Image;

/// A folder of the system that lasts as long as this value.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// A new folder with these files.
    pub(super) fn with(image: &Image) -> io::Result<Self> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("raft-sim-{}-{number}", std::process::id());
        let folder = Self(std::env::temp_dir().join(name));
        fs::create_dir(&folder.0)?;
        for (name, content) in image {
            fs::write(folder.0.join(name), content)?;
        }
        Ok(folder)
    }

    pub(super) fn path(&self) -> PathBuf {
        self.0.clone()
    }

    /// The files as they are. Whoever has the folder may write just then: it is read until it was twice the same.
    pub(super) fn image(&self) -> io::Result<Image> {
        let mut before = self.read()?;
        for _ in 0..MOST_READS {
            let now = self.read()?;
            if now == before {
                return Ok(now);
            }
            before = now;
        }
        Err(io::Error::other("the folder never stops changing"))
    }

    fn read(&self) -> io::Result<Image> {
        let mut image = Image::new();
        for entry in fs::read_dir(&self.0)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            match fs::read(entry.path()) {
                Ok(content) => image.insert(name, content),
                // Removed since it was listed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(error),
            };
        }
        Ok(image)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left in the system's temporary folder does no harm.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// So often the folder is read at most.
const MOST_READS: usize = 1_000;

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::conformance::disk::{Step, TestDisk};

    #[test]
    fn what_stands_in_the_folder_is_what_a_kill_leaves() {
        let disk = TestDisk::new();
        let folder = disk.folder().unwrap();
        disk.record();
        fs::write(folder.join("log"), "one").unwrap();
        disk.note(Step::Begun(1));
        fs::write(folder.join("log"), "one two").unwrap();
        let tape = disk.tape();
        let Some(Step::Disk(at_begin)) = tape.first() else {
            panic!("the folder was not copied: {tape:?}");
        };
        let left = |disk: &TestDisk| fs::read(disk.folder().unwrap().join("log")).unwrap();
        assert_eq!(left(&TestDisk::left(at_begin)), b"one");
        assert_eq!(left(&TestDisk::of(disk.image())), b"one two");
        assert_eq!(
            left(&TestDisk::of(disk.after_power_failure(|_| false))),
            b"one two"
        );
    }

    #[test]
    fn the_folder_goes_with_the_last_clone() {
        let disk = TestDisk::new();
        let folder = disk.folder().unwrap();
        let clone = disk.clone();
        drop(disk);
        assert!(folder.exists());
        drop(clone);
        assert!(!folder.exists());
    }
}
