//! Rare states with a name: a run says which of them it has seen.
//!
//! A check that never meets the situation it is about says nothing. Each [`Marker`] is such a
//! situation; it is noticed from outside (by letters, logs, getters of hulls, what clients are
//! told), counted in every world and summed over a run. One that a thousand worlds do not reach
//! means that faults or workload have a hole, or that the code can no longer come there.
//!
//! Markers decide nothing: with or without them a world takes the same course.

mod snapshots;
mod watch;
mod witnesses;

pub(crate) use watch::Watch;

/// Declares the markers, each with the sentence that says what was seen.
macro_rules! markers {
    ($($name:ident: $sentence:literal,)*) => {
        /// A rare state that worlds should reach.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Marker {
            $(#[doc = $sentence] $name,)*
        }

        impl Marker {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// What was seen, in a sentence.
            pub const fn sentence(self) -> &'static str {
                match self {
                    $(Self::$name => $sentence,)*
                }
            }

            /// Its name, for programs.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }
        }
    };
}

markers! {
    // Letters that come late, twice, or to someone who is no longer what they were meant for.
    CandidateGotOldAppend: "a candidate got an append of a lower term",
    CandidateMetLeader: "a candidate heard from a leader of its own term",
    PreCandidateMetLeader: "a pre-candidate heard from a leader of its own term",
    FollowerGotOldHeartbeat: "a follower got a heartbeat of a lower term",
    OldAcknowledgement: "an acknowledgement from an earlier term arrived at a leader of a later one",
    OldAcknowledgementOfMore: "an acknowledgement from an earlier term says more than its leader knows",
    OldRefusal: "a refused append of an earlier term came back to a leader of a later one",
    RepeatedAcknowledgement: "an acknowledgement arrived that says less than its leader knows",
    LateRefusal: "a refused append came back after its leader learned that more matches",
    StaleGrant: "a grant of an earlier term arrived",
    GrantAfterWin: "a grant arrived at a candidate that had won already",
    GrantAfterYielding: "a grant arrived at a candidate that had given way in the same term",
    LatePreVoteReply: "an answer to a pre-vote arrived at a node that no longer asks",
    LeaderAskedForVote: "a leader was asked for its vote in its own term",
    LeaderHeardLaterLeader: "a leader heard from a leader of a later term",
    LeaderToldOfLaterTerm: "a leader learned of a later term from an answer",
    CandidateToldOfLaterTerm: "a candidate learned of a later term from a refusal",
    PreVoteRefusalTaughtTerm: "a refused pre-vote taught its asker a later term",
    AppendHeldAlready: "an append arrived of which every entry was held already",
    AppendBelowCommit: "an append arrived that lies wholly below the commit index",
    CommitBeyondEntries: "an append told of more committed entries than its receiver then holds",

    // Elections.
    PreVoteRefusedForLeader: "a pre-vote was refused for a leader heard lately",
    PreVoteGrantedBesideLeader: "a pre-vote was granted although some node still led",
    VoteIgnoredForLeader: "a follower that hears a leader ignored a request for its vote in a later term",
    FreeVoteRefused: "a vote that was still free was refused for the candidate's log",
    VoteRepeated: "a vote was granted again to the candidate that had it",
    ElectionRanOut: "a candidate's election ran out without a winner",
    RivalsInOneTerm: "two nodes campaigned in one term",
    ElectedDespiteRival: "a leader was elected while another candidate of its term still ran",
    ElectedWithShorterLog: "a leader was elected though another node's log was longer",
    TermLeap: "a node's term rose by more than one at once",
    TwoLeaders: "two nodes of different terms led at once",
    LeaderAgain: "a node was elected that had been the last one elected before as well",
    SteppedDownAlone: "a leader stepped down in its own term",
    ConnectionToLeaderLost: "a follower heard that the connection to its leader is lost",

    FellSilent: "a leader fell silent, since nobody wanted anything",
    WantedAgain: "something was wanted of a leader that had fallen silent",
    SilentAskedForVote: "a node that expected nothing of its leader was asked for a pre-vote",
    SilentLeaderGone: "a node that had expected nothing of its leader was roused, and campaigned",

    ToldToTakeOver: "a follower was told by its leader to take over",
    YieldedToPreferred: "a leader began by itself to hand over to a member that is preferred to it",
    PreferredLeads: "in a healed world a member came to lead that was preferred to the leader before",
    ToldTooLate: "a node was told to take over by the leader of an earlier term",

    // Logs and commits.
    InheritedEntries: "a leader was elected with entries that it did not know to be committed",
    OldTermCommitted: "an old-term entry was committed through a later one",
    CommittedBeforeOwnDisk: "a leader committed an entry that was not durable on its own disk",
    FollowerCommitBeforeDisk: "a follower knew an entry to be committed before its own disk had it",
    LongSuffixCut: "a conflicting suffix longer than one entry was cut off",
    DurableEntriesCut: "entries that were durable on one node were cut off",
    CutWhileWriting: "entries were cut off while they were being written",
    OwnProposalsCut: "entries that a node had proposed as leader were cut off on itself",
    SuffixReplaced: "one write cut entries off and put others in their place",
    TermWithEntries: "one write carried a new term and entries",
    ManyWrites: "three writes of one node were under way at once",
    EntriesReadBack: "entries were read back from the log",
    LacksPrevious: "a follower refused an append because its log was too short",
    ContradictsPrevious: "a follower refused an append because an entry of another term stood there",
    HintSkipped: "a refusal's hint skipped several entries at once",
    CaughtUpAtOnce: "a node learned of twenty committed entries or more in one step",
    CommandTwiceInLog: "a command came into the log a second time",

    // Members.
    MembersChanged: "who asked for other members was told that there are no others any more",
    ChangedAsPlanned: "a change of members went through what was said before",
    ChangeCancelled: "a change of members was given up while new ones were catching up",
    ChangeRefused: "a change of members was refused while another was under way",
    ChangeUnknown: "a leader was lost on the way of a change that it was asked for",
    NodeJoined: "a node that had not founded the cluster opened its hull",
    ElectedInJoint: "a leader was elected in a joint configuration",
    ElectedWhileCatchingUp: "a leader was elected while new members were catching up",
    LoneLeaderJoined: "a leader that was the only voter went by members with another one",
    ConfigurationCut: "a configuration was cut off, and the one before was in force again",
    RemovedLeaderSteppedDown: "a leader that was removed stepped down",
    RemovedNodeCampaigned: "a node campaigned that by its own log is no member",

    // Reads.
    ReadBeforeOwnEntry: "a leader was asked for a read before it had committed an entry of its term",
    ReadAtReplacedLeader: "a leader was asked for a read when another led a later term already",
    ReadBeyondLimit: "a leader was asked for a read while as many waited as may",
    ReadMustWait: "a read was asked of a node that had not applied yet what it must see",

    LeaseTaken: "a leader came to have a lease",
    LeaseLapsed: "a leader's lease ended while it led",
    PromiseKept: "a node that had promised to give no vote was asked for it in a later term",
    PromiseAfterRestart: "a node started again before what it had promised was over",

    // Snapshots.
    SnapshotInstalled: "a snapshot took the place of a node's log",
    SnapshotReplacedConflict: "a snapshot took the place of a log that contradicts it",
    SnapshotSuperfluous: "a node was offered a snapshot of what its log held",
    SnapshotOfFormerLeader: "a node got a part of a snapshot from a leader of an earlier term",
    SnapshotResumed: "a snapshot went on where it was, after a crash or a change of leader",
    PartsFollow: "a part of a snapshot was sent before the one ahead of it was answered",
    PartsAgain: "a leader went back to where a follower had come to in a snapshot",
    StoredAheadOfLog: "a node started with a snapshot of more than its log held",
    StartedFromSnapshot: "a node started from a snapshot, and not from its log alone",
    RestoredByFollower: "a running node's state was replaced by a snapshot's",
    LogForgotten: "a node forgot the beginning of its log",
    KeptInMemory: "a node started again with a log and snapshots that were in memory",

    // Witnesses.
    WitnessTold: "a witness wrote down the id of an entry",
    WitnessDecided: "an entry was committed that only one disk held with its payload",
    WitnessElects: "a leader was elected that needed the vote of a witness",
    WitnessForgot: "a witness forgot ids of what is committed",
    WitnessJoined: "a witness was added that had not founded the cluster, or had lost its disk",
    WitnessRemoved: "a witness was removed",
    WitnessDamaged: "a witness started on a damaged disk, without ids that it had held",
    TooManyWitnessesRefused: "members were refused because too many of them are witnesses",
    WitnessSkipped: "a witness went on from a snapshot, whose content it never had",

    // Crashes and disks.
    CrashBeforeNoOp: "a leader crashed before its no-op was durable on its own disk",
    CrashWithProposals: "a leader crashed with entries that were not committed",
    CrashBeforeRequest: "a candidate crashed before it asked anyone",
    CrashWithUnsyncedVote: "a node crashed with a vote for another that was not durable",
    CrashWhileOpening: "a node crashed while it opened its log",
    CrashBeforeFounding: "a node crashed before its cluster was founded",
    EntriesLostByCrash: "a crash took entries that were not durable",
    EntriesKeptByCrash: "a crash kept entries that nobody had called durable",
    HardStateLostByCrash: "a crash took a term or a vote that was not durable",
    TornTailCut: "a torn tail was cut at recovery",
    SegmentWrittenAnew: "a segment of a log was written over an older one",
    LogFailed: "a log failed for good",
    DamageFound: "a node started on a damaged disk, without entries that it had held",
    CrashedMending: "a node crashed again before it had mended a damaged disk",
    Repaired: "a node that had lost entries held as much again as before",
    RepairedAmongChanges: "a node whose disk was damaged holds all again, where members change",
    LossTold: "a leader was told by a follower that it lost entries",
    SnapshotRotten: "a node started without the snapshot that its log began after",
    SnapshotFetched: "a node that had lost its snapshot was sent another",
    LogGivenUp: "a node started with nothing of its damaged log but what it had promised",
    OtherClusterRefused: "a node refused a letter of another cluster that goes by the same names",
    LeaderSetOtherwise: "a node was elected leader of others that have other settings than its own",
    OtherVersionRefused: "a letter was refused because another build wrote it",
    VoterWiped: "a node lost its disk with a vote for another on it",
    WipedRefused: "a node that had lost its disk was told that it is a stranger",
    WipedFounds: "a node that had lost its disk founded its cluster with the others after all",
    WipedJoined: "a node that had lost its disk joined its cluster again, as another, and opened its hull",
    WipedVotes: "a node that had lost its disk was made a voter again",
    OtherLifeRefused: "a node that had lost its disk was refused as a member before it was removed",
    AllDown: "all nodes were down at once",

    // Clients.
    SessionEnded: "a session was ended",
    SessionIdle: "a session ended because nobody had used it for long",
    SessionKeptUp: "a session was used for longer than one may be unused",
    SessionKept: "a client with nothing to ask said that it was there, and heard that its session is open",
    SessionKeptTooLate: "a client that said it was there heard that its session is over",
    FateUnknown: "a client was told that its command's fate is unknown",
    ReplyForgotten: "a client was told that its command was applied, and that the reply is forgotten",
    RetryAnswered: "a command was answered after an earlier try of it was in doubt",

    // What nodes said of how they stand when they were asked.
    AskedTwiceAlike: "a node was asked twice, and nothing had changed but ages",
    SaidStopped: "a node was asked after it had stopped",
    SaidNotDriven: "a node was asked that had not been woken in time",
    SaidBootNotDurable: "a node said that the number of its start is not durable",
    SaidDiskStalled: "a node said that its disk is stalled",
    SaidPromised: "a node said that it has promised to give no vote",
    SaidMayNotLead: "a node said that it may not lead",
    SaidGaveUp: "a node said that it led its term and gave up",
    SaidRemoved: "a node said that others call it removed",
    SaidInRepair: "a node said that it lacks what it once held",
    SaidConnectionLost: "a node said that the connection to its leader is lost",
    SaidRefusedByWitness: "a node said that a witness refused it",
    SaidOwnVoteNotDurable: "a candidate said that its own vote is not durable",
    SaidHandingOver: "a leader said that it takes nothing, since it hands over",
    SaidEarlierTerm: "a leader said that an entry of an earlier term waits for its own first one",
    SaidNeedsSnapshot: "a leader said that a voter needs a snapshot",
    SaidReceivesSnapshot: "a leader said how much of a snapshot a voter has",
    SaidLoading: "a leader said that it reads back what a voter lacks",
    SaidWithheld: "a leader said that it tells a witness nothing yet",
    SaidWindowFull: "a leader said that a voter is sent no more before it answers",
    SaidNotSent: "a leader said that what a voter lacks waits to be sent",
    SaidLeaseGivenUp: "a leader said that it has given up its lease",
    SaidNoLease: "a leader said who has promised it a lease: too few",
    SaidUnconfirmed: "a leader said who has not confirmed a read",
    SaidReadsFull: "a leader said that as many reads wait as may",
    SaidChangeWaits: "a leader said that a change waits for its own first entry",
    SaidGivenUp: "a leader said that a change is given up",
    SaidCatchingUp: "a leader said how far behind a new member is",

    // What nodes and logs were asked to do that they rarely do.
    RareEndPoll: "a driver ended its poll although a turn had left work",
    RareOneLetter: "a driver took no further letter in its turn",
    RareOneDurable: "a driver took no further acknowledgement of its log in its turn",
    RareLoadLater: "a driver looked a turn later at entries that it had asked for",
    RareBatchOfOne: "a leader proposed one command though more waited",
    RareSendAgain: "a driver sent everything again that waited for another node",
    RareForwardOne: "a driver forwarded one command though more waited",
    RarePullLater: "a driver left a turn out before it asked its hull what to do",
    RareOneWrite: "a driver began a write and left everything else to the next turn",
    RareOneSend: "a driver sent one message and left the others to the next turn",
    RareNoRoom: "a driver found no room for a message",
    RareApplyOne: "a driver applied one entry though more were committed",
    RareApplyLater: "a driver applied committed entries a turn later",
    RareReplyLater: "a driver answered those who had forwarded commands a turn later",
    RareSettleLater: "a driver told those who had asked a poll later",
    RareOneStored: "a driver took no further answer of its store of snapshots in its turn",
    RareTakeSnapshot: "a driver took a snapshot that its settings did not ask for",
    RareEarlyDeadline: "a driver's timer rang early",
    RareOneFrame: "a log wrote one frame though more waited",
    RareSyncApart: "a log synced what it had written only when the write was answered",
    RareAckLater: "a log acknowledged a write a poll later",
    RareRollEarly: "a log began a new file before the last was full",
    RareCloseEarly: "a log closed itself before it was idle for long",
    RareLoadLeast: "a log read back one entry though more were asked for",
    RareReadLess: "a log that was opened read little of a file at a time",
}

/// How often each marker was seen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reached(Vec<Sightings>);

/// How often one marker was seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sightings {
    /// In how many worlds.
    pub worlds: u64,
    /// How often in all of them together.
    pub times: u64,
}

impl Reached {
    /// Counts one sighting.
    pub(crate) fn mark(&mut self, marker: Marker) {
        self.mark_times(marker, 1);
    }

    /// Counts several sightings.
    pub(crate) fn mark_times(&mut self, marker: Marker, times: u64) {
        if let Some(seen) = self.0.get_mut(marker as usize).filter(|_| times > 0) {
            seen.worlds = seen.worlds.max(1);
            seen.times += times;
        }
    }

    /// Counts one sighting, if there was one.
    pub(crate) fn mark_if(&mut self, seen: bool, marker: Marker) {
        if seen {
            self.mark(marker);
        }
    }

    /// Adds what other worlds have seen.
    pub fn add(&mut self, other: &Self) {
        for (all, more) in self.0.iter_mut().zip(&other.0) {
            all.worlds += more.worlds;
            all.times += more.times;
        }
    }

    /// How often this one was seen.
    pub fn of(&self, marker: Marker) -> Sightings {
        self.0.get(marker as usize).copied().unwrap_or_default()
    }

    /// Those that were never seen.
    pub fn missed(&self) -> impl Iterator<Item = Marker> {
        let never = |marker: &Marker| self.of(*marker).times == 0;
        Marker::ALL.iter().copied().filter(never)
    }
}

impl Default for Reached {
    fn default() -> Self {
        Self(vec![Sightings::default(); Marker::ALL.len()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worlds_and_times_are_counted_apart() {
        let mut one = Reached::default();
        one.mark(Marker::TwoLeaders);
        one.mark(Marker::TwoLeaders);
        one.mark_if(false, Marker::AllDown);
        let mut all = Reached::default();
        all.add(&one);
        all.add(&one);
        let seen = all.of(Marker::TwoLeaders);
        assert_eq!((seen.worlds, seen.times), (2, 4));
        assert!(all.missed().all(|marker| marker != Marker::TwoLeaders));
        assert_eq!(all.missed().count(), Marker::ALL.len() - 1);
    }

    #[test]
    fn every_marker_has_a_sentence_of_its_own() {
        let mut sentences: Vec<&str> = Marker::ALL.iter().map(|one| one.sentence()).collect();
        sentences.sort_unstable();
        sentences.dedup();
        assert_eq!(sentences.len(), Marker::ALL.len());
    }
}
