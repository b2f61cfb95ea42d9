//! What there are lots of: the first part of each name.

use super::Lot;

/// What a lot decides on. All lots of a world are of one of these, so that no two that have nothing
/// to do with each other are the same numbers: who draws the one would have drawn the other.
///
/// A number that was in use is not given to anything else, and the compiler refuses one that is
/// there twice. Another number is other worlds, under all seeds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Key {
    /// A plan: everything that has no key of its own below.
    Plan = 1,
    /// The faults of a plan.
    Faults = 2,
    /// How fast a disk does one operation, and what becomes of it.
    Disk = 3,
    /// What becomes of a frame.
    Frame = 4,
    /// The delays of frames that were held.
    Release = 5,
    /// When others notice that a connection is lost.
    Lost = 6,
    /// Clients, and what they do.
    Clients = 7,
    /// What a node draws itself.
    Node = 8,
    /// How late a slow node reacts.
    Slow = 9,
    /// When nodes start after a blackout.
    Blackout = 10,
    /// What a crash leaves of what was not synced.
    Crash = 11,
    /// Which bit of a disk flips.
    Rot = 12,
    /// The order in which nodes start at the end.
    Heal = 13,
    /// The commands of an app of the caller's.
    Command = 14,
    /// How long a transport waits before it dials again.
    Shut = 15,
    /// How fast a healed disk is.
    Calm = 16,
    /// Crowds of clients.
    Bursts = 17,
    /// Who asks a cluster at rest, and whom.
    Ask = 18,
    /// How a world ends.
    Ending = 19,
    /// Whether a world marches in step.
    Lockstep = 20,
    /// The limits of a plan.
    Limits = 21,
    /// The codecs of a plan.
    Codecs = 22,
    /// The codec that a node speaks from a start on.
    Wire = 23,
    /// What runtimes do in a plan.
    Quirks = 24,
    /// How late an alarm rings.
    Alarm = 25,
    /// Who is polled without a reason.
    Wake = 26,
    /// Whether disks are lost as a whole in a plan.
    Wipes = 27,
    /// Which disks are lost, and when.
    WipeFaults = 28,
    /// Which sites of rare behaviour a plan has.
    RareSites = 29,
    /// Whether rare behaviour strikes.
    Rare = 30,
    /// Whether a world has one node, or two.
    Tiny = 31,
    /// Whether nodes start as another build in a plan.
    Builds = 32,
    /// Which nodes do, and when.
    BuildFaults = 33,
    /// Whether nodes take snapshots in a plan, and how often.
    Snapshots = 40,
    /// When leaders are asked to hand over, and to whom.
    Handovers = 34,
    /// Whether leaders may fall silent, and when clients pause for that.
    Quiet = 35,
    /// Whether nodes have leases, and how far their clocks are apart then.
    Leases = 36,
    /// Whether the members of a world change, and how many founded it.
    Founders = 42,
    /// To what they change, and when.
    Changes = 43,
    /// Whether nodes have as little memory as they can do with.
    Memory = 44,
    /// How long a session may be unused in a plan.
    IdleSessions = 45,
    /// Whether some nodes are witnesses, and which.
    Witnesses = 55,
    /// Whether disks are lost where members change, whose, and when.
    Replacements = 58,
    /// Whether nodes keep in memory what others have on disks, and which.
    InMemory = 60,
    /// Whether disks rot one after the other in a plan, and when.
    Rots = 50,
    /// How many spare segments a log keeps.
    Spares = 62,
    /// How many groups of writes a log has under way.
    Groups = 63,
    /// Whether some members are preferred as leaders, how much, and when they are asked for.
    Priorities = 64,
    /// Whether few reads may wait at a leader.
    PendingReads = 65,
    /// Whether members come down to one that is stopped again and again, and when.
    Hermits = 66,
    /// Whether letters of another cluster come among those of a world, when, and what they say.
    Namesake = 67,
    /// Whether processes draw settings of their own in a plan, and which.
    Differ = 68,
}

impl Key {
    /// The lot of the thing that has this name among those of its key.
    pub(crate) fn lot(self, seed: u64, name: &[u64]) -> Lot {
        let key = [self as u64];
        Lot::named(seed, key.iter().chain(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_the_first_part_of_the_name() {
        let number = Key::Disk.lot(7, &[2, 5]).number();
        assert_eq!(number, Lot::of(7, &[3, 2, 5]).number());
        assert_ne!(number, Key::Frame.lot(7, &[2, 5]).number());
    }
}
