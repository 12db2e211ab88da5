//! A set of rows of a table.

use std::ops::Range;

/// Rows of a table, each once, read in ascending order however they came.
pub struct RowSet {
    rows: usize,
    /// One bit a row.
    words: Vec<u64>,
}

impl RowSet {
    /// No rows of a table that has so many.
    pub fn new(rows: usize) -> Self {
        RowSet { rows, words: vec![0; rows.div_ceil(64)] }
    }

    /// Adds a row; one that the table does not have is left to whoever reads it to refuse.
    pub fn insert(&mut self, row: usize) {
        if row < self.rows {
            self.words[row / 64] |= 1 << (row % 64);
        }
    }

    /// Takes all rows out.
    pub fn clear(&mut self) {
        self.words.fill(0);
    }

    /// Runs of adjacent rows, none longer than `longest`, ascending.
    pub fn runs(&self, longest: usize) -> impl Iterator<Item = Range<usize>> + '_ {
        let longest = longest.max(1);
        let mut next = 0;
        std::iter::from_fn(move || {
            let start = self.first(next, false)?;
            next = self.first(start, true).unwrap_or(self.rows).min(start + longest);
            Some(start..next)
        })
    }

    /// The first row from `from` on that is in the set or, with `absent`, is not.
    fn first(&self, from: usize, absent: bool) -> Option<usize> {
        let flip = if absent { u64::MAX } else { 0 };
        let mut above = u64::MAX << (from % 64);
        for (number, word) in self.words.iter().enumerate().skip(from / 64) {
            let word = (word ^ flip) & above;
            if word != 0 {
                let row = number * 64 + word.trailing_zeros() as usize;
                return (row < self.rows).then_some(row);
            }
            above = u64::MAX;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::RowSet;

    #[test]
    fn runs_are_ascending_and_whole() {
        for size in [1, 63, 64, 65, 200] {
            let mut set = RowSet::new(size);
            assert_eq!(set.runs(9).count(), 0);
            for (step, longest) in [(1, 1000), (1, 7), (3, 5), (64, 1)] {
                let rows: Vec<usize> = (0..size).filter(|row| row % step == 0 || (60..70).contains(row)).collect();
                set.clear();
                rows.iter().rev().for_each(|&row| set.insert(row));
                set.insert(size);
                set.insert(rows[0]);
                let runs: Vec<_> = set.runs(longest).collect();
                assert!(runs.iter().all(|run| (1..=longest).contains(&run.len())), "{size} {step}: {runs:?}");
                assert_eq!(runs.into_iter().flatten().collect::<Vec<_>>(), rows, "{size} {step}");
            }
        }
    }
}
