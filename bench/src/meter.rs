//! What is measured: CPU time of this thread, how often it allocates, and what it holds.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use rustix::time::{ClockId, clock_gettime};

/// What something took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    /// CPU time of this thread, in the kernel too.
    pub(crate) nanoseconds: u64,
    /// Allocations and reallocations.
    pub(crate) allocations: u64,
}

/// Runs `work` and says what it took.
pub(crate) fn cost_of(work: impl FnOnce()) -> Cost {
    let allocations = ALLOCATIONS.get();
    let start = thread_nanoseconds();
    work();
    Cost {
        nanoseconds: thread_nanoseconds() - start,
        allocations: ALLOCATIONS.get() - allocations,
    }
}

/// How many bytes come back to the allocator when `thing` is dropped.
pub(crate) fn freed_by_dropping<T>(thing: T) -> usize {
    let before = LIVE.get();
    drop(thing);
    usize::try_from(before - LIVE.get()).unwrap_or(0)
}

/// The middle one; of an even number, the lower middle.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get((values.len() - 1) / 2).copied().unwrap_or(0.0)
}

fn thread_nanoseconds() -> u64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}

/// Lets the process keep what it frees, whoever freed it. By default glibc gives the end of the heap
/// back to the kernel whenever much of it is free, and takes large blocks from there alone: a system
/// would then pay, page by page, for what the one measured before it gave back. Of other allocators
/// nothing is asked.
pub(crate) fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it only sets parameters, and other threads that allocate are none yet. What it does
    // not take it leaves as it was.
    unsafe {
        libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGEST_ON_HEAP);
    }
}

/// The most that glibc takes as the bound between the heap and blocks of their own.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const LARGEST_ON_HEAP: i32 = 32 << 20;

thread_local! {
    /// A plain cell: an atomic would cost whoever allocates more than counting does.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    /// Bytes asked for and not given back; what other threads gave back counts as theirs.
    static LIVE: Cell<isize> = const { Cell::new(0) };
}

/// The system's allocator, counting.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count() {
    ALLOCATIONS.set(ALLOCATIONS.get() + 1);
}

/// No block is larger than `isize::MAX`, by the contract of allocators.
fn hold(gained: usize, lost: usize) {
    LIVE.set(LIVE.get() + gained as isize - lost as isize);
}

// SAFETY: each call goes on to `System` with what it was given; counting touches a thread's own
// cells, which have no destructor and need no allocation.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        hold(layout.size(), 0);
        // SAFETY: the caller keeps `alloc`'s contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        hold(layout.size(), 0);
        // SAFETY: the caller keeps `alloc_zeroed`'s contract.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        hold(size, layout.size());
        // SAFETY: the caller keeps `realloc`'s contract.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        hold(0, layout.size());
        // SAFETY: the caller keeps `dealloc`'s contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}
