//! Hand-made courses: one node, step by step, and whom its timers wrong.

use std::time::Duration;

use raft_core::ids::{Boot, EntryId, LogIndex, Term};
use raft_node::clock::Clock as _;

use super::*;
use crate::clock::Schedule;
use crate::plan::{Plan, Swarm};
use crate::rare::Rare;

const ME: NodeId = NodeId::new(1);
const LEADER: NodeId = NodeId::new(2);
const OTHER: NodeId = NodeId::new(3);

const ANSWERS: Says = answers(1);

const fn answers(round: u64) -> Says {
    Says::HeartbeatReply {
        round: Some(round),
        promise: Duration::ZERO,
    }
}

/// One node among three, told step by step.
struct Tale {
    timers: Timers,
    left_letters: bool,
    /// Whether it is the only voter.
    alone: bool,
    stand: Stand,
    found: Option<&'static str>,
}

impl Tale {
    /// A follower of term 5 that knows its leader.
    fn new() -> Self {
        let stand = Stand {
            leader: Some(LEADER),
            ..plain::stand(5)
        };
        let mut tale = Self {
            timers: Timers::default(),
            left_letters: false,
            alone: false,
            stand,
            found: None,
        };
        tale.at(0, &[], |_| {});
        tale
    }

    /// The node makes a step at this millisecond of its clock. Its election timeout is 100 of
    /// them, its heartbeat interval 20.
    fn at(
        &mut self,
        millis: u64,
        passings: &[Passing],
        change: impl FnOnce(&mut Stand),
    ) -> &mut Self {
        change(&mut self.stand);
        self.step_of(ME, millis, self.stand, passings);
        self
    }

    fn step_of(&mut self, node: NodeId, millis: u64, after: Stand, passings: &[Passing]) {
        let step = Step {
            left_letters: self.left_letters,
            ..plain::step(node, millis, after, passings)
        };
        let voters = || match self.alone {
            true => vec![vec![ME]],
            false => vec![vec![ME, LEADER, OTHER]],
        };
        if let Err((property, _)) = self.timers.follow(&step, voters) {
            self.found.get_or_insert(property);
        }
    }

    /// Becomes leader of term 6, and another node follows it.
    fn elect(&mut self, millis: u64) -> &mut Self {
        self.at(millis, &[], |stand| {
            stand.role = Role::Leader;
            stand.term = Term::new(6);
            stand.vote = Some(ME);
            stand.leader = Some(ME);
        });
        let follower = Stand {
            role: Role::Follower,
            ..self.stand
        };
        for _ in 0..2 {
            self.step_of(OTHER, millis, follower, &[]);
        }
        self
    }
}

const fn taken(peer: NodeId, term: u64, says: Says) -> Passing {
    Passing::Taken(Talk {
        peer,
        term: Term::new(term),
        says,
    })
}

const fn heartbeat(term: u64) -> Passing {
    let commit = LogIndex::ZERO;
    taken(
        LEADER,
        term,
        Says::Heartbeat {
            round: 1,
            commit,
            quiet: false,
        },
    )
}

const fn asks(term: u64) -> Passing {
    let last = EntryId::ORIGIN;
    let transfer = false;
    taken(OTHER, term, Says::RequestVote { last, transfer })
}

fn campaign(stand: &mut Stand) {
    stand.role = Role::PreCandidate;
    stand.leader = None;
}

const NEEDLESS: Option<&str> = Some(property::NEEDLESS_ELECTIONS);

#[test]
fn whoever_heard_its_leader_waits_for_a_whole_election_timeout() {
    for (millis, verdict) in [(150, None), (149, NEEDLESS)] {
        let mut tale = Tale::new();
        tale.at(50, &[heartbeat(5)], |_| {})
            .at(millis, &[], campaign);
        assert_eq!(tale.found, verdict, "at {millis}");
    }
}

#[test]
fn whoever_gave_its_vote_waits_too() {
    for (millis, verdict) in [(150, None), (120, NEEDLESS)] {
        let mut tale = Tale::new();
        tale.at(50, &[asks(6)], |stand| {
            stand.term = Term::new(6);
            stand.vote = Some(OTHER);
            stand.leader = None;
        })
        .at(millis, &[], campaign);
        assert_eq!(tale.found, verdict, "at {millis}");
    }
}

#[test]
fn whoever_lost_the_connection_need_not_wait() {
    let mut tale = Tale::new();
    tale.at(50, &[heartbeat(5)], |_| {})
        .at(60, &[Passing::ConnectionLost(LEADER)], |_| {})
        .at(65, &[], campaign);
    assert_eq!(tale.found, None);
}

#[test]
fn a_lost_connection_to_another_is_no_reason_to_give_up_a_leader() {
    let lost = Passing::ConnectionLost(OTHER);
    let mut tale = Tale::new();
    tale.at(50, &[heartbeat(5)], |_| {})
        .at(60, &[lost], |_| {})
        .at(65, &[], campaign);
    assert_eq!(tale.found, NEEDLESS);
    let mut tale = Tale::new();
    tale.at(50, &[heartbeat(5)], |_| {});
    tale.at(60, &[asks(6), lost], |stand| {
        stand.term = Term::new(6);
        stand.leader = None;
    });
    assert_eq!(tale.found, None, "it may have led in between");
}

#[test]
fn a_heartbeat_of_an_earlier_term_is_no_reason_to_wait() {
    let mut tale = Tale::new();
    tale.at(50, &[heartbeat(4)], |_| {}).at(60, &[], campaign);
    assert_eq!(tale.found, None);
}

#[test]
fn whoever_campaigns_gives_way_to_a_leader_of_its_term_and_of_no_earlier_one() {
    for (term, verdict) in [(5, NEEDLESS), (4, None)] {
        let mut tale = Tale::new();
        tale.at(200, &[], campaign)
            .at(210, &[heartbeat(term)], |_| {});
        assert_eq!(tale.found, verdict, "of {term}");
    }
}

#[test]
fn whoever_hears_its_leader_takes_over_no_candidates_term() {
    for (millis, verdict) in [(60, NEEDLESS), (130, None)] {
        let mut tale = Tale::new();
        tale.at(50, &[heartbeat(5)], |_| {})
            .at(millis, &[asks(6)], |stand| {
                stand.term = Term::new(6);
                stand.leader = None;
            });
        assert_eq!(tale.found, verdict, "at {millis}");
    }
}

#[test]
fn a_later_term_may_be_learned_from_anything_but_a_candidate() {
    let mut tale = Tale::new();
    let reply = taken(OTHER, 6, ANSWERS);
    tale.at(50, &[heartbeat(5)], |_| {})
        .at(60, &[asks(6), reply], |stand| {
            stand.term = Term::new(6);
            stand.leader = None;
        });
    assert_eq!(tale.found, None);
}

#[test]
fn whoever_hears_its_leader_grants_no_pre_vote() {
    let granted = Passing::Sent(Talk {
        peer: OTHER,
        term: Term::new(5),
        says: Says::PreVoteReply {
            asked: Term::new(6),
            granted: true,
        },
    });
    let asked = taken(OTHER, 5, Says::PreVote);
    for (before, in_step, verdict) in [
        (None, [asked, granted], NEEDLESS),
        // Perhaps it answers what was asked before the leader spoke.
        (Some(asked), [asked, granted], None),
    ] {
        let mut tale = Tale::new();
        tale.at(40, before.as_slice(), |_| {})
            .at(50, &[heartbeat(5)], |_| {})
            .at(60, &in_step, |_| {});
        assert_eq!(tale.found, verdict, "{before:?}");
    }
}

#[test]
fn a_leader_that_no_majority_answers_gives_up() {
    let reply = taken(OTHER, 6, ANSWERS);
    for (answer, verdict) in [(None, Some(property::LIVENESS)), (Some(reply), None)] {
        let mut tale = Tale::new();
        tale.elect(0);
        for round in 1..=20 {
            let answers = answer.filter(|_| round == 9);
            tale.at(round * 20, answers.as_slice(), |_| {});
        }
        assert_eq!(tale.found, verdict, "{answer:?}");
    }
}

#[test]
fn a_leader_that_was_stopped_listens_before_it_gives_up() {
    let give_up = |stand: &mut Stand| {
        stand.role = Role::Follower;
        stand.leader = None;
    };
    // It gives up at once; after a round; after a second stop.
    for (steps, verdict) in [
        (&[250][..], NEEDLESS),
        (&[250, 270][..], None),
        (&[250, 255, 400][..], None),
    ] {
        let mut tale = Tale::new();
        tale.elect(0).at(20, &[], |_| {}).at(40, &[], |_| {});
        let (last, others) = steps.split_last().unwrap();
        for millis in others {
            tale.at(*millis, &[], |_| {});
        }
        tale.at(*last, &[], give_up);
        assert_eq!(tale.found, verdict, "{steps:?}");
    }
    // Answers may be among the letters that it has left for later (seed 702854).
    let mut tale = Tale::new();
    tale.elect(0).at(20, &[], |_| {}).at(40, &[], |_| {});
    tale.left_letters = true;
    tale.at(250, &[], give_up);
    assert_eq!(tale.found, None);
}

#[test]
fn another_boot_begins_anew() {
    let mut tale = Tale::new();
    tale.at(50, &[heartbeat(5)], |_| {});
    tale.timers.stopped(ME);
    tale.at(60, &[], |stand| stand.boot = Boot::new(2))
        .at(61, &[], campaign);
    assert_eq!(tale.found, None);
}

#[test]
fn a_leader_that_was_answered_or_elected_just_now_goes_on() {
    let resign = |stand: &mut Stand| {
        stand.role = Role::Follower;
        stand.leader = None;
    };
    for (millis, verdict) in [(30, NEEDLESS), (60, None)] {
        let mut tale = Tale::new();
        tale.elect(0).at(millis, &[], resign);
        assert_eq!(tale.found, verdict, "{millis} after the election");
    }
    for (millis, verdict) in [(110, NEEDLESS), (140, None)] {
        let mut tale = Tale::new();
        tale.elect(0)
            .at(80, &[taken(OTHER, 6, ANSWERS)], |_| {})
            .at(millis, &[], resign);
        assert_eq!(tale.found, verdict, "{millis}, with an answer at 80");
    }
}

#[test]
fn whoever_has_the_votes_of_a_majority_leads() {
    let grant = taken(OTHER, 6, Says::RequestVoteReply { granted: true });
    let refusal = taken(OTHER, 6, Says::RequestVoteReply { granted: false });
    let late = taken(OTHER, 5, Says::RequestVoteReply { granted: true });
    for (answer, verdict) in [(grant, NEEDLESS), (refusal, None), (late, None)] {
        let mut tale = Tale::new();
        tale.at(10, &[], |stand| {
            stand.role = Role::Candidate;
            stand.term = Term::new(6);
            stand.vote = Some(ME);
            stand.leader = None;
        })
        .at(20, &[answer], |_| {});
        assert_eq!(tale.found, verdict, "{answer:?}");
    }
    let mut tale = Tale::new();
    tale.at(10, &[], |stand| {
        stand.role = Role::Candidate;
        stand.term = Term::new(6);
        stand.leader = None;
    })
    .at(20, &[grant], |stand| {
        stand.role = Role::Leader;
        stand.vote = Some(ME);
    });
    assert_eq!(tale.found, None);
}

#[test]
fn a_leader_that_is_stopped_again_and_again_may_give_up_and_then_has_to() {
    let resign = |stand: &mut Stand| {
        stand.role = Role::Follower;
        stand.leader = None;
    };
    // A leader that is there for 60 after each of so many absences of 100.
    let led = |absences: u64, present: u64| {
        let mut tale = Tale::new();
        tale.elect(0);
        for round in 0..=absences {
            let back = round * (100 + present);
            for millis in (back..=back + present).step_by(20) {
                tale.at(millis, &[taken(OTHER, 6, ANSWERS)], |_| {});
            }
        }
        tale
    };
    let mut early = led(1, 60);
    early.at(2 * 160 + 60, &[], resign);
    assert_eq!(early.found, NEEDLESS, "for the second time");
    let mut fit = led(2, 60);
    fit.at(3 * 160 + 60, &[], resign);
    assert_eq!(fit.found, None, "for the third time");
    assert_eq!(led(4, 60).found, None);
    assert_eq!(led(5, 60).found, Some(property::LIVENESS));
    assert_eq!(led(9, 320).found, None, "each is forgotten before the next");
}

#[test]
fn whoever_led_alone_is_not_held_to_the_absences_of_that_time() {
    let led = |alone: bool| {
        let mut tale = Tale::new();
        tale.alone = alone;
        tale.elect(0);
        for millis in (160..=5 * 160).step_by(160) {
            tale.at(millis, &[], |_| {});
        }
        tale.alone = false;
        tale.at(5 * 160 + 20, &[taken(OTHER, 6, ANSWERS)], |stand| {
            stand.configured_by = EntryId::new(Term::new(6), LogIndex::new(9));
        });
        tale.found
    };
    assert_eq!(led(true), None);
    assert_eq!(led(false), Some(property::LIVENESS));
}

/// The leader speaks to another node, taking leave or not.
const fn beat(quiet: bool) -> Passing {
    beat_in(1, quiet)
}

const fn beat_in(round: u64, quiet: bool) -> Passing {
    Passing::Sent(Talk {
        peer: OTHER,
        term: Term::new(6),
        says: Says::Heartbeat {
            round,
            commit: LogIndex::ZERO,
            quiet,
        },
    })
}

#[test]
fn of_a_leader_that_took_leave_nothing_is_demanded_until_it_speaks_again() {
    let reply = taken(OTHER, 6, ANSWERS);
    let silent_until = |again: u64| {
        let mut tale = Tale::new();
        tale.elect(0)
            .at(20, &[beat(true), reply], |stand| stand.quiet = true);
        tale.at(again, &[], |_| {});
        for millis in (again..again + 60).step_by(20) {
            tale.at(millis, &[], |_| {});
        }
        tale
    };
    assert_eq!(silent_until(5_000).found, None);
    let mut awake = silent_until(5_000);
    for millis in (5_060..5_380).step_by(20) {
        awake.at(millis, &[beat(false)], |stand| stand.quiet = false);
    }
    assert_eq!(
        awake.found, None,
        "it may wait for three timeouts from then on"
    );
    for millis in (5_380..5_440).step_by(20) {
        awake.at(millis, &[beat(false)], |_| {});
    }
    assert_eq!(awake.found, Some(property::LIVENESS));
}

#[test]
fn a_roused_leader_listens_from_when_it_was_roused_though_it_speaks_later() {
    let reply = taken(OTHER, 6, ANSWERS);
    let gives_up = |roused: u64| {
        let mut tale = Tale::new();
        tale.elect(0).at(20, &[beat(true), reply], |_| {});
        tale.at(40, &[], |stand| stand.quiet = true);
        tale.at(roused, &[], |stand| stand.quiet = false);
        tale.at(5_280, &[beat(false)], |_| {});
        tale.at(5_300, &[], |stand| {
            stand.role = Role::Follower;
            stand.leader = None;
        });
        tale.found
    };
    assert_eq!(gives_up(5_000), None);
    assert_eq!(gives_up(5_279), NEEDLESS);
}

#[test]
fn a_leader_that_takes_leave_again_and_again_needs_to_be_heard() {
    let mut tale = Tale::new();
    tale.elect(0);
    for millis in (20..500).step_by(20) {
        tale.at(millis, &[beat(true)], |_| {});
    }
    assert_eq!(tale.found, Some(property::LIVENESS));
}

#[test]
fn silences_are_no_absences() {
    let reply = taken(OTHER, 6, ANSWERS);
    let mut tale = Tale::new();
    tale.elect(0);
    for silence in 1..12 {
        let back = silence * 1_000;
        for millis in (back..back + 60).step_by(20) {
            tale.at(millis, &[beat(false), reply], |stand| stand.quiet = false);
        }
        tale.at(back + 60, &[beat(true), reply], |stand| stand.quiet = true);
    }
    assert_eq!(tale.found, None);
}

#[test]
fn who_waits_for_answers_to_its_farewell_is_not_silent_however_late_it_speaks() {
    let reply = taken(OTHER, 6, ANSWERS);
    let gives_up = |fell: bool| {
        let mut tale = Tale::new();
        tale.elect(0)
            .at(20, &[beat(true), reply], |stand| stand.quiet = fell);
        // Its clock races.
        tale.at(90, &[beat(false)], |stand| stand.quiet = false)
            .at(125, &[], |stand| {
                stand.role = Role::Follower;
                stand.leader = None;
            });
        tale.found
    };
    assert_eq!(gives_up(false), None, "the last answer is long ago");
    assert_eq!(gives_up(true), NEEDLESS, "it has only begun to listen");
}

#[test]
fn who_takes_leave_and_speaks_on_was_never_silent() {
    let reply = taken(OTHER, 6, ANSWERS);
    let mut tale = Tale::new();
    tale.elect(0).at(20, &[beat(true), reply], |_| {});
    tale.at(40, &[beat(false)], |_| {})
        .at(60, &[beat(false)], |_| {})
        .at(85, &[], |stand| {
            stand.role = Role::Follower;
            stand.leader = None;
        });
    assert_eq!(tale.found, None, "the last answer is long ago");
}

#[test]
fn a_leader_answers_a_read_when_a_majority_has_answered_what_it_sent_since_and_others_pass_it_on() {
    let plan = Plan::draw(1, &Swarm::default());
    let clock = SimClock::new(ME, &plan, Schedule::default(), Rare::new(&plan, 1));
    let mut tale = Tale::new();
    tale.timers.clock_of(ME, clock.clone());
    assert_eq!(tale.timers.asked(ME), None, "it may be told by who leads");
    tale.elect(10).at(11, &[beat_in(1, false)], |_| {});
    let asked = tale.timers.asked(ME).unwrap();
    assert!(!tale.timers.may_answer(ME, asked));
    let later = clock.now().as_nanos() / 1_000_000 + 1;
    tale.at(later, &[taken(OTHER, 6, answers(1))], |_| {});
    assert!(!tale.timers.may_answer(ME, asked), "that was sent before");
    tale.at(later + 1, &[beat_in(2, false)], |_| {});
    tale.at(later + 2, &[taken(OTHER, 6, answers(1))], |_| {});
    assert!(!tale.timers.may_answer(ME, asked), "so was that");
    tale.at(later + 3, &[taken(OTHER, 6, answers(2))], |_| {});
    assert!(tale.timers.may_answer(ME, asked));
    assert!(tale.timers.may_answer(ME, asked), "and it stays so");
}
