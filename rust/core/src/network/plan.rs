//! The order of work, and where everything lies.

use std::collections::HashMap;
use std::ops::Range;

use super::graph::{Graph, Reference};
use crate::error::{Error, Result};
use crate::kernels::activation::Activation;
use crate::layers::{AnyActivation, CLASSES, Kind, MaskRule, Node, Regularizer, Rules, Shape, checked_len};

/// A weight: a range of the model's flat run of floats.
#[derive(Clone, Debug)]
pub struct PlannedWeight {
    /// The layer's name.
    pub layer: String,
    /// The path below it.
    pub path: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Where it lies.
    pub range: Range<usize>,
    /// Whether it is trained.
    pub trainable: bool,
    /// What it starts from and is held to.
    pub(crate) rules: Rules,
}

pub(super) struct PlannedNode {
    /// The layer that it belongs to.
    pub layer: String,
    pub node: Node,
    pub weights: Range<usize>,
    pub trainable: bool,
}

/// One call of a node. Its outputs are tensors `first_output ..`, all of its inputs come before them.
pub(super) struct Operation {
    pub node: usize,
    pub inputs: Vec<usize>,
    pub first_output: usize,
    pub outputs: usize,
    /// The masks of the inputs.
    pub masks: Vec<Option<usize>>,
    /// The mask that the call makes.
    pub new_mask: Option<usize>,
    /// The tensor that the call was given as its first input's mask, and the mask that it becomes.
    pub given_mask: Option<(usize, usize)>,
    /// Whether the call was described with `training=True`.
    pub training: bool,
}

pub(super) struct PlannedTensor {
    pub kind: Kind,
    pub shape: Shape,
    pub mask: Option<usize>,
    /// Whether a trained weight stands before it.
    pub wants_gradient: bool,
}

pub(super) struct PlannedInput {
    pub name: String,
    /// The layer that takes it.
    pub consumer: String,
}

/// The order of work for a model. Input `i` is tensor `i`.
pub struct Plan {
    pub(super) inputs: Vec<PlannedInput>,
    pub(super) outputs: Vec<usize>,
    pub(super) nodes: Vec<PlannedNode>,
    pub(super) operations: Vec<Operation>,
    pub(super) tensors: Vec<PlannedTensor>,
    pub(super) masks: usize,
    pub(super) weights: Vec<PlannedWeight>,
    /// Tensors and the penalties on them.
    activities: Vec<(usize, Regularizer)>,
}

impl Plan {
    /// Lays a model out.
    ///
    /// `input_shapes`, where given, take the place of those in the model; batch axis first.
    ///
    /// # Errors
    /// Where a layer is not known, its arguments are not, or shapes do not fit.
    pub fn new(graph: &Graph, input_shapes: &[Shape]) -> Result<Plan> {
        let mut plan = Plan {
            inputs: Vec::new(),
            outputs: Vec::new(),
            nodes: Vec::new(),
            operations: Vec::new(),
            tensors: Vec::new(),
            masks: 0,
            weights: Vec::new(),
            activities: Vec::new(),
        };
        if !input_shapes.is_empty() && input_shapes.len() != graph.inputs.len() {
            let (given, wanted) = (input_shapes.len(), graph.inputs.len());
            return Err(Error::value(&graph.name, format!("got shapes of {given} inputs, the model has {wanted}")));
        }
        for (i, input) in graph.inputs.iter().enumerate() {
            let shape = input_shapes.get(i).or(input.shape.as_ref());
            let shape = shape.ok_or_else(|| Error::value(&input.name, "the shape of this input is not known"))?;
            if shape.rank() == 0 {
                return Err(Error::shape(&input.name, "the input", "a batch axis at least", shape.clone()));
            }
            plan.inputs.push(PlannedInput { name: input.name.clone(), consumer: input.name.clone() });
            plan.tensors.push(PlannedTensor {
                kind: Kind::Floats,
                shape: shape.clone(),
                mask: None,
                wants_gradient: false,
            });
        }
        plan.lay_out(graph)?;
        Ok(plan)
    }

    fn lay_out(&mut self, graph: &Graph) -> Result<()> {
        let mut chains: HashMap<usize, Range<usize>> = HashMap::new();
        let mut call_outputs: Vec<Vec<usize>> = Vec::new();
        let mut chosen = vec![false; self.inputs.len()];
        // Nodes are made in the order of calls, weights counted in the order of layers.
        for call in &graph.calls {
            let layer = &graph.layers[call.layer];
            let mut tensors = Vec::with_capacity(call.inputs.len());
            for &input in &call.inputs {
                tensors.push(resolve(&call_outputs, input).ok_or_else(|| {
                    Error::value(&layer.name, "is called on an output that its input layer does not have")
                })?);
            }
            if tensors.is_empty() {
                return Err(Error::value(&layer.name, "is called on nothing"));
            }
            let mut given_mask = match call.mask {
                Some(mask) => Some(resolve(&call_outputs, mask).ok_or_else(|| {
                    Error::value(&layer.name, "is given an output as mask that its layer does not have")
                })?),
                None => None,
            };
            let chain = match chains.get(&call.layer) {
                Some(chain) => chain.clone(),
                None => {
                    let known = CLASSES.binary_search_by_key(&layer.class.as_str(), |&(class, _)| class);
                    let Ok(known) = known else {
                        return Err(Error::unknown("layer class", &layer.class, CLASSES.iter().map(|&(name, _)| name)));
                    };
                    let shapes: Vec<_> = tensors.iter().map(|&t| self.tensors[t].shape.clone()).collect();
                    let first = self.nodes.len();
                    for node in CLASSES[known].1(&layer.name, &layer.config, &shapes)? {
                        let (layer, trainable) = (layer.name.clone(), layer.trainable());
                        self.nodes.push(PlannedNode { layer, node, weights: 0..0, trainable });
                    }
                    chains.insert(call.layer, first..self.nodes.len());
                    first..self.nodes.len()
                }
            };
            for &tensor in tensors.iter().chain(&given_mask) {
                if let Some(chosen) = chosen.get_mut(tensor) {
                    let kind =
                        if tensor == tensors[0] { self.nodes[chain.start].node.input_kind() } else { Kind::Floats };
                    if *chosen && self.tensors[tensor].kind != kind {
                        return Err(Error::unsupported(
                            &layer.name,
                            "shares an input with a layer that takes another kind",
                        ));
                    }
                    *chosen = true;
                    self.tensors[tensor].kind = kind;
                    self.inputs[tensor].consumer.clone_from(&layer.name);
                }
            }
            let wanted = self.nodes[chain.start].node.input_kind();
            if self.tensors[tensors[0]].kind != wanted {
                return Err(Error::unsupported(&layer.name, "takes ids, so it must stand directly behind an input"));
            }
            let own = self.nodes[chain.end - 1].node.activity_regularizer();
            for node in chain {
                // The layer's other nodes find the mask at what the first one gives.
                tensors = self.call(node, tensors, given_mask.take(), call.training)?;
            }
            if let Some(regularizer) = layer.activity_regularizer.or(own) {
                for &tensor in &tensors {
                    regularizer.check(&layer.name, "the output", self.tensors[tensor].shape.rank())?;
                    self.activities.push((tensor, regularizer));
                }
            }
            call_outputs.push(tensors);
        }
        self.place_weights(graph, &chains)?;
        self.find_gradients();
        for &output in &graph.outputs {
            let tensor = resolve(&call_outputs, output);
            let tensor = tensor.ok_or_else(|| Error::value(&graph.name, "an output is not there"))?;
            if self.tensors[tensor].kind == Kind::Ids {
                return Err(Error::unsupported(&graph.name, "an input of ids cannot be an output"));
            }
            self.outputs.push(tensor);
        }
        if self.operations.is_empty() {
            return Err(Error::value(&graph.name, "the model has no layers"));
        }
        Ok(())
    }

    /// Adds a call of a node and returns its outputs. A tensor given as mask takes the place of the first input's own.
    fn call(
        &mut self,
        node: usize,
        inputs: Vec<usize>,
        given_mask: Option<usize>,
        training: bool,
    ) -> Result<Vec<usize>> {
        let shapes: Vec<_> = inputs.iter().map(|&t| self.tensors[t].shape.clone()).collect();
        let outputs = self.nodes[node].node.output_shapes(&shapes)?;
        let mut masks: Vec<_> = inputs.iter().map(|&t| self.tensors[t].mask).collect();
        if let Some(given) = given_mask {
            self.check_mask(node, &shapes[0], given)?;
            masks[0] = Some(self.masks);
            self.masks += 1;
        }
        let given_mask = given_mask.zip(masks[0]);
        let rule = self.nodes[node].node.mask_rule();
        let creates = match rule {
            MaskRule::Pass | MaskRule::PassTwice | MaskRule::Drop => false,
            MaskRule::Create => true,
            MaskRule::CreateOfAll => masks.iter().all(Option::is_some),
            MaskRule::CreateOfAny => masks.iter().any(Option::is_some),
        };
        let new_mask = creates.then_some(self.masks);
        self.masks += usize::from(new_mask.is_some());
        let first_output = self.tensors.len();
        for (i, shape) in outputs.into_iter().enumerate() {
            let (mask, masked) = match rule {
                MaskRule::Pass => (masks[0], 1),
                MaskRule::PassTwice => (masks[0], 2),
                _ => (new_mask, 1),
            };
            self.tensors.push(PlannedTensor {
                kind: Kind::Floats,
                shape,
                mask: mask.filter(|_| i < masked),
                wants_gradient: false,
            });
        }
        let outputs = self.tensors.len() - first_output;
        if given_mask.is_none() && self.nodes[node].node.ignores_masks(inputs.len()) {
            masks.fill(None);
        }
        let operation = Operation { node, inputs, first_output, outputs, masks, new_mask, given_mask, training };
        self.operations.push(operation);
        Ok((first_output..first_output + outputs).collect())
    }

    /// # Errors
    /// Where a tensor given as mask does not have the sizes of an input but for its last axis.
    fn check_mask(&self, node: usize, input: &Shape, given: usize) -> Result<()> {
        let mask = &self.tensors[given].shape;
        let expected = &input.0[..input.rank().saturating_sub(1)];
        let fits = |(a, b): (&Option<usize>, &Option<usize>)| a.is_none() || b.is_none() || a == b;
        if mask.rank() != expected.len() || !mask.0.iter().zip(expected).all(fits) {
            let expected = Shape(expected.to_vec());
            return Err(Error::shape(&self.nodes[node].layer, "the argument mask", expected, mask.clone()));
        }
        Ok(())
    }

    fn place_weights(&mut self, graph: &Graph, chains: &HashMap<usize, Range<usize>>) -> Result<()> {
        let mut end = 0usize;
        for (number, layer) in graph.layers.iter().enumerate() {
            for node in chains.get(&number).cloned().unwrap_or(0..0) {
                let start = end;
                let weights = self.nodes[node].node.weights();
                let trained = weights.len() - self.nodes[node].node.statistics();
                for (i, weight) in weights.into_iter().enumerate() {
                    let place = format!("{}/{}", layer.name, weight.path);
                    let len = checked_len(&place, &weight.shape)?;
                    weight.rules.check(&layer.name, &weight.path, &weight.shape)?;
                    let from = end;
                    end = checked_len(&place, &[end.saturating_add(len)])?;
                    self.weights.push(PlannedWeight {
                        layer: layer.name.clone(),
                        path: weight.path,
                        shape: weight.shape,
                        range: from..end,
                        trainable: layer.trainable() && weight.trainable && i < trained,
                        rules: weight.rules,
                    });
                }
                self.nodes[node].weights = start..end;
            }
        }
        Ok(())
    }

    fn find_gradients(&mut self) {
        for operation in &self.operations {
            let node = &self.nodes[operation.node];
            let wanted = (node.trainable && !node.weights.is_empty())
                || operation.inputs.iter().any(|&input| self.tensors[input].wants_gradient);
            let outputs = operation.first_output..operation.first_output + operation.outputs;
            for tensor in &mut self.tensors[outputs] {
                tensor.wants_gradient = wanted;
            }
        }
    }

    /// The node of an operation.
    pub(super) fn node(&self, operation: &Operation) -> &Node {
        &self.nodes[operation.node].node
    }

    /// The weights, in Keras' order.
    pub fn weights(&self) -> &[PlannedWeight] {
        &self.weights
    }

    /// The trained weights of which a call reads few rows, each with its node.
    pub(crate) fn sparse_weights(&self) -> impl Iterator<Item = (usize, &PlannedWeight)> {
        let sparse = |planned: &PlannedNode| planned.trainable && planned.node.has_sparse_rows();
        let nodes = self.nodes.iter().enumerate().filter(move |(_, planned)| sparse(planned));
        nodes.filter_map(|(node, planned)| {
            Some((node, self.weights.iter().find(|weight| weight.range == planned.weights)?))
        })
    }

    /// Tensors and the penalties on them.
    pub(crate) fn activities(&self) -> &[(usize, Regularizer)] {
        &self.activities
    }

    /// Whether a layer goes on from batch to batch.
    pub(super) fn is_stateful(&self) -> bool {
        self.nodes.iter().any(|planned| !planned.node.kept_states().is_empty())
    }

    /// How many floats all weights have.
    pub fn weights_len(&self) -> usize {
        self.weights.last().map_or(0, |weight| weight.range.end)
    }

    /// What each input holds.
    pub fn input_kinds(&self) -> impl Iterator<Item = Kind> + '_ {
        self.tensors[..self.inputs.len()].iter().map(|tensor| tensor.kind)
    }

    /// The shape of each input.
    pub fn input_shapes(&self) -> impl Iterator<Item = &Shape> + '_ {
        self.tensors[..self.inputs.len()].iter().map(|tensor| &tensor.shape)
    }

    /// The shape of each output.
    pub fn output_shapes(&self) -> impl Iterator<Item = &Shape> + '_ {
        self.outputs.iter().map(|&output| &self.tensors[output].shape)
    }

    /// The tensor before the softmax or sigmoid that makes an output, if one of them does.
    pub(crate) fn logits_of(&self, output: usize) -> Option<usize> {
        match self.last_activation(output)? {
            (AnyActivation::Softmax | AnyActivation::Elementwise(Activation::Sigmoid), input) => Some(input),
            (AnyActivation::Elementwise(_) | AnyActivation::Pointwise(_) | AnyActivation::LogSoftmax, _) => None,
        }
    }

    /// Whether a softmax makes an output.
    pub(crate) fn ends_in_softmax(&self, output: usize) -> bool {
        matches!(self.last_activation(output), Some((AnyActivation::Softmax, _)))
    }

    /// The activation that makes an output, and the tensor it reads.
    fn last_activation(&self, output: usize) -> Option<(AnyActivation, usize)> {
        let tensor = self.outputs[output];
        let maker = self.operations.iter().find(|operation| operation.first_output == tensor)?;
        Some((self.nodes[maker.node].node.as_activation()?, maker.inputs[0]))
    }

    /// The mask of an output, if it has one.
    pub(crate) fn mask_of(&self, output: usize) -> Option<usize> {
        self.tensors[self.outputs[output]].mask
    }

    /// The tensor of an output.
    pub(crate) fn output(&self, output: usize) -> usize {
        self.outputs[output]
    }

    /// How many outputs there are.
    pub fn outputs(&self) -> usize {
        self.outputs.len()
    }
}

fn resolve(call_outputs: &[Vec<usize>], reference: Reference) -> Option<usize> {
    match reference {
        Reference::Input(input) => Some(input),
        Reference::Output { call, output } => call_outputs.get(call)?.get(output).copied(),
    }
}
