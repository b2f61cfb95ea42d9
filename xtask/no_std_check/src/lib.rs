//! Proof that raft-core needs nothing of std: a static library with a panic handler and an
//! allocator of its own links it. If anything in it brought std along, the panic handler would be
//! defined twice and this would not build.
//!
//! `cargo xtask no-std` builds it, links it to `main.c` and runs that: a hull elects itself. The
//! allocator hands out and never takes back; no model for anyone.

#![no_std]

extern crate alloc;

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::panic::PanicInfo;
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};

use raft_core::checksum::crc32c;
use raft_core::configuration::Configuration;
use raft_core::hull::{Hull, Input, Setup};
use raft_core::ids::{Incarnation, NodeId, Peer};
use raft_core::log::Recovered;
use raft_core::log::memory::MemoryLog;
use raft_core::settings::Settings;
use raft_core::states::Role;
use raft_core::time::Time;

/// 0 if a hull that is alone in its cluster elects itself, 1 if it does not, 2 if it can't open.
#[unsafe(no_mangle)]
pub extern "C" fn quorate_elects_itself() -> i32 {
    let me = Peer::new(NodeId::new(1), Incarnation::new(1));
    let setup = Setup {
        me,
        founding: Configuration::of_voters([me]),
        settings: Settings::default().into(),
        seed: 1,
        checksum: crc32c,
        witness: false,
    };
    let Ok(mut hull) = Hull::open(setup, Recovered::default(), Time::ZERO) else {
        return 2;
    };
    let mut log = MemoryLog::new();
    for _ in 0..16 {
        while let Some(write) = hull.next_write() {
            if let Ok(durable) = log.write(write) {
                hull.step(Time::ZERO, Input::Durable(durable));
            }
        }
        if hull.role() == Role::Leader {
            return 0;
        }
        if let Some(deadline) = hull.deadline() {
            hull.step(deadline, Input::DeadlinePassed);
        }
    }
    1
}

#[panic_handler]
fn halt(_: &PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}

const ROOM: usize = 4 << 20;

/// Memory that is handed out once, from the front to the back.
struct Bump {
    used: AtomicUsize,
    room: UnsafeCell<[u8; ROOM]>,
}

// SAFETY: each byte of `room` is handed out once only, since `used` never falls.
unsafe impl Sync for Bump {}

// SAFETY: a block lies within `room`, is aligned as asked, and overlaps no other.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let base = self.room.get().cast::<u8>();
        let wanted = layout.size() + layout.align();
        let start = self.used.fetch_add(wanted, Ordering::Relaxed);
        if start + wanted > ROOM {
            return ptr::null_mut();
        }
        // SAFETY: `start` and the padding after it lie within `room`, as just checked.
        unsafe {
            let block = base.add(start);
            block.add(block.align_offset(layout.align()))
        }
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static MEMORY: Bump = Bump {
    used: AtomicUsize::new(0),
    room: UnsafeCell::new([0; ROOM]),
};
