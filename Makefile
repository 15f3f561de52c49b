# Everything from a fresh checkout; needs python3 (3.11 or newer), a C++20 compiler and the package index.
#
#   make demo             train and compile something small
#   make test             lint, C++ tests, Python tests
#   make bench            timings against the parity peers
#   make docs             the documentation as a web site, in build/docs/html
#   make native-sanitize  C++ tests under the sanitizers

PYTHON ?= python3
BIN := .venv/bin
JOBS ?= 2

native_sources := $(shell find native -name '*.cpp' -o -name '*.hpp')
native_inputs := CMakeLists.txt $(filter-out native/tests/%,$(native_sources))
installed := .venv/.lamina-installed
installed_dev := .venv/.lamina-installed-dev
installed_docs := .venv/.lamina-installed-docs

.PHONY: setup setup-run demo test lint types format native-test native-sanitize bench docs clean

setup: $(installed_dev)

# What running needs, and no more.
setup-run: $(installed)

$(BIN)/python:
	$(PYTHON) -m venv .venv

$(installed): pyproject.toml $(native_inputs) | $(BIN)/python
	$(BIN)/python -m pip install --quiet "scikit-build-core>=0.10" "nanobind>=2.2" cmake ninja
	$(BIN)/python -m pip install --quiet --no-build-isolation -e .
	@touch $@

$(installed_dev): $(installed)
	$(BIN)/python -m pip install --quiet --no-build-isolation -e ".[dev]"
	@touch $@

$(installed_docs): $(installed)
	$(BIN)/python -m pip install --quiet --no-build-isolation -e ".[docs]"
	@touch $@

demo: setup-run
	$(BIN)/python -m lamina.cli demo

test: lint native-test
	$(BIN)/python -m pytest -n $(JOBS) tests

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	@$(MAKE) --no-print-directory types

# Pyright fetches its engine on first use; without a network there is nothing to run.
types:
	@if timeout 120 $(BIN)/pyright --version > /dev/null 2>&1; then $(BIN)/pyright; \
	else echo "pyright is not available offline: types not checked"; fi

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	@if command -v clang-format > /dev/null; then clang-format -i $(native_sources); fi

# $(call native_tests,<build folder>,<more CMake options>)
define native_tests
	$(BIN)/cmake -S . -B $(1) -G Ninja -DCMAKE_MAKE_PROGRAM=$(CURDIR)/$(BIN)/ninja \
		-DLAMINA_PYTHON=OFF -DLAMINA_TESTS=ON $(2) > /dev/null
	$(BIN)/cmake --build $(1) --parallel $(JOBS)
	$(BIN)/ctest --test-dir $(1) --output-on-failure
endef

native-test: setup-run
	$(call native_tests,build/native)

native-sanitize: setup-run
	$(call native_tests,build/sanitize-address,-DLAMINA_SANITIZE=address$(comma)undefined -DCMAKE_BUILD_TYPE=RelWithDebInfo)
	$(call native_tests,build/sanitize-thread,-DLAMINA_SANITIZE=thread -DCMAKE_BUILD_TYPE=RelWithDebInfo)

comma := ,

bench: setup-run
	$(BIN)/python -m benchmarks.run

docs: $(installed_docs)
	$(BIN)/python -m docs.make_site

clean:
	rm -rf build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	rm -f src/lamina/runtime/_native*.so $(installed) $(installed_dev) $(installed_docs)
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
