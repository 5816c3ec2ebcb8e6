# Every target builds .venv first, from a bare clone. Variables on the command line reach the programs:
#   make demo VEDETTE_DATA=path/to/data      make test ARGS="-k frame"      make bench ARGS=--help

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
EDGE := ./ $(addprefix ./plugins/vedette-,onnxruntime openvino video cnn rnn anomaly face tracking delivery) ./firmware_bridge

.DEFAULT_GOAL := help
.PHONY: help setup setup-server demo model-cifar model-defects model-gestures fights ped2 test lint types bench fuzz soak-link soak-outbox peer-ultralytics quantize-public docs wheels clean

help:
	@echo "make demo | test | lint | types | bench | fuzz | docs | wheels | clean"

$(BIN)/python:
	$(PYTHON) -m venv .venv

.venv/.dev: requirements-dev.txt pyproject.toml $(wildcard plugins/*/pyproject.toml) firmware_bridge/pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

.venv/.server: requirements-server.txt plugins/vedette-torch/pyproject.toml .venv/.dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-server.txt
	@touch $@

.venv/.docs: requirements-docs.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-docs.txt
	@touch $@

setup: .venv/.dev

# Adds the frameworks of the server side (gigabytes), whose tests are skipped without them.
setup-server: .venv/.server

# A bundled model over boards that are drawn for it; make demo VIDEO=street.mp4 MODEL=yolox.vedette runs your own.
demo: setup
	$(BIN)/python examples/demo.py $(if $(VIDEO),--video "$(VIDEO)") $(if $(MODEL),--model "$(MODEL)") $(ARGS)

# Train, measure, quantise and seal a bundled model; what was interrupted goes on. DATA is a folder or .zip file, see
# docs/bundled-models.md.
model-cifar: setup-server
	$(BIN)/python plugins/vedette-cnn/models/make.py cifar-classifier --data "$(DATA)" $(ARGS)

model-defects: setup-server
	$(BIN)/python plugins/vedette-cnn/models/make.py defect-detector --data "$(DATA)" $(ARGS)

# Five folds of the data of hand gestures, then the bundled model; the other two print what docs/recurrent.md and
# docs/anomaly.md say, and keep no weights: their footage may not be passed on.
model-gestures: setup-server
	$(BIN)/python plugins/vedette-rnn/models/make_gesture.py $(ARGS)

fights: setup-server
	$(BIN)/python plugins/vedette-rnn/models/fights.py folds $(ARGS)

ped2: setup-server
	$(BIN)/python plugins/vedette-anomaly/experiments/ped2.py "$(VEDETTE_DATA)/datasets/ucsd_ped2" build/ped2 --edge $(ARGS)

test: setup
	$(BIN)/pytest $(ARGS)

lint: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check

# The frameworks are needed for their types.
types: setup-server
	$(BIN)/mypy

bench: setup
	$(BIN)/python -m bench $(ARGS)

# A million inputs for the readers of bundles; some minutes.
fuzz: setup
	$(BIN)/python tests/fuzz/fuzz.py $(ARGS)

# A million frames with faults, then the real shells over a paced pseudo-terminal; each prints JSON, and fails beyond its goals.
soak-link: setup
	$(BIN)/python firmware_bridge/tests/soak/link_faults.py
	$(BIN)/python firmware_bridge/tests/shells/soak.py --seconds 60 --restarts 20
	$(BIN)/python firmware_bridge/tests/soak/c_library.py

# A broker that is down for a minute, and Vedette killed 20 times while events flow: none may be lost.
soak-outbox: setup
	$(BIN)/python plugins/vedette-delivery/tests/soak/outbox.py --kills 20 --down-s 60

.venv-ultralytics/.done: plugins/vedette-cnn/tests/peers/requirements.txt
	$(PYTHON) -m venv .venv-ultralytics
	.venv-ultralytics/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

# AGPL: run in an environment of its own, to be compared with; nothing of it becomes part of Vedette.
peer-ultralytics: setup .venv-ultralytics/.done
	.venv-ultralytics/bin/python plugins/vedette-cnn/tests/peers/ultralytics_export.py build/ultralytics
	$(BIN)/python plugins/vedette-cnn/tests/peers/ultralytics_parity.py build/ultralytics $(ARGS)

# Quantise a public classifier and a public detector with the accuracy gate; minutes.
quantize-public: setup-server
	$(BIN)/python -m bench.quantize_public

# Strict: a broken link, in any page of the repository, or an unlisted page is an error.
docs: .venv/.docs
	@rm -rf site
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going --fresh-env -c docs . site
	@echo site/docs/index.html

# What an edge box installs without a network: pip install --no-index --find-links dist vedette ...
wheels: | $(BIN)/python
	rm -rf dist
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --wheel-dir dist $(EDGE)

clean:
	rm -rf .venv .venv-ultralytics dist site build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
