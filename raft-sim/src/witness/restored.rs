//! Whether a state machine comes out of its snapshots as it went in.
//!
//! A world shows that only where a node takes a snapshot and somebody starts from it before the
//! answers that depend on what was lost. Here every command is answered by a machine that went
//! through a snapshot right before it, so that the first one that is answered otherwise is found
//! in any world.

use bytes::Bytes;
use raft_node::state_machine::StateMachine;

use super::{Answer, Finding, Witness};
use crate::panics::caught;

impl Witness {
    /// Applies everything on machines that go through a snapshot before each command (more seldom
    /// if they are large), and on others that never do. A machine whose answers are no function of
    /// its commands is not judged: that is another mistake.
    pub(crate) fn through_snapshots<S: StateMachine>(
        &self,
        make: impl Fn() -> S,
    ) -> Option<Finding> {
        let answers = self.seen().answers.clone();
        let (place, restored) = first_other(&answers, make())?;
        let until = answers.get(..=place)?;
        let is_certain = (0..TRIES).all(|_| {
            let again = first_other(until, make());
            answers_alike(until, make())
                && again.is_some_and(|(at, said)| at == place && said == restored)
        });
        let last = until.last().filter(|_| is_certain)?;
        Some(Finding::LostInSnapshot {
            node: last.node,
            id: last.id,
            command: last.command.clone(),
            reply: last.reply.clone(),
            restored,
        })
    }
}

/// What a machine said to a command; or how it panicked, or could not be read back before it.
type Said = Result<Bytes, String>;

/// The place of the first command that a machine answers otherwise when it goes through a snapshot
/// before each, and what it says to it.
fn first_other<S: StateMachine>(answers: &[Answer], mut machine: S) -> Option<(usize, Said)> {
    let mut stride = 1;
    for (place, answer) in answers.iter().enumerate() {
        if place % stride == 0 {
            match caught(|| copy(&machine)) {
                Ok(Ok(Some((restored, bytes)))) => {
                    machine = restored;
                    stride = 1 + bytes / OFTEN;
                }
                // That a state can't be written down is allowed: no snapshot is taken of it.
                Ok(Ok(None)) => return None,
                Ok(Err(text)) | Err(text) => return Some((place, Err(text))),
            }
        }
        let said = caught(|| machine.apply(answer.command()));
        if said.as_ref().ok() != Some(&answer.reply) {
            return Some((place, said));
        }
    }
    None
}

/// Whether a machine that goes through no snapshot answers as it did.
fn answers_alike<S: StateMachine>(answers: &[Answer], mut machine: S) -> bool {
    answers.iter().all(|answer| {
        let said = caught(|| machine.apply(answer.command()));
        said.as_ref().ok() == Some(&answer.reply)
    })
}

/// The machine that comes out of a snapshot of this one, and the snapshot's length; nothing if none
/// can be taken.
fn copy<S: StateMachine>(machine: &S) -> Result<Option<(S, usize)>, String> {
    let Ok(mut reader) = machine.snapshot() else {
        return Ok(None);
    };
    let unreadable = |error| format!("a snapshot of it can't be read back: {error}");
    let mut writer = machine.restore();
    let mut bytes = 0;
    while let Some(part) = reader.next_part(PART) {
        bytes += part.len();
        writer.write(&part).map_err(unreadable)?;
    }
    let restored = writer.finish().map_err(unreadable)?;
    Ok(Some((restored, bytes)))
}

/// Machines whose snapshots have fewer bytes go through one before every command.
const OFTEN: usize = 1 << 12;

/// Bytes of one part of a snapshot.
const PART: usize = 1 << 10;

/// How often the same must come out again. A map of random order gives another one, but for bad luck.
const TRIES: u32 = 8;
