# Everything a machine needs to run, test and change pushmesh; `make` alone lists the targets. Nothing outside this folder is
# touched, except that as root on Debian or Ubuntu missing system packages are installed (.ci/need). PYTHON=... names another Python.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo run test check attacks faults outages fuzz soak vectors corpus lock clean venv-run venv-dev

export PYTHON
export UV_PYTHON_DOWNLOADS := never
export UV_LINK_MODE := copy
UV := .venv-tools/bin/uv
NPM_STAMP := tests/interop/node_modules/stamp
GO_STAMP := tests/interop/go/build/stamp

help: ## list the targets
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' Makefile | expand -t 18

demo: .venv/stamp ## a small network on this machine: publish, deliver, acknowledge
	.venv/bin/pushmesh demo

run: .venv/stamp ## one node in the foreground; makes its folder the first time
	test -e data/pushmesh.toml || .venv/bin/pushmesh init
	.venv/bin/pushmesh run

test: .venv-dev/stamp $(NPM_STAMP) $(GO_STAMP) ## every test; ARGS="-k router" passes arguments on to pytest
	.ci/need mosquitto || test "$${CI:-}" != true
	.venv-dev/bin/python -m pytest $(ARGS)

check: .venv-dev/stamp ## style, types, import rules and the house's own rules
	.venv-dev/bin/ruff check .
	.venv-dev/bin/ruff format --check .
	.venv-dev/bin/mypy
	.venv-dev/bin/lint-imports
	.venv-dev/bin/python -m pytest -q tests/house

attacks: .venv-dev/stamp ## every attack of the simulator on 50 honest nodes, on all cores; ARGS="--only dawn" chooses
	.venv-dev/bin/pushmesh sim attacks --honest 50 --sybils 1000 --json $(ARGS)

faults: .venv-dev/stamp ## a thousand kills and hundreds of power cuts, and the proof that nothing was lost; ARGS="--seed 1" repeats a run
	.ci/need compiler
	.venv-dev/bin/python -m pytest -q -m long tests/faults
	PYTHONPATH=tests .venv-dev/bin/python -m faults.run $(ARGS)

outages: .venv-dev/stamp ## delivery while brokers, nodes and clients come and go, and the proof that nothing was lost; ARGS="--seed 1" repeats a run
	.ci/need mosquitto
	PYTHONPATH=tests .venv-dev/bin/python -m faults.outages $(ARGS)

soak: .venv-dev/stamp ## forty minutes of mixed load, twenty of them measured: the nodes' memory must not grow; ARGS="--minutes 60" measures for longer
	PYTHONPATH=tests .venv-dev/bin/python -m faults.soak $(ARGS)

fuzz: .venv-dev/stamp ## a million hostile RPCs through a router; ARGS="--seed 1" repeats a run
	PYTHONPATH=tests .venv-dev/bin/python -m fuzz.rpc_run --rpcs 1000000 $(ARGS)

vectors: .venv-dev/stamp $(NPM_STAMP) ## write protocol/vectors anew; wallets' signatures are made by viem and ethers
	.venv-dev/bin/python tests/tools/make_vectors.py

corpus: .venv-dev/stamp $(NPM_STAMP) $(GO_STAMP) ## record anew what js-libp2p and go-libp2p send on gossip streams
	.venv-dev/bin/python tests/tools/record_rpcs.py

COMPILE = $(UV) pip compile --quiet --upgrade --universal --generate-hashes --no-emit-index-url --custom-compile-command "make lock"
lock: .venv-tools/stamp ## resolve pyproject.toml again into requirements/*.txt, with hashes
	$(COMPILE) pyproject.toml --group dev --output-file requirements/dev.txt
	$(COMPILE) pyproject.toml --constraint requirements/dev.txt --output-file requirements/run.txt
	$(COMPILE) --group pyproject.toml:tools --output-file requirements/tools.txt

clean: ## remove the environments and everything that tools wrote; a node's data stays
	rm -rf .venv .venv-dev .venv-tools build dist tests/interop/node_modules tests/interop/go/build tests/faults/shim/build
	rm -rf .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find protocol node tests -name __pycache__ -type d -prune -exec rm -rf {} +

venv-run: .venv/stamp ## .venv: what a node needs
venv-dev: .venv-dev/stamp ## .venv-dev: what a developer needs

# A stamp is newer than what its folder was made from, so that a second call does nothing.
.venv-tools/stamp: requirements/tools.txt .ci/need
	python=$$(.ci/need python) && "$$python" -m venv --clear .venv-tools
	.venv-tools/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r $<
	touch $@

.venv/stamp: requirements/run.txt
.venv-dev/stamp: requirements/dev.txt
.venv/stamp .venv-dev/stamp: pyproject.toml .venv-tools/stamp
	.ci/need compiler
	test -x $(@D)/bin/python || $(UV) venv --quiet --python .venv-tools/bin/python $(@D)
	$(UV) pip sync --quiet --python $(@D) --require-hashes --build-constraints requirements/tools.txt $(filter %.txt,$^)
	$(UV) pip install --quiet --python $(@D) --no-deps --build-constraints requirements/tools.txt --editable .
	touch $@

# On a laptop without Node.js the tests that need it are skipped with their reason; in CI its absence is an error.
$(NPM_STAMP): tests/interop/package-lock.json
	if .ci/need node; then npm ci --prefix tests/interop --no-audit --no-fund --loglevel=error && touch $@; else test "$${CI:-}" != true; fi

# The same for Go. The tests build the program anew; what is built here fills the caches, so that no test waits for a download.
$(GO_STAMP): $(wildcard tests/interop/go/*.go tests/interop/go/*/*.go) tests/interop/go/go.mod tests/interop/go/go.sum
	mkdir -p $(@D)
	if .ci/need go; then cd tests/interop/go && CGO_ENABLED=0 GOTOOLCHAIN=local go build -buildvcs=false -mod=readonly -o build/ ./... && touch build/stamp; else test "$${CI:-}" != true; fi
