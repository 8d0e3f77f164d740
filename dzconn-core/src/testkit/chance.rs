//! Generations and versions that come out of a seed, so that what was seen once can be seen again.
//!
//! Passwords never do.

use std::cell::Cell;
use std::marker::PhantomData;

thread_local! {
    static STATE: Cell<Option<u64>> = const { Cell::new(None) };
}

/// As long as it lives, the runs that this thread polls take their generations and versions from the seed.
#[derive(Debug)]
pub struct Seeded(PhantomData<*const ()>);

/// From now on, and on this thread. Without a seed they are random.
#[must_use]
pub fn seed(seed: u64) -> Seeded {
    STATE.set(Some(seed));
    Seeded(PhantomData)
}

impl Drop for Seeded {
    fn drop(&mut self) {
        STATE.set(None);
    }
}

/// The next 128 bits.
pub(crate) fn bits() -> u128 {
    let Some(state) = STATE.get() else { return rand::random() };
    let (high, state) = mixed(state);
    let (low, state) = mixed(state);
    STATE.set(Some(state));
    u128::from(high) << 64 | u128::from(low)
}

/// `SplitMix64`: a number, and the state after it.
fn mixed(state: u64) -> (u64, u64) {
    let state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31), state)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_says_what_comes_and_only_as_long_as_it_lives() {
        let three = |seed_of: u64| {
            let _seeded = seed(seed_of);
            [bits(), bits(), bits()]
        };
        assert_eq!(three(1), three(1));
        assert_ne!(three(1), three(2));
        assert_ne!(bits(), bits());
        let _seeded = seed(1);
        let other = std::thread::spawn(bits).join().unwrap();
        assert_ne!(other, bits(), "another thread knows nothing of it");
    }
}
