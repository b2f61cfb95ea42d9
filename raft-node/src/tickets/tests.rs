//! Tests of the tickets.
