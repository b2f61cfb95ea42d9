//! Time as the core sees it: a number handed in with each input. There is no clock here.
//!
//! The driver samples its clock *after* it has taken an input, so that a process stopped between
//! the two does not act on a stale "now". The origin is arbitrary but fixed for one run.

use core::fmt;
use core::time::Duration;

use serde::{Deserialize, Serialize};

/// A point on the driver's monotonic clock, in nanoseconds since an arbitrary origin.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Time(u64);

impl Time {
    /// The clock's origin.
    pub const ZERO: Self = Self(0);

    /// The point `nanoseconds` after the origin.
    pub const fn from_nanos(nanoseconds: u64) -> Self {
        Self(nanoseconds)
    }

    /// The point `milliseconds` after the origin.
    pub const fn from_millis(milliseconds: u64) -> Self {
        Self(milliseconds.saturating_mul(1_000_000))
    }

    /// Nanoseconds since the origin.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The point `span` later.
    #[must_use]
    pub const fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(nanos_of(span)))
    }

    /// The span from `earlier` to this point; zero when `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// A span in nanoseconds, as many as there can be.
pub(crate) const fn nanos_of(span: Duration) -> u64 {
    // Not by way of 128 bits, as `Duration` has it: this is asked for with every message.
    span.as_secs()
        .saturating_mul(NANOS_PER_SECOND)
        .saturating_add(span.subsec_nanos() as u64)
}

const NANOS_PER_SECOND: u64 = 1_000_000_000;

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0 / 1_000;
        write!(f, "{}.{:06}s", micros / 1_000_000, micros % 1_000_000)
    }
}

/// A span of whole milliseconds: as much of one as a log keeps.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Millis(u32);

impl Millis {
    /// No time at all.
    pub const ZERO: Self = Self(0);
    /// The longest: 49 days.
    pub const MAX: Self = Self(u32::MAX);

    /// A span of so many milliseconds.
    pub const fn new(milliseconds: u32) -> Self {
        Self(milliseconds)
    }

    /// The whole milliseconds of a span, as many as there can be.
    pub fn of(span: Duration) -> Self {
        u32::try_from(span.as_millis()).map_or(Self::MAX, Self)
    }

    /// How many milliseconds.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The span.
    pub const fn span(self) -> Duration {
        Duration::from_millis(self.0 as u64)
    }
}

/// The time written into entries, in milliseconds. It never falls along the log: a leader stamps
/// the last entry's time plus what has passed on its own clock since it was elected. Anything that
/// expires by time (client sessions) expires by this one, so that all replicas agree.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct LogTime(u64);

impl LogTime {
    /// The time before the first entry.
    pub const ZERO: Self = Self(0);

    /// The log time of `milliseconds`.
    pub const fn from_millis(milliseconds: u64) -> Self {
        Self(milliseconds)
    }

    /// In milliseconds.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The log time `span` later.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(
            self.0
                .saturating_add(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_in_time_are_as_far_from_the_origin_as_they_were_made() {
        assert_eq!(Time::from_nanos(1_234).as_nanos(), 1_234);
        assert_eq!(Time::from_millis(2).as_nanos(), 2_000_000);
        let later = Time::from_millis(2).after(Duration::from_micros(3));
        assert_eq!(later.as_nanos(), 2_003_000);
        assert_eq!(later.since(Time::from_millis(2)), Duration::from_micros(3));
    }

    /// Spans come from settings, and times from clocks that may be wrong.
    #[test]
    fn time_never_wraps() {
        let last = Time::from_nanos(u64::MAX);
        assert_eq!(Time::from_millis(1).after(Duration::MAX), last);
        assert_eq!(last.after(Duration::from_nanos(1)), last);
        assert_eq!(Time::from_millis(u64::MAX), last);
        assert_eq!(Time::ZERO.since(last), Duration::ZERO);
        let last = LogTime::from_millis(u64::MAX);
        assert_eq!(LogTime::ZERO.after(Duration::MAX), last);
        assert_eq!(last.after(Duration::from_secs(1)), last);
        let next = LogTime::from_millis(7).after(Duration::from_micros(1_999));
        assert_eq!(next.as_millis(), 8, "whole milliseconds only");
    }

    #[test]
    fn a_span_in_milliseconds_is_never_longer_than_it_was() {
        let cut = Millis::of(Duration::from_micros(1_999));
        assert_eq!(
            (cut, cut.span()),
            (Millis::new(1), Duration::from_millis(1))
        );
        assert_eq!(Millis::of(Duration::MAX), Millis::MAX);
        assert_eq!(
            Millis::MAX.span(),
            Duration::from_millis(u64::from(u32::MAX))
        );
        assert_eq!(Millis::of(Duration::ZERO), Millis::ZERO);
    }

    #[test]
    fn a_time_reads_as_seconds() {
        let time = Time::from_nanos(12_000_345_678);
        assert_eq!(alloc::format!("{time:?}"), "12.000345s");
    }
}
