//! What is asked of the system for each connection.
//!
//! A machine that is switched off or cut off says nothing of it. What was sent to it the system sends again,
//! each time after twice the wait, for a quarter of an hour; by then the way may long be whole again, and nobody
//! knows. And a connection on which nobody has anything to say lasts for ever.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

/// Has a connection fail once the other machine has confirmed nothing for so long.
///
/// # Errors
///
/// The system refuses: the connection is not to be used.
pub(crate) fn attend(stream: &TcpStream, gone_after: Duration) -> io::Result<()> {
    let socket = SockRef::from(stream);
    #[cfg(any(target_os = "linux", target_os = "android"))]
    socket.set_tcp_user_timeout(Some(gone_after))?;
    // Seconds are what the systems count these in.
    let idle = TcpKeepalive::new().with_time(gone_after.max(Duration::from_secs(1)));
    #[cfg(any(
        target_os = "linux",
        target_os = "android",
        target_os = "freebsd",
        target_os = "macos",
        target_os = "windows"
    ))]
    let idle = idle.with_interval(Duration::from_secs(1));
    socket.set_tcp_keepalive(&idle)
}
