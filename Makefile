# Two commands matter: `make demo` and `make test`. Both install into .venv first and need only Python, make and git.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

# Some images set it. Then each of the processes that the tests start, and there are hundreds, compiles everything anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test check lint types walls unit faults soak simulate bench bench-peers screenshots help
help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

demo: $(VENV)/.installed ## the bridge, a carrier simulator and a phone on this computer; no account needed
	$(BIN)/smsbridge demo

test: lint types walls unit ## everything that must be green

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-dev
	$(BIN)/mypy

walls: $(VENV)/.installed-dev
	$(BIN)/lint-imports --no-cache

# Three on two cores: half of what a worker does is waiting.
unit: $(VENV)/.installed-dev
	$(BIN)/pytest -n 3 --dist loadgroup

faults: $(VENV)/.installed-dev ## the long versions of the fault tests, each with its counts (about ten minutes)
	$(BIN)/pytest -m slow -s tests/faults

soak: $(VENV)/.installed-dev ## an hour of traffic with every fault at a low rate (SOAK_MINUTES, SOAK_TEXTS_PER_S, SOAK_SEED)
	cd tests && ../$(BIN)/python -m faults.soak

screenshots: $(VENV)/.installed-dev ## every screen of the desk in both themes and three widths, into screenshots/
	cd tests && ../$(BIN)/python -m desk.shots ../screenshots

SEEDS ?= 1000
FROM  ?= 0
simulate: $(VENV)/.installed-dev ## the bridge on SEEDS seeds, beginning at FROM: docs/simulation.md
	cd tests && ../$(BIN)/python -m simulation.run --seeds $(SEEDS) --from $(FROM)

bench: $(VENV)/.installed-dev ## the figures of docs/performance.md, measured in turn in one run (about six minutes)
	$(BIN)/python benchmarks/run.py

bench-peers: $(VENV)/.installed-dev ## the same texts through smsbridge and through Kannel, which is installed for it (Debian, root)
	test -x /usr/sbin/bearerbox || apt-get install --yes --no-install-recommends kannel
	$(BIN)/python benchmarks/peers.py
