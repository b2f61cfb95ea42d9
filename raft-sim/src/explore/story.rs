//! The way to a state, told: for a reader, and as a script.

use raft_core::message::Message;
use raft_core::states::Role;

use super::members::{Names, places};
use super::moves::{Move, Obstacle};
use super::node::letter;
use super::search::{Found, Search};
use super::state::State;
use super::table::Deed;
use super::way::{Happened, replay, way_to};
use super::{Breach, Counterexample, Situations, World};
use crate::script::print;

/// Tells the way to a state, and the move there that breaks something. `None` if hulls do
/// otherwise than was looked up.
pub(super) fn tell(search: &mut Search, from: &Found, to: Move) -> Option<Counterexample> {
    let (mut way, state) = way_to(search, from)?;
    let (to, breach) = breaks(search, &state, to)?;
    way.push((state, to));
    let happened = replay(search, &way)?;
    let mut story: Vec<String> = happened.iter().flat_map(lines).collect();
    story.push(format!("{}: {}", breach.property, breach.text));
    Some(Counterexample {
        property: breach.property,
        script: script(&search.known.world, &happened, Some(breach.property)),
        text: breach.text,
        story,
    })
}

/// A move that breaks something under the nodes' own names: `to` names them as the state does that
/// stands for this one.
fn breaks(search: &mut Search, state: &State, to: Move) -> Option<(Move, Breach)> {
    let mut moves = Vec::new();
    search.known.list_moves(state, &mut moves);
    let alike = |other: &Move| {
        let kind = |deed| std::mem::discriminant(&deed);
        kind(other.deed) == kind(to.deed) && other.crashes == to.crashes
    };
    moves.sort_by_key(|other| !alike(other));
    moves.into_iter().find_map(|to| {
        let breach = loop {
            match search.known.follow(state, to) {
                Ok(way) => {
                    let looked = search.known.look(state, &way, &mut Situations::default());
                    break looked.err();
                }
                Err(Obstacle::Broken(breach)) => break Some(breach),
                Err(Obstacle::Idle) => break None,
                Err(Obstacle::Unknown(question)) => search.known.answer(question).ok()?,
            }
        };
        breach.map(|breach| (to, breach))
    })
}

/// What happens: the thing itself, then what the node does about it.
fn lines(happened: &Happened) -> Vec<String> {
    let id = happened.node + 1;
    let mut lines = vec![match (happened.deed, &happened.message) {
        (Deed::TimeOut, _) if happened.before.hull().role() == Role::Leader => {
            format!("n{id}: heartbeats are due")
        }
        (Deed::TimeOut, _) => format!("n{id}: the election timeout passes"),
        (Deed::Wait, _) => format!("n{id}: has not heard from its leader for long"),
        (Deed::Read, _) => format!("n{id}: a client wants to read"),
        (Deed::Snapshot, _) => format!("n{id}: takes a snapshot"),
        (Deed::Propose, _) => format!("n{id}: a client proposes a command"),
        (Deed::Change(voters), _) => format!("n{id}: is asked for the members {}", Names(voters)),
        (Deed::Stall, _) => format!("n{id}: the disk stalls"),
        (Deed::Sync, _) => format!("n{id}: the disk makes everything durable"),
        (Deed::Damage(writes), _) => format!(
            "n{id}: crashes, and begins again with a damaged disk: of what was written {writes} writes are left"
        ),
        (Deed::Crash, _) => format!("n{id}: crashes, and begins again with what is durable"),
        (Deed::Receive(_), Some(message)) => {
            let again = if happened.doubles {
                ", and will again"
            } else {
                ""
            };
            let text = print::message(message);
            format!("{}->n{id}: {text} arrives{again}", message.from.id)
        }
        (Deed::Receive(_), None) => format!("n{id}: a message arrives"),
    }];
    let events = happened.done.events.iter();
    lines.extend(events.map(|event| format!("    {}", print::event(event))));
    let sent = happened.done.sent.iter().map(|message| {
        let text = print::message(message);
        format!("    sends {} {text}", message.to.id)
    });
    lines.extend(sent);
    lines
}

/// The same as a script, where scripts have all of it: they know no leader whose heartbeats are
/// answered by sending everything again, no damaged disks and no logs without what a snapshot stands for, and their clocks run for pre-votes.
pub(super) fn script(
    world: &World,
    happened: &[Happened],
    property: Option<&str>,
) -> Option<String> {
    if world.pre_vote {
        return None;
    }
    let single = if world.single { " single" } else { "" };
    let witnesses = match world.witnesses {
        0 => String::new(),
        witnesses => format!(" witnesses {witnesses}"),
    };
    let founders = match world.joiners {
        0 => String::new(),
        _ => format!(" founders {}", world.founders()),
    };
    let mut lines = vec![
        "# A way that the exploration found.".to_owned(),
        String::new(),
        format!(
            "> cluster {}{founders}{witnesses}{single} plain",
            world.nodes
        ),
    ];
    let mut under_way = Vec::new();
    for one in happened {
        commands(one, &mut under_way, &mut lines)?;
    }
    lines.extend(["> status".to_owned(), "> log".to_owned()]);
    lines.extend(property.map(|property| format!("> expect {property}")));
    Some(lines.join("\n"))
}

/// The commands for one thing. `under_way` is what the script's cluster has under way, in its order.
fn commands(
    happened: &Happened,
    under_way: &mut Vec<Message>,
    lines: &mut Vec<String>,
) -> Option<()> {
    let id = happened.node + 1;
    let hull = happened.before.hull();
    match happened.deed {
        Deed::TimeOut if hull.role() == Role::Leader => return None,
        Deed::Wait | Deed::Damage(_) | Deed::Snapshot => return None,
        Deed::TimeOut => lines.push(format!("> timeout {id}")),
        Deed::Read => lines.push(format!("> read {id}")),
        Deed::Propose => {
            let letter = char::from(letter(hull.me().id));
            lines.push(format!("> propose {id} {letter}"));
        }
        Deed::Change(voters) => {
            let ids = places(voters).map(|place| format!(" {}", place + 1));
            lines.push(format!("> members {id} voters{}", ids.collect::<String>()));
        }
        Deed::Stall => lines.push(format!("> stall {id}")),
        Deed::Sync => lines.push(format!("> unstall {id}")),
        Deed::Crash => {
            let stalled = happened.before.is_stalled();
            lines.push(format!("> crash {id}"));
            lines.extend(stalled.then(|| format!("> unstall {id}")));
            lines.push(format!("> restart {id}"));
        }
        Deed::Receive(_) => {
            let message = happened.message.as_ref()?;
            deliver(message, happened.doubles, under_way, lines)?;
        }
    }
    under_way.extend(happened.done.sent.iter().cloned());
    Some(())
}

/// Delivers a message: scripts name one by its link, kind and term, and take the oldest of these.
/// `copy` puts two at the end of what is under way in place of it.
fn deliver(
    message: &Message,
    doubles: bool,
    under_way: &mut Vec<Message>,
    lines: &mut Vec<String>,
) -> Option<()> {
    let alike = |other: &Message| {
        let ends = other.from == message.from && other.to == message.to;
        ends && other.term == message.term && other.body.name() == message.body.name()
    };
    let (from, to, kind) = (
        message.from.id.get(),
        message.to.id.get(),
        message.body.name(),
    );
    let pattern = format!("{from}->{to} {kind} {}", message.term);
    let mut copies = usize::from(doubles);
    loop {
        let first = under_way.iter().position(alike)?;
        let oldest = under_way.remove(first);
        let is_meant = oldest == *message;
        if is_meant && copies == 0 {
            lines.push(format!("> deliver first {pattern}"));
            return Some(());
        }
        copies -= usize::from(is_meant);
        lines.push(format!("> quietly copy first {pattern}"));
        under_way.extend([oldest.clone(), oldest]);
    }
}
