# The verbs of this project. Each makes the virtual environment that it needs; `make clean` removes them all.

PYTHON ?= python3
VENV := .venv
PARITY := .venv-parity
BENCH := .venv-bench
BENCH_ARGS ?=
# Benches run on CPUs: without this index PyTorch brings its GPU libraries, gigabytes of them.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
SOURCES := $(shell find rust python -name '*.rs' -o -name '*.py' -o -name '*.pyi' -o -name Cargo.toml) \
           Cargo.toml Cargo.lock pyproject.toml

.PHONY: help demo test test-rust test-python parity lint format bench bench-rust accuracy wheel clean

help: ## Lists the verbs
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-12s %s\n", $$1, $$2}'

demo: $(VENV)/installed ## Trains the text classifier on film reviews, draws its curve, classifies sentences
	$(VENV)/bin/python examples/film_reviews.py

test: test-rust test-python ## Runs every test, Rust and Python

test-rust:
	cargo test --package lstm-core

test-python: $(VENV)/installed
	$(VENV)/bin/python -m pytest tests/unit
	$(VENV)/bin/python -m pytest --doctest-modules --pyargs lstm_rs
	$(VENV)/bin/python -m mypy.stubtest lstm_rs._lstm_rs

parity: $(PARITY)/installed ## Compares with real Keras, in an environment of its own
	$(PARITY)/bin/python -m pytest tests/parity

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

accuracy: $(PARITY)/installed ## Compares test accuracies on the film reviews with Keras', three seeds each
	$(PARITY)/bin/python benches/accuracy.py

bench-rust: ## Measures the kernels alone
	cargo bench --package lstm-core --bench kernels

wheel: $(VENV)/installed ## Builds the wheel into dist/
	$(VENV)/bin/maturin build --release --out dist

clean: ## Removes environments and everything built
	rm -rf $(VENV) $(PARITY) $(BENCH) dist target examples/output benches/output

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: $(VENV)/bin/python $(SOURCES)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check '.[dev,examples]'
	@touch $@

$(PARITY)/bin/python:
	$(PYTHON) -m venv $(PARITY)

$(PARITY)/installed: $(PARITY)/bin/python $(SOURCES)
	$(PARITY)/bin/pip install --quiet --disable-pip-version-check '.[bench]' pytest
	@touch $@

$(BENCH)/bin/python:
	$(PYTHON) -m venv $(BENCH)

$(BENCH)/installed: $(BENCH)/bin/python $(SOURCES)
	$(BENCH)/bin/pip install --quiet --disable-pip-version-check $(TORCH_INDEX:%=--extra-index-url %) '.[bench,peers]'
	@touch $@
