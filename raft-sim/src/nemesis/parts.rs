//! What faults are made of: the spans and the victims that they name, to be looked at or changed
//! one by one by whoever edits a plan.

use std::time::Duration;

use super::{Fault, Shape, Target};

impl Fault {
    /// The spans of time that it names.
    pub(crate) fn spans_mut(&mut self) -> Vec<&mut Duration> {
        match self {
            Self::Crash { down, .. }
            | Self::Wipe { down, .. }
            | Self::Blackout { down, .. }
            | Self::DiskError { down, .. } => vec![down],
            Self::Cut { lasts, flap, .. } => {
                let mut spans = vec![lasts];
                spans.extend(flap);
                spans
            }
            Self::Gag { lasts, .. }
            | Self::Namesake { lasts, .. }
            | Self::Rate { lasts, .. }
            | Self::Pause { lasts, .. }
            | Self::Stall { lasts, .. } => vec![lasts],
            Self::OtherBuild { down, lasts, .. } => vec![down, lasts],
            Self::Slow { lasts, by, .. } => vec![lasts, by],
            Self::Storm { late, lasts, .. } => vec![lasts, late],
            Self::Jump { by, .. } => vec![by],
            Self::FalseLoss { .. }
            | Self::HandOver { .. }
            | Self::Reconfigure { .. }
            | Self::CancelChange { .. } => Vec::new(),
        }
    }

    /// Whom it names, if it names one.
    pub(crate) const fn target_mut(&mut self) -> Option<&mut Target> {
        match self {
            Self::Crash { target, .. }
            | Self::Wipe { target, .. }
            | Self::OtherBuild { target, .. }
            | Self::Pause { target, .. }
            | Self::Slow { target, .. }
            | Self::Stall { target, .. }
            | Self::DiskError { target, .. }
            | Self::Jump { target, .. }
            | Self::Rate { target, .. }
            | Self::HandOver { target, .. }
            | Self::Reconfigure { target, .. }
            | Self::CancelChange { target }
            | Self::FalseLoss { target } => Some(target),
            Self::Gag { target, .. } => target.as_mut(),
            Self::Cut { shape, .. } => match shape {
                Shape::Isolate(target)
                | Shape::Mute(target)
                | Shape::Deafen(target)
                | Shape::Bridge(_, target)
                | Shape::Link(target)
                | Shape::With(target, _)
                | Shape::From(target, _)
                | Shape::Star(target) => Some(target),
                Shape::Split(_)
                | Shape::OneWay(_)
                | Shape::Ring
                | Shape::Chain
                | Shape::Majorities => None,
            },
            Self::Blackout { .. } | Self::Storm { .. } | Self::Namesake { .. } => None,
        }
    }

    /// The sets of nodes, as bits, that it names.
    pub(crate) fn sets_mut(&mut self) -> Vec<&mut u8> {
        match self {
            Self::Cut {
                shape: Shape::Split(set) | Shape::OneWay(set) | Shape::Bridge(set, _),
                ..
            } => vec![set],
            Self::Reconfigure {
                voters, learners, ..
            } => vec![voters, learners],
            Self::Cut { .. }
            | Self::Crash { .. }
            | Self::Wipe { .. }
            | Self::OtherBuild { .. }
            | Self::Blackout { .. }
            | Self::Pause { .. }
            | Self::Slow { .. }
            | Self::Stall { .. }
            | Self::DiskError { .. }
            | Self::Storm { .. }
            | Self::Gag { .. }
            | Self::Namesake { .. }
            | Self::Rate { .. }
            | Self::Jump { .. }
            | Self::HandOver { .. }
            | Self::CancelChange { .. }
            | Self::FalseLoss { .. } => Vec::new(),
        }
    }
}
