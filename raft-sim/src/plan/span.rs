//! Spans of time as a plan's text has them: `350ms`, `1.5s`, `20us`, never rounded.

use std::fmt;
use std::time::Duration;

use serde::de::{Error, Visitor};
use serde::{Deserializer, Serializer};

use crate::lot::nanos;

/// Writes a span as text; for `#[serde(with = "…")]`.
pub(crate) fn serialize<S: Serializer>(span: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&text(*span))
}

/// Reads what [`serialize`] writes, and whatever else [`parse`] takes.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    from.deserialize_str(SpanVisitor)
}

struct SpanVisitor;

impl Visitor<'_> for SpanVisitor {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a span of time such as \"350ms\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Duration, E> {
        parse(text).map_err(E::custom)
    }
}

/// A span as a person would say it: rounded.
pub(crate) fn short(span: Duration) -> String {
    let rounded = match span {
        _ if span >= Duration::from_secs(10) => Duration::from_secs(span.as_secs()),
        _ if span >= Duration::from_millis(10) => Duration::from_millis(span.as_millis() as u64),
        _ => Duration::from_micros(span.as_micros() as u64),
    };
    format!("{rounded:?}")
}

/// Spans that may be missing.
pub(crate) mod optional {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Span(#[serde(with = "super")] Duration);

    /// Writes a span, or that there is none; for `#[serde(with = "…")]`.
    pub(crate) fn serialize<S: Serializer>(
        span: &Option<Duration>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        span.map(Span).serialize(to)
    }

    /// Reads what [`serialize`] writes.
    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<Span>::deserialize(from)?.map(|Span(span)| span))
    }
}

/// A span in its largest unit that leaves something before the point.
pub(crate) fn text(span: Duration) -> String {
    let all = nanos(span);
    let (name, size) = UNITS
        .into_iter()
        .find(|&(_, size)| all >= size)
        .unwrap_or(("s", 1_000_000_000));
    let (whole, rest) = (all / size, all % size);
    if rest == 0 {
        return format!("{whole}{name}");
    }
    let places = size.ilog10() as usize;
    let rest = format!("{rest:0places$}");
    format!("{whole}.{}{name}", rest.trim_end_matches('0'))
}

/// A number with or without decimal places, and a unit behind it.
pub(crate) fn parse(text: &str) -> Result<Duration, SpanError> {
    if text.starts_with(['-', '+']) {
        return Err(SpanError::Sign);
    }
    let unit = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.');
    let (number, unit) = text.split_at(unit.unwrap_or(text.len()));
    let size = UNITS.into_iter().find(|(name, _)| *name == unit);
    let Some((_, size)) = size else {
        return Err(SpanError::NoUnit);
    };
    let (whole, places) = number.split_once('.').unwrap_or((number, "0"));
    let most = size.ilog10() as usize;
    if whole.is_empty() || places.is_empty() || places.contains('.') {
        return Err(SpanError::NoNumber);
    }
    if places.len() > most.max(1) || (most == 0 && places != "0") {
        return Err(SpanError::TooFine);
    }
    let whole: u64 = whole.parse().map_err(|_| SpanError::TooLong)?;
    let rest: u64 = format!("{places:0<most$}")
        .parse()
        .map_err(|_| SpanError::TooLong)?;
    whole
        .checked_mul(size)
        .and_then(|nanos| nanos.checked_add(rest))
        .map(Duration::from_nanos)
        .filter(|span| *span <= MOST_SPAN)
        .ok_or(SpanError::TooLong)
}

/// Why a text is no span of time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum SpanError {
    #[error("a span of time needs one of the units s, ms, us, ns, as in \"350ms\"")]
    NoUnit,
    #[error("a span of time is written without a sign, as in \"350ms\"")]
    Sign,
    #[error("a span of time is a number and a unit, as in \"1.5s\"")]
    NoNumber,
    #[error("a span of time is whole in nanoseconds: write fewer decimal places")]
    TooFine,
    #[error("a span of time is at most 1000000s")]
    TooLong,
}

/// The longest span that a plan may name: eleven days.
pub(crate) const MOST_SPAN: Duration = Duration::from_secs(1_000_000);

/// The units, largest first, with their nanoseconds.
const UNITS: [(&str, u64); 4] = [
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_read_back_as_it_was() {
        for (span, expected) in [
            (Duration::ZERO, "0s"),
            (Duration::from_nanos(7), "7ns"),
            (Duration::from_nanos(1_050), "1.05us"),
            (Duration::from_millis(350), "350ms"),
            (Duration::from_nanos(12_345_678), "12.345678ms"),
            (Duration::from_millis(61_500), "61.5s"),
            (Duration::from_nanos(1_000_000_001), "1.000000001s"),
        ] {
            assert_eq!(text(span), expected);
            assert_eq!(parse(expected), Ok(span));
        }
    }

    #[test]
    fn what_is_no_span_is_told_why() {
        for (text, why) in [
            ("", SpanError::NoUnit),
            ("12", SpanError::NoUnit),
            ("-3s", SpanError::Sign),
            ("3h", SpanError::NoUnit),
            ("s", SpanError::NoNumber),
            (".5s", SpanError::NoNumber),
            ("1.s", SpanError::NoNumber),
            ("1.2.3s", SpanError::NoNumber),
            ("0.5ns", SpanError::TooFine),
            ("1.0000000001s", SpanError::TooFine),
            ("99999999999999999999s", SpanError::TooLong),
            ("1000000.000000001s", SpanError::TooLong),
        ] {
            assert_eq!(parse(text), Err(why), "{text:?}");
        }
    }
}
