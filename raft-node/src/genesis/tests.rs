//! Tests of the founding.
