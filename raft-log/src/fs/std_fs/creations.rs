//! Making files, each on a thread of its own: to fill one with zeros takes as long as hundreds of writes, and
//! those to other files must not wait for it.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;

use super::{Reply, fs_error};
use crate::fs::Answer;

/// The files that are being made, by their names.
///
/// - That one is made is said before whoever asked for it is answered: the answer may have the last owner of the
///   folder dropped, on the very thread that made the file, and that owner waits for all files to be made.
#[derive(Debug, Default)]
pub(super) struct Creations {
    under_way: BTreeMap<String, mpsc::Receiver<()>>,
}

impl Creations {
    /// Begins to make a file, and replies when it is there. No other of this name may be under way.
    pub(super) fn begin(&mut self, name: String, path: PathBuf, length: u64, reply: Reply) {
        let goes_on = |over: &mpsc::Receiver<()>| over.try_recv() == Err(mpsc::TryRecvError::Empty);
        self.under_way.retain(|_, over| goes_on(over));
        let (end, over) = mpsc::sync_channel(1);
        let (hand, handed) = mpsc::sync_channel::<(PathBuf, Reply)>(1);
        let make = move || {
            if let Ok((path, reply)) = handed.recv() {
                let made = create(&path, length).map_err(|error| fs_error(&path, &error));
                let _ = end.send(());
                // Whoever asked may no longer care.
                let _ = reply.send(made.map(|()| Answer::Done));
            }
        };
        let builder = thread::Builder::new().name(String::from("quorate-create"));
        match builder.spawn(make) {
            Ok(_) => {
                let _ = hand.send((path, reply));
                self.under_way.insert(name, over);
            }
            Err(error) => {
                let _ = reply.send(Err(fs_error(&path, &error)));
            }
        }
    }

    /// Waits until the file of this name is there, if it is being made.
    pub(super) fn finish(&mut self, name: &str) {
        if let Some(over) = self.under_way.remove(name) {
            // One that panicked has dropped its reply, which says so.
            let _ = over.recv();
        }
    }

    /// Waits until all are there.
    pub(super) fn finish_all(&mut self) {
        for over in std::mem::take(&mut self.under_way).into_values() {
            let _ = over.recv();
        }
    }
}

/// The zeros are written, not only promised: later writes then change no metadata, which makes
/// their syncs cheaper (70 to 80 us a block on ext4, against 100 for space that was only
/// reserved, and 240 and more for a sparse file), and a full disk is known here. They are synced, so
/// that the first sync that somebody waits for need not do it.
fn create(path: &Path, length: u64) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    let mut left = length;
    while left > 0 {
        let portion = left.min(ZEROS.len() as u64);
        let zeros = usize::try_from(portion).ok().and_then(|at| ZEROS.get(..at));
        file.write_all(zeros.unwrap_or(&[]))?;
        left = left.saturating_sub(portion);
    }
    file.sync_all()
}

static ZEROS: [u8; 1 << 20] = [0; 1 << 20];
