# The verbs of this project. Each makes the virtual environment that it needs; `make clean` removes them all.

PYTHON ?= python3
VENV := .venv
PARITY := .venv-parity
PRECISION := .venv-precision
BENCH := .venv-bench
BENCH_ARGS ?=
# Benches run on CPUs: without this index PyTorch brings its GPU libraries, gigabytes of them.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
SOURCES := $(shell find rust python -name '*.rs' -o -name '*.py' -o -name '*.pyi' -o -name Cargo.toml) \
           Cargo.toml Cargo.lock pyproject.toml

.PHONY: help demo test test-rust test-python test-neon assembly parity conformance refusals precision lint format bench scaling serving bench-rust accuracy wheel clean

help: ## Lists the verbs
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-12s %s\n", $$1, $$2}'

demo: $(VENV)/installed ## Trains the text classifier on film reviews, draws its curve, classifies sentences
	$(VENV)/bin/python examples/film_reviews.py

test: test-rust test-python ## Runs every test, Rust and Python

test-rust:
	cargo test --package lstm-core

# The Rust tests go through the instruction sets and thread counts themselves; the Python ones are run once for each.
test-python: $(VENV)/installed
	$(VENV)/bin/python -m pytest tests/unit
	@set -e; isas=$$($(VENV)/bin/python -c 'from lstm_rs._engine import available_isas; print(*available_isas()[1:])'); \
	for forced in $$(printf 'LSTM_RS_ISA=%s\n' $$isas) LSTM_RS_NUM_THREADS=1 LSTM_RS_NUM_THREADS=3; do \
	    echo "$$forced pytest tests/unit"; env $$forced $(VENV)/bin/python -m pytest --quiet tests/unit; \
	done
	$(VENV)/bin/python -m pytest --doctest-modules --pyargs lstm_rs
	$(VENV)/bin/python -m mypy.stubtest lstm_rs._lstm_rs

test-neon: ## Runs the Rust tests on AArch64 under qemu, and checks that machine's assembly
	tests/neon.sh
	tests/neon.sh $(PYTHON) tests/assembly.py --target aarch64-unknown-linux-gnu

assembly: ## Proves that the inner loops of the kernels, as they ship, hold no spills
	$(PYTHON) tests/assembly.py

precision: $(PRECISION)/installed ## Compares rounding errors of outputs and gradients with PyTorch's, against float64
	$(PRECISION)/bin/python -m pytest --quiet --capture=no tests/precision

parity: $(PARITY)/installed ## Compares with real Keras, in an environment of its own
	$(PARITY)/bin/python -m pytest tests/parity

conformance: $(PARITY)/installed ## Tries every public name and argument of Keras in both, writes docs/conformance.md
	$(PARITY)/bin/python tests/conformance/report.py

refusals: $(PARITY)/installed ## Gives every argument of Keras wrong values in both, prints what lstm_rs takes
	$(PARITY)/bin/python tests/conformance/refusals.py

lint: $(VENV)/installed ## Checks format, lints and types of both languages
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	MYPYPATH=benches $(VENV)/bin/mypy --ignore-missing-imports benches/*.py benches/peers/*.py

format: $(VENV)/installed ## Formats both languages
	cargo fmt --all
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

bench: $(BENCH)/installed ## Measures training, inference, streaming and starting beside six peers, paired in one run
	@mkdir -p benches/output
	$(BENCH)/bin/python benches/run.py --json benches/output/results.json --plot benches/output/results.svg $(BENCH_ARGS)

scaling: $(BENCH)/installed ## Measures how training and inference scale with the number of threads
	$(BENCH)/bin/python benches/scaling.py $(BENCH_ARGS)

serving: $(BENCH)/installed ## Measures several threads of one process that predict at once
	$(BENCH)/bin/python benches/serving.py $(BENCH_ARGS)

accuracy: $(PARITY)/installed ## Compares test accuracies on the film reviews with Keras', three seeds each
	$(PARITY)/bin/python benches/accuracy.py

bench-rust: ## Measures the kernels alone
	cargo bench --package lstm-core --bench kernels

wheel: $(VENV)/installed ## Builds the wheel into dist/
	$(VENV)/bin/maturin build --release --out dist

clean: ## Removes environments and everything built
	rm -rf $(VENV) $(PARITY) $(PRECISION) $(BENCH) dist target examples/output benches/output

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: $(VENV)/bin/python $(SOURCES)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check '.[dev,examples]'
	@touch $@

$(PARITY)/bin/python:
	$(PYTHON) -m venv $(PARITY)

$(PARITY)/installed: $(PARITY)/bin/python $(SOURCES)
	$(PARITY)/bin/pip install --quiet --disable-pip-version-check '.[bench]' pytest tensorboard
	@touch $@

$(PRECISION)/bin/python:
	$(PYTHON) -m venv $(PRECISION)

$(PRECISION)/installed: $(PRECISION)/bin/python $(SOURCES)
	$(PRECISION)/bin/pip install --quiet --disable-pip-version-check . pytest torch
	@touch $@

$(BENCH)/bin/python:
	$(PYTHON) -m venv $(BENCH)

$(BENCH)/installed: $(BENCH)/bin/python $(SOURCES)
	$(BENCH)/bin/pip install --quiet --disable-pip-version-check $(TORCH_INDEX:%=--extra-index-url %) '.[bench,peers]'
	@touch $@
