//! What clients of a world do: drawn into the plan as operations with times, and turned into an
//! app's commands when their time comes.

use std::ops::Range;
use std::time::Duration;

use raft_node::state_machine::App;
use serde::{Deserialize, Serialize};

use crate::lot::{Key, Lot};
use crate::plan::{Swarm, span};

/// One client: it does one thing after the other.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientPlan {
    /// The node it turns to first (by number; beyond the last one it wraps around).
    pub home: u8,
    /// How it submits.
    pub manner: Manner,
    /// Under which session, if it has one. Clients with the same number are one that keeps as
    /// many commands under way.
    pub window: u32,
    /// How long it waits for an answer before it turns to another node, or gives up.
    #[serde(with = "span")]
    pub patience: Duration,
    /// Whether it goes on in the healed world, and must get an answer there.
    pub lasting: bool,
}

/// How a client submits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Manner {
    /// With a session of its own: it may try again anywhere without fear of applying twice.
    Session,
    /// Without one: what it does not hear of, it never learns.
    Plain,
}

/// One thing that a client does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperationPlan {
    /// Its number in the plan: the key of its lot, and what its command is told apart by.
    pub number: u32,
    /// When, if the client is free by then; otherwise as soon as it is.
    #[serde(with = "span")]
    pub at: Duration,
    /// Which client.
    pub client: u32,
    /// What.
    pub action: Action,
}

/// What a client does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Action {
    /// Writes a key.
    Put(u8),
    /// Adds to a key.
    Append(u8),
    /// Writes a key if it still is as last seen.
    Swap(u8),
    /// Reads a key by a command in the log.
    Get(u8),
    /// Reads a key by a linearizable read.
    Read(u8),
    /// Submits a command of the caller's.
    Custom,
    /// Says that it is there, so that its session does not end for want of use. Nothing without a
    /// session.
    Keep,
}

/// Turns operations into commands of an app.
pub trait Workload<A: App> {
    /// What operation `number` of the plan is. Commands of one world should differ from each
    /// other; `lot` differs for each number.
    fn step(&mut self, number: u64, operation: &OperationPlan, lot: Lot) -> Step<A>;

    /// A name for the part of the state that the command touches, when it touches no other: it
    /// makes histories quicker to check. `None` if it may touch all.
    fn partition(&self, command: &A::Command) -> Option<u64>;

    /// Whether the same state is the same bytes wherever it is written down: then two snapshots of the
    /// same entries are compared. A state with a `HashMap` in it has many forms.
    fn has_one_form(&self) -> bool {
        false
    }

    /// What a command means, in a word or two: for stories and pictures.
    fn describe(&self, _command: &A::Command) -> Option<String> {
        None
    }

    /// What a reply says, in a word or two: for stories and pictures.
    fn describe_reply(&self, _reply: &A::Reply) -> Option<String> {
        None
    }

    /// An operation was answered.
    fn returned(&mut self, _command: &A::Command, _reply: &A::Reply) {}
}

/// What an operation is, in terms of an app.
#[derive(Debug)]
pub enum Step<A: App> {
    /// A command to submit.
    Submit(A::Command),
    /// A linearizable read, and the command that would answer the same.
    Read(A::Command, Look<A>),
}

/// A way to answer a command from the state alone.
pub type Look<A> = fn(&A, &<A as App>::Command) -> <A as App>::Reply;

/// Draws clients and operations.
pub(crate) fn draw(seed: u64, swarm: &Swarm) -> (Vec<ClientPlan>, Vec<OperationPlan>) {
    let mut lot = Key::Clients.lot(seed, &[]);
    let mut clients = draw_clients(&mut lot);
    let count = clients.len() as u64;
    let keys = lot.pick(2, &[1, 3, 5]);
    let mix = Mix::draw(&mut lot, swarm.custom);
    // About this many operations a second. Those that find their client waiting queue up.
    // Some clusters are idle most of the time.
    let rate = match lot.chance(120) {
        true => lot.between(1, 2),
        false => lot.between(3, 7),
    };
    let total = rate * swarm.duration.as_secs().max(1);
    let mut times: Vec<Duration> = Vec::new();
    while (times.len() as u64) < total {
        let at = lot.span(Duration::ZERO, swarm.duration);
        times.push(at);
        // Crowds: several at the same moment, for batches.
        if lot.chance(100) {
            for _ in 0..lot.below(6) {
                times.push(at + lot.span(Duration::ZERO, Duration::from_millis(2)));
            }
        }
    }
    times.sort_unstable();
    let mut operations: Vec<OperationPlan> = times
        .into_iter()
        .map(|at| OperationPlan {
            number: 0,
            at,
            client: lot.below(count) as u32,
            action: mix.action(lot.below(keys) as u8, &mut lot),
        })
        .collect();
    let mut lot = Key::Bursts.lot(seed, &[]);
    // A caller's commands may be alike: a crowd of them would take too long to check.
    if !swarm.custom && lot.chance(250) {
        let first = clients.len() as u32;
        let size = lot.between(50, 300) as u32;
        let crowd = draw_crowd(first, size, &mut lot);
        clients.extend(crowd);
        for _ in 0..lot.between(1, 3) {
            let burst = draw_burst(first..first + size, swarm, &mut lot);
            operations.extend(burst);
        }
        operations.sort_by_key(|operation| operation.at);
    }
    for (number, operation) in operations.iter_mut().enumerate() {
        operation.number = number as u32;
    }
    (clients, operations)
}

/// Draws the clients of bursts: some share a few sessions, the others have none.
fn draw_crowd(first: u32, size: u32, lot: &mut Lot) -> Vec<ClientPlan> {
    let piping = lot.below(4) as u32 * CROWD_WINDOW;
    // Each node alike, or all one node.
    let home = lot.chance(500).then(|| lot.below(7) as u8);
    let patience = lot.span(Duration::from_secs(1), Duration::from_secs(4));
    (0..size)
        .map(|place| ClientPlan {
            home: home.unwrap_or((place % 7) as u8),
            manner: match place < piping {
                true => Manner::Session,
                false => Manner::Plain,
            },
            window: first + place / CROWD_WINDOW,
            patience,
            lasting: false,
        })
        .collect()
}

/// Draws a burst: each of these clients submits one command at nearly the same moment, so that
/// windows, lanes, batches and queues fill.
fn draw_burst(clients: Range<u32>, swarm: &Swarm, lot: &mut Lot) -> Vec<OperationPlan> {
    let at = lot.span(Duration::ZERO, swarm.duration * 9 / 10);
    let spread = lot.span_of_any_scale(Duration::from_micros(100), Duration::from_millis(20));
    clients
        .map(|client| {
            // Many keys with few commands each: such a history is quick to check.
            let key = FIRST_BURST_KEY + lot.below(BURST_KEYS) as u8;
            let action = match lot.chance(300) {
                true => Action::Put(key),
                false => Action::Append(key),
            };
            OperationPlan {
                number: 0,
                at: at + lot.span(Duration::ZERO, spread),
                client,
                action,
            }
        })
        .collect()
}

fn draw_clients(lot: &mut Lot) -> Vec<ClientPlan> {
    let count = lot.between(4, 10) as u32;
    let mut clients: Vec<ClientPlan> = (0..count).map(|window| draw_client(window, lot)).collect();
    if lot.chance(400) {
        // Some of the clients with a session keep several commands under way.
        let most = lot.pick(4, &[2, 8, 16]);
        let sessions = clients.iter().filter(|one| one.manner == Manner::Session);
        let piping = sessions.take(2).copied().collect::<Vec<_>>();
        for client in piping {
            let more = lot.between(1, most - 1) as usize;
            clients.extend(std::iter::repeat_n(client, more));
        }
    }
    clients
}

fn draw_client(window: u32, lot: &mut Lot) -> ClientPlan {
    ClientPlan {
        window,
        home: lot.below(7) as u8,
        manner: if lot.chance(650) {
            Manner::Session
        } else {
            Manner::Plain
        },
        patience: lot.span_of_any_scale(Duration::from_millis(150), Duration::from_secs(4)),
        lasting: true,
    }
}

/// How often clients do what: weights.
struct Mix {
    custom: bool,
    put: u64,
    append: u64,
    swap: u64,
    get: u64,
    read: u64,
}

impl Mix {
    fn draw(lot: &mut Lot, custom: bool) -> Self {
        Self {
            custom,
            put: lot.between(1, 4),
            append: lot.between(1, 6),
            swap: lot.between(0, 3),
            get: lot.between(0, 2),
            read: lot.between(0, 4),
        }
    }

    fn action(&self, key: u8, lot: &mut Lot) -> Action {
        if self.custom {
            return Action::Custom;
        }
        let weights = [
            (self.put, Action::Put(key)),
            (self.append, Action::Append(key)),
            (self.swap, Action::Swap(key)),
            (self.get, Action::Get(key)),
            (self.read, Action::Read(key)),
        ];
        let mut place = lot.below(weights.iter().map(|(weight, _)| weight).sum());
        for (weight, action) in weights {
            if place < weight {
                return action;
            }
            place -= weight;
        }
        Action::Put(key)
    }
}

/// The keys that only bursts write.
const FIRST_BURST_KEY: u8 = 100;
const BURST_KEYS: u64 = 120;

/// How many clients of a crowd share one session.
const CROWD_WINDOW: u32 = 16;
