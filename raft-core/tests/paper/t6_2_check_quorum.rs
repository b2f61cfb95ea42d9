//! A leader without a majority, and who knows of whom as leader (thesis 6.2).

use std::sync::Arc;
use std::time::Duration;

use raft_core::configuration::{Configuration, Member, MemberRole};
use raft_core::hull::Input;
use raft_core::ids::NodeId;
use raft_core::log::memory::MemoryLog;
use raft_core::settings::Settings;
use raft_core::states::Role;

use crate::support::{self, Node, heartbeat_reply, matched, peer, settings};

/// [T6.2.21]
#[test]
fn a_leader_that_hears_no_majority_for_an_election_timeout_steps_down() {
    let mut node = Node::leading();
    node.wait(Duration::from_millis(999));
    assert_eq!(node.hull.role(), Role::Leader);
    node.wait(Duration::from_millis(1));
    assert_eq!((node.hull.role(), node.term()), (Role::Follower, 1));
    assert_eq!(node.hull.leader(), None);
}

/// [T6.2.21]
#[test]
fn any_answer_of_a_majority_keeps_a_leader_in_office() {
    for answer in [heartbeat_reply(1), matched(1, 1)] {
        let mut node = Node::new(1, 5);
        node.elect();
        for _ in 0..30 {
            node.wait(Duration::from_millis(300));
            node.receive(2, 1, answer.clone());
            node.receive(4, 1, answer.clone());
        }
        assert_eq!(node.hull.role(), Role::Leader, "{}", answer.name());
    }
}

/// [T6.2.21]
#[test]
fn less_than_a_majority_does_not_keep_a_leader_in_office() {
    let mut node = Node::new(1, 5);
    node.elect();
    for _ in 0..6 {
        node.wait(Duration::from_millis(300));
        for _ in 0..3 {
            node.receive(2, 1, heartbeat_reply(1));
        }
    }
    assert_eq!(node.hull.role(), Role::Follower);
}

/// [T6.2.21]
#[test]
fn learners_and_strangers_do_not_keep_a_leader_in_office() {
    let voter = |id: u64| (NodeId::new(id), Member::voter(peer(id).incarnation));
    let learner = |id: u64| {
        let (id, member) = voter(id);
        let role = MemberRole::Learner;
        (id, Member { role, ..member })
    };
    let mut setup = support::setup(1, 3);
    setup.founding = Configuration::new([voter(1), voter(2), voter(3), learner(4), learner(5)]);
    let mut node = Node::with_setup(setup, MemoryLog::new());
    node.elect();
    for _ in 0..6 {
        node.wait(Duration::from_millis(300));
        for from in [4, 5, 6, 7] {
            node.receive(from, 1, heartbeat_reply(1));
        }
    }
    assert_eq!(node.hull.role(), Role::Follower);
}

/// [T6.2.21]
#[test]
fn without_check_quorum_a_leader_stays() {
    let mut node = Node::new(1, 3);
    node.settle();
    let mut setup = support::setup(1, 3);
    setup.settings = Arc::new(Settings {
        pre_vote: false,
        check_quorum: false,
        ..settings()
    });
    let mut node = Node::with_setup(setup, node.log);
    node.settle();
    node.time_out();
    node.receive(2, 1, support::vote_reply(true));
    node.wait(Duration::from_secs(60));
    assert_eq!((node.hull.role(), node.term()), (Role::Leader, 1));
}

/// [T6.2.23]
#[test]
fn who_starts_to_campaign_forgets_who_leads() {
    let mut node = Node::holding(5, &[1]);
    node.hear(2, 5);
    assert_eq!(node.hull.leader(), Some(NodeId::new(2)));
    node.ask();
    assert_eq!(node.hull.leader(), None);
    node.stand();
    assert_eq!(node.hull.leader(), None);
}

/// [T6.2.23]
#[test]
fn a_new_term_has_no_leader_yet() {
    let mut node = Node::holding(5, &[1]);
    node.hear(2, 5);
    node.receive(3, 6, support::vote_reply(false));
    assert_eq!((node.term(), node.hull.leader()), (6, None));
    node.hear(3, 6);
    assert_eq!(node.hull.leader(), Some(NodeId::new(3)));
}

#[test]
fn a_leader_whose_clock_is_one_interval_late_has_no_excuse() {
    let mut node = Node::leading();
    let elected = node.now;
    node.wait(Duration::from_millis(900));
    node.now = elected.after(Duration::from_millis(1_100));
    node.step(Input::DeadlinePassed);
    assert_eq!(node.hull.role(), Role::Follower);
}

#[test]
fn a_leader_that_was_stopped_itself_listens_before_it_gives_up_but_not_for_ever() {
    let mut node = Node::leading();
    node.now = node.now.after(Duration::from_secs(2));
    node.step(Input::DeadlinePassed);
    assert_eq!(node.hull.role(), Role::Leader, "it may hear the others yet");
    assert_eq!(
        node.sent_to(2).len(),
        1,
        "one heartbeat, not one for each missed"
    );
    assert!(node.hull.deadline().unwrap() > node.now);
    node.receive(2, 1, heartbeat_reply(1));
    node.wait(Duration::from_millis(500));
    assert_eq!(node.hull.role(), Role::Leader);
    for _ in 0..2 {
        node.now = node.now.after(Duration::from_secs(2));
        node.step(Input::DeadlinePassed);
    }
    assert_eq!(
        node.hull.role(),
        Role::Follower,
        "twice in a row is once too often"
    );
}

/// A tick that comes late while the others are heard is no stop that needs an excuse.
#[test]
fn a_small_delay_does_not_use_up_what_a_stop_is_excused_with() {
    let mut node = Node::leading();
    node.receive(2, 1, heartbeat_reply(1));
    node.now = node.now.after(Duration::from_millis(250));
    node.step(Input::DeadlinePassed);
    node.now = node.now.after(Duration::from_secs(2));
    node.step(Input::DeadlinePassed);
    assert_eq!(node.hull.role(), Role::Leader, "it may hear the others yet");
    node.now = node.now.after(Duration::from_secs(2));
    node.step(Input::DeadlinePassed);
    assert_eq!(node.hull.role(), Role::Follower, "it heard nobody");
}

/// However often it is stopped, it finds answers waiting for it whenever it looks.
#[test]
fn a_leader_that_is_stopped_again_and_again_lets_another_lead() {
    for on_time in [0, 3] {
        let mut node = Node::leading();
        let mut absences = 0;
        while node.hull.role() == Role::Leader {
            node.now = node.now.after(Duration::from_millis(1_500));
            answered(&mut node);
            node.step(Input::DeadlinePassed);
            absences += 1;
            assert!(absences <= 3, "it leads on, with {on_time} ticks on time");
            for _ in 0..on_time {
                if node.hull.role() == Role::Leader {
                    node.wait(Duration::from_millis(100));
                    answered(&mut node);
                }
            }
        }
        assert_eq!((absences, node.term()), (3, 1));
    }
}

#[test]
fn a_leader_that_is_stopped_now_and_then_leads_on() {
    let mut node = Node::leading();
    for _ in 0..5 {
        node.now = node.now.after(Duration::from_millis(1_500));
        answered(&mut node);
        node.step(Input::DeadlinePassed);
        for _ in 0..45 {
            node.wait(Duration::from_millis(100));
            answered(&mut node);
        }
    }
    assert_eq!(node.hull.role(), Role::Leader);
}

#[test]
fn a_leader_that_is_late_each_time_but_never_for_an_election_timeout_leads_on() {
    let mut node = Node::leading();
    for _ in 0..50 {
        node.now = node.now.after(Duration::from_millis(900));
        answered(&mut node);
        node.step(Input::DeadlinePassed);
    }
    assert_eq!(node.hull.role(), Role::Leader, "nobody gives it up");
}

#[test]
fn who_is_a_quorum_alone_may_be_stopped_as_often_as_it_likes() {
    let mut node = Node::new(1, 1);
    node.settle();
    node.time_out();
    assert_eq!((node.hull.role(), node.term()), (Role::Leader, 1));
    for _ in 0..20 {
        node.now = node.now.after(Duration::from_millis(2_500));
        node.step(Input::DeadlinePassed);
    }
    assert_eq!((node.hull.role(), node.term()), (Role::Leader, 1));
}

/// Nobody missed it then, so that nothing of that time is held against it.
#[test]
fn who_was_away_while_it_was_a_quorum_alone_leads_on_when_others_join() {
    let mut node = Node::new(1, 1);
    node.settle();
    node.time_out();
    for _ in 0..3 {
        node.now = node.now.after(Duration::from_millis(2_500));
        node.step(Input::DeadlinePassed);
    }
    node.grow_to([1, 2]);
    node.answer_all(&[2]);
    assert!(!node.hull.configuration().is_joint());
    for _ in 0..30 {
        node.wait(Duration::from_millis(100));
        node.receive(2, 1, heartbeat_reply(0));
    }
    assert_eq!((node.hull.role(), node.term()), (Role::Leader, 1));
}

/// Also where the answer by which others begin to count is looked at before the clock is.
#[test]
fn an_absence_that_ends_as_others_join_is_not_held_against_who_was_a_quorum_alone() {
    let mut node = Node::new(1, 1);
    node.settle();
    node.time_out();
    node.reconfigure(Configuration::of_voters([1, 2].map(peer)).members);
    node.sent();
    for absence in 0..3 {
        node.now = node.now.after(Duration::from_millis(2_500));
        for _ in 0..3 {
            node.answer_all(&[2]);
        }
        assert!(node.hull.configuration().votes(NodeId::new(2)), "{absence}");
        node.receive(2, 1, heartbeat_reply(0));
        node.step(Input::DeadlinePassed);
        node.answer_all(&[2]);
    }
    assert_eq!(node.hull.role(), Role::Leader, "two are forgiven");
}

fn answered(node: &mut Node) {
    for follower in [2, 3] {
        node.receive(follower, 1, heartbeat_reply(0));
    }
}
