# Everything from a bare machine with Python (3.11 to 3.13) and git. `make` lists the targets.
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Where there is an NVIDIA GPU, the same packages and CUDA's libraries.
LOCK ?= requirements$(if $(shell command -v nvidia-smi 2>/dev/null),-cuda).lock

.PHONY: help setup demo restore test test-faults test-slurm lint bench certify docs golden lock clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: .venv/installed ## make .venv with everything at the versions of requirements.lock, or requirements-cuda.lock

.venv/installed: $(LOCK) pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.9"
	$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes --compile-bytecode $(LOCK)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	touch $@

demo: setup ## the study of params.yaml on real digits; then open reports/index.html
	snakemake
	@echo "Done. Open reports/index.html in a browser."

restore: setup ## data and results of this commit from the DVC remote; Snakemake then has nothing to do
	dvc pull

test: setup ## all tests
	pytest

test-faults: setup ## all faults: kills, full disks, damage, locks (docs/reliability.md); about ten minutes
	pytest tests/faults --all-faults --faults-page docs/reliability.md

test-slurm: setup ## a study through Slurm; as root on a disposable Debian machine: installs Slurm (PARAMS=params.yaml)
	python -m tests.slurm.run $(PARAMS)

lint: setup ## style, types, Snakemake's lint
	ruff check .
	ruff format --check .
	mypy
	snakefmt --check Snakefile workflow
	lint-imports --no-cache
	pytest --durations=0 tests/workflow/test_lint.py

bench: setup ## measure speed and write docs/performance.md (peers: uv pip install -e '.[study,bench]')
	python benchmarks/run.py

docs: setup ## write the generated reference pages
	freeconv params --write-docs

COMPILE = uv pip compile --quiet --universal --python-version 3.11 --upgrade --generate-hashes --no-emit-index-url \
	--no-annotate --no-header pyproject.toml --extra study --group dev

golden: setup ## store the numbers of three tiny runs anew (tests/golden), after a change that is meant to change them
	python -m tests.golden.compute --write

certify: setup ## record this code as equivalent to that of commit OLD, if it computes the same numbers bit for bit
	python -m tests.golden.certify $(OLD)

lock: setup ## resolve pyproject.toml anew into requirements.lock and requirements-cuda.lock
	$(COMPILE) -o requirements.lock
	$(COMPILE) --extra cuda --constraint requirements.lock -o requirements-cuda.lock

clean: ## delete the environment; data and results stay
	rm -rf .venv
