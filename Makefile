# Two commands on a fresh machine with Python 3.11+, make and git: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
export PYTHONDONTWRITEBYTECODE :=
export OMP_NUM_THREADS ?= 1

# All but spark, which would bring 450 MB: its tests have an environment of their own.
EXTRAS := $(addprefix --extra ,otlp postgres parquet duckdb prices oauth)

.PHONY: demo test peers torture audit bench bundle lock clean help

help: ## say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv/ready ## three simulated weeks, then an agent's questions over a real stdio server
	@$(BIN)/gonogo demo

test: .venv/ready ## everything but the heavy components: under 10 minutes on two cores
	@# Files in their order: by size, the one of a single long test would be begun last, and waited for.
	@$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

peers: .venv/ready ## the heavy components, each in an environment of its own under .peers
	@$(BIN)/python -m pytest tests/peers

torture: .venv/ready ## a hundred rounds of kills, power cuts, crowds and migrations; a hundred lives asked everything; properties at random
	@GONOGO_TORTURE_ROUNDS=100 GONOGO_LIVES=100 $(BIN)/python -m pytest -n 2 -q tests/torture tests/coherence
ifneq ($(wildcard /usr/lib/postgresql/*/bin/postgres),)
	@GONOGO_TORTURE_ROUNDS=100 $(BIN)/python -m pytest -n 2 -q tests/peers/test_postgres_torture.py
endif
	@GONOGO_TORTURE_ROUNDS=100 $(BIN)/python -m pytest -n 2 -q -m hypothesis --ignore=tests/coherence --ignore=tests/peers tests

audit: .venv/ready ## ask the public advisories about every pinned dependency
	@$(BIN)/python packaging/audit.py

bench: .venv/ready ## the speeds that are promised, each beside its floor or peer of the same run
	@$(BIN)/python benchmarks/performance.py

bundle: ## dist/gonogo-VERSION.mcpb, which desktop clients install by double-click
	@$(PYTHON) packaging/bundle.py

lock: ## pin again from pyproject.toml (needs uv)
	uv pip compile pyproject.toml --group dev $(EXTRAS) --universal --generate-hashes \
	  --no-header --no-annotate --python-version 3.11 --upgrade -o requirements.lock
	uv pip compile pyproject.toml deploy/build.in $(EXTRAS) --universal --generate-hashes \
	  --no-header --no-annotate --python-version 3.11 -c requirements.lock -o deploy/requirements.lock
	for in in tests/peers/requirements/*.in; do uv pip compile $$in --generate-hashes --no-header \
	  --no-annotate --python-version 3.11 --upgrade -o $${in%.in}.lock; done

# The lock holds hashes and no addresses, so any index will do; hatchling comes from it as well.
.venv/ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "gonogo needs Python 3.11 or newer; set PYTHON=")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Setting up .venv from requirements.lock (once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

clean: ## remove what the commands made
	rm -rf .venv .peers .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
