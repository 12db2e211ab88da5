"""Another value than the default for every argument that means the same wherever it stands."""

from typing import Any

from conformance.trial import Together


def _constant(keras: Any) -> Any:
    return keras.initializers.Constant(0.3)


def _penalty(keras: Any) -> Any:
    return keras.regularizers.L2(0.1)


def _bound(keras: Any) -> Any:
    return keras.constraints.MaxNorm(0.3)


_WEIGHTS = ("kernel", "recurrent", "bias", "embeddings", "beta", "gamma")

VALUES: dict[str, Any] = {
    **{f"{weight}_initializer": _constant for weight in (*_WEIGHTS, "moving_mean", "moving_variance")},
    **{f"{weight}_regularizer": _penalty for weight in (*_WEIGHTS, "activity")},
    **{f"{weight}_constraint": _bound for weight in _WEIGHTS},
    # Layers.
    "units": 3,
    "activation": "relu",
    "recurrent_activation": "hard_sigmoid",
    "use_bias": False,
    "unit_forget_bias": False,
    "dropout": 0.5,
    "recurrent_dropout": 0.5,
    "seed": 3,
    "return_sequences": True,
    "return_state": True,
    "go_backwards": True,
    "stateful": True,
    "unroll": True,
    "use_cudnn": False,
    "reset_after": False,
    "zero_output_for_mask": True,
    "trainable": False,
    "dtype": "float32",
    "autocast": False,
    "name": "given",
    "lora_rank": 2,
    "lora_alpha": Together(lora_rank=2, lora_alpha=3.0),
    "quantization_config": lambda keras: keras.quantizers.Int8QuantizationConfig(),
    # Optimizers.
    "learning_rate": 0.05,
    "weight_decay": 0.1,
    "clipnorm": 0.05,
    "clipvalue": 0.01,
    "global_clipnorm": 0.1,
    "use_ema": True,
    "ema_momentum": Together(use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=2),
    "ema_overwrite_frequency": Together(use_ema=True, ema_overwrite_frequency=2),
    "loss_scale_factor": 8.0,
    "gradient_accumulation_steps": 2,
    "beta_1": 0.7,
    "beta_2": 0.8,
    "epsilon": 1e-2,
    "amsgrad": True,
    "rho": 0.5,
    "momentum": 0.5,
    "initial_accumulator_value": 0.3,
    # Losses and metrics.
    "reduction": "sum",
    "from_logits": True,
    "label_smoothing": 0.2,
    "axis": 0,
    "thresholds": 0.4,
    "threshold": 0.4,
    "num_thresholds": 11,
    "class_id": 1,
    "top_k": 2,
    "k": 2,
    "ignore_class": 1,
    # Callbacks.
    "monitor": "loss",
    "verbose": 1,
    "mode": "max",
    "min_delta": 0.3,
    "patience": 1,
    "baseline": 0.5,
    "save_freq": 2,
    "initial_value_threshold": 0.1,
    "save_best_only": True,
    "save_weights_only": True,
}
