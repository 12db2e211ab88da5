//! The class `Engine`; `_lstm_rs.pyi` documents it.

use lstm_core::Error;
use lstm_core::layers::{Kind, Shape};
use lstm_core::network::{Data, Graph, Mode, Network, Prediction, Rows};
use lstm_core::simd::Isa;
use lstm_core::training::{Own, Targets, Trainer, TrainerConfig, WORTH_DEFERRING};
use numpy::{IntoPyArray, PyArray1, PyArrayDyn, PyReadonlyArray1};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::arrays::{Array, Floats, to_python};
use crate::compute::{Settle, Shared, compute};
use crate::errors::Failure;
use crate::stream::Stream;

/// Layer, path, shape, trainable.
type WeightInfo = (String, String, Py<PyTuple>, bool);
type Sizes = Vec<Option<usize>>;
type Arrays<'py> = Vec<Bound<'py, PyArrayDyn<f32>>>;
/// An output's predictions and its mask, flat.
type Outcomes<'py> = Vec<(Bound<'py, PyArrayDyn<f32>>, Option<Bound<'py, PyArray1<u8>>>)>;
type Moments<'py> = Vec<(String, Bound<'py, PyArrayDyn<f32>>)>;

pub(crate) struct Model {
    network: Network,
    trainer: Option<Trainer>,
}

impl Model {
    pub(crate) fn network(&self) -> &Network {
        &self.network
    }

    fn trainer(&self) -> Result<&Trainer, Failure> {
        Ok(self.trainer.as_ref().ok_or(Error::NotCompiled)?)
    }

    fn for_training(&mut self) -> Result<(&mut Network, &mut Trainer), Failure> {
        Ok((&mut self.network, self.trainer.as_mut().ok_or(Error::NotCompiled)?))
    }
}

/// Training puts off steps of rows that no token touched.
impl Settle for Model {
    fn is_settled(&self) -> bool {
        !self.network.is_behind()
    }

    fn settle(&mut self) {
        if let Some(trainer) = &mut self.trainer {
            trainer.settle(&mut self.network);
        }
    }
}

/// A network and, once compiled, its loss, metrics and optimizer.
#[pyclass(frozen, module = "lstm_rs._lstm_rs")]
pub(crate) struct Engine(Shared<Model>);

impl Engine {
    /// See [`Shared::read`].
    pub(crate) fn read<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&Model) -> Result<T, Failure> + Send,
    ) -> PyResult<T> {
        self.0.read(py, work)
    }

    /// Calls `step` with the trainer on the rows named.
    fn step(
        &self,
        py: Python<'_>,
        batch: Batch<'_>,
        rows: Option<PyReadonlyArray1<'_, i64>>,
        reset: bool,
        step: impl FnOnce(&mut Network, &mut Trainer, &[Data<'_>], Targets<'_, '_>, Rows<'_>) -> Result<(), Error> + Send,
    ) -> PyResult<Vec<f64>> {
        let (x, y, weights) = batch.borrow();
        let rows = match &rows {
            Some(rows) => Some(rows.as_slice()?),
            None => None,
        };
        self.0.advance(py, |model| {
            let (network, trainer) = model.for_training()?;
            let rows = match rows {
                Some(rows) => Rows::Index(rows),
                None => Rows::Range(0, network.samples(&x)?),
            };
            if reset {
                trainer.reset_metrics();
            }
            step(network, trainer, &x, Targets { y: &y, sample_weight: &weights }, rows)?;
            Ok(trainer.results())
        })
    }
}

/// The arrays of a step.
struct Batch<'py> {
    x: Vec<Array<'py>>,
    y: Vec<Array<'py>>,
    sample_weight: Vec<Option<Floats<'py>>>,
}

type Views<'a> = (Vec<Data<'a>>, Vec<Data<'a>>, Vec<Option<ndarray::ArrayViewD<'a, f32>>>);

impl Batch<'_> {
    fn borrow(&self) -> Views<'_> {
        (
            self.x.iter().map(Array::data).collect(),
            self.y.iter().map(Array::data).collect(),
            self.sample_weight.iter().map(|weights| weights.as_ref().map(Floats::view)).collect(),
        )
    }
}

/// Tells the listener of a batch, or lets Python act on Ctrl-C and the like.
fn between_batches<'py>(
    py: Python<'py>,
    listener: Option<&Py<PyAny>>,
    news: impl pyo3::call::PyCallArgs<'py>,
) -> PyResult<()> {
    if let Some(listener) = listener {
        listener.call1(py, news)?;
    }
    py.check_signals()
}

#[pymethods]
impl Engine {
    #[new]
    fn new(py: Python<'_>, config: &str, input_shapes: Vec<Sizes>, seed: u64) -> PyResult<Self> {
        compute(py, || {
            let shapes: Vec<_> = input_shapes.into_iter().map(Shape).collect();
            let network = Network::new(&Graph::from_json(config)?, &shapes, seed, Isa::active())?;
            Ok(Engine(Shared::new(Model { network, trainer: None })))
        })
    }

    #[getter(weights)]
    fn list_weights(&self, py: Python<'_>) -> PyResult<Vec<WeightInfo>> {
        let weights = self.0.peek(py, |model| Ok(model.network.plan().weights().to_vec()))?;
        let weights = weights.into_iter().map(|weight| {
            let shape = PyTuple::new(py, &weight.shape)?.unbind();
            Ok((weight.layer, weight.path, shape, weight.trainable))
        });
        weights.collect()
    }

    #[getter]
    fn version(&self, py: Python<'_>) -> PyResult<u64> {
        self.0.peek(py, |model| Ok(model.network.version()))
    }

    #[getter]
    fn input_dtypes(&self, py: Python<'_>) -> PyResult<Vec<&'static str>> {
        self.0.peek(py, |model| {
            let name = |kind| match kind {
                Kind::Floats => "float32",
                Kind::Ids => "int32",
            };
            Ok(model.network.plan().input_kinds().map(name).collect())
        })
    }

    #[getter]
    fn output_shapes<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyTuple>>> {
        let shapes = self.0.peek(py, |model| Ok(model.network.plan().output_shapes().cloned().collect::<Vec<_>>()))?;
        shapes.into_iter().map(|shape| PyTuple::new(py, shape.0)).collect()
    }

    #[pyo3(signature = (start=0, stop=None))]
    fn get_weights<'py>(&self, py: Python<'py>, start: usize, stop: Option<usize>) -> PyResult<Arrays<'py>> {
        let weights = self.0.read(py, |model| {
            let weights = model.network.weights().take(stop.unwrap_or(usize::MAX)).skip(start);
            Ok(weights.map(|(_, values)| values.to_owned()).collect::<Vec<_>>())
        })?;
        Ok(to_python(py, weights))
    }

    #[pyo3(signature = (weights, start=0))]
    fn set_weights(&self, py: Python<'_>, weights: Vec<Floats<'_>>, start: usize) -> PyResult<()> {
        let weights: Vec<_> = weights.iter().map(Floats::view).collect();
        self.0.write(py, |model| Ok(model.network.set_weights(start, &weights)?))
    }

    fn compile(&self, py: Python<'_>, config: &str) -> PyResult<()> {
        self.0.write(py, |model| {
            let config = TrainerConfig::from_json(config)?;
            let mut trainer = Trainer::new(&mut model.network, &config)?;
            trainer.defer(&model.network, WORTH_DEFERRING);
            model.trainer = Some(trainer);
            Ok(())
        })
    }

    #[pyo3(signature = (x, y, sample_weight, rows, reset=false))]
    fn train_step(
        &self,
        py: Python<'_>,
        x: Vec<Array<'_>>,
        y: Vec<Array<'_>>,
        sample_weight: Vec<Option<Floats<'_>>>,
        rows: Option<PyReadonlyArray1<'_, i64>>,
        reset: bool,
    ) -> PyResult<Vec<f64>> {
        self.step(py, Batch { x, y, sample_weight }, rows, reset, |network, trainer, x, targets, rows| {
            trainer.train_step(network, x, targets, rows)
        })
    }

    #[pyo3(signature = (x, y, sample_weight, rows, reset=false))]
    fn test_step(
        &self,
        py: Python<'_>,
        x: Vec<Array<'_>>,
        y: Vec<Array<'_>>,
        sample_weight: Vec<Option<Floats<'_>>>,
        rows: Option<PyReadonlyArray1<'_, i64>>,
        reset: bool,
    ) -> PyResult<Vec<f64>> {
        self.step(py, Batch { x, y, sample_weight }, rows, reset, |network, trainer, x, targets, rows| {
            trainer.settle(network);
            trainer.test_step(network, x, targets, rows)
        })
    }

    #[pyo3(signature = (x, y, sample_weight, rows, training))]
    fn begin<'py>(
        &self,
        py: Python<'py>,
        x: Vec<Array<'_>>,
        y: Vec<Array<'_>>,
        sample_weight: Vec<Option<Floats<'_>>>,
        rows: Option<PyReadonlyArray1<'_, i64>>,
        training: bool,
    ) -> PyResult<Outcomes<'py>> {
        let mut outcomes = Vec::new();
        self.step(py, Batch { x, y, sample_weight }, rows, false, |network, trainer, x, targets, rows| {
            trainer.begin(network, x, targets, rows, training)?;
            outcomes.extend(trainer.outcomes().map(|outcome| {
                let (sizes, values) = (outcome.predicted.sizes().to_vec(), outcome.predicted.floats().to_vec());
                let predicted =
                    ndarray::ArrayD::from_shape_vec(sizes, values).expect("a tensor is as long as its sizes say");
                (predicted, outcome.mask.map(<[u8]>::to_vec))
            }));
            Ok(())
        })?;
        let to_python = |(predicted, mask): (_, Option<Vec<u8>>)| {
            (PyArrayDyn::from_owned_array(py, predicted), mask.map(|mask| mask.into_pyarray(py)))
        };
        Ok(outcomes.into_iter().map(to_python).collect())
    }

    fn end(&self, py: Python<'_>, own: Vec<Option<(Floats<'_>, Floats<'_>)>>) -> PyResult<Vec<f64>> {
        let flat = |array: Floats<'_>| array.view().iter().copied().collect();
        let own: Vec<_> = own
            .into_iter()
            .map(|own| own.map(|(values, gradient)| Own { values: flat(values), slopes: flat(gradient) }))
            .collect();
        self.0.advance(py, |model| {
            let (network, trainer) = model.for_training()?;
            trainer.end(network, own)?;
            Ok(trainer.results())
        })
    }

    fn evaluate(
        &self,
        py: Python<'_>,
        x: Vec<Array<'_>>,
        y: Vec<Array<'_>>,
        sample_weight: Vec<Option<Floats<'_>>>,
        batch_size: usize,
        on_batch: Option<Py<PyAny>>,
    ) -> PyResult<Vec<f64>> {
        let batch = Batch { x, y, sample_weight };
        let (x, y, weights) = batch.borrow();
        let batch_size = batch_size.max(1);
        let (samples, mut results) = self.0.write(py, |model| {
            let (network, trainer) = model.for_training()?;
            let samples = network.samples(&x)?;
            trainer.reset_metrics();
            Ok((samples, trainer.results()))
        })?;
        for (number, start) in (0..samples).step_by(batch_size).enumerate() {
            results = self.0.write(py, |model| {
                let (network, trainer) = model.for_training()?;
                let rows = Rows::Range(start, samples.min(start.saturating_add(batch_size)));
                trainer.test_step(network, &x, Targets { y: &y, sample_weight: &weights }, rows)?;
                Ok(trainer.results())
            })?;
            between_batches(py, on_batch.as_ref(), (number, &results))?;
        }
        Ok(results)
    }

    fn predict<'py>(
        &self,
        py: Python<'py>,
        x: Vec<Array<'_>>,
        batch_size: usize,
        on_batch: Option<Py<PyAny>>,
    ) -> PyResult<Arrays<'py>> {
        let x: Vec<_> = x.iter().map(Array::data).collect();
        let mut prediction = None;
        for number in 0.. {
            let more = self.0.read(py, |model| {
                let prediction = match &mut prediction {
                    Some(prediction) => prediction,
                    none => none.insert(Prediction::new(&model.network, &x, batch_size)?),
                };
                Ok(prediction.step(&model.network, &x)?)
            })?;
            between_batches(py, on_batch.as_ref(), (number,))?;
            if !more {
                break;
            }
        }
        let outputs = self.0.read(py, |model| Ok(prediction.map(|done| done.finish(&model.network))))?;
        Ok(to_python(py, outputs.unwrap_or_default()))
    }

    fn call<'py>(
        &self,
        py: Python<'py>,
        x: Vec<Array<'_>>,
        training: Option<bool>,
        number: u64,
    ) -> PyResult<Arrays<'py>> {
        let x: Vec<_> = x.iter().map(Array::data).collect();
        let mode = match training {
            None => Mode::AsCalled,
            Some(false) => Mode::Inference,
            Some(true) => Mode::Training,
        };
        let compute = |network: &Network| {
            let mut prediction = Prediction::of_call(network, &x, mode, number)?;
            prediction.step(network, &x)?;
            Ok::<_, Failure>(prediction)
        };
        let outputs = if self.0.peek(py, |model| Ok(model.network.follows(mode)))? {
            self.0.write(py, |model| {
                let prediction = compute(&model.network)?;
                prediction.follow(&mut model.network);
                Ok(prediction.finish(&model.network))
            })
        } else {
            self.0.read(py, |model| Ok(compute(&model.network)?.finish(&model.network)))
        };
        Ok(to_python(py, outputs?))
    }

    fn begin_sequences(&self, py: Python<'_>, batch_size: usize) -> PyResult<()> {
        self.0.peek(py, |model| {
            model.network.begin(batch_size);
            Ok(())
        })
    }

    fn kept_states<'py>(&self, py: Python<'py>, layer: &str) -> PyResult<Arrays<'py>> {
        let states = self.0.peek(py, |model| Ok(model.network.kept_states()))?;
        let states = states.into_iter().find(|(name, _)| name == layer).map(|(_, states)| states);
        Ok(to_python(py, states.unwrap_or_default()))
    }

    fn keep_states(&self, py: Python<'_>, layer: &str, states: Vec<Floats<'_>>) -> PyResult<()> {
        let states: Vec<_> = states.iter().map(Floats::view).collect();
        self.0.peek(py, |model| Ok(model.network.keep_states(layer, &states)?))
    }

    fn stream(this: &Bound<'_, Self>, batch_size: usize) -> PyResult<Stream> {
        let (ids, stream) = this.get().0.read(this.py(), |model| {
            let ids = model.network.plan().input_kinds().next() == Some(Kind::Ids);
            Ok((ids, model.network.stream(batch_size)?))
        })?;
        Ok(Stream::new(this.clone().unbind(), ids, stream))
    }

    fn gradients<'py>(
        &self,
        py: Python<'py>,
        x: Vec<Array<'_>>,
        y: Vec<Array<'_>>,
        sample_weight: Vec<Option<Floats<'_>>>,
    ) -> PyResult<Arrays<'py>> {
        let batch = Batch { x, y, sample_weight };
        let (x, y, weights) = batch.borrow();
        let gradients = self.0.write(py, |model| {
            let (network, trainer) = model.for_training()?;
            let rows = Rows::Range(0, network.samples(&x)?);
            let flat = trainer.gradients(network, &x, Targets { y: &y, sample_weight: &weights }, rows)?;
            let gradients = network.plan().weights().iter().map(|weight| {
                let values = flat[weight.range.clone()].to_vec();
                ndarray::ArrayD::from_shape_vec(weight.shape.clone(), values).expect("a weight's range fits its shape")
            });
            Ok(gradients.collect::<Vec<_>>())
        })?;
        Ok(to_python(py, gradients))
    }

    fn finalize(&self, py: Python<'_>) -> PyResult<()> {
        self.0.write(py, |model| {
            let (network, trainer) = model.for_training()?;
            Ok(trainer.finalize(network)?)
        })
    }

    fn results(&self, py: Python<'_>) -> PyResult<Vec<f64>> {
        self.0.peek(py, |model| Ok(model.trainer()?.results()))
    }

    fn reset_metrics(&self, py: Python<'_>) -> PyResult<()> {
        self.0.advance(py, |model| {
            model.for_training()?.1.reset_metrics();
            Ok(())
        })
    }

    #[getter]
    fn learning_rate(&self, py: Python<'_>) -> PyResult<f32> {
        self.0.peek(py, |model| Ok(model.trainer()?.optimizer().learning_rate()))
    }

    #[setter]
    fn set_learning_rate(&self, py: Python<'_>, value: f32) -> PyResult<()> {
        self.0.advance(py, |model| {
            model.for_training()?.1.optimizer_mut().set_learning_rate(value);
            Ok(())
        })
    }

    #[getter]
    fn iterations(&self, py: Python<'_>) -> PyResult<u64> {
        self.0.peek(py, |model| Ok(model.trainer()?.optimizer().iterations()))
    }

    fn optimizer_state<'py>(&self, py: Python<'py>) -> PyResult<(u64, Moments<'py>)> {
        let (iterations, moments) = self.0.read(py, |model| {
            let optimizer = model.trainer()?.optimizer();
            let moments = optimizer.moments(model.network.plan()).map(|(name, weight, values)| {
                let array = ndarray::ArrayD::from_shape_vec(weight.shape.clone(), values.to_vec());
                (name, array.expect("a moment is as long as its weight"))
            });
            Ok((optimizer.iterations(), moments.collect::<Vec<_>>()))
        })?;
        let moments = moments.into_iter().map(|(name, values)| (name, PyArrayDyn::from_owned_array(py, values)));
        Ok((iterations, moments.collect()))
    }

    fn set_optimizer_state(&self, py: Python<'_>, iterations: u64, moments: Vec<(String, Floats<'_>)>) -> PyResult<()> {
        let moments: Vec<_> = moments.iter().map(|(name, values)| (name.clone(), values.view())).collect();
        self.0.write(py, |model| {
            let (network, trainer) = model.for_training()?;
            Ok(trainer.optimizer_mut().restore(network.plan(), iterations, &moments)?)
        })
    }
}
