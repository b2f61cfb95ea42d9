//! Hand-made courses of one node among three.

use raft_core::ids::{EntryId, Incarnation, Term};

use super::*;
use crate::checkers::timers::plain;

const ME: NodeId = NodeId::new(1);
const LEADER: NodeId = NodeId::new(2);
const OTHER: NodeId = NodeId::new(3);

/// One node, told step by step. Its election timeout is 100 ms, its heartbeat interval 20.
struct Tale {
    vigils: Vigils,
    stand: Stand,
    outlook: Outlook,
    written: bool,
    found: Option<String>,
}

impl Tale {
    /// A follower in term 5 with a leader, that has all and will look at its clock in 150 ms.
    fn new() -> Self {
        let mut tale = Self {
            vigils: Vigils {
                timed: true,
                ..Vigils::default()
            },
            stand: Stand {
                leader: Some(LEADER),
                ..plain::stand(5)
            },
            outlook: Outlook {
                deadline: Some(Time::from_millis(150)),
                may_rest: true,
                agreed: true,
                whole: true,
            },
            written: true,
            found: None,
        };
        tale.at(0, &[]);
        tale
    }

    /// The same as a leader.
    fn leading() -> Self {
        let mut tale = Self::new();
        tale.stand.role = Role::Leader;
        tale.stand.leader = Some(ME);
        tale.at(1, &[]);
        tale
    }

    fn at(&mut self, millis: u64, passings: &[Passing]) -> &mut Self {
        let step = Step {
            written: self.written,
            ..plain::step(ME, millis, self.stand, passings)
        };
        let wrong = self
            .vigils
            .step(&step, self.outlook, || vec![LEADER, OTHER]);
        if let Some((property, text)) = wrong {
            assert_eq!(property, property::LIVENESS);
            self.found.get_or_insert(text);
        }
        self
    }

    /// Steps every 10 ms, each with a deadline 100 ms ahead.
    fn runs(&mut self, from: u64, to: u64) -> &mut Self {
        for millis in (from..=to).step_by(10) {
            self.outlook.deadline = Some(Time::from_millis(millis + 100));
            self.at(millis, &[]);
        }
        self
    }

    fn sleeps(&mut self) -> &mut Self {
        self.stand.quiet = true;
        self.outlook.deadline = None;
        self
    }

    fn wakes(&mut self, millis: u64) -> &mut Self {
        self.stand.quiet = false;
        self.outlook.deadline = Some(Time::from_millis(millis + 100));
        self
    }

    #[track_caller]
    fn is_right(&self) {
        assert_eq!(self.found, None);
    }

    #[track_caller]
    fn is_wrong(&self, why: &str) {
        let found = self.found.as_deref().unwrap_or("nothing is wrong");
        assert!(found.contains(why), "{found}");
    }
}

const fn heartbeat(round: u64, quiet: bool) -> Says {
    let commit = LogIndex::ZERO;
    Says::Heartbeat {
        round,
        commit,
        quiet,
    }
}

const fn taken(peer: NodeId, says: Says) -> Passing {
    let term = Term::new(5);
    Passing::Taken(Talk { peer, term, says })
}

const fn sent(peer: NodeId, says: Says) -> Passing {
    let term = Term::new(5);
    Passing::Sent(Talk { peer, term, says })
}

const fn answer(peer: NodeId, round: u64) -> Passing {
    let promise = Duration::ZERO;
    let round = Some(round);
    taken(peer, Says::HeartbeatReply { round, promise })
}

#[test]
fn who_is_awake_has_a_deadline_and_who_sleeps_has_none() {
    for (role, quiet, deadline, right) in [
        (Role::Follower, false, Some(100), true),
        (Role::Follower, false, None, false),
        (Role::PreCandidate, false, None, false),
        (Role::Candidate, true, None, false),
        (Role::Leader, true, Some(100), false),
    ] {
        let mut tale = Tale::new();
        (tale.stand.role, tale.stand.quiet) = (role, quiet);
        tale.outlook.deadline = deadline.map(Time::from_millis);
        tale.at(10, &[]);
        assert_eq!(tale.found.is_none(), right, "{role:?} {quiet} {deadline:?}");
    }
}

#[test]
fn a_stopped_hull_waits_for_nothing() {
    let mut tale = Tale::new();
    tale.stand.stopped = true;
    tale.outlook.deadline = None;
    tale.at(10, &[]).is_right();
}

#[test]
fn a_follower_sleeps_once_its_leader_took_leave() {
    let farewell = taken(LEADER, heartbeat(7, true));
    Tale::new()
        .sleeps()
        .at(10, &[farewell])
        .at(900, &[])
        .is_right();
    Tale::new().sleeps().at(10, &[]).is_wrong("no farewell");
    let word = taken(LEADER, heartbeat(8, false));
    let mut tale = Tale::new();
    tale.sleeps()
        .at(10, &[farewell, word])
        .is_wrong("no farewell");
    // What is late is no word after it.
    let late = taken(LEADER, heartbeat(6, false));
    Tale::new().sleeps().at(10, &[farewell, late]).is_right();
}

#[test]
fn who_starts_may_sleep_on_the_first_word_that_it_hears() {
    for (quiet, right) in [(true, true), (false, false)] {
        let mut tale = Tale::new();
        tale.vigils.stopped(ME);
        tale.stand.quiet = true;
        tale.outlook.deadline = None;
        tale.at(10, &[taken(LEADER, heartbeat(4, quiet))])
            .at(20, &[]);
        assert_eq!(tale.found.is_none(), right);
    }
}

#[test]
fn a_farewell_is_good_for_one_sleep() {
    let farewell = taken(LEADER, heartbeat(7, true));
    let mut tale = Tale::new();
    tale.sleeps().at(10, &[farewell]);
    tale.wakes(20).at(20, &[]).sleeps().at(30, &[farewell]);
    tale.is_wrong("no farewell");
    let mut tale = Tale::new();
    tale.sleeps().at(10, &[farewell]);
    tale.wakes(20).at(20, &[]).sleeps();
    tale.at(30, &[taken(LEADER, heartbeat(8, true))]).is_right();
}

#[test]
fn nobody_sleeps_without_a_leader_or_into_another_term() {
    let farewell = taken(LEADER, heartbeat(7, true));
    let mut tale = Tale::new();
    tale.sleeps().at(10, &[farewell]);
    tale.stand.leader = None;
    tale.at(20, &[]).is_wrong("no farewell");
    let mut tale = Tale::new();
    tale.sleeps().at(10, &[farewell]);
    tale.stand.term = Term::new(6);
    tale.at(20, &[]).is_wrong("no farewell");
}

#[test]
fn nobody_sleeps_over_what_may_not_be_committed() {
    let farewell = taken(LEADER, heartbeat(7, true));
    let mut tale = Tale::new();
    tale.outlook.agreed = false;
    tale.sleeps().at(10, &[farewell]).is_wrong("committed");
}

#[test]
fn a_leader_falls_silent_when_all_have_answered_its_farewell() {
    let farewells = [
        sent(LEADER, heartbeat(7, true)),
        sent(OTHER, heartbeat(7, true)),
    ];
    let mut tale = Tale::leading();
    tale.at(10, &farewells).sleeps();
    tale.at(20, &[answer(LEADER, 7), answer(OTHER, 7)])
        .is_right();
    for last in [answer(OTHER, 6), answer(LEADER, 7)] {
        let mut tale = Tale::leading();
        tale.at(10, &farewells).sleeps();
        tale.at(20, &[answer(LEADER, 7), last])
            .is_wrong("n3 has not answered");
    }
    let mut tale = Tale::leading();
    tale.at(10, &farewells);
    tale.at(15, &[sent(OTHER, heartbeat(8, false))]).sleeps();
    tale.at(20, &[answer(LEADER, 7), answer(OTHER, 7)])
        .is_wrong("n3 has not answered");
}

#[test]
fn a_deadline_lies_neither_far_ahead_nor_behind() {
    let mut tale = Tale::new();
    tale.outlook.deadline = Some(Time::from_millis(10 + 500));
    tale.at(10, &[]).is_right();
    tale.outlook.deadline = Some(Time::from_millis(20 + 501));
    tale.at(20, &[]).is_wrong("waits until");
    let mut tale = Tale::new();
    tale.runs(10, 300);
    for millis in (300..=500).step_by(10) {
        tale.at(millis, &[]);
    }
    tale.is_right();
    tale.at(510, &[]).is_wrong("waits until");
}

#[test]
fn who_was_stopped_may_be_late() {
    let mut tale = Tale::new();
    tale.runs(10, 300).at(900, &[]).is_right();
}

#[test]
fn a_follower_that_hears_nobody_campaigns() {
    let mut tale = Tale::new();
    tale.runs(0, 600).is_right();
    tale.runs(610, 610).is_wrong("does not campaign");
    let mut tale = Tale::new();
    tale.runs(0, 300)
        .at(305, &[taken(LEADER, heartbeat(1, false))]);
    tale.runs(310, 900).is_right();
}

/// A candidate that was stopped for long may find its disk stalled, and begin to wait again.
#[test]
fn who_is_a_follower_again_waits_from_then_on() {
    let mut tale = Tale::new();
    tale.stand.role = Role::Candidate;
    tale.at(10, &[]);
    tale.stand.role = Role::Follower;
    tale.at(2_000, &[]);
    tale.runs(2_010, 2_600).is_right();
    tale.runs(2_610, 2_610).is_wrong("does not campaign");
}

#[test]
fn a_follower_that_slept_for_long_waits_from_when_it_wakes() {
    let mut tale = Tale::new();
    tale.sleeps().at(10, &[taken(LEADER, heartbeat(7, true))]);
    tale.wakes(5_000).at(5_000, &[]);
    tale.runs(5_010, 5_600).is_right();
    tale.runs(5_610, 5_610).is_wrong("does not campaign");
}

#[test]
fn who_may_not_lead_or_lacks_something_need_not_campaign() {
    let removed = Says::Removed {
        configuration: LogIndex::new(4),
        by: Incarnation::new(1),
    };
    let by = |index| EntryId::new(Term::new(5), LogIndex::new(index));
    let mut tale = Tale::new();
    tale.stand.configured_by = by(3);
    tale.at(5, &[taken(OTHER, removed)])
        .runs(10, 900)
        .is_right();
    // It was added again.
    tale.stand.configured_by = by(5);
    tale.runs(910, 1_600).is_wrong("does not campaign");
    let mut tale = Tale::new();
    tale.stand.may_lead = false;
    tale.runs(10, 900).is_right();
    let mut tale = Tale::new();
    tale.outlook.whole = false;
    tale.runs(10, 900).is_right();
}

#[test]
fn who_waits_for_its_disk_need_not_campaign() {
    let mut tale = Tale::new();
    tale.vigils
        .step(&plain::step(ME, 0, tale.stand, &[]), tale.outlook, Vec::new);
    tale.written = false;
    // Its disk counts as stalled after 9 s, and may well from half of that on.
    for millis in (10..=9_000).step_by(10) {
        tale.outlook.deadline = Some(Time::from_millis(millis + 100));
        let vote = Says::RequestVoteReply { granted: true };
        let passings = [sent(OTHER, vote)];
        let passings = if millis < 4_500 { &passings[..] } else { &[] };
        tale.at(millis, passings);
    }
    tale.is_right();
}
