//! Two power failures, one after the other, wherever they can come.

use super::idle::Image;
use super::*;

/// Has the power fail at each operation of an opening, and again at each of the next one. `opens` says
/// whether an opening came to its end, and `check` looks at what is left in the end. How often it did.
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
        for crash in [Crash::KeepAll, Crash::LoseAll, Crash::Some(first as u64)] {
            for second in 0.. {
                let again = fs.crash(crash);
                again.crash_at(second);
                let opened = opens(&again);
                check(&again.crash(Crash::Some(second as u64)));
                crashes += 1;
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
