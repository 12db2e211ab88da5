"""Products in bfloat16 with all else in float32, by the names that Keras 2 gave it."""

from lstm_rs.keras._checks import absent
from lstm_rs.keras.dtype_policies import DTypePolicy, dtype_policy, set_dtype_policy

Policy = DTypePolicy
global_policy = dtype_policy
set_global_policy = set_dtype_policy

__all__ = ["DTypePolicy", "Policy", "dtype_policy", "global_policy", "set_dtype_policy", "set_global_policy"]

__getattr__ = absent(
    __name__,
    __all__,
    {"LossScaleOptimizer": "Give `compile` the optimizer itself: with bfloat16's range no loss needs scaling."},
)
