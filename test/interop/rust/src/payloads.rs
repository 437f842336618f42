//! Random payloads of random sizes, the same for the same seed.

use std::ops::RangeInclusive;

/// Bytes to cut payloads from, beyond the largest size: two cuts are rarely the same.
const SPARE_BYTES: usize = 64 * 1024;

pub struct Payloads {
    state: u64,
    sizes: RangeInclusive<usize>,
    pool: Vec<u8>,
}

impl Payloads {
    pub fn new(seed: u64, sizes: RangeInclusive<usize>) -> Self {
        let mut payloads = Self { state: seed.wrapping_mul(2).wrapping_add(1), sizes, pool: Vec::new() };
        let wanted = payloads.sizes.end() + SPARE_BYTES;
        while payloads.pool.len() < wanted {
            let word = payloads.random().to_le_bytes();
            payloads.pool.extend_from_slice(&word);
        }
        payloads
    }

    /// Each doubling of the size is as likely as the next one: most payloads are small, some are near the largest.
    pub fn next(&mut self) -> &[u8] {
        let (low, high) = (*self.sizes.start(), *self.sizes.end());
        let spread = (high - low) as f64 + 1.0;
        let part = (self.random() >> 11) as f64 / (1_u64 << 53) as f64;
        let size = low + (spread.powf(part) as usize - 1).min(high - low);
        let start = self.random() as usize % (self.pool.len() - size);
        &self.pool[start..start + size]
    }

    /// splitmix64
    fn random(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
