//! What is asked of the system for each connection.
//!
//! A machine that is switched off or cut off says nothing of it. What was sent to it the system sends again,
//! each time after twice the wait, for a quarter of an hour; by then the way may long be whole again, and nobody
//! knows. And a connection on which nobody has anything to say lasts for ever.

use std::io;
use std::time::Duration;

use raft_node::settings::SettingsProblem;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

/// What is wrong with so little patience, if anything.
pub(crate) fn too_hasty(name: &'static str, gone_after: Duration) -> Option<SettingsProblem> {
    let why = "every connection would be given up at once";
    SettingsProblem::if_short(name, gone_after, Duration::from_millis(1), why)
}

/// What is wrong with so much patience, if anything.
pub(crate) fn too_patient(name: &'static str, gone_after: Duration) -> Option<SettingsProblem> {
    let why = "systems count no further, and would refuse every connection";
    SettingsProblem::if_long(name, gone_after, MOST_PATIENCE, why)
}

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

/// What Linux takes for the time until it asks on a connection without traffic.
const MOST_PATIENCE: Duration = Duration::from_secs(32_767);

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn all_that_settings_allow_the_system_takes() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap());
        let stream = stream.await.unwrap();
        for gone_after in [Duration::from_millis(1), MOST_PATIENCE] {
            assert_eq!(too_hasty("it", gone_after), None);
            assert_eq!(too_patient("it", gone_after), None);
            attend(&stream, gone_after).unwrap();
            #[cfg(target_os = "linux")]
            {
                let told = SockRef::from(&stream).tcp_user_timeout().unwrap();
                assert_eq!(told, Some(gone_after));
            }
        }
        assert!(too_hasty("it", Duration::ZERO).is_some());
        let longer = MOST_PATIENCE + Duration::from_secs(1);
        assert!(too_patient("it", longer).is_some());
        #[cfg(target_os = "linux")]
        attend(&stream, longer).unwrap_err();
    }
}
