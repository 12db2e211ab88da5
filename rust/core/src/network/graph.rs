//! Which layer is called on what: Keras' `Sequential` and `Functional` configurations.

use serde::Deserialize;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::layers::{Regularizer, Shape};

/// A tensor of a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reference {
    /// The input of that number.
    Input(usize),
    /// An output of a call.
    Output { call: usize, output: usize },
}

#[derive(Debug)]
pub(super) struct GraphInput {
    pub name: String,
    pub shape: Option<Shape>,
}

#[derive(Debug)]
pub(super) struct GraphLayer {
    pub name: String,
    pub class: String,
    pub config: Value,
    /// A penalty on each output of each call.
    pub activity_regularizer: Option<Regularizer>,
}

impl GraphLayer {
    /// Whether its weights are trained: a recurrent layer's are its cell's.
    pub(super) fn trainable(&self) -> bool {
        let flag = |config: &Value| config.get("trainable").and_then(Value::as_bool).unwrap_or(true);
        flag(&self.config) && flag(&self.config["cell"]["config"])
    }
}

#[derive(Debug)]
pub(super) struct Call {
    pub layer: usize,
    pub inputs: Vec<Reference>,
    /// What it was called with as the mask of its first input, in the place of that input's own.
    pub mask: Option<Reference>,
    /// Whether it was called with `training=True`.
    pub training: bool,
}

/// A model as Keras describes it. Calls come in an order in which each finds its inputs made.
#[derive(Debug)]
pub struct Graph {
    pub(super) name: String,
    pub(super) inputs: Vec<GraphInput>,
    pub(super) layers: Vec<GraphLayer>,
    pub(super) calls: Vec<Call>,
    pub(super) outputs: Vec<Reference>,
}

#[derive(Deserialize)]
struct SerialisedModel {
    class_name: String,
    config: Value,
}

#[derive(Deserialize)]
struct SerialisedLayer {
    class_name: String,
    config: Value,
    #[serde(default)]
    inbound_nodes: Vec<Value>,
}

#[derive(Deserialize)]
struct Sequential {
    #[serde(default)]
    name: String,
    layers: Vec<SerialisedLayer>,
}

#[derive(Deserialize)]
struct Functional {
    #[serde(default)]
    name: String,
    layers: Vec<SerialisedLayer>,
    input_layers: Value,
    output_layers: Value,
}

#[derive(Deserialize)]
struct InputConfig {
    #[serde(alias = "batch_input_shape")]
    batch_shape: Option<Shape>,
}

const INPUT_LAYER: &str = "InputLayer";

fn malformed(place: &str) -> impl Fn(serde_json::Error) -> Error {
    let place = place.to_owned();
    move |source| Error::Config { place: place.clone(), source }
}

impl Graph {
    /// Reads the JSON that Keras writes of a model.
    ///
    /// # Errors
    /// Where it is not such JSON, or calls a layer on something that is not there.
    pub fn from_json(json: &str) -> Result<Graph> {
        let model: SerialisedModel = serde_json::from_str(json).map_err(malformed("model"))?;
        match model.class_name.as_str() {
            "Sequential" => Self::sequential(serde_json::from_value(model.config).map_err(malformed("Sequential"))?),
            "Functional" | "Model" => {
                Self::functional(serde_json::from_value(model.config).map_err(malformed("Functional"))?)
            }
            other => Err(Error::unknown("model class", other, ["Functional", "Sequential"])),
        }
    }

    fn sequential(model: Sequential) -> Result<Graph> {
        let mut input = GraphInput { name: "input".to_owned(), shape: None };
        let mut layers = Vec::new();
        for (i, serialised) in model.layers.into_iter().enumerate() {
            let layer = layer(&serialised)?;
            if layer.class != INPUT_LAYER {
                layers.push(layer);
            } else if i == 0 {
                input = graph_input(&layer)?;
            } else {
                return Err(Error::value(&layer.name, "an input layer must come first"));
            }
        }
        let before = |call: usize| match call {
            0 => Reference::Input(0),
            _ => Reference::Output { call: call - 1, output: 0 },
        };
        let call = |i| Call { layer: i, inputs: vec![before(i)], mask: None, training: false };
        let calls = (0..layers.len()).map(call).collect();
        let outputs = vec![before(layers.len())];
        Ok(Graph { name: model.name, inputs: vec![input], layers, calls, outputs })
    }

    fn functional(model: Functional) -> Result<Graph> {
        let mut graph =
            Graph { name: model.name, inputs: Vec::new(), layers: Vec::new(), calls: Vec::new(), outputs: Vec::new() };
        // Names of tensors (layer, call of the layer, output) and what they are here.
        let mut input_layers = Vec::new();
        let mut waiting = Vec::new();
        for serialised in &model.layers {
            let layer = layer(serialised)?;
            if layer.class == INPUT_LAYER {
                input_layers.push(graph_input(&layer)?);
                continue;
            }
            for (number, node) in serialised.inbound_nodes.iter().enumerate() {
                waiting.push((graph.layers.len(), number, inbound(&layer.name, node)?));
            }
            graph.layers.push(layer);
        }
        for name in histories(&model.input_layers) {
            let name = name?.layer;
            let found = input_layers.iter().position(|input| input.name == name);
            let found = found.ok_or_else(|| Error::value(&name, "is named as an input but is no input layer"))?;
            graph.inputs.push(input_layers.swap_remove(found));
        }

        let mut made: Vec<(usize, usize)> = Vec::new(); // (layer, its call) of each call so far
        while !waiting.is_empty() {
            let before = waiting.len();
            waiting.retain(|(layer, number, inbound)| {
                let inputs: Option<Vec<_>> = inbound.inputs.iter().map(|h| graph.find(h, &made)).collect();
                let mask = inbound.mask.as_ref().map(|h| graph.find(h, &made));
                let (Some(inputs), None | Some(Some(_))) = (inputs, mask) else { return true };
                graph.calls.push(Call { layer: *layer, inputs, mask: mask.flatten(), training: inbound.training });
                made.push((*layer, *number));
                false
            });
            if waiting.len() == before {
                let name = &graph.layers[waiting[0].0].name;
                return Err(Error::value(name, "is called on a tensor that nothing makes"));
            }
        }
        for history in histories(&model.output_layers) {
            let history = history?;
            let output = graph.find(&history, &made);
            graph.outputs.push(output.ok_or_else(|| Error::value(&history.layer, "is an output that nothing makes"))?);
        }
        Ok(graph)
    }

    fn find(&self, history: &History, made: &[(usize, usize)]) -> Option<Reference> {
        if let Some(input) = self.inputs.iter().position(|input| input.name == history.layer) {
            return Some(Reference::Input(input));
        }
        let layer = self.layers.iter().position(|layer| layer.name == history.layer)?;
        let call = made.iter().position(|&call| call == (layer, history.call))?;
        Some(Reference::Output { call, output: history.output })
    }
}

fn layer(serialised: &SerialisedLayer) -> Result<GraphLayer> {
    let class = serialised.class_name.clone();
    let name = serialised.config.get("name").and_then(Value::as_str);
    let name = name.ok_or_else(|| Error::value(&class, "a layer has no name"))?.to_owned();
    let mut config = serialised.config.clone();
    let regularizer = config.as_object_mut().and_then(|fields| fields.remove("activity_regularizer"));
    let activity_regularizer = serde_json::from_value(regularizer.unwrap_or_default()).map_err(malformed(&name))?;
    Ok(GraphLayer { name, class, config, activity_regularizer })
}

fn graph_input(layer: &GraphLayer) -> Result<GraphInput> {
    let config: InputConfig = serde_json::from_value(layer.config.clone()).map_err(malformed(&layer.name))?;
    Ok(GraphInput { name: layer.name.clone(), shape: config.batch_shape })
}

/// Where a tensor comes from: Keras' `keras_history`.
struct History {
    layer: String,
    call: usize,
    output: usize,
}

fn history(value: &Value) -> Option<History> {
    let [layer, call, output] = value.as_array()?.as_slice() else { return None };
    Some(History {
        layer: layer.as_str()?.to_owned(),
        call: usize::try_from(call.as_u64()?).ok()?,
        output: usize::try_from(output.as_u64()?).ok()?,
    })
}

/// The model's inputs or outputs: one history, or a list of them.
fn histories(value: &Value) -> impl Iterator<Item = Result<History>> + '_ {
    let list = match history(value) {
        Some(_) => std::slice::from_ref(value),
        None => value.as_array().map_or(&[][..], Vec::as_slice),
    };
    list.iter().map(|value| {
        history(value).ok_or_else(|| Error::value("Functional", format!("{value} does not name a tensor")))
    })
}

/// What a layer is called with.
#[derive(Default)]
struct Inbound {
    /// Positional arguments, then `initial_state`.
    inputs: Vec<History>,
    mask: Option<History>,
    training: bool,
}

fn inbound(layer: &str, node: &Value) -> Result<Inbound> {
    let mut call = Inbound::default();
    collect(layer, &node["args"], &mut call.inputs)?;
    if let Some(keywords) = node["kwargs"].as_object() {
        for (name, value) in keywords {
            match name.as_str() {
                _ if value.is_null() => {}
                "initial_state" => collect(layer, value, &mut call.inputs)?,
                "mask" => {
                    let mask = history(&value["config"]["keras_history"]);
                    let refusal = || Error::unsupported(layer, "the argument mask of a call must be one tensor");
                    call.mask = Some(mask.ok_or_else(refusal)?);
                }
                "training" => call.training = value.as_bool().unwrap_or(false),
                _ => return Err(Error::unsupported(layer, format!("argument {name} of a call is not supported yet"))),
            }
        }
    }
    Ok(call)
}

fn collect(layer: &str, value: &Value, found: &mut Vec<History>) -> Result<()> {
    match value {
        Value::Null => Ok(()),
        Value::Array(values) => values.iter().try_for_each(|value| collect(layer, value, found)),
        _ => match history(&value["config"]["keras_history"]) {
            Some(history) => {
                found.push(history);
                Ok(())
            }
            None => Err(Error::unsupported(layer, format!("a call on {value} is not supported"))),
        },
    }
}
