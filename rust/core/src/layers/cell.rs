//! What a recurrence asks of its cell.

use super::Tensor;
use super::lstm::Lstm;
use super::recurrence::{Given, RecurrenceCache};
use crate::error::Result;
use crate::kernels::matmul::{Initial, Matmul};
use crate::kernels::pack::{PackedMatrix, Source};
use crate::kernels::state::{StateGradients, States};
use crate::kernels::{AlignedBuffer, Columns, Order, Pass, Rows, RowsMut};
use crate::parallel::{self, Team};
use crate::simd::Isa;

/// Rows from which a read of packed weights is shared by a full tile of vectors on every instruction set.
pub(super) const FULL_TILE: usize = 6;

/// The arithmetic of one step: a cell's weights as its kernels read them, and its passes over sequences in order.
///
/// It leaves in the cache's `gates` the gradient of `x · W + b` for each row of the order.
pub(super) trait Cell: Send + Sync {
    /// Columns of the kernels for each unit.
    fn gates(&self) -> usize;

    /// Whether a memory `c` goes from step to step beside `h`.
    fn has_memory(&self) -> bool {
        false
    }

    /// How many ranks share a read of its packed weights.
    fn tile_rows(&self, _isa: Isa) -> usize {
        FULL_TILE
    }

    /// The shape of the bias.
    fn bias_shape(&self) -> Vec<usize>;

    /// Makes the copies of kernel, recurrent kernel and bias (empty without one) that the kernels read.
    fn pack(&mut self, isa: Isa, weights: [&[f32]; 3], training: bool) -> Result<()>;

    /// Makes room for a pass whose order is laid out.
    fn make_room(&self, training: bool, cache: &mut RecurrenceCache) -> Result<()>;

    /// Applies dropout to the initial `h`.
    fn drop_initial(&self, cache: &mut RecurrenceCache) -> Result<()>;

    /// Computes `x · W + b` of rows that steps then pick from.
    fn project(&self, isa: Isa, x: Rows<'_>, rows: usize, z: &mut [f32]);

    /// Computes `x · W + b` of every step, or makes room for it, where there are no rows to pick from.
    fn project_ahead(&self, given: &Given<'_>, team: &Team, cache: &mut RecurrenceCache) -> Result<()>;

    /// A forward pass, cut for so many threads.
    fn forward<'a>(
        &'a self,
        given: &Given<'a>,
        output: Option<Columns<'a>>,
        cache: &'a mut RecurrenceCache,
        threads: usize,
    ) -> Box<dyn Pass + 'a>;

    /// The cell, if it is one whose passes can be computed at the same time as those above them.
    fn as_lstm(&self) -> Option<&Lstm> {
        None
    }

    /// A backward pass through time, cut for so many threads.
    fn backward<'a>(
        &'a self,
        isa: Isa,
        d_output: OutputGradient<'a>,
        wants_initial: bool,
        cache: &'a mut RecurrenceCache,
        threads: usize,
    ) -> Box<dyn Pass + 'a>;

    /// Adds to the gradients of the recurrent kernel, the bias and, for inputs `x` of each row, the kernel.
    fn gradients(
        &self,
        isa: Isa,
        x: Option<(Rows<'_>, &mut [f32])>,
        recurrent_kernel: &mut [f32],
        bias: Option<&mut [f32]>,
        team: &Team,
        cache: &RecurrenceCache,
    );
}

/// The gradient of the outputs of all steps.
#[derive(Clone, Copy)]
pub(super) enum OutputGradient<'a> {
    /// Only the last was shown.
    Nowhere,
    /// These rows, so far apart, in the order of outputs.
    Given(&'a [f32], usize),
    /// The cache's, where repeated outputs are added to those they repeat.
    Folded,
}

impl<'a> OutputGradient<'a> {
    /// As rows of the order.
    pub fn rows(self, units: usize, order: &'a Order, folded: &'a [f32]) -> Option<Rows<'a>> {
        match self {
            OutputGradient::Nowhere => None,
            OutputGradient::Given(d_output, stride) => Some(Rows::picked(d_output, stride, order.outputs())),
            OutputGradient::Folded => Some(Rows::picked(folded, units, order.outputs())),
        }
    }
}

/// The features of a cell's input and its units.
#[derive(Clone, Copy)]
pub(super) struct Sizes {
    pub features: usize,
    pub units: usize,
}

/// `x · W + b` of all rows before a pass.
#[derive(Default)]
pub(super) struct Projection {
    kernel: PackedMatrix,
    bias: AlignedBuffer,
}

impl Projection {
    /// Copies a kernel of so many columns, and a bias; without one it is 0.
    pub fn pack(&mut self, isa: Isa, kernel: &[f32], features: usize, columns: usize, bias: &[f32]) -> Result<()> {
        self.kernel.pack(isa, Source::row_major(kernel, columns), features, columns)?;
        self.bias.resize(columns)?;
        match bias {
            [] => self.bias.fill(0.0),
            bias => self.bias.copy_from_slice(bias),
        }
        Ok(())
    }

    /// The bias that is added.
    pub fn bias_mut(&mut self) -> &mut [f32] {
        &mut self.bias
    }

    /// Computes some rows.
    pub fn run(&self, isa: Isa, x: Rows<'_>, rows: usize, z: &mut [f32]) {
        let c = RowsMut::adjacent(z, self.bias.len());
        Matmul { rows, a: x, b: &self.kernel, c, initial: Initial::Bias(&self.bias) }.run(isa);
    }

    /// Computes every row of the order, in the place of its gates.
    pub fn run_ahead(&self, given: &Given<'_>, team: &Team, cache: &mut RecurrenceCache) {
        let RecurrenceCache { order, gates, x, x_dropout, .. } = cache;
        let values = inputs(given.x, x, x_dropout);
        let (features, columns) = (self.kernel.depth(), self.bias.len());
        let mut rest = &mut **gates;
        let parts = team.size().min(order.rows()).max(1);
        let tasks = parallel::ranges(order.rows(), parts).map(|range| {
            let x = Rows::picked(values, features, &order.inputs()[range.clone()]);
            (x, range.len(), parallel::take(&mut rest, &range, columns))
        });
        team.run(tasks, |(x, rows, z)| self.run(given.isa, x, rows, z));
    }
}

/// The inputs as a pass takes them: what dropout left, where there is any.
pub(super) fn inputs<'a>(x: &'a Tensor, left: &'a [f32], dropout: &[f32]) -> &'a [f32] {
    if dropout.is_empty() { x.held() } else { left }
}

/// Applies dropout to the initial `h` of a cell that needs both, what is left and the whole.
pub(super) fn drop_initial_beside(cache: &mut RecurrenceCache) -> Result<()> {
    let RecurrenceCache { h, left, h_dropout, .. } = cache;
    left.resize(h.len())?;
    let from = h.iter().zip(&**h_dropout);
    left.iter_mut().zip(from).for_each(|(left, (h, factor))| *left = h * factor);
    Ok(())
}

/// What a forward pass of a cell with one state takes from the cache.
pub(super) struct ForwardParts<'a> {
    pub order: &'a Order,
    pub states: States<'a>,
    /// Rows of `x · W + b`; `None` where they stand in `gates`.
    pub input: Option<Rows<'a>>,
    pub gates: &'a mut [f32],
    pub inner: &'a mut [f32],
}

impl<'a> ForwardParts<'a> {
    /// With `width` columns of gates.
    pub fn new(
        units: usize,
        width: usize,
        training: bool,
        output: Option<Columns<'a>>,
        cache: &'a mut RecurrenceCache,
    ) -> Self {
        let RecurrenceCache { order, h, left, h_dropout, gates, inner, last_h, z, words, .. } = cache;
        let order = &*order;
        let dropped = if h_dropout.is_empty() { None } else { Some((&mut **left, &**h_dropout)) };
        ForwardParts {
            order,
            states: States { order, units, training, h, dropped, output, last: last_h },
            input: if words.is_empty() { None } else { Some(Rows::picked(z, width, words)) },
            gates,
            inner,
        }
    }
}

/// What a backward pass of a cell with one state takes from the cache.
pub(super) struct BackwardParts<'a> {
    pub order: &'a Order,
    pub gradients: StateGradients<'a>,
    pub h: &'a [f32],
    /// What dropout left of `h`.
    pub left: &'a [f32],
    pub gates: &'a mut [f32],
    pub inner: &'a mut [f32],
}

impl<'a> BackwardParts<'a> {
    pub fn new(
        units: usize,
        d_output: OutputGradient<'a>,
        wants_initial: bool,
        cache: &'a mut RecurrenceCache,
    ) -> Self {
        let RecurrenceCache { order, h, left, h_dropout, gates, inner, dh, d_output: folded, .. } = cache;
        let order = &*order;
        let factors = (!h_dropout.is_empty()).then_some(&**h_dropout);
        let d_output = d_output.rows(units, order, folded);
        let h = &**h;
        BackwardParts {
            order,
            gradients: StateGradients { order, units, d_output, dh, factors, wants_initial },
            h,
            left: if factors.is_some() { left } else { h },
            gates,
            inner,
        }
    }
}

/// The states that went through `U` at each row of a training pass.
pub(super) fn left_states(cache: &RecurrenceCache, units: usize) -> Rows<'_> {
    let states = if cache.h_dropout.is_empty() { &cache.h } else { &cache.left };
    Rows::picked(states, units, cache.order.states())
}
