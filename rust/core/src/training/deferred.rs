//! Steps put off: rows of a table that no token touched are not read at a step.
//!
//! Keras' semantics are dense: such a row still decays its moments and moves. The trainer notes each step's size
//! instead, and makes the missed steps up when the row is next touched, or when all weights are asked for.

use std::ops::Range;

use super::optimizer::{Moments, OPERATIONS_PER_WEIGHT, Update};
use crate::kernels::optimizer::AdamReplay;
use crate::layers::RowSet;
use crate::network::{Network, Workspace};
use crate::parallel;
use crate::simd::Isa;

/// Steps after which all rows catch up, so that the history ends somewhere.
const LONGEST_HISTORY: usize = 1024;

/// Floats in a run of adjacent rows: a run is not cut further when work is shared.
const RUN: usize = 8192;

/// Parts a thread: rows wait for different numbers of steps, so even parts are not even work.
const PARTS_A_THREAD: usize = 4;

/// Weights, gradients and moments of some rows.
type Columns<'a> = [&'a mut [f32]; 5];

/// A weight of which a batch touches few rows.
pub(super) struct Table {
    node: usize,
    /// Where it lies among the weights.
    range: Range<usize>,
    rows: usize,
    /// Floats a row.
    width: usize,
    found: RowSet,
    /// The rows whose gradient may not be zero, as ascending runs.
    touched: Vec<Range<usize>>,
    /// How many steps of the history each row has taken.
    taken: Vec<u32>,
}

impl Table {
    fn longest_run(&self) -> usize {
        (RUN / self.width).max(1)
    }

    fn all_rows(&self) -> Vec<Range<usize>> {
        let longest = self.longest_run();
        (0..self.rows).step_by(longest).map(|start| start..self.rows.min(start + longest)).collect()
    }

    /// Calls `task` for every run of touched rows with their floats of each array, shared among the threads. Arrays that are
    /// not there are empty. `row_steps` is how many steps all rows take together.
    fn share(
        &self,
        row_steps: usize,
        weights: &mut [f32],
        gradients: &mut [f32],
        moments: &mut Moments<'_>,
        task: impl Fn(&Range<usize>, Columns<'_>) + Send + Sync,
    ) {
        let operations = row_steps.saturating_mul(self.width * OPERATIONS_PER_WEIGHT);
        let threads = parallel::parts(self.touched.len(), 1, operations);
        let parts = if threads == 1 { 1 } else { self.touched.len().min(threads * PARTS_A_THREAD) };
        let [first, second, third] = moments;
        let arrays: Columns<'_> = [weights, gradients, first, second, third];
        let mut rest = arrays.map(|array| part(array, self.range.clone()));
        let mut done = 0;
        let groups = parallel::ranges(self.touched.len(), parts).map(|group| &self.touched[group]);
        let tasks = groups.filter_map(|runs| {
            let rows = runs.first()?.start..runs.last()?.end;
            let gap = done..rows.start;
            done = rows.end;
            let columns = rest.each_mut().map(|rest| match rest.is_empty() {
                true => Default::default(),
                false => {
                    parallel::take(rest, &gap, self.width);
                    parallel::take(rest, &rows, self.width)
                }
            });
            Some((runs, columns))
        });
        parallel::run(operations, tasks, |(runs, mut columns)| {
            let start = runs[0].start;
            for run in runs {
                let floats = (run.start - start) * self.width..(run.end - start) * self.width;
                task(run, columns.each_mut().map(|column| part(column, floats.clone())));
            }
        });
    }

    /// Floats that may be other than zero among the gradients.
    fn touched_floats(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        let start = self.range.start;
        self.touched.iter().map(move |run| start + run.start * self.width..start + run.end * self.width)
    }
}

/// All such weights, and the steps that their rows have yet to take.
#[derive(Default)]
pub(super) struct Deferred {
    tables: Vec<Table>,
    /// The steps since all rows were up to date, oldest first: their sizes.
    alphas: Vec<f32>,
    /// The greatest of them.
    greatest: f32,
}

impl Deferred {
    /// The trained weights whose layer names the rows it touches and that have at least so many floats.
    pub(super) fn new(network: &Network, least: usize) -> Deferred {
        let sparse = network
            .plan()
            .sparse_weights()
            .filter(|(_, weight)| weight.range.len() >= least.max(1) && weight.rules.is_free());
        let tables = sparse.map(|(node, weight)| {
            let rows = weight.shape[0];
            Table {
                node,
                range: weight.range.clone(),
                rows,
                width: weight.range.len() / rows,
                found: RowSet::new(rows),
                touched: Vec::new(),
                taken: vec![0; rows],
            }
        });
        Deferred { tables: tables.collect(), ..Deferred::default() }
    }

    /// Whether a row waits for a step.
    pub(super) fn is_behind(&self) -> bool {
        !self.alphas.is_empty()
    }

    pub(super) fn contains(&self, weight: &Range<usize>) -> bool {
        self.tables.iter().any(|table| table.range == *weight)
    }

    /// The floats of a weight whose gradients may be other than zero, ascending.
    pub(super) fn pieces<'a>(&'a self, weight: &Range<usize>) -> impl Iterator<Item = Range<usize>> + use<'a> {
        let table = self.tables.iter().find(|table| table.range == *weight);
        let whole = table.is_none().then(|| weight.clone());
        whole.into_iter().chain(table.into_iter().flat_map(Table::touched_floats))
    }

    /// Zeroes what gradients the last batch left.
    pub(super) fn clear(&mut self, gradients: &mut [f32]) {
        for table in &mut self.tables {
            table.touched_floats().for_each(|floats| gradients[floats].fill(0.0));
            table.touched.clear();
        }
    }

    /// Notes the rows that the batch in the workspace touches.
    pub(super) fn touch(&mut self, network: &Network, work: &Workspace) {
        for table in &mut self.tables {
            table.found.clear();
            network.touched_rows(work, table.node, &mut table.found);
            table.touched.clear();
            table.touched.extend(table.found.runs(table.longest_run()));
        }
    }

    /// For a step that moves rows without gradients in a way that cannot wait.
    pub(super) fn touch_all(&mut self) {
        for table in &mut self.tables {
            table.touched = table.all_rows();
        }
    }

    /// Brings the touched rows up to date.
    pub(super) fn catch_up(&mut self, isa: Isa, update: Update, weights: &mut [f32], mut moments: Moments<'_>) {
        let Update::Adam(adam) = update else { return };
        if self.alphas.is_empty() {
            return;
        }
        let Deferred { tables, alphas, greatest } = self;
        let replay = |taken: u32| AdamReplay {
            alphas: &alphas[taken as usize..],
            greatest: *greatest,
            rate_1: adam.rate_1,
            rate_2: adam.rate_2,
            epsilon: adam.epsilon,
        };
        let now = steps(alphas);
        for table in tables {
            let waiting = table.touched.iter().flat_map(|run| &table.taken[run.clone()]);
            let waiting: usize = waiting.map(|taken| (now - taken) as usize).sum();
            if waiting == 0 {
                continue;
            }
            let taken = &table.taken;
            table.share(waiting, weights, &mut [], &mut moments, |run, [w, _, m, v, _]| {
                let [w, m, v] = [w, m, v].map(|column| column.chunks_exact_mut(table.width));
                for (((&taken, w), m), v) in taken[run.clone()].iter().zip(w).zip(m).zip(v) {
                    if taken < now {
                        replay(taken).run(isa, w, m, v);
                    }
                }
            });
            table.touched.iter().for_each(|run| table.taken[run.clone()].fill(now));
        }
    }

    /// Brings all rows up to date and forgets the history.
    pub(super) fn settle(&mut self, isa: Isa, update: Update, weights: &mut [f32], moments: Moments<'_>) {
        if self.alphas.is_empty() {
            return;
        }
        let touched: Vec<_> = self.tables.iter_mut().map(|table| std::mem::take(&mut table.touched)).collect();
        self.touch_all();
        self.catch_up(isa, update, weights, moments);
        for (table, touched) in self.tables.iter_mut().zip(touched) {
            table.touched = touched;
            table.taken.fill(0);
        }
        self.alphas.clear();
        self.greatest = 0.0;
    }

    /// Takes a step with the touched rows, which are up to date, and puts it off for the others; zeroes the gradients.
    pub(super) fn step(
        &mut self,
        isa: Isa,
        update: Update,
        weights: &mut [f32],
        gradients: &mut [f32],
        mut moments: Moments<'_>,
    ) {
        if let Update::Adam(adam) = update
            && !self.tables.is_empty()
            && update.can_wait()
        {
            self.alphas.push(adam.alpha);
            self.greatest = self.greatest.max(adam.alpha);
        }
        let now = steps(&self.alphas);
        for table in &mut self.tables {
            let rows = table.touched.iter().map(Range::len).sum();
            table.share(rows, weights, gradients, &mut moments, |_, [w, g, first, second, third]| {
                update.apply(isa, w, g, [first, second, third]);
                g.fill(0.0);
            });
            table.touched.iter().for_each(|run| table.taken[run.clone()].fill(now));
            table.touched.clear();
            debug_assert!(gradients[table.range.clone()].iter().all(|g| g.to_bits() == 0), "a row was not named");
        }
        if self.alphas.len() >= LONGEST_HISTORY {
            self.settle(isa, update, weights, moments);
        }
    }
}

/// The length of a history; [`LONGEST_HISTORY`] bounds it.
fn steps(alphas: &[f32]) -> u32 {
    alphas.len() as u32
}

fn part(floats: &mut [f32], range: Range<usize>) -> &mut [f32] {
    if floats.is_empty() { floats } else { &mut floats[range] }
}
