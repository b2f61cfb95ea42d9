//! Opening: what survived, what a crash tore, and what must not be believed.
//!
//! The frames are read in order, each checked against the one before. Where the chain breaks,
//! either a crash tore frames that nobody was promised, or something durable was damaged. It is
//! damage when a later frame says that the broken one had been durable ([`super::scan`] looks for
//! one), and a torn tail otherwise. A torn tail is cut off durably before anything is written
//! again, so that no frame of it can ever follow a new one.

use bytes::Bytes;
use raft_core::configuration::Configuration;
use raft_core::ids::LogIndex;
use raft_core::log::Recovered;

use super::WalSettings;
use super::commit::Chain;
use super::contents::Contents;
use super::frame::Tail;
use super::replay::Replay;
use super::scan::{self, Break, Expected};
use super::segment::{self, Segments};
use crate::error::WalError;
use crate::fs::{Answer, Fs, FsError, Operation};

/// What a log starts from.
pub(super) struct Survivors {
    pub(super) settings: WalSettings,
    pub(super) contents: Contents,
    pub(super) segments: Segments,
    pub(super) tail: Tail,
    pub(super) chain: Chain,
    pub(super) recovered: Recovered,
}

/// Takes the folder and finds what survived in it.
pub(super) async fn recover<F: Fs>(fs: &F, settings: WalSettings) -> Result<Survivors, WalError> {
    let folder = Folder { fs };
    folder.run("lock the folder", Operation::Lock).await?;
    let files = folder.segments().await?;
    check_no_gap(&files)?;
    let mut replay = Replay::new();
    let mut expected = Expected::first(files.first().map(|file| file.number));
    let mut end = None;
    let mut files = files.into_iter().peekable();
    while let Some(file) = files.peek() {
        let bytes = folder.read(file).await?;
        if end.is_some() && !scan::continues(&bytes, file.number, &expected)? {
            break;
        }
        let broken = scan_segment(file.number, &bytes, &mut expected, &mut replay)?;
        end = Some(End {
            file: file.number,
            bytes,
            broken,
        });
        files.next();
    }
    let rest: Vec<File> = files.collect();
    if let Some(end) = &end {
        refuse_damage(&folder, end, &rest, &expected).await?;
    }
    replay.check_whole()?;
    folder.cut(end.as_ref(), &rest).await?;
    Ok(survivors(settings, end.as_ref(), &expected, replay))
}

/// A segment file as it was listed.
#[derive(Clone, Copy)]
struct File {
    number: u64,
    length: u64,
}

/// The last segment that holds frames of the chain, and where the chain breaks in it.
struct End {
    file: u64,
    bytes: Bytes,
    broken: Break,
}

/// The folder, with errors that say what was tried.
struct Folder<'a, F: Fs> {
    fs: &'a F,
}

impl<F: Fs> Folder<'_, F> {
    async fn run(&self, action: &'static str, operation: Operation) -> Result<Answer, WalError> {
        let answer = self.fs.start(operation).await;
        answer.map_err(|cause| WalError::Fs { action, cause })
    }

    /// The segments in the folder, oldest first. Other files are none of the log's business.
    async fn segments(&self) -> Result<Vec<File>, WalError> {
        let Answer::Names(names) = self.run("list the folder", Operation::List).await? else {
            return Err(no_answer("list the folder"));
        };
        let mut files: Vec<File> = names
            .into_iter()
            .filter_map(|(name, length)| {
                segment::number(&name).map(|number| File { number, length })
            })
            .collect();
        files.sort_by_key(|file| file.number);
        Ok(files)
    }

    async fn read(&self, file: &File) -> Result<Bytes, WalError> {
        let length = usize::try_from(file.length).map_err(|_| WalError::Corrupt {
            file: segment::name(file.number),
            offset: 0,
            expected: String::from("a segment that fits the memory"),
            found: format!("a file of {} bytes", file.length),
        })?;
        let read = Operation::Read {
            name: segment::name(file.number),
            offset: 0,
            length,
        };
        match self.run("read a segment", read).await? {
            Answer::Bytes(bytes) => Ok(bytes),
            Answer::Done | Answer::Names(_) => Err(no_answer("read a segment")),
        }
    }

    /// Removes all that follows the last frame of the chain, and makes what is left durable:
    /// frames may have been read that were never synced, and others will be told of them.
    async fn cut(&self, end: Option<&End>, rest: &[File]) -> Result<(), WalError> {
        let Some(end) = end else {
            return Ok(());
        };
        let empty = end.broken.offset == 0;
        let abandoned = rest.iter().rev().map(|file| file.number);
        for number in abandoned.chain(empty.then_some(end.file)) {
            let name = segment::name(number);
            self.run("remove a torn segment", Operation::Remove { name })
                .await?;
            self.run("sync the folder", Operation::SyncFolder).await?;
        }
        if !empty {
            let name = segment::name(end.file);
            let cut = Operation::SetLength {
                name: name.clone(),
                length: end.broken.offset as u64,
            };
            self.run("cut the tail", cut).await?;
            self.run("sync the cut", Operation::Sync { name }).await?;
            self.run("sync the folder", Operation::SyncFolder).await?;
        }
        Ok(())
    }
}

/// Reads the frames of one segment into `replay`, up to where the chain breaks.
fn scan_segment(
    number: u64,
    bytes: &Bytes,
    expected: &mut Expected,
    replay: &mut Replay,
) -> Result<Break, WalError> {
    let mut offset = 0;
    loop {
        match scan::frame_at(bytes, offset, number, expected)? {
            Ok(frame) => {
                replay.apply(&frame)?;
                expected.follow(&frame);
                offset = frame.end;
            }
            Err(broken) => return Ok(broken),
        }
    }
}

/// Segments are only ever added at the end and dropped from the front, each durably before the
/// next, so a gap is a file that was lost.
fn check_no_gap(files: &[File]) -> Result<(), WalError> {
    for (file, next) in files.iter().zip(files.iter().skip(1)) {
        let following = file.number.saturating_add(1);
        if next.number != following {
            return Err(WalError::Corrupt {
                file: segment::name(following),
                offset: 0,
                expected: format!("a segment before {}", segment::name(next.number)),
                found: String::from("no such file"),
            });
        }
    }
    Ok(())
}

/// An error, if what broke the chain was once durable.
async fn refuse_damage<F: Fs>(
    folder: &Folder<'_, F>,
    end: &End,
    rest: &[File],
    expected: &Expected,
) -> Result<(), WalError> {
    if expected.is_first() && end.file > 1 {
        let witness = String::from("older segments were dropped for it");
        return Err(corrupt(end.file, &end.broken, expected, &witness));
    }
    let witness = scan::witness(&end.bytes, end.broken.resume, end.file, expected);
    if let Some(witness) = witness {
        return Err(corrupt(end.file, &end.broken, expected, &witness));
    }
    let mut damaged = (end.file, end.broken.clone());
    for file in rest {
        let bytes = folder.read(file).await?;
        if damaged.1.is_end {
            // Nothing was ever written there, so the frame is the first of the next segment.
            if let Err(broken) = scan::frame_at(&bytes, 0, file.number, expected)? {
                damaged = (file.number, broken);
            }
        }
        if let Some(witness) = scan::witness(&bytes, 0, file.number, expected) {
            return Err(corrupt(damaged.0, &damaged.1, expected, &witness));
        }
    }
    Ok(())
}

fn corrupt(file: u64, broken: &Break, expected: &Expected, witness: &str) -> WalError {
    WalError::Corrupt {
        file: segment::name(file),
        offset: broken.offset as u64,
        expected: format!("frame {}", expected.batch()),
        found: format!("{}, although {witness}", broken.found),
    }
}

fn survivors(
    settings: WalSettings,
    end: Option<&End>,
    expected: &Expected,
    replay: Replay,
) -> Survivors {
    let newest = match end {
        Some(end) if end.broken.offset == 0 => end.file.saturating_sub(1),
        Some(end) => end.file,
        None => 0,
    };
    let batch = expected.batch().saturating_sub(1);
    let (contents, segments, configurations) = replay.finish();
    Survivors {
        settings: WalSettings {
            log_id: expected.log_id().unwrap_or(settings.log_id),
            ..settings
        },
        tail: Tail {
            segment: newest,
            batch,
            ..Tail::default()
        },
        chain: Chain {
            previous: expected.previous(),
            written: batch,
            durable: batch,
        },
        recovered: recovered(&contents, configurations),
        contents,
        segments,
    }
}

fn recovered(contents: &Contents, configurations: Vec<(LogIndex, Configuration)>) -> Recovered {
    Recovered {
        hard: contents.hard,
        identity: contents.identity.clone(),
        snapshot: contents.snapshot().cloned(),
        stored: None,
        runs: contents.runs(),
        last: contents.last(),
        time: contents.time(),
        configurations,
        lost_through: None,
    }
}

fn no_answer(action: &'static str) -> WalError {
    WalError::Fs {
        action,
        cause: FsError::Io {
            detail: String::from("the answer was to another question"),
        },
    }
}
