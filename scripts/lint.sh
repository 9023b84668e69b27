#!/bin/sh
# Formatting, lints, dependencies, scripts.
set -eu

cargo fmt --all --check
cargo clippy --release --locked --workspace --all-targets --quiet -- -D warnings
scripts/dependencies.sh
if command -v shellcheck >/dev/null 2>&1; then
	shellcheck scripts/*.sh fuzz/*.sh .ci/run crates/lab/src/guest/*.sh crates/lab/src/study/*/*.sh benches/run benches/index benches/acquisitions benches/resolve \
		lab/loads/*.sh
else
	echo "lint: shellcheck is not installed, scripts are not checked" >&2
fi
