"""The part of `keras.config` that has a meaning here: what layers compute in, and three constants."""

from lstm_rs.keras._checks import absent
from lstm_rs.keras.backend import backend, epsilon, floatx
from lstm_rs.keras.dtype_policies import dtype_policy, set_dtype_policy

__all__ = ["backend", "dtype_policy", "epsilon", "floatx", "set_dtype_policy"]

__getattr__ = absent(
    __name__,
    __all__,
    {
        "set_floatx": "Weights are float32; `set_dtype_policy('mixed_bfloat16')` has layers multiply bfloat16.",
    },
)
