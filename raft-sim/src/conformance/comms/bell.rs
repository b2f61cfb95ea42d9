//! What comms under test wake.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Wake, Waker};
use std::time::Duration;

/// Rings when comms that the kit listens to have something to tell.
#[derive(Clone, Debug, Default)]
pub struct Bell(Arc<(Mutex<bool>, Condvar)>);

impl Bell {
    /// Waits until it rings, for so long at most; whether it rang since it was last waited for.
    pub fn wait(&self, at_most: Duration) -> bool {
        let (rung, ringing) = &*self.0;
        let rung = rung.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = ringing.wait_timeout_while(rung, at_most, |rung| !*rung);
        let (mut rung, _) = waited.unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *rung)
    }

    fn ring(&self) {
        let (rung, ringing) = &*self.0;
        *rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        ringing.notify_all();
    }
}

/// What was handed to one call of `poll_event`. The next call is handed another, so that only who wakes the latest
/// is heard.
#[derive(Debug)]
pub(super) struct Call {
    bell: Bell,
    woken: AtomicBool,
}

impl Call {
    pub(super) fn new(bell: &Bell) -> Arc<Self> {
        Arc::new(Self {
            bell: bell.clone(),
            woken: AtomicBool::new(false),
        })
    }

    pub(super) fn is_woken(&self) -> bool {
        self.woken.load(Ordering::SeqCst)
    }

    pub(super) fn waker(self: &Arc<Self>) -> Waker {
        Waker::from(Arc::clone(self))
    }
}

impl Wake for Call {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, Ordering::SeqCst);
        self.bell.ring();
    }
}
