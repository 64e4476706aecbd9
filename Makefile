# The only commands to know. All of them make .venv from the lock file first, if it is not there or not current.
#
#   make demo     three airports answer a question together, over a real Swift on this machine
#   make test     everything: style, types, imports, documents, tests (some 15 minutes on 2 cores)
#   make deep     what `make test` leaves out: longer random tests, statistics, more whole runs; CI runs both
#   make check    the part of `make test` that runs no tests: seconds
#   make golden   write the golden files anew; read the diff before you commit it
#   make bench    the MPC engine's speed
#   make cluster-test   a real Kubernetes control plane on loopback; builds it once if Go is there
#   make spark-test     a real Spark Connect server on loopback; brings it here once (needs Java 17)
#   make pods-test      the demo in pods of the image on a node of this machine (after make image; needs root)
#   make e2e      only the tests with several real processes and a real Swift
#   make image    the worker's image in build/image; BASE=... says from which base, BASE=local makes one (needs buildah)
#   make image-cheetah   the same with SPU, for `protocol: cheetah`, in build/image-cheetah; minutes, and 1.5 GB unpacked
#   make spu      what `protocol: cheetah` needs, for runs on this machine: docs/cheetah.md
#   make image-test   what is in that image, and how it runs (needs runc and root)
#   make lock     resolve the dependencies of pyproject.toml anew (needs uv)
#   make clean    remove everything that git ignores and these commands make

PYTHON ?= python3
# Two processes: a test that waits for workers or a store leaves its core to another.
PYTEST_FLAGS ?= -q -n 2 --dist worksteal

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check --no-input

.DEFAULT_GOAL := help
.PHONY: help demo test deep cluster-test spark-test pods-test check check-types check-style check-imports check-documents golden bench e2e spu image image-cheetah image-test lock clean

help:
	@sed -n '2,/^$$/s/^# \{0,1\}//p' Makefile

demo: $(READY)
	@$(BIN)/ccd demo

test: check
	@echo "tests"
	@$(BIN)/pytest $(PYTEST_FLAGS) -m "not deep and not cluster and not image and not spark"

# What takes longer than a developer waits: random queries, statistics, whole runs whose parts have quick tests.
# CI runs it, too.
deep: $(READY)
	@$(BIN)/pytest $(PYTEST_FLAGS) -m "deep and not cluster and not image and not spark"

# A process for each control plane: Argo CD's has more rights there than the others' may have, and pods need a node.
# The first build takes minutes, so it comes first and says so.
cluster-test: $(READY)
	@$(BIN)/python -m tests.cluster.binaries plane argocd
	@$(BIN)/pytest -q -m cluster tests/cluster --ignore tests/cluster/gitops --ignore tests/cluster/pods
	@$(BIN)/pytest -q -m cluster tests/cluster/gitops

# The environment with Spark's client, and Spark's server, are made once; without Java it is said and nothing else.
spark-test: $(READY)
	@$(BIN)/python -m tests.spark -q -m spark tests/conclave/local tests/worker/test_spark.py \
	    tests/e2e/test_spark.py

pods-test: $(READY)
	@$(BIN)/python -m tests.cluster.binaries
	@$(BIN)/pytest -q -m cluster tests/cluster/pods

# The types take as long as all the others, which are looked at beside them.
check: $(READY)
	@$(MAKE) --no-print-directory --jobs 2 --output-sync check-types check-style check-imports check-documents

check-types: $(READY)
	@echo "types"
	@$(BIN)/mypy --no-error-summary

check-style: $(READY)
	@echo "style"
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet || { echo "not formatted (fix: $(BIN)/ruff format)" >&2; exit 1; }
	@$(BIN)/yamllint --strict .

check-imports: $(READY)
	@echo "imports"
	@$(BIN)/lint-imports --no-cache >$(VENV)/lint-imports.log || { cat $(VENV)/lint-imports.log; exit 1; }

check-documents: $(READY)
	@echo "documents"
	@$(BIN)/ccd validate
	@$(BIN)/ccd schema --check
	@$(BIN)/ccd render --check --anew

golden: $(READY)
	@$(BIN)/ccd schema
	@$(BIN)/ccd render --anew
	@CCD_UPDATE_GOLDEN=1 $(BIN)/pytest $(PYTEST_FLAGS) -m "not e2e and not deep and not cluster and not image and not spark"
	@git --no-pager diff --stat

bench: $(READY)
	@$(BIN)/python -m tests.bench

e2e: $(READY)
	@$(BIN)/pytest $(PYTEST_FLAGS) -m "e2e and not spark"

# What `protocol: cheetah` needs, in an environment within ours, because it pins old versions of what we use.
spu: $(READY)
	@$(BIN)/python -m venv $(VENV)/spu
	@$(VENV)/spu/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
	    --requirement image/spu.lock

image:
	@image/build.sh $(BASE)

image-cheetah:
	@image/build.sh --cheetah $(BASE)

image-test: $(READY)
	@$(BIN)/pytest -q -m image tests/image

lock:
	@command -v uv >/dev/null || { echo "make lock needs uv: https://docs.astral.sh/uv/" >&2; exit 1; }
	uv pip compile --quiet --universal --python-version 3.11 --extra demo --extra dev --generate-hashes --no-header \
	    --output-file requirements.lock pyproject.toml
	for group in worker image spark; do \
	    uv pip compile --quiet --python-platform linux --python-version 3.11 --generate-hashes --no-header \
	        --group $$group --constraint requirements.lock --output-file image/$$group.lock; \
	done
	uv pip compile --quiet --python-platform linux --python-version 3.11 --generate-hashes --no-header \
	    --group spu --output-file image/spu.lock

clean:
	@test ! -e .demo/.dev || test ! -x $(BIN)/ccd || $(BIN)/ccd -C .demo dev down || true
	rm -rf $(VENV) .demo .dev .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# pip checks every hash before it installs anything. The project itself comes last, editable, without looking
# anything up: what is not in the lock is not used.
$(READY): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "there is no $(PYTHON); say which: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "$(PYTHON) is $$($(PYTHON) --version), but 3.11 or later is needed: make PYTHON=python3.12 ..." >&2; exit 1; }
	@echo "installing into $(VENV) what requirements.lock lists (once; a minute or two)"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --require-hashes --requirement requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m conclave.mpc.warm
	@$(BIN)/python -m compileall -q conclave policy renderer worker
	@touch $(READY)
