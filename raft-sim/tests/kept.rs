//! Shrunk worlds that once violated a property, each with the bug that it showed. The plans in
//! `kept/` are what `raft-sim shrink --out FILE` writes.

use raft_sim::plan::Plan;
use raft_sim::sim::run_plan;

#[track_caller]
fn holds(plan: &str) {
    let violation = Plan::parse(plan).map(|plan| run_plan(plan).violation);
    assert_eq!(violation, Ok(None));
}

/// Violated leader_completeness when leaders committed entries of earlier terms by counting (C01):
/// one leader after the other is cut off (Figure 8).
#[test]
fn leader_completeness_holds_in_a_world_of_seed_181220471() {
    holds(include_str!("kept/seed-181220471.plan"));
}

/// Violated idle when a rest was held to its bounds although a node had started in it.
#[test]
fn idle_holds_in_a_world_of_seed_12336() {
    holds(include_str!("kept/seed-12336.plan"));
}

/// Violated leader_completeness when a promised vote left only after the leader of that term had
/// brought the voter's log up to date: the checker looked at the log of then.
#[test]
fn leader_completeness_holds_in_a_world_of_seed_113847() {
    holds(include_str!("kept/seed-113847.plan"));
}

/// Violated liveness when a rest began in the moment in which nodes were told of a lost connection.
#[test]
fn liveness_holds_in_a_world_of_seed_158806() {
    holds(include_str!("kept/seed-158806.plan"));
}

/// Violated liveness when letters that another build had written, and that never reach a driver,
/// counted as a flood that it took in.
#[test]
fn liveness_holds_in_a_world_of_seed_196230() {
    holds(include_str!("kept/seed-196230.plan"));
}

/// Violated monotonic when one member came in the very step in which another went: what followers
/// hold was compared by their place in a list.
#[test]
fn monotonic_holds_in_a_world_of_seed_4943() {
    holds(include_str!("kept/seed-4943.plan"));
}

/// Violated leases when a node crashed before the number of its start was durable: the next start
/// has the same one, and was taken for one with another disk, which has promised nothing.
#[test]
fn leases_hold_in_a_world_of_seed_2583() {
    holds(include_str!("kept/seed-2583.plan"));
}

/// Violated liveness when a cluster at rest was asked on a witness, which answers nobody.
#[test]
fn liveness_holds_in_a_world_of_seed_6091() {
    holds(include_str!("kept/seed-6091.plan"));
}

/// Violated needless_elections when a leader that was roused could not speak at once, for want of room:
/// it had as long to be answered as if it had been roused when it spoke.
#[test]
fn needless_elections_hold_in_a_world_of_seed_11554() {
    holds(include_str!("kept/seed-11554.plan"));
}

/// Violated needless_elections when a leader stood still with a write under way that was asked for at
/// the very moment at which all had been durable.
#[test]
fn needless_elections_hold_in_a_world_of_seed_15768() {
    holds(include_str!("kept/seed-15768.plan"));
}

/// Violated liveness when a leader that had been its only voter was held to the absences of that time.
#[test]
fn liveness_holds_in_a_world_of_seed_20340() {
    holds(include_str!("kept/seed-20340.plan"));
}

/// Violated idle when a node that did not know of its removal went on asking for what clients had
/// asked of it.
#[test]
fn idle_holds_in_a_world_of_seed_25215() {
    holds(include_str!("kept/seed-25215.plan"));
}

/// Violated liveness when those who had been silent before came to count: a leader was held to
/// what it had heard of them while they did not.
#[test]
fn liveness_holds_in_a_world_of_seed_5095() {
    holds(include_str!("kept/seed-5095.plan"));
}

/// Violated liveness when progress was owed by a majority that had kept its disks, of which one node
/// lacked what was damaged on its disk and only the lost one had held besides.
#[test]
fn liveness_holds_in_a_world_of_seed_41088() {
    holds(include_str!("kept/seed-41088.plan"));
}

/// Violated durability when a sync of a folder failed for the store of snapshots, and the log in that
/// folder went on calling durable what the system had lost: a removed segment came back.
#[test]
fn durability_holds_in_a_world_of_seed_26151() {
    holds(include_str!("kept/seed-26151.plan"));
}

/// Violated one_cluster when a deposed leader woke, appended what it had been asked for, told the newcomer
/// and had it cut off again, all in one step: who had been admitted was read after steps only.
#[test]
fn one_cluster_holds_in_a_world_of_seed_41953() {
    holds(include_str!("kept/seed-41953.plan"));
}

/// The same, in another course of events.
#[test]
fn one_cluster_holds_in_a_world_of_seed_42494() {
    holds(include_str!("kept/seed-42494.plan"));
}

/// Violated membership when a log failed in the step in which it was asked to keep a configuration,
/// which was found on disk all the same: nothing was learned of such a step.
#[test]
fn membership_holds_in_a_world_of_seed_51828() {
    holds(include_str!("kept/seed-51828.plan"));
}

/// Violated idle when a follower applied from its log what a snapshot stood for that it had received: that
/// counted for the next one, which was taken too soon.
#[test]
fn idle_holds_in_a_world_of_seed_73014() {
    holds(include_str!("kept/seed-73014.plan"));
}

/// Violated needless_elections when a leader whose leave nobody answered was taken for one that had been
/// quiet, and speaks again.
#[test]
fn needless_elections_hold_in_a_world_of_seed_62604() {
    holds(include_str!("kept/seed-62604.plan"));
}

/// Violated leases when a node that had promised lost its disk: its promise was taken for gone, though
/// nobody votes in its name any more.
#[test]
fn leases_hold_in_a_world_of_seed_101613() {
    holds(include_str!("kept/seed-101613.plan"));
}

/// Violated liveness when a follower was removed while it received a snapshot and added again by the same
/// leader, whose requests it took for copies of earlier ones.
#[test]
fn liveness_holds_in_a_world_of_seed_191185() {
    holds(include_str!("kept/seed-191185.plan"));
}

/// Violated liveness when a candidate whose disk had stalled told nobody of its term: it may not before its
/// disk has it.
#[test]
fn liveness_holds_in_a_world_of_seed_31248() {
    holds(include_str!("kept/seed-31248.plan"));
}

/// Violated membership when a new voter that had caught up lost its log before it counted: its leader took
/// it for caught up still.
#[test]
fn membership_holds_in_a_world_of_seed_11257() {
    holds(include_str!("kept/seed-11257.plan"));
}

/// Violated monotonic when a node said that it had lost entries, and lost its whole disk before its leader
/// heard that: who began anew is not damaged, and yet was.
#[test]
fn monotonic_holds_in_a_world_of_seed_78174() {
    holds(include_str!("kept/seed-78174.plan"));
}

/// Violated idle when the frame rotted in which a node that had joined said so: it took itself for one that
/// had not, and asked for ever how the cluster began.
#[test]
fn idle_holds_in_a_world_of_seed_88787() {
    holds(include_str!("kept/seed-88787.plan"));
}

/// Violated no_panic when a log rotted again, and its note of the first time as well: the note was written
/// twice in one opening, beside what a crash had left of one before.
#[test]
fn no_panic_holds_in_a_world_of_seed_158470() {
    holds(include_str!("kept/seed-158470.plan"));
}

/// Violated durability when a folder's sync made a later change of a name durable without an earlier one,
/// which came true long after it: no file system does that.
#[test]
fn durability_holds_in_a_world_of_seed_177864() {
    holds(include_str!("kept/seed-177864.plan"));
}

/// Violated liveness when a disk was lost whose node had just said that it holds the entry by which its leader
/// is left out: only that leader held what a witness knows of, and nobody asks it any more.
#[test]
fn liveness_holds_in_a_world_of_seed_507638() {
    holds(include_str!("kept/seed-507638.plan"));
}

/// Violated liveness when a rest began while a write that had met a stall of a disk still waited: its leader
/// gave up.
#[test]
fn liveness_holds_in_a_world_of_seed_788605() {
    holds(include_str!("kept/seed-788605.plan"));
}

/// Violated answers when what a removed node was told of it by another life of a member counted: it believes
/// that one nothing.
#[test]
fn answers_hold_in_a_world_of_seed_844967() {
    holds(include_str!("kept/seed-844967.plan"));
}

/// Violated leader_transfer when a vote that needed a new segment waited for a spare, and the spare for all the
/// segments that were removed with it, one durably after the other: a hundred of them here, of a log of tiny ones.
#[test]
fn leader_transfer_holds_in_a_world_of_seed_974172() {
    holds(include_str!("kept/seed-974172.plan"));
}

/// Violated it once more: the spare was the last of many segments that went, for those before it were of an earlier
/// life, whose lengths are not known.
#[test]
fn leader_transfer_holds_in_another_world_of_seed_974172() {
    holds(include_str!("kept/seed-974172-2.plan"));
}

/// Violated membership when a new voter was sent again what its damaged disk had lost: it held less than before, and
/// seemed not to move.
#[test]
fn membership_holds_in_a_world_of_seed_1186968() {
    holds(include_str!("kept/seed-1186968.plan"));
}

/// Violated idle when a removed node went on asking another, which had lost its disk and was a member again in
/// another life: that one answers nothing that was meant for the life before.
#[test]
fn idle_holds_in_a_world_of_seed_1334321() {
    holds(include_str!("kept/seed-1334321.plan"));
}
