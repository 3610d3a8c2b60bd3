# Every target creates .venv if it is missing; no target reinstalls an existing .venv.
PYTHON ?= python3
EPOCHS ?= 100
MINUTES ?= 10
ARGS   ?=

BIN   := .venv/bin
READY := .venv/.ready
BENCH := .venv-bench/bin
BENCH_READY := .venv-bench/.ready

# Tests that run kernels on many sizes and layouts.
BOUNDS := tests/kernels tests/spikes tests/layer tests/encoding \
	tests/fuzz

.DEFAULT_GOAL := help
.PHONY: help install mnist playground fashion test fuzz bounds lint format pages lock smoke docs tensorboard \
	bench clean

help: ## show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

install: $(READY) ## create .venv with bitspike and everything that the other targets need

mnist: $(READY) ## train the tutorial network on MNIST (EPOCHS=100, ARGS="other options")
	@$(BIN)/python -m bitspike.examples.lif_fc_mnist -epochs $(EPOCHS) $(ARGS)

fashion: EPOCHS = 20
fashion: $(READY) ## train a convolutional network on Fashion-MNIST (EPOCHS=20, ARGS="other options")
	@$(BIN)/python -m bitspike.examples.conv_fashion_mnist -epochs $(EPOCHS) $(ARGS)

playground: $(READY) ## draw digits in your browser (ARGS="--host 0.0.0.0" for your phone)
	@$(BIN)/python -m bitspike.playground $(ARGS)

test: $(READY) ## run the whole test suite (ARGS="any pytest option")
	@$(BIN)/python -m pytest --numprocesses auto $(ARGS)

# Numba's cache does not depend on this option, so kernels with checks get their own cache folder.
bounds: export NUMBA_BOUNDSCHECK := 1
bounds: export NUMBA_CACHE_DIR := $(CURDIR)/.numba-bounds
bounds: $(READY) ## run the tests of the kernels with every index checked, slowly (ARGS="any pytest option")
	@$(BIN)/python -m pytest $(BOUNDS) $(ARGS)

fuzz: $(READY) ## compare random networks with float64 (MINUTES=10, ARGS="--seed 7" and others)
	@$(BIN)/python -m tests.fuzz $(MINUTES) $(ARGS)

lint: $(READY) ## check style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY) ## format the code as lint expects it
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

pages: $(READY) ## write the generated pages and pictures again
	@$(BIN)/python -m scripts.documentation

lock: ## write requirements.lock again, after a change of constraints.txt
	@PYTHON=$(PYTHON) scripts/lock.sh

smoke: $(READY) ## build wheel and sdist, and test both in clean environments
	@PYTHON=$(BIN)/python scripts/smoke_wheel.sh

docs: $(READY) ## build the documentation into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

tensorboard: $(READY) ## show the runs in ./logs
	$(BIN)/tensorboard --logdir logs

bench: $(BENCH_READY) ## measure beside four other libraries, into benchmarks/results (ARGS="lif --quick")
	@$(BENCH)/python -m benchmarks $(ARGS)

clean: ## remove .venv and everything that was built; keep the runs in ./logs
	rm -rf .venv .venv-bench .numba-bounds site build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp is written last, so that an interrupted installation starts over. In one call pip checks the
# hashes of all packages or of none, and a checkout has no hash. Locked packages are therefore installed
# first; the second call adds torch, triton, torch's CUDA packages and bitspike.
$(READY): pyproject.toml constraints.txt requirements.lock requirements-peer.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "bitspike needs Python 3.11 or newer, but $(PYTHON) is " + sys.version.split()[0] + ". Choose another one: make PYTHON=python3.12")'
	@$(PYTHON) -m venv .venv || { echo 'Python cannot create virtual environments: install its venv package (Debian: python3-venv).'; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch -e '.[dev,peer]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-peer.lock
	@touch $@

# The other libraries of the benchmarks get a separate environment and bring no dependencies.
$(BENCH_READY): pyproject.toml constraints.txt benchmarks/requirements.txt
	@$(PYTHON) -m venv .venv-bench || { echo 'Python cannot create virtual environments: install its venv package (Debian: python3-venv).'; exit 1; }
	$(BENCH)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch -e '.[train,peer]'
	$(BENCH)/python -m pip install --quiet --disable-pip-version-check --no-deps -r benchmarks/requirements.txt
	@touch $@
