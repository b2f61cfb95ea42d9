//! The bare disk: one file, written before, in which each append is one write and one sync.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, SyncSender};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use super::Appender;
use crate::clusters::Failure;
use crate::log_case::Load;

pub(crate) struct Floor {
    file: File,
    /// Whether writes go past the cache, and last when they return.
    direct: bool,
    buffer: Vec<u8>,
    /// Where in it a block of memory begins, and how many bytes are written from there.
    aligned: usize,
    bytes: usize,
    offset: u64,
    entries: u64,
}

impl Floor {
    pub(crate) fn open(folder: &Path, load: &Load, direct: bool) -> Result<Self, Failure> {
        let path = folder.join("file");
        let bytes = load.bytes();
        let mut file = File::create_new(&path)?;
        let zeros = vec![0; bytes];
        for _ in 0..load.before + load.times {
            file.write_all(&zeros)?;
        }
        file.sync_all()?;
        Self::again(&path, bytes, direct)
    }

    /// Opens the file that is there.
    fn again(path: &Path, bytes: usize, direct: bool) -> Result<Self, Failure> {
        let mut options = OpenOptions::new();
        options.write(true);
        if direct {
            options.custom_flags(libc::O_DIRECT | libc::O_DSYNC);
        }
        let buffer = vec![7_u8; bytes + ALIGNMENT];
        let aligned = buffer.as_ptr().align_offset(ALIGNMENT);
        let (file, offset, entries) = (options.open(path)?, 0, 0);
        Ok(Self {
            file,
            direct,
            buffer,
            aligned,
            bytes,
            offset,
            entries,
        })
    }
}

impl Floor {
    fn write(&mut self) -> io::Result<()> {
        let block = self.buffer.get(self.aligned..self.aligned + self.bytes);
        self.file
            .write_all_at(block.unwrap_or_default(), self.offset)?;
        if !self.direct {
            self.file.sync_data()?;
        }
        self.offset += self.bytes as u64;
        Ok(())
    }
}

impl Appender for Floor {
    fn append(&mut self, _: &[u8], count: usize) -> Result<(), Failure> {
        self.write()?;
        self.entries += count as u64;
        Ok(())
    }

    fn compact(&mut self, _: u64) -> Result<(), Failure> {
        Ok(())
    }

    fn last(&mut self) -> Result<u64, Failure> {
        Ok(self.entries)
    }
}

/// The same with several threads, each of which writes the next block past the cache.
pub(crate) struct Several {
    orders: SyncSender<u64>,
    threads: Vec<JoinHandle<io::Result<()>>>,
    written: Arc<AtomicU64>,
    begun: u64,
    bytes: u64,
    entries: u64,
}

impl Several {
    pub(crate) fn open(folder: &Path, load: &Load, threads: u8) -> Result<Self, Failure> {
        let path = folder.join("file");
        drop(Floor::open(folder, load, true)?);
        let (orders, taken) = mpsc::sync_channel(0);
        let taken = Arc::new(Mutex::new(taken));
        let mut several = Self {
            orders,
            threads: Vec::new(),
            written: Arc::default(),
            begun: 0,
            bytes: load.bytes() as u64,
            entries: 0,
        };
        for _ in 0..threads {
            let (taken, written) = (Arc::clone(&taken), Arc::clone(&several.written));
            let mut floor = Floor::again(&path, load.bytes(), true)?;
            let write = move || {
                loop {
                    let order = taken.lock().map(|taken| taken.recv());
                    let Ok(Ok(offset)) = order else {
                        return Ok(());
                    };
                    floor.offset = offset;
                    floor.write()?;
                    written.fetch_add(1, Ordering::Release);
                }
            };
            several.threads.push(thread::spawn(write));
        }
        Ok(several)
    }
}

impl Appender for Several {
    fn append(&mut self, _: &[u8], count: usize) -> Result<(), Failure> {
        self.orders.send(self.begun * self.bytes)?;
        self.begun += 1;
        self.entries += count as u64;
        Ok(())
    }

    fn settle(&mut self) -> Result<(), Failure> {
        while self.written.load(Ordering::Acquire) < self.begun {
            if self.threads.iter().any(JoinHandle::is_finished) {
                return Err("a write failed".into());
            }
            thread::yield_now();
        }
        Ok(())
    }

    fn compact(&mut self, _: u64) -> Result<(), Failure> {
        Ok(())
    }

    fn last(&mut self) -> Result<u64, Failure> {
        Ok(self.entries)
    }
}

const ALIGNMENT: usize = 4_096;
