//! Which operations are computed, from what, and which of them together.

use super::plan::Plan;

/// What a call of a network computes.
pub(super) struct Schedule {
    /// The numbers of operations, in order; several where recurrent layers stand one above the other, which may be computed at
    /// the same time.
    pub stacks: Vec<Vec<usize>>,
    /// The inputs of every operation.
    pub inputs: Vec<Vec<usize>>,
    /// Of which tensors every reader takes a dictionary.
    pub may_be_dictionary: Vec<bool>,
}

impl Schedule {
    /// For training, where every operation is computed, or for prediction, which leaves out those that would hand their input
    /// on.
    pub fn new(plan: &Plan, training: bool) -> Schedule {
        let mut needed = vec![false; plan.tensors.len()];
        let logits = (0..plan.outputs()).filter_map(|output| plan.logits_of(output));
        let masks = plan.operations.iter().filter_map(|operation| operation.given_mask);
        let activities = plan.activities().iter().map(|&(tensor, _)| tensor);
        for tensor in plan.outputs.iter().copied().chain(logits).chain(masks.map(|(mask, _)| mask)).chain(activities) {
            needed[tensor] = true;
        }
        // What stands in each tensor's place.
        let mut sources: Vec<_> = (0..plan.tensors.len()).collect();
        let mut inputs: Vec<Vec<_>> = Vec::new();
        let mut computed = Vec::new();
        for (number, operation) in plan.operations.iter().enumerate() {
            inputs.push(operation.inputs.iter().map(|&tensor| sources[tensor]).collect());
            let can_stay_out = !training && !needed[operation.first_output] && operation.given_mask.is_none();
            if can_stay_out && plan.node(operation).is_identity() {
                sources[operation.first_output] = inputs[number][0];
            } else {
                computed.push(number);
            }
        }
        let may_be_dictionary = dictionaries(plan, &computed, &inputs, &needed, training);
        let stacks = stacks(plan, &computed, &inputs);
        Schedule { stacks, inputs, may_be_dictionary }
    }
}

/// The tensors of which every reader takes a dictionary, as its first input.
fn dictionaries(plan: &Plan, computed: &[usize], inputs: &[Vec<usize>], needed: &[bool], training: bool) -> Vec<bool> {
    let mut takers = vec![false; needed.len()];
    let mut others = needed.to_vec();
    for &number in computed {
        for (i, &input) in inputs[number].iter().enumerate() {
            let is_taken = i == 0 && plan.node(&plan.operations[number]).takes_dictionary(training);
            takers[input] |= is_taken;
            others[input] |= !is_taken;
        }
    }
    takers.into_iter().zip(others).map(|(taker, other)| taker && !other).collect()
}

/// Puts recurrent layers together of which each reads what the one before it gives out. All of them write what they give out, for
/// others that read it, too.
fn stacks(plan: &Plan, computed: &[usize], inputs: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let can_stack = |number: usize| {
        let operation = &plan.operations[number];
        let is_plain = (inputs[number].len(), operation.outputs, operation.given_mask) == (1, 1, None);
        is_plain && plan.node(operation).is_stackable()
    };
    let follows = |below: usize, number: usize| {
        let (lower, upper) = (&plan.operations[below], &plan.operations[number]);
        let is_above = inputs[number] == [lower.first_output] && lower.masks == upper.masks;
        is_above && lower.training == upper.training && can_stack(below) && can_stack(number)
    };
    let mut stacks: Vec<Vec<usize>> = Vec::new();
    for &number in computed {
        match stacks.last_mut() {
            Some(stack) if stack.last().is_some_and(|&below| follows(below, number)) => stack.push(number),
            _ => stacks.push(vec![number]),
        }
    }
    stacks
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::network::Graph;

    fn layer(class: &str, config: Value) -> Value {
        json!({"class_name": class, "config": config})
    }

    fn lstm(name: &str, sequences: bool, stateful: bool) -> Value {
        let initializer = layer("Zeros", json!({}));
        layer(
            "LSTM",
            json!({"name": name, "units": 3, "activation": "tanh", "recurrent_activation": "sigmoid", "dropout": 0.5,
                "return_sequences": sequences, "stateful": stateful, "kernel_initializer": initializer,
                "recurrent_initializer": initializer, "bias_initializer": initializer}),
        )
    }

    fn dropout(name: &str) -> Value {
        layer("Dropout", json!({"name": name, "rate": 0.5, "noise_shape": null, "seed": null}))
    }

    /// The schedules of prediction and of training for layers behind an embedding, which is operation 0 and gives tensor 1.
    fn schedules(above: &[Value]) -> [Schedule; 2] {
        let mut layers = vec![
            layer("InputLayer", json!({"name": "input", "batch_shape": [2, 4]})),
            layer(
                "Embedding",
                json!({"name": "embedding", "input_dim": 5, "output_dim": 2,
                    "embeddings_initializer": layer("Zeros", json!({}))}),
            ),
        ];
        layers.extend_from_slice(above);
        let model = layer("Sequential", json!({"layers": layers})).to_string();
        let plan = Plan::new(&Graph::from_json(&model).unwrap(), &[]).unwrap();
        [false, true].map(|training| Schedule::new(&plan, training))
    }

    #[test]
    fn prediction_leaves_dropout_out_and_finds_neighbours_and_dictionaries_behind_it() {
        let above = [dropout("a"), lstm("b", true, false), dropout("c"), dropout("d"), lstm("e", true, false)];
        let [predicting, training] = schedules(&[&above[..], &[lstm("f", false, false)]].concat());
        assert_eq!(predicting.stacks, [vec![0], vec![2, 5, 6]]);
        assert_eq!((&*predicting.inputs[2], &*predicting.inputs[5]), (&[1][..], &[3][..]));
        assert!(predicting.may_be_dictionary[1]);
        assert_eq!(training.stacks, [vec![0], vec![1], vec![2], vec![3], vec![4], vec![5, 6]]);
        assert!(!training.may_be_dictionary[1]);
    }

    #[test]
    fn what_is_shown_is_computed_and_what_keeps_states_stands_alone() {
        let [predicting, _] = schedules(&[lstm("a", true, true), lstm("b", true, false), dropout("c")]);
        assert_eq!(predicting.stacks, [vec![0], vec![1], vec![2], vec![3]]);
    }
}
