//! Addresses for nodes that are told where the others are before they run.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// Loopback addresses that nobody listens at, no two tests the same ones. Below the range that systems take
/// outgoing ports from: a connection could sit on one before its node starts, or while it is down.
pub(crate) fn free_addresses(count: usize) -> Vec<String> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 10_000 + u16::try_from(std::process::id() % 9_000).unwrap_or(0);
    let mut addresses = Vec::new();
    while addresses.len() < count {
        let port = first + NEXT.fetch_add(1, Ordering::SeqCst);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            addresses.push(format!("127.0.0.1:{port}"));
        }
    }
    addresses
}
