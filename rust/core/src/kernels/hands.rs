//! What a member has yet to do of a step.

use std::sync::atomic::{AtomicU64, Ordering};

/// Numbered items, of which their owner takes the first and others the last. On a cache line (or the pair that is fetched
/// together) of its own.
///
/// Only the numbers are handed out here: what was written for an item is seen by others after they have met.
#[derive(Default)]
#[repr(align(128))]
pub(super) struct Hand {
    /// The round (the last 16 bits of its number), how many items its owner has taken (24 bits), how many others have (24).
    state: AtomicU64,
}

const BITS: u32 = 24;

impl Hand {
    /// It counts fewer items than so many.
    pub(super) const MOST: usize = 1 << BITS;

    /// Takes an item of a round of so many, fewer than [`Hand::MOST`], if any is left; the first to ask for one of a new round
    /// begins it.
    pub(super) fn take(&self, round: u16, items: usize, by_others: bool) -> Option<usize> {
        debug_assert!(items < Hand::MOST);
        let mut state = self.state.load(Ordering::Relaxed);
        loop {
            let (first, last) = match (state >> (2 * BITS)) as u16 == round {
                true => ((state >> BITS) as usize % Hand::MOST, state as usize % Hand::MOST),
                false => (0, 0),
            };
            if first + last >= items {
                return None;
            }
            let (item, first, last) =
                if by_others { (items - 1 - last, first, last + 1) } else { (first, first + 1, last) };
            let next = u64::from(round) << (2 * BITS) | (first as u64) << BITS | last as u64;
            match self.state.compare_exchange_weak(state, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Some(item),
                Err(now) => state = now,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::Hand;

    #[test]
    fn owner_and_others_meet_in_the_middle() {
        let hand = Hand::default();
        for round in [1, 2, u16::MAX, 0] {
            assert_eq!(hand.take(round, 3, false), Some(0));
            assert_eq!(hand.take(round, 3, true), Some(2));
            assert_eq!(hand.take(round, 3, true), Some(1));
            assert_eq!((hand.take(round, 3, true), hand.take(round, 3, false)), (None, None));
        }
        assert_eq!(hand.take(3, 0, false), None);
    }

    #[test]
    fn every_item_is_given_out_once() {
        let (hand, items) = (Hand::default(), 1_000);
        let taken: Vec<_> = (0..items).map(|_| AtomicUsize::new(0)).collect();
        std::thread::scope(|scope| {
            for member in 0..3 {
                let (hand, taken) = (&hand, &taken);
                scope.spawn(move || {
                    while let Some(item) = hand.take(1, items, member > 0) {
                        taken[item].fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        assert!(taken.iter().all(|taken| taken.load(Ordering::Relaxed) == 1));
    }
}
