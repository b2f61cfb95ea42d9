//! Faults that belong together: each alone is common, and together they are too rare to wait for.

use std::time::Duration;

use super::draw::Draw;
use super::{Fault, FaultPlan, Occasion, Shape, Target};
use crate::lot::Lot;
use crate::network::KINDS;

impl Draw<'_> {
    /// One leader after the other is cut off or crashes when it has just begun: what each has
    /// proposed is left on some nodes and overtaken by what the next one does. The worst
    /// histories (Figure 8's) are made of this.
    pub(super) fn cascade(self, from: Duration, lot: &mut Lot, drawn: &mut Vec<FaultPlan>) {
        let mut at = from;
        for _ in 0..lot.between(2, 6) {
            let occasion = lot.pick(
                Occasion::Elected,
                &[Occasion::Elected, Occasion::Proposed, Occasion::Committed],
            );
            let lasts = lot.span(self.election, self.election * 5);
            let place = lot.below(self.plan.nodes.len() as u64) as u8;
            let cut = |shape| Fault::Cut {
                shape,
                lasts,
                held: false,
                flap: None,
            };
            let crash = Fault::Crash {
                target: Target::Cause,
                loss: self.loss(lot),
                down: lasts / 2,
                rot: false,
            };
            let isolate = cut(Shape::Isolate(Target::Cause));
            let with = cut(Shape::With(Target::Cause, place));
            let families = self.plan.families;
            let fault = match (families.crash, families.partition) {
                (true, true) => lot.pick(crash, &[isolate, with, with]),
                (true, false) => crash,
                (false, _) => lot.pick(isolate, &[with]),
            };
            let way = self.plan.network.delay.draw(lot);
            drawn.push(FaultPlan {
                number: 0,
                at,
                occasion,
                delay: lot.span(Duration::ZERO, way * 3),
                fault,
            });
            at += lot.span(self.election / 2, self.election * 3);
        }
    }

    /// A leader and one follower are cut off from the others, and what the follower says to it is
    /// held for longer than that: promises of one time arrive in another, when the leader may lead
    /// again and the follower may have lost what it promised.
    pub(super) fn echo(self, at: Duration, lot: &mut Lot, drawn: &mut Vec<FaultPlan>) {
        let place = lot.below(self.plan.nodes.len() as u64) as u8;
        let short = lot.span(self.election, self.election * 4);
        let long = short + lot.span(self.election / 2, self.election * 6);
        let occasion = lot.pick(Occasion::Proposed, &[Occasion::Elected]);
        let cut = |shape, lasts, held| Fault::Cut {
            shape,
            lasts,
            held,
            flap: None,
        };
        let fault = |delay, fault| FaultPlan {
            number: 0,
            at,
            occasion,
            delay,
            fault,
        };
        drawn.push(fault(
            Duration::ZERO,
            cut(Shape::From(Target::Cause, place), long, true),
        ));
        drawn.push(fault(
            Duration::ZERO,
            cut(Shape::With(Target::Cause, place), short, false),
        ));
        // Whoever leads after it goes as well, so that the first may come back.
        if lot.chance(700) {
            let lasts = lot.span(self.election, self.election * 3);
            drawn.push(fault(
                short + lot.span(Duration::ZERO, self.election),
                cut(Shape::Isolate(Target::Leader), lasts, false),
            ));
        }
    }

    /// One node campaigns again and again, and nobody hears its requests; then nobody hears it at
    /// all. Its term is far ahead, and its log stays behind.
    pub(super) fn strand(self, at: Duration, lot: &mut Lot, drawn: &mut Vec<FaultPlan>) {
        let node = Target::Node(lot.below(self.plan.nodes.len() as u64) as u8);
        let lasts = lot.span(self.election * 2, self.election * 10);
        let requests = KINDS.iter().position(|kind| *kind == "RequestVote");
        let mut push = |at, fault| {
            drawn.push(FaultPlan {
                number: 0,
                at,
                occasion: Occasion::None,
                delay: Duration::ZERO,
                fault,
            });
        };
        let isolate = |target, lasts| Fault::Cut {
            shape: Shape::Isolate(target),
            lasts,
            held: false,
            flap: None,
        };
        push(
            at,
            Fault::Gag {
                target: lot.chance(800).then_some(node),
                kind: requests.unwrap_or_default() as u8,
                lasts,
            },
        );
        push(at, isolate(Target::Leader, lasts));
        if self.plan.families.drift {
            push(
                at,
                Fault::Rate {
                    target: node,
                    per_mille: lot.between(2_000, 6_000) as u32,
                    lasts,
                },
            );
        }
        let alone = match lot.chance(500) {
            true => self.plan.duration,
            false => lot.span(self.election * 4, self.election * 20),
        };
        push(at + lot.span(lasts / 2, lasts), isolate(node, alone));
    }
}
