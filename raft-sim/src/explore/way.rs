//! The way to a state, found again: of most states only a fingerprint was kept.
//!
//! The states of every eighth depth are kept whole. From each of them to the next is a short way,
//! which is searched for. Then all of it is gone once more with the nodes' own names and with the
//! messages that were really sent, hull by hull, to see that they do what was looked up.

use std::collections::BTreeMap;

use raft_core::message::Message;

use super::moves::{Move, Obstacle, Way, Words};
use super::node::{Act, Done, Node};
use super::search::{Found, Search};
use super::state::State;
use super::table::{Deed, fingerprint};

/// One thing that happened on the way, and what the node did.
#[derive(Debug)]
pub(super) struct Happened {
    pub(super) node: usize,
    pub(super) before: Node,
    pub(super) deed: Deed,
    /// What arrived, as it was sent.
    pub(super) message: Option<Message>,
    pub(super) doubles: bool,
    pub(super) done: Done,
}

/// The states that lead to a state, with what happens in each, and the state itself under the
/// nodes' own names. `None` if it isn't reached, or if hulls do otherwise than was looked up.
pub(super) fn way_to(search: &mut Search, found: &Found) -> Option<(Vec<(State, Move)>, State)> {
    let mut stops = search.landmarks_before(found);
    stops.push(found.state.clone());
    let mut states = Vec::new();
    for (from, to) in stops.iter().zip(stops.iter().skip(1)) {
        states.extend(between(search, from, to)?);
    }
    let mut way = Vec::new();
    let mut at = search.beginning().clone();
    for canonical in states {
        let (to, next) = successors(search, &at)
            .into_iter()
            .find(|(_, next)| canonical_of(search, next) == canonical)?;
        way.push((std::mem::replace(&mut at, next), to.to));
    }
    Some((way, at))
}

/// The states after `from` up to `to` on a shortest way.
fn between(search: &mut Search, from: &State, to: &State) -> Option<Vec<State>> {
    let mut before: BTreeMap<Vec<u32>, Option<State>> = BTreeMap::new();
    before.insert(written(search, from), None);
    let mut layer = vec![from.clone()];
    let target = written(search, to);
    while !before.contains_key(&target) {
        let mut next = Vec::new();
        for state in &layer {
            for (_, after) in successors(search, state) {
                let after = canonical_of(search, &after);
                let key = written(search, &after);
                before.entry(key).or_insert_with(|| {
                    next.push(after);
                    Some(state.clone())
                });
            }
        }
        if next.is_empty() {
            return None;
        }
        layer = next;
    }
    let mut states = Vec::new();
    let mut at = to.clone();
    while let Some(Some(earlier)) = before.get(&written(search, &at)) {
        states.push(std::mem::replace(&mut at, earlier.clone()));
    }
    states.reverse();
    Some(states)
}

/// All states that follow from one, under the same names.
fn successors(search: &mut Search, state: &State) -> Vec<(Way, State)> {
    let known = &mut search.known;
    let (mut moves, mut nets, mut all) = (Vec::new(), Vec::new(), Vec::new());
    known.list_moves(state, &mut moves);
    for to in moves {
        let way = loop {
            match known.follow(state, to) {
                Ok(way) => break Some(way),
                Err(Obstacle::Unknown(question)) if known.answer(question).is_ok() => {}
                Err(_) => break None,
            }
        };
        let Some(way) = way else { continue };
        known.list_nets(state, &way, &mut nets);
        for net in nets.drain(..) {
            let next = way.next.clone();
            all.push((way.clone(), State { net, ..next }));
        }
    }
    all
}

fn canonical_of(search: &Search, state: &State) -> State {
    let mut words = Words::default();
    search.known.write_canonical(state, &mut words);
    State::of(&words.best, search.known.nodes())
}

fn written(search: &Search, state: &State) -> Vec<u32> {
    let mut words = Vec::new();
    state.write(search.known.nodes(), &mut words);
    words
}

/// What happens on a way, with the messages that are really sent.
pub(super) fn replay(search: &Search, way: &[(State, Move)]) -> Option<Vec<Happened>> {
    let mut under_way = Vec::new();
    let mut all = Vec::new();
    for (state, to) in way {
        let mut local = state.locals[to.node];
        let crash = to.crashes.then_some(Deed::Crash);
        for deed in crash.into_iter().chain([to.deed]) {
            let table = &search.known.table;
            let before = table.local(local).node.clone();
            let message = match deed {
                Deed::Receive(number) => {
                    let at = sent_as(search, local, number, &under_way)?;
                    Some(if to.doubles {
                        under_way.get(at).cloned()?
                    } else {
                        under_way.remove(at)
                    })
                }
                _ => None,
            };
            let mut node = before.clone();
            let done = node.act(match &message {
                Some(message) => Act::Receive(message),
                None => table.act(deed),
            });
            let step = table.step(table.known(local, deed)?);
            local = step.next;
            if fingerprint(&node) != fingerprint(&table.local(local).node) {
                return None;
            }
            under_way.extend(done.sent.iter().cloned());
            all.push(Happened {
                node: to.node,
                before,
                deed,
                message,
                doubles: to.doubles && deed == to.deed,
                done,
            });
            // Of what would come after it nothing was found out.
            if step.breach.is_some() {
                return Some(all);
            }
        }
    }
    Some(all)
}

/// Which message that is on its way to a node in this state is meant by this one.
fn sent_as(search: &Search, local: u32, number: u32, under_way: &[Message]) -> Option<usize> {
    let table = &search.known.table;
    let (view, meant) = (&table.local(local).view, table.message(number));
    let is_meant = |message: &Message| {
        let mut simple = message.clone();
        table.simpler.simplify(&mut simple);
        simple == *meant
            || view.is_past(&simple) && table.simpler.late(&simple).as_ref() == Some(meant)
    };
    let same = under_way.iter().position(|message| message == meant);
    same.or_else(|| under_way.iter().position(is_meant))
}
