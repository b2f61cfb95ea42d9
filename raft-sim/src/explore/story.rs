//! The way to a state, told: for a reader, and as a script.

use raft_core::message::Message;
use raft_core::states::Role;

use super::node::letter;
use super::search::{Move, Search};
use super::table::Deed;
use super::{Breach, Counterexample};
use crate::script::print;

/// Tells the way to `from`, and the move there that breaks something.
pub(super) fn tell(search: &mut Search, from: u32, to: Move, breach: &Breach) -> Counterexample {
    let mut way = search.way_to(from);
    way.push((from, to));
    let mut story = Vec::new();
    for (state, to) in &way {
        story.extend(lines(search, *state, *to));
    }
    story.push(format!("{}: {}", breach.property, breach.text));
    Counterexample {
        property: breach.property,
        text: breach.text.clone(),
        story,
        script: script(search, &way, Some(breach.property)),
    }
}

/// What happens in one move: the thing itself, then what the node does about it.
fn lines(search: &Search, state: u32, to: Move) -> Vec<String> {
    let id = to.node + 1;
    let local = search.table.local(search.local_of(state, to.node));
    let mut lines = vec![match to.deed {
        Deed::TimeOut if local.view.role == Role::Leader => format!("n{id}: heartbeats are due"),
        Deed::TimeOut => format!("n{id}: the election timeout passes"),
        Deed::Wait => format!("n{id}: has not heard from its leader for long"),
        Deed::Propose => format!("n{id}: a client proposes a command"),
        Deed::Stall => format!("n{id}: the disk stalls"),
        Deed::Sync => format!("n{id}: the disk makes everything durable"),
        Deed::Crash => format!("n{id}: crashes, and begins again with what is durable"),
        Deed::Receive(number) => {
            let message = search.table.message(number);
            let again = if to.doubles { ", and will again" } else { "" };
            let text = print::message(message);
            format!("{}->n{id}: {text} arrives{again}", message.from.id)
        }
    }];
    let mut node = local.node.clone();
    let done = node.act(search.table.act(to.deed));
    let events = done
        .events
        .iter()
        .map(|event| format!("    {}", print::event(event)));
    lines.extend(events);
    let sent = done.sent.iter().map(|message| {
        let text = print::message(message);
        format!("    sends {} {text}", message.to.id)
    });
    lines.extend(sent);
    lines
}

/// The same moves as a script, where scripts have them: they know no leader whose heartbeats are
/// answered by sending everything again, and their clocks run for pre-votes.
pub(super) fn script(
    search: &Search,
    way: &[(u32, Move)],
    property: Option<&str>,
) -> Option<String> {
    let world = &search.world;
    if world.pre_vote {
        return None;
    }
    let single = if world.single { " single" } else { "" };
    let mut lines = vec![
        "# A way that the exploration found.".to_owned(),
        String::new(),
        format!("> cluster {}{single} plain", world.nodes),
    ];
    let mut under_way = Vec::new();
    for (state, to) in way {
        commands(search, *state, *to, &mut under_way, &mut lines)?;
    }
    lines.extend(["> status".to_owned(), "> log".to_owned()]);
    lines.extend(property.map(|property| format!("> expect {property}")));
    Some(lines.join("\n"))
}

/// The commands for one move. `under_way` is what the script's cluster has under way, in its order.
fn commands(
    search: &Search,
    state: u32,
    to: Move,
    under_way: &mut Vec<Message>,
    lines: &mut Vec<String>,
) -> Option<()> {
    let id = to.node + 1;
    let local = search.table.local(search.local_of(state, to.node));
    match to.deed {
        Deed::TimeOut if local.view.role == Role::Leader => return None,
        Deed::Wait => return None,
        Deed::TimeOut => lines.push(format!("> timeout {id}")),
        Deed::Propose => {
            let letter = char::from(letter(local.node.hull().me().id));
            lines.push(format!("> propose {id} {letter}"));
        }
        Deed::Stall => lines.push(format!("> stall {id}")),
        Deed::Sync => lines.push(format!("> unstall {id}")),
        Deed::Crash => {
            let stalled = local.view.stalled.then(|| format!("> unstall {id}"));
            lines.push(format!("> crash {id}"));
            lines.extend(stalled);
            lines.push(format!("> restart {id}"));
        }
        Deed::Receive(number) => {
            deliver(search.table.message(number), to.doubles, under_way, lines)?;
        }
    }
    let mut node = local.node.clone();
    under_way.extend(node.act(search.table.act(to.deed)).sent);
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
