//! What each node's digest must be, straight from the file's bytes.
//!
//! On purpose it shares nothing with `app.rs` and not even how lines are split: a mistake made
//! there must not agree with itself here.

/// The digest of a state in which each line was applied once, fed byte by byte.
pub(crate) struct Expected {
    state: u128,
    line: u128,
    next: u64,
}

impl Expected {
    /// No line yet.
    pub(crate) const fn new() -> Self {
        Self {
            state: BASIS,
            line: EMPTY_LINE,
            next: 0,
        }
    }

    /// Adds a file's lines. Its end ends a last line that has no newline.
    pub(crate) fn add_file(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if *byte == b'\n' {
                self.end_line();
            } else {
                self.line = step(self.line, *byte);
            }
        }
        if bytes.last().is_some_and(|byte| *byte != b'\n') {
            self.end_line();
        }
    }

    /// The digest, as the nodes print theirs.
    pub(crate) fn digest(&self) -> String {
        format!("{:032x}", self.state)
    }

    fn end_line(&mut self) {
        let number = self.next.to_le_bytes();
        let once = 1_u64.to_le_bytes();
        let content = self.line.to_le_bytes();
        for byte in number.into_iter().chain(once).chain(content) {
            self.state = step(self.state, byte);
        }
        self.line = EMPTY_LINE;
        self.next += 1;
    }
}

/// One byte of FNV-1a with 128 bits: prime 2^88 + 2^8 + 0x3b.
const fn step(digest: u128, byte: u8) -> u128 {
    let mixed = digest ^ byte as u128;
    let high = mixed << 88;
    high.wrapping_add(mixed.wrapping_mul((1 << 8) | 0x3b))
}

/// A line begins with sixteen zero bytes: what was there before it, nothing.
const EMPTY_LINE: u128 = {
    let mut digest = BASIS;
    let mut count = 0;
    while count < 16 {
        digest = step(digest, 0);
        count += 1;
    }
    digest
};

/// FNV's offset basis for 128 bits.
const BASIS: u128 = 144_066_263_297_769_815_596_495_629_667_062_367_629;
