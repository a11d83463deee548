# raysearch: `make demo` runs the main job, `make test` passes the tests; each sets up what is missing.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SPACE ?= demo

.PHONY: help demo test suite browser check docs golden clean venv
help:            ## Show this help
	@grep -E '^[a-z]+: .*##' $(MAKEFILE_LIST) | sed 's/: .*## /\t/' | expand -t 12

demo: $(STAMP)   ## Fetch the real model and table, search, show the front (SPACE=german_credit for another)
	$(BIN)/raysearch run $(SPACE)

test: $(STAMP) browser  ## Check the code and run all tests
	@$(MAKE) --no-print-directory -j2 check suite

suite: $(STAMP)  ## Run all tests, files in two processes
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

browser:         ## Install Debian's Chromium where it is missing and may be installed: the report is tested in it
	@command -v chromium >/dev/null && command -v chromedriver >/dev/null || { \
	  command -v apt-get >/dev/null && { [ "$$(id -u)" = 0 ] && root= || { sudo -n true 2>/dev/null && root="sudo -n"; }; } \
	  && $$root apt-get update -qq && $$root apt-get install -y -qq --no-install-recommends chromium chromium-driver >/dev/null; \
	} || echo "no Chromium, and none can be installed here: the tests of the report in a browser are skipped"

check: $(STAMP)  ## Format, lint, types, floors
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(STAMP)   ## Build the guide into site/; any warning is an error
	$(BIN)/python docs/commands.py docs/guide/commands.md
	$(BIN)/zensical build --strict --clean

golden: $(STAMP) ## Write the golden files anew; look at the difference before you commit it
	RAYSEARCH_GOLDEN=1 $(BIN)/python -m pytest tests/golden tests/integration/test_notebook.py

clean:           ## Remove the environment and caches; runs stay
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .cache site build dist

venv: $(STAMP)   ## Make .venv and install everything, pinned
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "raysearch needs Python 3.11 or newer; say which: make PYTHON=python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@echo "installing pinned packages into $(VENV): torch first, then the rest (a few minutes)"
	$(BIN)/python -m pip install --disable-pip-version-check --progress-bar off -c constraints.txt torch
	$(BIN)/python -m pip install --disable-pip-version-check --progress-bar off -c constraints.txt -e ".[dev]"
	@touch $@
