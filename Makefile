# The commands of this workspace. `make help` lists them.

SHELL := /bin/sh
export CARGO_TARGET_DIR ?= $(HOME)/.cache/lima/target

.PHONY: help setup build demo demo-lab study-smoke study-smoke-lab study-isolation publish-study test test-cluster test-lockdep \
	scoreboard accuracy lint bench bench-acquisitions clean

help: ## Show this
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 16

setup: ## Install what building and testing need and this machine lacks (Debian 12, as root)
	@scripts/setup.sh

# Always the whole workspace: a part of it would choose other features of the dependencies, and build them again.
build: setup ## Build the lima command
	@cargo build --release --locked --quiet --workspace --all-targets
	@echo "built: $(CARGO_TARGET_DIR)/release/lima"

demo: build ## Record real lock contention between two tenants and show it (as root)
	@scripts/demo.sh

demo-lab: build ## Boot a stock kernel, record two tenants that fight in it, and show it
	@scripts/demo-lab.sh

study-smoke: build ## A small study on this machine: two platforms, two workloads, half a minute (as root)
	@scripts/study.sh studies/smoke/study.toml

study-smoke-lab: build ## The same in guests of the lab, every acquisition traced: some minutes (as root)
	@scripts/study.sh studies/smoke/lab.toml

study-isolation: build ## The shipped study: how well platforms isolate; hours, and goes on after an interruption (as root)
	@scripts/study.sh studies/isolation/study.toml

publish-study: ## Copy the shipped study's results to docs/study
	@scripts/publish-study.sh

test: setup ## Run all tests
	@scripts/test.sh

accuracy: build ## Judge the index of a cached kernel by the kernel's source
	@scripts/accuracy.sh

test-lockdep: setup ## Hold acquisitions against lock_stat, on a kernel of our own that takes ten minutes to build
	@cargo build --release --locked --quiet --workspace --all-targets
	@"$(CARGO_TARGET_DIR)/release/lima" lab build-kernel --version 6.1 --config lockdep
	@cargo nextest run --release --workspace --run-ignored only -E 'binary(truth_lockdep) | binary(truth_objects)'

test-cluster: setup ## Build with the parts for clusters, and hold a cluster's results against those of one machine
	@cargo test --release --locked --workspace --features lima-cli/cluster --test cluster

scoreboard: setup ## Print how much of a broad load is resolved: on Debian's 6.1 and 6.12, and as lockdep knows it
	@scripts/fetch-kernel.sh d61 d612
	@cargo build --release --locked --quiet --workspace --all-targets
	@"$(CARGO_TARGET_DIR)/release/lima" lab build-kernel --version 6.1 --config lockdep
	@cargo nextest run --release --workspace --run-ignored all --success-output immediate -E 'binary(truth_objects)'

lint: setup ## Check formatting, lints, dependencies and scripts
	@scripts/lint.sh

bench: build ## Measure what recording costs, against no tracing and against perf (as root)
	@benches/run

bench-acquisitions: build ## Count the instructions that tracing every acquisition costs (in guests, as root)
	@benches/acquisitions

clean: ## Remove what was built
	@cargo clean
