//! The kit on comms that keep the contract, in all the ways that it allows, and on the same with each of the
//! mistakes that comms make.

use raft_core::chunk::{Chunk, ChunkBuilder};
use raft_core::message::{Body, Message};
use raft_core::record::{ClientHeader, Record};
use raft_core::time::LogTime;

use super::CommsClause::{AsItWasSent, Lanes, NotAllLost, Room, SendNeverFails, TrueLosses, Woken};
use super::*;
use small::{Manners, Small};

mod small;

/// What is wrong with comms.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Flaw {
    None,
    GarblesAByte,
    GarblesAnEntry,
    RestampsEntries,
    LosesTheLastChunk,
    SwapsTheSender,
    DeliversToAnother,
    DeliversWhatIsForNobody,
    DeliversHalfOfWhatIsCut,
    InventsMessages,
    MergesLanes,
    SharesRoomAmongLanes,
    SharesRoomAmongNodes,
    NeverSaysRoom,
    StaysFull,
    TakesWithoutRoom,
    PanicsWithoutRoom,
    HasNoBound,
    TakesLessThanItSays,
    WakesNobody,
    WakesTheFirstPoll,
    LosesWhatIsLarge,
    NeverConnectsAgain,
    KnowsNobodyBack,
    HoldsUpAllWhenOneIsCut,
    TellsOfNoLoss,
    TellsOfAnotherLoss,
}

impl Flaw {
    /// What arrives of a message.
    fn garble(self, mut message: Message) -> Message {
        match (self, &mut message.body) {
            (Self::SwapsTheSender, _) => message.from.id = message.to.id,
            (Self::GarblesAByte, Body::InstallSnapshot(install)) if install.part.len() > 1 => {
                let mut bytes = install.part.to_vec();
                bytes[install.part.len() - 1] ^= 1;
                install.part = bytes.into();
            }
            (Self::GarblesAnEntry, Body::AppendEntries(append)) => {
                let chunks = append.chunks.iter();
                append.chunks = chunks.map(|chunk| built_anew(chunk, 1, 0)).collect();
            }
            (Self::RestampsEntries, Body::AppendEntries(append)) => {
                let chunks = append.chunks.iter();
                append.chunks = chunks.map(|chunk| built_anew(chunk, 0, 1)).collect();
            }
            (Self::LosesTheLastChunk, Body::AppendEntries(append)) => {
                let left = append.chunks.len().saturating_sub(1).max(1);
                if append.chunks.len() > left {
                    let _ = append.chunks.split_off(left);
                }
            }
            _ => {}
        }
        message
    }
}

/// A chunk like this one, of commands that differ in their serials, or of another time.
fn built_anew(chunk: &Chunk, serials: u64, millis: u64) -> Chunk {
    let mut builder = ChunkBuilder::new();
    for entry in chunk.entries() {
        let Record::Client { header, payload } = entry.record else {
            return chunk.clone();
        };
        let serial = header.serial + serials;
        let header = ClientHeader { serial, ..header };
        builder.push_client(header, payload).unwrap();
    }
    let time = LogTime::from_millis(chunk.time().as_millis() + millis);
    let (term, first) = (chunk.term(), chunk.first_index());
    builder
        .seal(term, first, time, crc32c::crc32c_append)
        .unwrap()
}

#[derive(Clone, Copy, Debug)]
enum Part {
    Messages,
    Lanes,
    Room,
    Connections,
}

const PARTS: [Part; 4] = [Part::Messages, Part::Lanes, Part::Room, Part::Connections];

fn run(flaw: Flaw, manners: Manners, part: Part) -> Result<CommsReport, Broken<CommsClause>> {
    let kit = CommsKit::new(move || Small::new(flaw, manners))
        .bound(4 << 20)
        .payload(LARGEST);
    match part {
        Part::Messages => kit.messages(),
        Part::Lanes => kit.lanes(),
        Part::Room => kit.room(),
        Part::Connections => kit.connections(),
    }
}

#[test]
fn comms_that_do_what_the_contract_allows_pass() {
    let calm = Manners::default();
    for manners in [
        calm,
        Manners {
            doubles: 300,
            ..calm
        },
        Manners {
            reorders: true,
            ..calm
        },
        Manners { loses: 300, ..calm },
        Manners {
            tells_no_loss: true,
            ..calm
        },
        Manners {
            doubles: 300,
            reorders: true,
            loses: 300,
            tells_no_loss: true,
        },
    ] {
        for part in PARTS {
            let report = run(Flaw::None, manners, part);
            let report = report.unwrap_or_else(|broken| panic!("{manners:?}: {broken}"));
            assert!(report.arrived > 30, "{part:?}, {manners:?}: {report}");
        }
    }
}

#[test]
fn comms_that_are_calm_need_nothing_twice() {
    let report = run(Flaw::None, Manners::default(), Part::Messages).unwrap();
    assert_eq!(report.sent, report.arrived);
}

#[test]
fn letters_have_numbers_of_their_own() {
    use carried::{Carried, peer};
    use group::NODES;
    use raft_node::letter::Letter;

    let kinds = (0..).map_while(|which| {
        let [from, to, _] = NODES.map(peer);
        Letter::other_kind(which, from, to, 77)
    });
    let kinds: Vec<_> = kinds.collect();
    assert_eq!(kinds.len(), 4);
    assert!(kinds.iter().all(|(_, letter)| letter.number() == Some(77)));
}

#[test]
fn what_arrives_and_was_not_sent_is_found() {
    for (flaw, clause, words) in [
        (Flaw::GarblesAByte, AsItWasSent, "changed"),
        (Flaw::GarblesAnEntry, AsItWasSent, "entry "),
        (Flaw::RestampsEntries, AsItWasSent, "chunk"),
        (
            Flaw::LosesTheLastChunk,
            AsItWasSent,
            "of 3 chunks there are 2",
        ),
        (Flaw::SwapsTheSender, AsItWasSent, "arrived as from n"),
        (Flaw::DeliversToAnother, AsItWasSent, "arrived at n3"),
        (Flaw::InventsMessages, AsItWasSent, "never sent"),
    ] {
        check_found(flaw, Part::Messages, clause, words);
    }
}

#[test]
fn comms_that_wake_nobody_or_lose_the_same_each_time_are_found() {
    for (flaw, clause, words) in [
        (Flaw::WakesNobody, Woken, "woken"),
        (Flaw::WakesTheFirstPoll, Woken, "woken"),
        (Flaw::LosesWhatIsLarge, NotAllLost, "never arrived"),
    ] {
        check_found(flaw, Part::Messages, clause, words);
    }
}

#[test]
fn lanes_that_hold_each_other_up_are_found() {
    for (flaw, clause, words) in [
        (Flaw::MergesLanes, Lanes, "waited for"),
        (Flaw::SharesRoomAmongLanes, Lanes, "no room in the lane"),
        (Flaw::SharesRoomAmongNodes, Lanes, "there is no room"),
    ] {
        check_found(flaw, Part::Lanes, clause, words);
    }
}

#[test]
fn room_that_is_not_what_is_said_is_found() {
    for (flaw, clause, words) in [
        (
            Flaw::DeliversWhatIsForNobody,
            AsItWasSent,
            "for n99 arrived at n2",
        ),
        (Flaw::NeverSaysRoom, Room, "never told"),
        (Flaw::StaysFull, Room, "there is none"),
        (Flaw::TakesWithoutRoom, Room, "to be no room"),
        (Flaw::PanicsWithoutRoom, SendNeverFails, "panicked"),
        (Flaw::HasNoBound, Room, "still room"),
        (Flaw::TakesLessThanItSays, Room, "each time"),
    ] {
        check_found(flaw, Part::Room, clause, words);
    }
}

#[test]
fn connections_that_are_not_made_again_and_false_losses_are_found() {
    for (flaw, clause, words) in [
        (Flaw::DeliversHalfOfWhatIsCut, AsItWasSent, "changed"),
        (Flaw::NeverConnectsAgain, NotAllLost, "never arrived"),
        (Flaw::KnowsNobodyBack, NotAllLost, "never arrived"),
        (Flaw::HoldsUpAllWhenOneIsCut, NotAllLost, "never arrived"),
        (Flaw::TellsOfNoLoss, TrueLosses, "is not told"),
        (Flaw::TellsOfAnotherLoss, TrueLosses, "and it is not"),
    ] {
        check_found(flaw, Part::Connections, clause, words);
    }
}

/// This part of the kit names this clause, and says so in such words.
fn check_found(flaw: Flaw, part: Part, clause: CommsClause, words: &str) {
    let found = run(flaw, Manners::default(), part);
    let broken = found.expect_err(&format!("{flaw:?}"));
    assert_eq!(broken.clause, Some(clause), "{flaw:?}: {broken}");
    assert!(broken.what.contains(words), "{flaw:?}: {broken}");
}

/// More than a lane has room for.
const LARGEST: usize = 300_000;
