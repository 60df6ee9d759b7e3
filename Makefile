VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
SERVICES ?= .venv-services
PROFILE ?= hiergeo
TSC := build/typescript/node_modules/.bin/tsc
SERVICES_BIN := $(SERVICES)/$(notdir $(BIN))
PACKAGING := pyproject.toml setup.py
KERNELS := build_backend.py build_native.py $(wildcard csrc/*.* csrc/*/*.*)
SANITIZERS := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
THREADS := -O1 -g -fno-omit-frame-pointer -fsanitize=thread
BUILDING := Installing torch and compiling the native kernels: one to three minutes, and some more for the kernels of CUDA \
	where nvcc and a torch for CUDA are there (HIERGEO_CUDA=0 leaves those out, HIERGEO_NATIVE=0 leaves out all).

# The one that is there already: another installation would take its kernels away.
INSTALLED := $(firstword $(wildcard $(VENV)/installed $(VENV)/installed-test) $(VENV)/installed)

# Puts the folder itself on the path, where type checkers find it too.
VISIBLE := --config-settings editable_mode=compat

# pip would compile against a torch of its own that it installs for it, and $(VENV)/kernels once more.
WITHOUT_KERNELS := HIERGEO_NATIVE=0 HIERGEO_CUDA=0

MAIN := --ignore-glob 'tests/pairwise/test_*cuda*.py' --ignore tests/services
QUICK := --numprocesses 2 --dist worksteal -m 'not slow' --hypothesis-profile quick $(MAIN)

instrumented = CXX="$(CXX)" CXXFLAGS="$(2)" LDFLAGS="$(2)" HIERGEO_NATIVE=1 HIERGEO_CUDA=0 \
	$(BIN)/python setup.py build_ext --build-lib build/$(1) --build-temp build/$(1)/objects
kernels_of = HIERGEO_KERNELS="$(CURDIR)/build/$(1)/hiergeo/_kernels.abi3.so" HIERGEO_NATIVE=1

.PHONY: help demo explore test test-all test-rest test-services coverage lint docs docs-version notebooks pictures bench native simt mutants \
	mutants-python attack sanitize threads clean

help:
	@echo "make demo      install into $(VENV) and compare geometries on the bundled model; opens a page"
	@echo "make explore   install into $(VENV) and open the explorer on generated scenes"
	@echo "make test      install into $(VENV) and run the quick tests: five minutes"
	@echo "make test-all  run all tests, the CUDA kernels on an emulated GPU and the services included: fifteen minutes"
	@echo "               (PROFILE=thorough: with twice as many examples of properties that do not fix their number)"
	@echo "make test-services  run the tests of Milvus, Ray and MTEB in $(SERVICES)"
	@echo "make coverage  measure what the quick tests reach, room by room"
	@echo "make lint      ruff and mypy"
	@echo "make docs      build the documentation into site/"
	@echo "make docs-version  commit the documentation of this version to the branch gh-pages, beside those before (mike)"
	@echo "make notebooks run the notebooks of the documentation and store their outputs in them"
	@echo "make pictures  photograph the pictures of the README and the documentation, and export the demonstration to build/demo"
	@echo "               (needs Chromium and its driver)"
	@echo "make bench     time the pair operations, beside the libraries of [bench] where those are installed"
	@echo "make native    rebuild the native kernels in place; fails where they cannot be built"
	@echo "make simt      run the tests of the CUDA kernels, on a GPU if there is one and emulated (needs g++)"
	@echo "make mutants   break the CUDA kernels in many places and see that their tests notice (half an hour)"
	@echo "make mutants-python  break the package in 200 places and see that the quick tests notice (an hour at first)"
	@echo "make attack    kill commands that write, fill disks and cut files short, twenty times as often as the tests do (needs Linux)"
	@echo "make sanitize  run the tests of the kernels under AddressSanitizer and UBSan (needs g++)"
	@echo "make threads   run them under ThreadSanitizer (needs g++)"
	@echo "make clean     remove $(VENV) and everything built"

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: $(PACKAGING) | $(BIN)/python
	@echo "Installing torch, which takes a minute or two; nothing is compiled (make native does that)."
	$(WITHOUT_KERNELS) $(BIN)/python -m pip install $(VISIBLE) --editable .
	touch $@

$(VENV)/installed-serve: $(PACKAGING) | $(INSTALLED)
	$(BIN)/python -m pip install $(VISIBLE) --editable ".[serve]"
	touch $@

$(VENV)/installed-test: $(PACKAGING) | $(BIN)/python
	@echo "$(BUILDING)"
	$(WITHOUT_KERNELS) $(BIN)/python -m pip install $(VISIBLE) --editable ".[test]"
	touch $@

$(VENV)/installed-dev: $(PACKAGING) | $(BIN)/python
	@echo "$(BUILDING)"
	$(WITHOUT_KERNELS) $(BIN)/python -m pip install $(VISIBLE) --editable ".[dev]"
	touch $(VENV)/installed-test $@

# Not an editable installation: that would take the kernels of the checkout away.
$(SERVICES)/installed: $(PACKAGING)
	$(PYTHON) -m venv $(SERVICES)
	HIERGEO_NATIVE=0 $(SERVICES_BIN)/python -m pip install ".[test-services]"
	touch $@

# With the tools of [test] in place a changed kernel needs no new installation.
$(VENV)/kernels: $(VENV)/installed-test $(KERNELS)
	$(BIN)/python setup.py build_ext --inplace
	touch $@

demo: $(INSTALLED)
	@ls hiergeo/_kernels*.so >/dev/null 2>&1 || echo "No kernels are built here, so plain PyTorch measures: make native builds them."
	$(BIN)/hiergeo demo

explore: $(VENV)/installed-serve
	$(BIN)/hiergeo explore --demo

test: $(VENV)/kernels
	$(BIN)/python -m pytest $(QUICK) $(if $(PASSED),--passed="$(PASSED)") $(TESTS)

# The services wait for their server most of the time.
test-all: $(VENV)/kernels
	$(MAKE) --jobs 2 test-services test-rest

# Slow tests wait for servers, browsers and dying processes a third of the time: three workers keep two cores busy.
test-rest: $(VENV)/kernels
	$(BIN)/python -m tests.pairwise.simt --numprocesses 2 --hypothesis-profile $(PROFILE)
	$(BIN)/python -m pytest --numprocesses 3 --dist worksteal --slowest=20 --hypothesis-profile $(PROFILE) $(MAIN) $(if $(WITHOUT),--without="$(WITHOUT)")

test-services: $(SERVICES)/installed
	PYTHONPATH="$(CURDIR)" $(SERVICES_BIN)/python -m tests.services --numprocesses 3 --dist loadscope

coverage: build/coverage.sqlite
	$(BIN)/python -m tests.tools.coverage_by_room build/coverage.sqlite

build/coverage.sqlite: $(VENV)/installed-dev $(VENV)/kernels $(shell find hiergeo tests -name "*.py")
	COVERAGE_FILE=$@ $(BIN)/python -m pytest $(QUICK) --times=build/times.json \
		--cov=hiergeo --cov-branch --cov-context=test --cov-report=

mutants-python: build/coverage.sqlite
	$(BIN)/python -m tests.tools.mutation

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@if [ -x $(TSC) ] || npm install --silent --prefix build/typescript "typescript@^7" >/dev/null 2>&1; \
		then $(TSC) --project tsconfig.json; \
		else echo "npm installs no typescript here: the JavaScript of the pages was not type-checked."; fi

docs: $(VENV)/installed-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# Nothing is pushed: look at it with `mike serve`, then `git push origin gh-pages`.
docs-version: $(VENV)/installed-dev
	version=$$($(BIN)/python -c "import hiergeo; print(hiergeo.__version__)") && \
		NO_MKDOCS_2_WARNING=1 $(BIN)/mike deploy --update-aliases "$$version" latest && $(BIN)/mike set-default latest

notebooks: $(VENV)/kernels
	$(BIN)/python -m docs.notebook_runs

pictures: $(VENV)/kernels
	$(BIN)/python -m docs.pictures

bench: $(VENV)/kernels
	$(BIN)/python -m benchmarks

native: $(VENV)/installed-test
	HIERGEO_NATIVE=1 $(BIN)/python setup.py build_ext --inplace

simt: $(VENV)/kernels
	$(BIN)/python -m tests.pairwise.simt

mutants: $(VENV)/kernels
	$(BIN)/python -m tests.pairwise.simt.mutants

attack: $(VENV)/kernels
	HIERGEO_REPETITIONS=20 $(BIN)/python -m pytest --numprocesses 2 tests/durability

sanitize: $(VENV)/installed-test
	$(call instrumented,sanitize,$(SANITIZERS))
	LD_PRELOAD="$$($(CXX) -print-file-name=libasan.so) $$($(CXX) -print-file-name=libstdc++.so)" \
		ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 $(call kernels_of,sanitize) \
		$(BIN)/python -m pytest --capture=sys tests/pairwise/test_native*.py tests/pairwise/test_contrast.py

# setarch: ThreadSanitizer needs addresses where they are by default.
threads: $(VENV)/installed-test
	$(call instrumented,threads,$(THREADS))
	LD_PRELOAD="$$($(CXX) -print-file-name=libtsan.so) $$($(CXX) -print-file-name=libstdc++.so)" \
		TSAN_OPTIONS=exitcode=66 $(call kernels_of,threads) \
		setarch -R $(BIN)/python -m pytest --capture=sys tests/pairwise/test_native*.py tests/pairwise/test_contrast.py

clean:
	rm -rf $(VENV) $(SERVICES) build dist site *.egg-info hiergeo/*.so hiergeo/_build.json hiergeo-*.html
