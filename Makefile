# make demo    pre-train with SACL and with InfoNCE on the embedded world, evaluate both, write a report
# make test    the tests
# make lint    the linter, the formatter's check, and types
# Each makes .venv with the tested set of packages first; nothing but Python >= 3.10 is needed.

PYTHON ?= python3
VENV ?= .venv
PIP = $(VENV)/bin/python -m pip --disable-pip-version-check
READY = $(VENV)/.ready

.PHONY: demo test lint clean
.DELETE_ON_ERROR:

demo: $(READY)
	$(VENV)/bin/python tools/demo.py --work-dir work_dirs/demo

test: $(READY)
	$(VENV)/bin/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

lint: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

$(READY): requirements/lock.txt setup.py sacl_mm/__init__.py
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python >= 3.10 is needed: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) install -q -r requirements/lock.txt
	$(PIP) install -q --no-deps --no-build-isolation -e .
	@touch $@

clean:
	rm -rf $(VENV) work_dirs
