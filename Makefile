VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin

.PHONY: help demo test lint docs bench clean

help:
	@echo "make demo   install into $(VENV) and compare geometries on the bundled model; opens a page"
	@echo "make test   install into $(VENV) and run the tests"
	@echo "make lint   ruff and mypy"
	@echo "make docs   build the documentation into site/"
	@echo "make bench  time the pair operations"
	@echo "make clean  remove $(VENV) and everything built"

$(VENV)/installed: pyproject.toml setup.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --editable .
	touch $@

$(VENV)/installed-test: $(VENV)/installed
	$(BIN)/python -m pip install --editable ".[test]"
	touch $@

$(VENV)/installed-dev: $(VENV)/installed-test
	$(BIN)/python -m pip install --editable ".[dev]"
	touch $@

demo: $(VENV)/installed
	$(BIN)/hiergeo demo

test: $(VENV)/installed-test
	$(BIN)/python -m pytest --numprocesses 2

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/installed-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

bench: $(VENV)/installed-test
	$(BIN)/python -m benchmarks.pairwise

clean:
	rm -rf $(VENV) build dist site *.egg-info hiergeo-demo.html hiergeo-compare.html
