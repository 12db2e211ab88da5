//! The order in which the time steps of a batch are computed.

use std::ops::Range;

/// Which way a pass goes through time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// From the first step to the last.
    #[default]
    Forwards,
    /// From the last step to the first; outputs stand in the order of computation.
    Backwards,
    /// From the last step to the first; outputs stand at the times of their inputs.
    BackwardsInPlace,
    /// From the first step to the last; outputs stand in the reverse order.
    ForwardsTurned,
}

impl Direction {
    /// Whether the last step is the first.
    pub fn is_backwards(self) -> bool {
        matches!(self, Direction::Backwards | Direction::BackwardsInPlace)
    }

    /// Whether a pass takes its steps in the order in which one below it gives them out, each where it stands.
    pub fn follows(self, below: Direction) -> bool {
        below.is_backwards() == below.turns_outputs() && self.is_backwards() == below.is_backwards()
    }

    /// Whether the output computed first stands last.
    pub fn turns_outputs(self) -> bool {
        matches!(self, Direction::BackwardsInPlace | Direction::ForwardsTurned)
    }
}

/// Only the steps that count, longest sequence first: masked steps leave the states as they are, so that a sequence is
/// the run of its other steps, wherever the masked ones lie.
///
/// Sequences are ranked by how many steps they have. *Step* `s` takes the `s`-th step of each of the `active(s)` first
/// ranks; rows are numbered step after step, rank after rank. Work and memory are in proportion to steps that count.
#[derive(Clone, Debug, Default)]
pub struct Order {
    batch: usize,
    steps: usize,
    direction: Direction,
    /// Whether every step of every sequence counts.
    full: bool,
    /// The sequence of each rank.
    sequences: Vec<u32>,
    /// How many steps each rank has, most first.
    lengths: Vec<usize>,
    /// The first row of each step; one more for the end.
    starts: Vec<usize>,
    /// For each row its place in a `batch x steps` array of inputs.
    inputs: Vec<u32>,
    /// For each row its place in a `batch x steps` array of outputs.
    outputs: Vec<u32>,
    /// For each row the state it starts from, in a training pass' states.
    states: Vec<u32>,
    /// The rows sorted by place in the inputs, and how many there are before each sequence.
    sorted: Vec<u32>,
    sorted_starts: Vec<usize>,
    /// Those places.
    places: Vec<u32>,
}

impl Order {
    /// The most `batch x steps` that can be ordered.
    pub const MAX: usize = u32::MAX as usize / 2;

    /// Orders `batch` sequences of `steps`; 0 in `mask` (`batch x steps`) masks a step.
    ///
    /// # Panics
    /// Where `batch x steps` is beyond [`Order::MAX`] or not the mask's length.
    pub fn set(&mut self, batch: usize, steps: usize, mask: Option<&[u8]>, direction: Direction) {
        assert!(batch.checked_mul(steps).is_some_and(|all| all <= Self::MAX));
        assert!(mask.is_none_or(|mask| mask.len() == batch * steps));
        let mask = mask.filter(|mask| mask.contains(&0));
        if mask.is_none() && self.full && (self.batch, self.steps, self.direction) == (batch, steps, direction) {
            return;
        }
        (self.batch, self.steps, self.direction, self.full) = (batch, steps, direction, mask.is_none());
        let backwards = direction.is_backwards();
        let counts = |sequence: usize, t: usize| mask.is_none_or(|mask| mask[sequence * steps + t] != 0);

        self.sorted_starts.clear();
        let mut all = 0;
        for sequence in 0..batch {
            self.sorted_starts.push(all);
            all += (0..steps).filter(|&t| counts(sequence, t)).count();
        }
        self.sorted_starts.push(all);
        let length = |sequence: u32| self.sorted_starts[sequence as usize + 1] - self.sorted_starts[sequence as usize];
        self.sequences.clear();
        self.sequences.extend(0..batch as u32);
        self.sequences.sort_by_key(|&sequence| std::cmp::Reverse(length(sequence)));
        self.lengths.clear();
        self.lengths.extend(self.sequences.iter().map(|&sequence| length(sequence)));

        self.starts.clear();
        self.starts.push(0);
        let mut active = batch;
        for step in 0..self.lengths.first().copied().unwrap_or(0) {
            while self.lengths[active - 1] <= step {
                active -= 1;
            }
            self.starts.push(self.starts[step] + active);
        }

        for rows in [&mut self.inputs, &mut self.outputs, &mut self.states, &mut self.sorted, &mut self.places] {
            rows.clear();
            rows.resize(all, 0);
        }
        for (rank, &sequence) in self.sequences.iter().enumerate() {
            let sequence = sequence as usize;
            let mut step = 0;
            for time in 0..steps {
                let input = if backwards { steps - 1 - time } else { time };
                if !counts(sequence, input) {
                    continue;
                }
                let row = self.starts[step] + rank;
                self.inputs[row] = (sequence * steps + input) as u32;
                let output = if direction.turns_outputs() { steps - 1 - time } else { time };
                self.outputs[row] = (sequence * steps + output) as u32;
                self.states[row] = match step {
                    0 => rank,
                    _ => batch + self.starts[step - 1] + rank,
                } as u32;
                let within = if backwards { self.lengths[rank] - 1 - step } else { step };
                let place = self.sorted_starts[sequence] + within;
                (self.sorted[place], self.places[place]) = (row as u32, self.inputs[row]);
                step += 1;
            }
        }
    }

    /// Sequences.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Steps of the longest sequence.
    pub fn steps(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// Rows in all.
    pub fn rows(&self) -> usize {
        self.inputs.len()
    }

    /// Whether every step of every sequence counts.
    pub fn is_full(&self) -> bool {
        self.full
    }

    /// Whether its rows take, one for one, what those of another give out.
    pub fn follows(&self, below: &Order) -> bool {
        self.starts == below.starts && self.inputs == below.outputs
    }

    /// The rows of a step.
    pub fn step(&self, step: usize) -> Range<usize> {
        self.starts[step]..self.starts[step + 1]
    }

    /// How many ranks a step has; 0 behind the last.
    pub fn active(&self, step: usize) -> usize {
        if step < self.steps() { self.step(step).len() } else { 0 }
    }

    /// Each rank's sequence.
    pub fn sequences(&self) -> &[u32] {
        &self.sequences
    }

    /// Each rank's steps.
    pub fn lengths(&self) -> &[usize] {
        &self.lengths
    }

    /// Each row's place among the inputs.
    pub fn inputs(&self) -> &[u32] {
        &self.inputs
    }

    /// Each row's place among the outputs.
    pub fn outputs(&self) -> &[u32] {
        &self.outputs
    }

    /// Each row's state before it, in a training pass.
    pub fn states(&self) -> &[u32] {
        &self.states
    }

    /// The rows of some sequences, sorted by place among the inputs, and those places.
    pub fn sorted(&self, sequences: Range<usize>) -> (&[u32], &[u32]) {
        let range = self.sorted_starts[sequences.start]..self.sorted_starts[sequences.end];
        (&self.sorted[range.clone()], &self.places[range])
    }

    /// How many states a pass keeps: in training every one, else two a sequence, which take turns.
    pub fn state_rows(&self, training: bool) -> usize {
        self.batch + if training { self.rows() } else { self.batch }
    }

    /// Where rank 0's state before a step is; the other ranks' follow.
    pub fn state(&self, step: usize, training: bool) -> usize {
        match step {
            _ if !training => step % 2 * self.batch,
            0 => 0,
            _ => self.batch + self.starts[step - 1],
        }
    }

    /// Where a rank's last state is.
    pub fn last_state(&self, rank: usize, training: bool) -> usize {
        self.state(self.lengths[rank], training) + rank
    }

    /// Cuts the ranks into at most `parts` runs of about the same number of rows each, of `least` ranks or more and a multiple of
    /// so many, but for the last.
    pub fn parts(&self, parts: usize, least: usize) -> Vec<Range<usize>> {
        let parts = parts.min(self.batch / least.max(1)).max(1);
        let mut ranges = Vec::with_capacity(parts);
        let (mut start, mut rows) = (0, self.rows());
        for left in (1..=parts).rev() {
            let share = rows.div_ceil(left);
            let last = self.batch - (left - 1) * least.min(self.batch);
            let (mut end, mut taken) = (start, 0);
            while end < last && (left == 1 || taken < share || end < start + least) {
                taken += self.lengths[end];
                end += 1;
            }
            while end < last && !(end - start).is_multiple_of(least.max(1)) {
                taken += self.lengths[end];
                end += 1;
            }
            rows -= taken;
            ranges.push(start..end);
            start = end;
        }
        ranges
    }
}
