"""Behaviour that must be Keras': each function asks a library with a Keras face and answers in plain JSON values."""

from facts import arrays, callbacks, calls, configs, losses_and_metrics, recurrent, training
from facts.question import FACTS, compare, plain, program

__all__ = [
    "FACTS",
    "arrays",
    "callbacks",
    "calls",
    "compare",
    "configs",
    "losses_and_metrics",
    "plain",
    "program",
    "recurrent",
    "training",
]
