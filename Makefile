# Every target does its own set-up: Debian packages that are missing, a virtual environment, the build. What is up to date is not redone.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# Recipes use two cores themselves where it helps; stages of one target must not overlap on the terminal.
.NOTPARALLEL:

PYTHON ?= python3
BUILD := build
VENV := .venv
TEST_VENV := .venv-test
TIDY := $(BUILD)/tidy
VIEW := $(BUILD)/view
LOG := $(BUILD)/log
GUEST := $(BUILD)/guest

# valgrind: its headers and libraries are what the exact engine is built from, and its core what it runs on.
PACKAGES := gcc libc6-dev cmake ninja-build python3 python3-venv python3-dev valgrind
DEMO_PACKAGES := $(PACKAGES) libmemkind0
TEST_PACKAGES := $(DEMO_PACKAGES) libgomp1 g++ binutils git libjemalloc-dev libgoogle-perftools-dev libmimalloc2.0
GUEST_PACKAGES := $(TEST_PACKAGES) qemu-system-x86 busybox-static ndctl daxctl e2fsprogs util-linux
BENCH_PACKAGES := $(DEMO_PACKAGES) heaptrack
# Recursive: the commands' tables are read when the sweep is asked for.
SWEEP_PACKAGES = $(DEMO_PACKAGES) $(shell $(PYTHON) scripts/sweep/entries.py)

# The package's folders; folders themselves are listed too, so that a removed file counts as a change.
FOLDERS := tierprof profiler models placer workloads native
SOURCES := CMakeLists.txt pyproject.toml README.md LICENSE $(shell find $(FOLDERS) -name __pycache__ -prune -o -print)
# What the wheel puts below tierprof/ (see pyproject.toml): mypy sees the same package through links.
PARTS := $(addprefix $(CURDIR)/,profiler models placer workloads)
NATIVE_SOURCES := $(shell find native -name '*.[ch]')
NATIVE_UNITS := $(filter %.c,$(NATIVE_SOURCES))
# The hazard programs are formatted, too, but what they do is bad on purpose: no clang-tidy for them.
FORMATTED := $(NATIVE_SOURCES) $(shell find tests -name '*.[ch]')

# A clean name space for what the recipes start: not the caller's packages, and (-P, PYTHONSAFEPATH) not the flat folders here.
unexport PYTHONPATH
test test-guest: export PYTHONSAFEPATH := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help demo test test-guest test-sweep lint traces bench validation clean
help: ## this list
	@echo "tierprof: which objects of a program deserve fast memory. Targets (each does its own set-up):"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

demo: $(VENV)/.installed ## the whole loop on a real graph program: profile, measure, train, plan, prove (under 15 minutes)
	@scripts/install-packages $(DEMO_PACKAGES)
	@$(VENV)/bin/python benchmarks/demo.py $(ARGS)

traces: $(VENV)/.installed ## profile and measure all programs of workloads/ again, into traces/ (resumable; under an hour)
	@scripts/install-packages $(DEMO_PACKAGES)
	@$(VENV)/bin/python -P -m tierprof.workloads.collect --output traces --work $(BUILD)/collect $(ARGS)

bench: $(VENV)/.installed ## overhead and speed beside heaptrack and libmemtier
	@scripts/install-packages $(BENCH_PACKAGES)
	@$(VENV)/bin/python benchmarks/run_all.py $(ARGS)

validation: $(VENV)/.installed ## the timing model against published measurements of real Optane and DRAM (under 15 minutes; ARGS=--quick: under 4)
	@scripts/install-packages $(PACKAGES)
	@$(VENV)/bin/python benchmarks/validation.py $(ARGS)

test: lint $(TEST_VENV)/.installed ## lint, type-check, build the wheel, install it into a clean environment, test that
	@scripts/install-packages $(TEST_PACKAGES)
	@$(TEST_VENV)/bin/pytest tests $(ARGS)

test-guest: $(TEST_VENV)/.installed $(GUEST)/initramfs ## placement on real kernel tiers, in emulated machines that have them (under 10 minutes)
	@scripts/install-packages $(GUEST_PACKAGES)
	@TIERPROF_GUEST_IMAGE=$(GUEST) $(TEST_VENV)/bin/pytest tests/guest $(ARGS)

test-sweep: $(VENV)/.installed ## programs of Debian's run with and without tierprof: none may change (under 15 minutes; ARGS='-k WORD': some)
	@scripts/install-packages $(SWEEP_PACKAGES)
	@$(VENV)/bin/python scripts/sweep/sweep.py $(ARGS)

lint: $(VENV)/.tools $(LOG)/tidy.ok ## ruff, mypy, clang-format, clang-tidy
	@echo "== ruff, clang-format, mypy"
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/clang-format --dry-run -Werror $(FORMATTED)
	@rm -rf $(VIEW) && mkdir -p $(VIEW)/tierprof && ln -s $(wildcard $(CURDIR)/tierprof/*) $(PARTS) $(VIEW)/tierprof/
	@MYPYPATH=$(VIEW) $(VENV)/bin/mypy -p tierprof
	@cd benchmarks && MYPYPATH=$(CURDIR)/$(VIEW) $(CURDIR)/$(VENV)/bin/mypy --config-file $(CURDIR)/pyproject.toml *.py

clean: ## remove everything that make has made here (not Debian packages)
	rm -rf $(BUILD) $(VENV) $(TEST_VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis

# --- set-up ------------------------------------------------------------------------------------------------------------------

$(LOG)/packages.ok: scripts/install-packages Makefile
	@scripts/install-packages $(PACKAGES)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "make: $(PYTHON) is older than 3.11: set PYTHON=...")'
	@mkdir -p $(@D) && touch $@

# $(call quietly,NAME,COMMAND): keep what the command prints in a log, and show that only when it fails.
quietly = @$(2) > $(LOG)/$(1).txt 2>&1 || { cat $(LOG)/$(1).txt; exit 1; }

# $(call venv,FOLDER,EXTRAS): a virtual environment with the project's requirements and those of its extras.
define venv
	@echo "== virtual environment $(1): requirements of pyproject.toml, extras $(2)"
	@test -x $(1)/bin/python || $(PYTHON) -m venv $(1)
	@$(1)/bin/python scripts/requirements.py $(2) > $(1)/requirements.txt
	@mkdir -p $(LOG)
	$(call quietly,pip-$(1),$(1)/bin/pip install -r $(1)/requirements.txt)
	@touch $@
endef

$(VENV)/.tools: pyproject.toml scripts/requirements.py | $(LOG)/packages.ok
	$(call venv,$(VENV),build-system workloads dev)

$(TEST_VENV)/.requirements: pyproject.toml scripts/requirements.py | $(LOG)/packages.ok
	$(call venv,$(TEST_VENV),workloads test)

# $(call wheel,NAME,OPTIONS): the wheel, built in build/NAME.
define wheel
	@echo "== wheel $(1)"
	@rm -rf $(BUILD)/wheel-$(1)
	$(call quietly,wheel-$(1),$(VENV)/bin/pip wheel . --verbose --no-deps --no-build-isolation --wheel-dir $(BUILD)/wheel-$(1) \
	    --config-settings build-dir=$(BUILD)/$(1) $(2))
	@touch $@
endef

$(LOG)/release.ok: $(SOURCES) $(VENV)/.tools
	$(call wheel,release,)

$(LOG)/checks.ok: $(SOURCES) $(VENV)/.tools
	$(call wheel,checks,--config-settings cmake.define.TIERPROF_CHECKS=ON --config-settings cmake.define.TIERPROF_EXACT=ON)

$(VENV)/.installed: $(LOG)/release.ok
	$(call quietly,install-release,$(VENV)/bin/pip install --force-reinstall --no-deps $(BUILD)/wheel-release/*.whl)
	@touch $@

$(TEST_VENV)/.installed: $(LOG)/checks.ok $(TEST_VENV)/.requirements
	$(call quietly,install-checks,$(TEST_VENV)/bin/pip install --force-reinstall --no-deps $(BUILD)/wheel-checks/*.whl)
	$(call quietly,check-checks,$(TEST_VENV)/bin/pip check)
	@touch $@

$(GUEST)/kernel.ok: scripts/guest/fetch-kernel
	@scripts/install-packages $(GUEST_PACKAGES)
	@scripts/guest/fetch-kernel $(@D)
	@touch $@

$(GUEST)/initramfs: $(GUEST)/kernel.ok scripts/guest/initramfs.py scripts/guest/init $(TEST_VENV)/.requirements
	@$(TEST_VENV)/bin/python scripts/guest/initramfs.py $(@D)/modules -o $@

$(LOG)/tidy.ok: $(NATIVE_SOURCES) .clang-tidy CMakeLists.txt native/CMakeLists.txt $(VENV)/.tools
	@echo "== clang-tidy"
	@cmake -S . -B $(TIDY) -G Ninja -DCMAKE_EXPORT_COMPILE_COMMANDS=ON -DTIERPROF_CHECKS=ON > /dev/null
	@printf '%s\n' $(NATIVE_UNITS) | xargs -P 2 -n 4 $(VENV)/bin/clang-tidy -p $(TIDY) --quiet \
	    2> $(LOG)/tidy.txt || { grep -v "Processing file" $(LOG)/tidy.txt; exit 1; }
	@touch $@
