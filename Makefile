# Everything from a bare machine with Python (3.11 to 3.13) and git. `make` lists the targets.
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Where there is an NVIDIA GPU, the same packages and CUDA's libraries.
LOCK ?= requirements$(if $(shell command -v nvidia-smi 2>/dev/null),-cuda).lock

.PHONY: help setup demo restore test test-backends test-studies test-browser test-faults test-environments test-slurm \
	test-release lint bench certify docs golden lock clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

# Versions are those of the lock, whatever is there; packages of the user's own stay. Those in requirements-local.txt, if
# there is one, are installed, too, at versions that go with the lock.
define INSTALL
	@test -x $(BIN)/python || { echo "setup: an environment in .venv"; $(PYTHON) -m venv .venv; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.9"
	@echo "setup: the packages of $(LOCK), which takes minutes the first time"
	@$(BIN)/uv pip install --project / --quiet --python $(BIN)/python --no-deps --require-hashes --compile-bytecode \
		--requirement $(LOCK)
	@echo "setup: freeconv from src/"
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@test ! -f requirements-local.txt || echo "setup: the packages of requirements-local.txt"
	@test ! -f requirements-local.txt || $(BIN)/uv pip install --quiet --python $(BIN)/python --constraint $(LOCK) \
		--requirement requirements-local.txt
	@touch .venv/installed
endef

setup: ## put everything at the versions of requirements.lock, or requirements-cuda.lock, into .venv; your own packages stay
	$(INSTALL)

.venv/installed: $(LOCK) pyproject.toml
	$(INSTALL)

demo: .venv/installed ## the study of params.yaml on real digits; then open reports/index.html
	@snakemake

restore: .venv/installed ## data and results of this commit from the DVC remote; Snakemake then has nothing to do
	python -c "from dvc.repo import Repo; Repo().drop_data_index()"  # docs/dvc-killed-push.md
	dvc pull

test: .venv/installed ## the tests: ten minutes on two cores
	pytest

test-backends: .venv/installed ## what computes with Keras, on JAX; and the layers on PyTorch, where it is installed
	KERAS_BACKEND=jax pytest tests/architectures tests/layers/test_free_conv_2d.py tests/training tests/commands/test_train.py
	if python -c "import torch" 2>/dev/null; then KERAS_BACKEND=torch pytest tests/layers; else \
		echo "PyTorch: skipped, it is not installed; uv pip install --python .venv/bin/python torch, and again"; fi

test-studies: .venv/installed ## whole studies that grow, are extended, and are in DVC
	pytest tests/studies

test-browser: .venv/installed ## pages in a browser; skipped where there is no Chromium
	pytest tests/browser

test-faults: .venv/installed ## all faults: kills, full disks, damage, locks (docs/reliability.md)
	pytest tests/faults --all-faults --faults-page docs/reliability.md

test-environments: .venv/installed ## the layers' tests with one backend each and nothing of the study (BACKENDS="tensorflow jax torch")
	python -m tests.layers.environments $(BACKENDS)

test-slurm: .venv/installed ## a study through Slurm; as root on a disposable Debian machine: installs Slurm (PARAMS=params.yaml)
	python -m tests.slurm.run $(PARAMS)

test-release: .venv/installed ## wheel and sdist, used in an environment of their own; installs packages there
	FREECONV_TEST_RELEASE=1 pytest -n0 tests/release

lint: .venv/installed ## style, types, Snakemake's lint
	ruff check .
	ruff format --check .
	mypy
	snakefmt --check Snakefile workflow
	lint-imports --no-cache
	pytest --durations=0 tests/workflow/test_lint.py

bench: .venv/installed ## measure speed and write docs/performance.md (peers: uv pip install -e '.[study,bench]')
	python benchmarks/run.py

docs: .venv/installed ## write the generated reference pages, and the documentation as a site into site/, links checked
	freeconv params --write-docs
	python -m typer freeconv.cli utils docs --name freeconv --title Commands --output docs/commands.md
	mkdocs build --quiet --strict
	cp -r reports/sampler site/report

COMPILE = uv pip compile --quiet --universal --python-version 3.11 --upgrade --generate-hashes --no-emit-index-url \
	--no-annotate --no-header pyproject.toml --extra study --group dev

golden: .venv/installed ## store the numbers of three tiny runs anew (tests/golden), after a change that is meant to change them
	python -m tests.golden.compute --write

certify: .venv/installed ## record this code as equivalent to that of commit OLD, if it computes the same numbers bit for bit
	python -m tests.golden.certify $(OLD)

lock: .venv/installed ## resolve pyproject.toml anew into requirements.lock and requirements-cuda.lock
	$(COMPILE) -o requirements.lock
	$(COMPILE) --extra cuda --constraint requirements.lock -o requirements-cuda.lock

clean: ## delete the environment; data and results stay
	rm -rf .venv
