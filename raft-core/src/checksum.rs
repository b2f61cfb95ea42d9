//! CRC-32C in portable code: correct everywhere, fast nowhere.
//!
//! The hull takes its checksum from outside ([`crate::chunk::Checksum`]), because the instruction
//! for it needs the standard library to detect. This one serves tests, and platforms without it.

/// CRC-32C (Castagnoli) of `bytes`, continued from `crc`; begin with 0.
pub fn crc32c(crc: u32, bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!crc, |crc, byte| {
        let row = (crc ^ u32::from(*byte)) & 0xff;
        (crc >> 8) ^ TABLE.get(row as usize).copied().unwrap_or(0)
    })
}

const TABLE: [u32; 256] = table();

#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "evaluated by the compiler: an index out of bounds would not build"
)]
const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 {
                (crc >> 1) ^ 0x82f6_3b78
            } else {
                crc >> 1
            };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::crc32c;

    #[test]
    fn answers_the_published_check_value() {
        assert_eq!(crc32c(0, b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(crc32c(0, b"1234"), b"56789"), 0xe306_9283);
    }
}
