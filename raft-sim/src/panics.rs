//! Panics in a world: caught with what they said and where, without a word on the terminal.
//!
//! A panic in a user's `apply` is a finding, to be reported once with its index and command. While
//! a failing plan is made smaller it happens hundreds of times. So panics inside [`caught`] reach
//! the process's panic hook only when one seed is replayed (`RAFT_SIM_SEED`, `RAFT_SIM_PLAN`).

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook, take_hook};
use std::sync::Once;

/// Runs something of a world.
///
/// # Errors
///
/// It panicked; what it said, and where in which file.
pub(crate) fn caught<T>(act: impl FnOnce() -> T) -> Result<T, String> {
    INSTALL.call_once(install);
    let depth = DEPTH.get();
    DEPTH.set(depth + 1);
    let result = catch_unwind(AssertUnwindSafe(act));
    DEPTH.set(depth);
    result.map_err(|panic| {
        let text = said(panic.as_ref());
        match PLACE.take() {
            Some(place) => format!("{text} ({place})"),
            None => text,
        }
    })
}

/// Puts a hook before the process's own that keeps silent inside worlds.
fn install() {
    let loud = ["RAFT_SIM_SEED", "RAFT_SIM_PLAN"]
        .iter()
        .any(|name| std::env::var_os(name).is_some());
    let before = take_hook();
    set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
        let inside = DEPTH.get() > 0;
        if inside {
            PLACE.set(info.location().map(ToString::to_string));
        }
        if loud || !inside {
            before(info);
        }
    }));
}

/// What a panic said.
fn said(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()))
        .unwrap_or_else(|| "it did not say why".to_owned())
}

static INSTALL: Once = Once::new();

thread_local! {
    /// How many calls of [`caught`] this thread is in.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    /// Where the last panic inside them was.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_tells_what_it_said_and_where() {
        let told = caught(|| assert!(INSTALL.is_completed() && false_here(), "so it goes"));
        let text = told.expect_err("it panics");
        assert!(text.starts_with("so it goes ("), "{text}");
        assert!(text.contains("panics.rs:"), "{text}");
        assert_eq!(caught(|| 7), Ok(7));
    }

    fn false_here() -> bool {
        DEPTH.get() == 0
    }
}
