//! Virtual time: one queue of events for the whole world, and a clock for each node.
//!
//! There are no ticks. The world takes the earliest event, sets the time to its time, and lets
//! everything run that it wakes. Events of the same time come in the order in which they were
//! scheduled, so that a world has one history only.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use raft_core::ids::NodeId;
use raft_core::time::Time;
use raft_node::clock::Clock;
use raft_node::rare::Site;

use crate::lot::{Key, nanos};
use crate::network::node_number;
use crate::plan::{NodePlan, Plan, RareSite};
use crate::rare::Rare;
use crate::world::event::Event;

/// The world's time and what is still to come. Cheap to clone; all clones are one queue.
#[derive(Clone, Debug, Default)]
pub(crate) struct Schedule(Arc<Shared>);

/// The time stands apart: it is read far more often than anything is scheduled.
#[derive(Debug, Default)]
struct Shared {
    now: AtomicU64,
    queue: Mutex<Queue>,
}

/// The order is kept apart from the events, which are large: a heap moves what it holds.
#[derive(Debug, Default)]
struct Queue {
    scheduled: u64,
    order: BinaryHeap<Reverse<Scheduled>>,
    events: Vec<Option<Event>>,
    free: Vec<usize>,
}

/// When an event is due; of those due at once, which was scheduled first; and where it is. In one
/// number, from the highest bits on, since a heap does little else than compare: no world has 2^40
/// events, or 2^24 to come.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Scheduled(u128);

impl Scheduled {
    const fn new(at: Time, number: u64, place: usize) -> Self {
        let order = number << PLACE_BITS | place as u64;
        Self((at.as_nanos() as u128) << u64::BITS | order as u128)
    }

    const fn at(self) -> Time {
        Time::from_nanos((self.0 >> u64::BITS) as u64)
    }

    const fn place(self) -> usize {
        (self.0 as u64 & ((1 << PLACE_BITS) - 1)) as usize
    }
}

impl Schedule {
    /// The world's time.
    pub(crate) fn now(&self) -> Time {
        Time::from_nanos(self.0.now.load(Ordering::Relaxed))
    }

    /// Lets `event` happen at `at`, or now if that has passed.
    pub(crate) fn at(&self, at: Time, event: Event) {
        let at = at.max(self.now());
        let mut queue = self.queue();
        let number = queue.scheduled;
        queue.scheduled += 1;
        let place = queue.put(event);
        queue.order.push(Reverse(Scheduled::new(at, number, place)));
    }

    /// Lets `event` happen after `span`.
    pub(crate) fn after(&self, span: Duration, event: Event) {
        let at = self.now().after(span);
        self.at(at, event);
    }

    /// Goes on to the earliest event and takes it.
    pub(crate) fn next(&self) -> Option<Event> {
        let mut queue = self.queue();
        let Reverse(next) = queue.order.pop()?;
        self.0.now.store(next.at().as_nanos(), Ordering::Relaxed);
        queue.free.push(next.place());
        queue.events.get_mut(next.place())?.take()
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // The queue is never left half changed.
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// Puts an event where there is a place for it.
    fn put(&mut self, event: Event) -> usize {
        if let Some(place) = self.free.pop() {
            if let Some(slot) = self.events.get_mut(place) {
                *slot = Some(event);
                return place;
            }
        }
        self.events.push(Some(event));
        self.events.len() - 1
    }
}

/// How one node's clock relates to the world's: it shows another time and runs at another rate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    /// The world's time since which it has run at this rate.
    since: Time,
    /// What the clock showed then, jumps since then included.
    offset: u64,
    /// How many nanoseconds it gains in a million; negative when it loses.
    drift: i64,
}

impl Rate {
    pub(crate) fn new(plan: &NodePlan) -> Self {
        Self {
            since: Time::ZERO,
            offset: nanos(plan.clock_offset),
            drift: i64::from(plan.clock_drift),
        }
    }

    /// A clock that shows the world's time.
    pub(crate) const fn true_time() -> Self {
        Self {
            since: Time::ZERO,
            offset: 0,
            drift: 0,
        }
    }

    /// Moves the clock forward.
    pub(crate) fn jump(&mut self, by: Duration) {
        self.offset = self.offset.saturating_add(nanos(by));
    }

    /// Lets the clock run at another rate from the world's time `now` on.
    fn change(&mut self, now: Time, drift: i64) {
        *self = Self {
            since: now,
            offset: self.local(now).as_nanos(),
            drift,
        };
    }

    /// What the clock shows at the world's time `world`.
    pub(crate) fn local(&self, world: Time) -> Time {
        let passed = world.as_nanos().saturating_sub(self.since.as_nanos());
        if self.drift == 0 {
            return Time::from_nanos(self.offset.saturating_add(passed));
        }
        let gained = divided(passed, self.drift, 0, MILLION as i64)
            .unwrap_or_else(|| i128::from(passed) * i128::from(self.drift) / MILLION);
        let shown = i128::from(passed) + gained;
        Time::from_nanos(self.offset.saturating_add(shown.max(0) as u64))
    }

    /// The world's time from which on the clock shows at least `local`.
    pub(crate) fn world(&self, local: Time) -> Time {
        let shown = local.as_nanos().saturating_sub(self.offset);
        if self.drift == 0 {
            return Time::from_nanos(self.since.as_nanos().saturating_add(shown));
        }
        let rate = MILLION as i64 + self.drift;
        let passed = divided(shown, MILLION as i64, rate - 1, rate).unwrap_or_else(|| {
            let rate = i128::from(rate);
            (i128::from(shown) * MILLION + rate - 1) / rate
        });
        let passed = u64::try_from(passed).unwrap_or(u64::MAX);
        let mut world = Time::from_nanos(self.since.as_nanos().saturating_add(passed));
        // Rounding on the way there and back may end just short.
        while self.local(world) < local && world.as_nanos() < u64::MAX {
            world = Time::from_nanos(world.as_nanos() + 1);
        }
        world
    }
}

/// `(span * factor + more) / by`, if that can be said in 64 bits: dividing by more takes far longer.
fn divided(span: u64, factor: i64, more: i64, by: i64) -> Option<i128> {
    let product = i64::try_from(span).ok()?.checked_mul(factor)?;
    let quotient = product.checked_add(more)?.checked_div(by)?;
    Some(i128::from(quotient))
}

/// What a process has of its node's clock, and what the world shares with it.
#[derive(Debug)]
struct Hand {
    rate: Rate,
    /// How much it gains when no fault changes that.
    planned: i64,
    alarm: Option<Alarm>,
    /// How late alarms ring at most.
    late: Duration,
    /// How many alarms there were, and what names their lots.
    alarms: u64,
    key: u64,
    seed: u64,
}

/// The next wake-up that was asked for.
#[derive(Debug)]
struct Alarm {
    /// The world's time that was asked for last.
    at: Time,
    /// The world's time for which an event is scheduled: if it is too early for `at`, another
    /// follows it.
    rings: Time,
    waker: Waker,
}

/// One node's clock, as its driver reads it. Never goes back.
#[derive(Clone, Debug)]
pub(crate) struct SimClock {
    node: NodeId,
    schedule: Schedule,
    hand: Arc<Mutex<Hand>>,
    rare: Rare,
}

impl SimClock {
    pub(crate) fn new(node: NodeId, plan: &Plan, schedule: Schedule, rare: Rare) -> Self {
        let number = node_number(node);
        let rate = plan
            .nodes
            .get(number)
            .map_or_else(Rate::true_time, Rate::new);
        Self {
            node,
            schedule,
            hand: Arc::new(Mutex::new(Hand {
                planned: rate.drift,
                rate,
                alarm: None,
                late: plan.quirks.alarms_late,
                alarms: 0,
                key: plan.key_of(number),
                seed: plan.seed,
            })),
            rare,
        }
    }

    /// Moves the clock forward and wakes who waits on it.
    pub(crate) fn jump(&self, by: Duration) {
        let mut hand = self.hand();
        hand.rate.jump(by);
        if let Some(alarm) = hand.alarm.take() {
            alarm.waker.wake();
        }
    }

    /// Lets the clock show so many thousandths of a second in a second, from now on.
    pub(crate) fn run_at(&self, per_mille: u32) {
        self.change_drift(i64::from(per_mille.max(1)) * 1_000 - MILLION as i64);
    }

    /// Lets the clock run as its plan has it.
    pub(crate) fn run_as_planned(&self) {
        let planned = self.hand().planned;
        self.change_drift(planned);
    }

    /// Changes the rate and wakes who waits: the alarm it asked for comes at another time now.
    fn change_drift(&self, drift: i64) {
        let now = self.schedule.now();
        let mut hand = self.hand();
        hand.rate.change(now, drift);
        if let Some(alarm) = hand.alarm.take() {
            alarm.waker.wake();
        }
    }

    /// The event of an alarm came: wakes who waits, if it is the one that was last asked for, and
    /// the deadline has not moved away since.
    pub(crate) fn ring(&self, now: Time) {
        let mut hand = self.hand();
        let Some(alarm) = hand.alarm.take_if(|alarm| alarm.rings <= now) else {
            return;
        };
        if alarm.at <= now {
            alarm.waker.wake();
        } else {
            self.set(&mut hand, alarm.at, alarm.waker);
        }
    }

    /// Wakes `waker` at `at`, or as much later as alarms may be.
    fn set(&self, hand: &mut Hand, at: Time, waker: Waker) {
        let mut rings = at;
        if !hand.late.is_zero() {
            hand.alarms += 1;
            let name = [hand.key, hand.alarms];
            let mut late = Key::Alarm.lot(hand.seed, &name);
            rings = at.after(late.span(Duration::ZERO, hand.late));
        }
        hand.alarm = Some(Alarm { at, rings, waker });
        self.schedule.at(rings, Event::Alarm { node: self.node });
    }

    /// Rings in time from now on.
    pub(crate) fn be_punctual(&self) {
        self.hand().late = Duration::ZERO;
    }

    /// Forgets who waited: the process has ended.
    pub(crate) fn silence(&self) {
        self.hand().alarm = None;
    }

    fn hand(&self) -> MutexGuard<'_, Hand> {
        self.hand.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for SimClock {
    fn now(&self) -> Time {
        self.hand().rate.local(self.schedule.now())
    }

    fn poll_until(&mut self, deadline: Time, cx: &mut Context<'_>) -> Poll<()> {
        let mut hand = self.hand();
        if hand.rate.local(self.schedule.now()) >= deadline {
            return Poll::Ready(());
        }
        let at = hand.rate.world(deadline);
        // A deadline mostly moves away before it comes: another event when the first one comes is
        // cheaper than one for each move.
        match &mut hand.alarm {
            Some(alarm) if alarm.rings <= at => {
                alarm.at = at;
                alarm.waker.clone_from(cx.waker());
            }
            _ => self.set(&mut hand, at, cx.waker().clone()),
        }
        Poll::Pending
    }

    fn rarely(&self, site: Site) -> bool {
        self.rare.strikes(RareSite::Node(site))
    }
}

/// As many bits say where an event is.
const PLACE_BITS: u32 = 24;

const MILLION: i128 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_shows_the_deadline_at_the_world_time_it_names() {
        for drift in [-50_000, -333, 0, 7, 50_000] {
            let rate = Rate {
                since: Time::ZERO,
                offset: 12_345,
                drift,
            };
            for passed in [0, 1, 999, 1_000_000_007, 60_000_000_000, 1 << 60] {
                let deadline = Time::from_nanos(12_345 + passed);
                let world = rate.world(deadline);
                assert!(rate.local(world) >= deadline, "{drift} {passed}");
                let before = Time::from_nanos(world.as_nanos().saturating_sub(2));
                assert!(rate.local(before) <= deadline, "{drift} {passed}");
            }
        }
    }

    #[test]
    fn a_clock_whose_rate_changes_goes_on_from_where_it_was() {
        let mut rate = Rate::true_time();
        rate.change(Time::from_millis(1_000), 3_000_000);
        assert_eq!(
            rate.local(Time::from_millis(1_000)),
            Time::from_millis(1_000)
        );
        assert_eq!(
            rate.local(Time::from_millis(1_010)),
            Time::from_millis(1_040)
        );
        assert_eq!(
            rate.world(Time::from_millis(1_040)),
            Time::from_millis(1_010)
        );
        rate.change(Time::from_millis(1_010), -900_000);
        assert_eq!(
            rate.local(Time::from_millis(1_020)),
            Time::from_millis(1_041)
        );
    }

    #[test]
    fn events_of_one_time_come_in_the_order_they_were_scheduled() {
        let schedule = Schedule::default();
        for node in 1..=3 {
            schedule.at(
                Time::from_millis(2),
                Event::Alarm {
                    node: NodeId::new(node),
                },
            );
        }
        schedule.at(Time::from_millis(1), Event::Heal);
        assert!(matches!(schedule.next(), Some(Event::Heal)));
        for node in 1..=3 {
            match schedule.next() {
                Some(Event::Alarm { node: found }) => assert_eq!(found, NodeId::new(node)),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(schedule.now(), Time::from_millis(2));
    }
}
