//! Opening: what survived, what a crash tore, and what must not be believed.
//!
//! The frames are read in order, each checked against the one before. Where the chain breaks,
//! either a crash tore frames that nobody was promised, or something durable was damaged. It is
//! damage when a later frame says that the broken one had been durable ([`super::scan`] looks for
//! one), and a torn tail otherwise. Either is cut off durably before anything is written again, so
//! that no frame of it can ever follow a new one; what was damaged is kept and remembered
//! ([`super::damage`]).

use bytes::Bytes;
use raft_core::configuration::Configuration;
use raft_core::ids::LogIndex;
use raft_core::log::Recovered;

use super::WalSettings;
use super::ahead::Ahead;
use super::commit::Chain;
use super::contents::Contents;
use super::damage::Note;
use super::frame::Tail;
use super::replay::Replay;
use super::scan::{self, Break, Expected, Found, Part};
use super::segment::{self, Segments};
use super::spares;
use super::torn::TornTail;
use crate::error::WalError;
use crate::fs::{Answer, Completion, Fs, FsError, Operation};

/// What a log starts from.
pub(super) struct Survivors {
    pub(super) settings: WalSettings,
    pub(super) contents: Contents,
    pub(super) segments: Segments,
    pub(super) tail: Tail,
    pub(super) chain: Chain,
    pub(super) recovered: Recovered,
    pub(super) damage: Option<WalError>,
    pub(super) torn: Option<TornTail>,
}

/// Takes the folder and finds what survived in it.
pub(super) async fn recover<F: Fs>(fs: &F, settings: WalSettings) -> Result<Survivors, WalError> {
    let folder = Folder { fs };
    folder.run("lock the folder", Operation::Lock).await?;
    folder.survivors(settings).await
}

/// Gives up what a log holds, but not what it promised, and finds what is left of it.
pub(super) async fn begin_anew<F: Fs>(
    fs: &F,
    settings: WalSettings,
    note: Note,
) -> Result<Survivors, WalError> {
    let folder = Folder { fs };
    let names = folder.names().await?;
    let note = note.merged_with(folder.read_note(&names).await?);
    folder.write_note(&note, &names).await?;
    folder.survivors(settings).await
}

/// What was read of a log, and where that ends.
pub(super) struct ReadChain {
    pub(super) replay: Replay,
    pub(super) expected: Expected,
    pub(super) end: Option<End>,
    /// The segments that do not follow.
    pub(super) rest: Vec<File>,
}

impl<F: Fs> Folder<'_, F> {
    async fn survivors(&self, settings: WalSettings) -> Result<Survivors, WalError> {
        let names = self.names().await?;
        self.remove_spares(&names).await?;
        let mut note = self.read_note(&names).await?;
        if note.is_some() {
            // Its name may have survived in memory only, and what it says is acted on.
            self.run("sync the folder", Operation::SyncFolder).await?;
        }
        let given_up = note.as_ref().map_or(0, |note| note.given_up);
        let (old, files): (Vec<File>, Vec<File>) = segments(&names)
            .into_iter()
            .partition(|file| file.number <= given_up);
        self.set_all_aside(old.iter().map(|file| file.number))
            .await?;
        let mut chain = self.read_chain(files, given_up, |_| {}).await?;
        let mut torn = None;
        let mut damage = None;
        if let Some(end) = &chain.end {
            damage = find_damage(self, end, &chain.rest, &chain.expected).await?;
            if damage.is_none() {
                chain.replay.check_whole()?;
                torn = TornTail::of(&chain, end);
                self.cut(end, &chain.rest).await?;
            }
        }
        if let Some(error) = &damage {
            note = Some(self.mend(&mut chain, note, &names, error).await?);
        }
        if let Some(note) = &note {
            chain.replay.remember(note);
        }
        let given_up = note.as_ref().map_or(0, |note| note.given_up);
        let mut survivors = survivors(settings, chain, given_up);
        survivors.recovered.lost_through = note.map(|note| note.lost_through);
        survivors.damage = damage;
        survivors.torn = torn;
        Ok(survivors)
    }

    /// Reads the frames that follow one another, and shows each.
    pub(super) async fn read_chain(
        &self,
        files: Vec<File>,
        given_up: u64,
        mut each: impl FnMut(&Found),
    ) -> Result<ReadChain, WalError> {
        let oldest = files.first().map(|file| file.number);
        let mut ahead = Ahead::new(self, &files);
        let mut files = files.into_iter().peekable();
        let mut replay = Replay::new();
        let mut expected = Expected::first(oldest, given_up);
        let mut end: Option<End> = None;
        let mut frames: u64 = 0;
        while let Some(file) = files.peek() {
            if end
                .as_ref()
                .is_some_and(|end| end.follower() != file.number)
            {
                break;
            }
            ahead.begin(file.number).await?;
            // Without a frame before it nothing can be the next: the oldest segment must begin with one.
            if end.is_some() && expected.is_first() {
                break;
            }
            let mut offset = 0;
            let broken = loop {
                match ahead.frame_at(offset, &expected).await? {
                    Ok(frame) => {
                        replay.apply(&frame)?;
                        each(&frame);
                        frames = frames.saturating_add(1);
                        expected.follow(&frame);
                        offset = frame.end;
                    }
                    Err(broken) => break broken,
                }
            };
            if end.is_some() && broken.offset == 0 {
                break;
            }
            end = Some(End {
                file: file.number,
                part: ahead.part(),
                broken,
                frames,
                is_oldest: oldest == Some(file.number),
            });
            files.next();
        }
        drop(ahead);
        if let Some(end) = &mut end {
            self.read_behind(end).await?;
        }
        let rest: Vec<File> = files.collect();
        if let Some(end) = end.as_ref().filter(|_| expected.is_first()) {
            expected.tell_log(self.most_of(end, &rest).await?);
        }
        Ok(ReadChain {
            replay,
            expected,
            end,
            rest,
        })
    }

    /// Reads all of the last segment that stands behind the chain.
    async fn read_behind(&self, end: &mut End) -> Result<(), WalError> {
        let offset = end.broken.offset;
        if !end.part.is_all_from(offset) {
            let File { number, length } = end.as_listed();
            let name = segment::name(number);
            let length = in_memory(&name, length)?;
            let asked = length.saturating_sub(offset);
            let bytes = self.read_at(&name, offset as u64, asked).await?;
            end.part = Part::of_read(bytes, offset, asked, length);
        }
        Ok(())
    }

    /// Cuts a damaged log, or gives all of it up where what stands before the damage is not enough,
    /// and makes sure that what it promised is remembered.
    async fn mend(
        &self,
        chain: &mut ReadChain,
        note: Option<Note>,
        names: &[(String, u64)],
        error: &WalError,
    ) -> Result<Note, WalError> {
        let Some(end) = &chain.end else {
            return Err(error.clone());
        };
        let before = chain.replay.end();
        let survey = self
            .survey(end, &chain.rest, &chain.expected, before)
            .await?;
        // Where a frame behind the damage says anew who the node is, what stands before it is from the
        // time before that, and is no log to go on with.
        let is_another = survey.identity.is_some() && survey.identity != chain.replay.identity();
        let mut note = survey.merged_with(note);
        if chain.replay.may_go_on() && !is_another {
            self.write_note(&note, names).await?;
            self.set_aside(end, &chain.rest, names).await?;
            return Ok(note);
        }
        note.identity = note.identity.or_else(|| chain.replay.identity());
        if !note.is_enough() {
            return Err(error.clone());
        }
        let newest = chain.rest.last().map_or(end.file, |file| file.number);
        note.given_up = newest;
        self.write_note(&note, names).await?;
        let files = segments(names).into_iter().map(|file| file.number);
        self.set_all_aside(files.filter(|number| *number <= newest))
            .await?;
        *chain = ReadChain {
            replay: Replay::new(),
            expected: Expected::first(None, newest),
            end: None,
            rest: Vec::new(),
        };
        Ok(note)
    }
}

/// A segment file as it was listed.
#[derive(Clone, Copy)]
pub(super) struct File {
    pub(super) number: u64,
    pub(super) length: u64,
}

/// The last segment that holds frames of the chain, and where the chain breaks in it.
pub(super) struct End {
    pub(super) file: u64,
    /// All that stands in it from there on, at least.
    pub(super) part: Part,
    pub(super) broken: Break,
    /// How many frames the chain has up to there.
    pub(super) frames: u64,
    /// Whether it is the oldest segment.
    pub(super) is_oldest: bool,
}

impl End {
    /// The segment that must come next.
    const fn follower(&self) -> u64 {
        self.file.saturating_add(1)
    }

    pub(super) fn as_listed(&self) -> File {
        File {
            number: self.file,
            length: self.part.segment_length() as u64,
        }
    }
}

/// The folder, with errors that say what was tried.
pub(super) struct Folder<'a, F: Fs> {
    pub(super) fs: &'a F,
}

impl<F: Fs> Folder<'_, F> {
    pub(super) async fn run(
        &self,
        action: &'static str,
        operation: Operation,
    ) -> Result<Answer, WalError> {
        let answer = self.fs.start(operation).await;
        answer.map_err(|cause| WalError::Fs { action, cause })
    }

    /// All files in the folder, with their lengths.
    pub(super) async fn names(&self) -> Result<Vec<(String, u64)>, WalError> {
        match self.run("list the folder", Operation::List).await? {
            Answer::Names(names) => Ok(names),
            Answer::Done | Answer::Bytes(_) => Err(no_answer("list the folder")),
        }
    }

    /// Removes what was kept to be written: an earlier life knew what is in it, this one does not.
    async fn remove_spares(&self, names: &[(String, u64)]) -> Result<(), WalError> {
        for (action, operation) in spares::removals(names) {
            self.run(action, operation).await?;
        }
        Ok(())
    }

    pub(super) async fn read(&self, file: &File) -> Result<Bytes, WalError> {
        self.read_file(&segment::name(file.number), file.length)
            .await
    }

    pub(super) async fn read_file(&self, name: &str, length: u64) -> Result<Bytes, WalError> {
        let length = in_memory(name, length)?;
        self.read_at(name, 0, length).await
    }

    async fn read_at(&self, name: &str, offset: u64, length: usize) -> Result<Bytes, WalError> {
        bytes_read(self.start_read(name, offset, length)).await
    }

    pub(super) fn start_read(&self, name: &str, offset: u64, length: usize) -> Completion {
        self.fs.start(Operation::Read {
            name: String::from(name),
            offset,
            length,
        })
    }

    /// Removes all that follows the last frame of the chain, and makes what is left durable:
    /// frames may have been read that were never synced, and others will be told of them.
    async fn cut(&self, end: &End, rest: &[File]) -> Result<(), WalError> {
        let empty = end.broken.offset == 0;
        let abandoned = rest.iter().rev().map(|file| file.number);
        for number in abandoned.chain(empty.then_some(end.file)) {
            let name = segment::name(number);
            self.run("remove a torn segment", Operation::Remove { name })
                .await?;
            self.run("sync the folder", Operation::SyncFolder).await?;
        }
        if !empty {
            self.cut_segment(end).await?;
        }
        Ok(())
    }

    /// Cuts the segment where the chain breaks in it.
    pub(super) async fn cut_segment(&self, end: &End) -> Result<(), WalError> {
        let name = segment::name(end.file);
        let cut = Operation::SetLength {
            name: name.clone(),
            length: end.broken.offset as u64,
        };
        self.run("cut the tail", cut).await?;
        self.run("sync the cut", Operation::Sync { name }).await?;
        self.run("sync the folder", Operation::SyncFolder).await?;
        Ok(())
    }
}

/// What a read finds that was started.
pub(super) async fn bytes_read(read: Completion) -> Result<Bytes, WalError> {
    match read.await.map_err(|cause| WalError::Fs {
        action: READ,
        cause,
    })? {
        Answer::Bytes(bytes) => Ok(bytes),
        Answer::Done | Answer::Names(_) => Err(no_answer(READ)),
    }
}

/// The segments among these files, oldest first. Other files are none of the log's business.
pub(super) fn segments(names: &[(String, u64)]) -> Vec<File> {
    let file = |(name, length): &(String, u64)| {
        segment::number(name).map(|number| File {
            number,
            length: *length,
        })
    };
    let mut files: Vec<File> = names.iter().filter_map(file).collect();
    files.sort_by_key(|file| file.number);
    files
}

/// What broke the chain, if it was once durable.
///
/// # Errors
///
/// A segment can't be read, or nothing tells whose log this is.
pub(super) async fn find_damage<F: Fs>(
    folder: &Folder<'_, F>,
    end: &End,
    rest: &[File],
    expected: &Expected,
) -> Result<Option<WalError>, WalError> {
    let damage = witnessed(folder, end, rest, expected).await?;
    folder
        .check_whose(end, rest, expected, damage.is_some())
        .await?;
    Ok(damage)
}

async fn witnessed<F: Fs>(
    folder: &Folder<'_, F>,
    end: &End,
    rest: &[File],
    expected: &Expected,
) -> Result<Option<WalError>, WalError> {
    if expected.is_after_dropped() {
        let witness = String::from("older segments were dropped for it");
        return Ok(Some(corrupt(end.file, &end.broken, expected, &witness)));
    }
    let witness = scan::witness(&end.part, end.broken.resume, end.file, expected);
    if let Some(witness) = witness {
        return Ok(Some(corrupt(end.file, &end.broken, expected, &witness)));
    }
    // Segments are only ever added at the end and dropped from the front, each durably before the
    // next, so a gap is a file that was lost.
    if let Some(file) = rest.first().filter(|file| file.number != end.follower()) {
        return Ok(Some(WalError::Corrupt {
            file: segment::name(end.follower()),
            offset: 0,
            expected: format!("a segment before {}", segment::name(file.number)),
            found: String::from("no such file"),
        }));
    }
    let mut damaged = (end.file, end.broken.clone());
    for file in rest {
        let part = Part::whole(folder.read(file).await?);
        if damaged.1.is_end {
            // Nothing was ever written there, so the frame is the first of the next segment.
            if let Err(broken) = scan::frame_at(&part, 0, file.number, expected)? {
                damaged = (file.number, broken);
            }
        }
        if let Some(witness) = scan::witness(&part, 0, file.number, expected) {
            return Ok(Some(corrupt(damaged.0, &damaged.1, expected, &witness)));
        }
    }
    Ok(None)
}

fn corrupt(file: u64, broken: &Break, expected: &Expected, witness: &str) -> WalError {
    WalError::Corrupt {
        file: segment::name(file),
        offset: broken.offset as u64,
        expected: format!("frame {}", expected.batch()),
        found: format!("{}, although {witness}", broken.found),
    }
}

fn survivors(settings: WalSettings, chain: ReadChain, given_up: u64) -> Survivors {
    let ReadChain {
        replay,
        expected,
        end,
        ..
    } = chain;
    let newest = match end {
        Some(end) if end.broken.offset == 0 => end.file.saturating_sub(1),
        Some(end) => end.file,
        None => given_up,
    };
    let batch = expected.batch().saturating_sub(1);
    // Of what was cut off from its first frame on nothing is taken over.
    let log_id = expected.log_id().filter(|_| !expected.is_first());
    let (contents, segments, configurations) = replay.finish();
    Survivors {
        settings: WalSettings {
            log_id: log_id.unwrap_or(settings.log_id),
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
        damage: None,
        torn: None,
        recovered: recovered(&contents, configurations),
        contents,
        segments,
    }
}

pub(super) fn recovered(
    contents: &Contents,
    configurations: Vec<(LogIndex, Configuration)>,
) -> Recovered {
    Recovered {
        hard: contents.hard,
        identity: contents.identity.clone(),
        snapshot: contents.snapshot().cloned(),
        stored: None,
        runs: contents.runs(),
        last: contents.last(),
        time: contents.time(),
        holds_ids_only: contents.holds_ids_only(),
        configurations,
        lost_through: None,
    }
}

/// The length of a file that is read.
pub(super) fn in_memory(name: &str, length: u64) -> Result<usize, WalError> {
    usize::try_from(length).map_err(|_| WalError::Corrupt {
        file: String::from(name),
        offset: 0,
        expected: String::from("a file that fits the memory"),
        found: format!("one of {length} bytes"),
    })
}

pub(super) fn no_answer(action: &'static str) -> WalError {
    WalError::Fs {
        action,
        cause: FsError::Io {
            detail: String::from("the answer was to another question"),
        },
    }
}

pub(super) const READ: &str = "read a file of the log";
