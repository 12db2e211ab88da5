"""Whom lstm_rs is measured against. `PEERS` lists all; each is imported in its worker process alone."""

import importlib
import importlib.util
from dataclasses import dataclass, field

from peers.base import Library

OURS = "lstm_rs"
OURS_MIXED = "lstm_rs-bf16"


@dataclass(frozen=True)
class Peer:
    """A library, or one way to run it."""

    name: str
    needs: tuple[str, ...]
    """Distributions that it is made of; their dependencies follow from them."""
    modules: tuple[str, ...]
    """What has to be importable."""
    implementation: str
    """The module below `peers` whose `open_library` drives it."""
    imports: str
    """The statement that a program of it begins with."""
    colour: str
    kinds: tuple[str, ...] = ("train", "infer", "stream")
    environment: dict[str, str] = field(default_factory=dict)
    exact: bool = True
    """Whether it computes in float32."""
    starts: bool = True
    """Whether import and size are worth measuring; false where another peer is the same library."""

    @property
    def available(self) -> bool:
        """Whether it can be imported here; nothing is imported to find out."""
        return all(importlib.util.find_spec(module) is not None for module in self.modules)

    @property
    def missing(self) -> str:
        """What to do when it is not available."""
        return f"{self.name} is missing: `pip install {' '.join(self.needs)}` here to compare with it."

    def open(self, threads: int) -> Library:
        """Imports the library."""
        module = importlib.import_module(f"peers.{self.implementation}")
        library: Library = module.open_library(self.name, threads)
        return library


_TENSORFLOW = {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
_JAX = {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}

PEERS = {
    peer.name: peer
    for peer in (
        Peer(OURS, ("lstm-rs",), ("lstm_rs",), "keras_api", "import lstm_rs", "#c0392b"),
        Peer(
            OURS_MIXED,
            ("lstm-rs",),
            ("lstm_rs",),
            "keras_api",
            "import lstm_rs",
            "#e6a39a",
            exact=False,
            starts=False,
        ),
        Peer(
            "keras-tf",
            ("keras", "tensorflow-cpu"),
            ("keras", "tensorflow"),
            "keras_api",
            "import keras",
            "#e08a1e",
            environment=_TENSORFLOW,
        ),
        Peer("keras-jax", ("keras", "jax"), ("keras", "jax"), "keras_api", "import keras", "#8e6bbf", environment=_JAX),
        Peer("torch", ("torch",), ("torch",), "pytorch", "import torch", "#34699a"),
        Peer(
            "torch-bf16",
            ("torch",),
            ("torch",),
            "pytorch",
            "import torch",
            "#8fb8de",
            kinds=("train", "infer"),
            exact=False,
            starts=False,
        ),
        Peer(
            "onnxruntime",
            ("onnxruntime", "onnx"),
            ("onnxruntime", "onnx"),
            "onnx_runtime",
            "import onnxruntime",
            "#3f8f5f",
            kinds=("infer", "stream"),
        ),
        Peer(
            "openvino",
            ("openvino", "onnx"),
            ("openvino", "onnx"),
            "open_vino",
            "import openvino",
            "#7f8c8d",
            kinds=("infer", "stream"),
        ),
    )
}
