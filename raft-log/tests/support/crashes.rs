//! A power failure or the end of the process, and then a power failure, wherever they can come.

use super::idle::Image;
use super::*;

/// Has the power fail, or the process alone end, at each operation of an opening, and the power fail at each
/// of the next one. `opens` says whether an opening came to its end, and `check` looks at what is left in the
/// end. How often it did.
pub fn crash_twice(
    image: &Image,
    opens: impl Fn(&MemFs) -> bool,
    mut check: impl FnMut(&MemFs),
) -> usize {
    let mut crashes = 0;
    for first in 0.. {
        let fs = MemFs::of(image.clone());
        fs.crash_at(first);
        let ended = opens(&fs);
        let powerless = [Crash::KeepAll, Crash::LoseAll, Crash::Some(first as u64)];
        for crash in powerless.map(Some).into_iter().chain([None]) {
            for second in 0.. {
                let again = crash.map_or_else(|| fs.kill(), |crash| fs.crash(crash));
                again.crash_at(second);
                let opened = opens(&again);
                for seed in 0..4 {
                    check(&again.crash(Crash::Some(second as u64 * 4 + seed)));
                    crashes += 1;
                }
                if opened {
                    break;
                }
            }
        }
        if ended {
            break;
        }
    }
    crashes
}
