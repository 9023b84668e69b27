#!/bin/sh
# Runs all tests, and counts those that found a reason not to run: a test that cannot run prints `skipped: WHY`.
# Where lock contention can be recorded no test has such a reason, and one that is skipped all the same is a failure.
# It also says which tests passed only on a retry, and what failed before: a number that is wrong now and then hides there.
set -eu

target=${CARGO_TARGET_DIR:?run this with make test}
output=$(mktemp)
trap 'rm -f "$output"' EXIT
status=0

# The kernel that the index is tested on. Without it those tests say that they were skipped.
scripts/fetch-kernel.sh || echo "test: no kernel to index (above)" >&2

# Built first and on its own: tests run the command itself.
cargo build --release --locked --quiet --workspace --all-targets

if cargo nextest --version >/dev/null 2>&1; then
	rm -f target/nextest/default/junit.xml
	cargo nextest run --release --locked --workspace || status=$?
	# nextest keeps what passing tests print in this file (.config/nextest.toml), wherever the rest is built.
	cat target/nextest/default/junit.xml >"$output"
else
	# A pipe would hide the exit status.
	cargo test --release --locked --workspace --lib --bins --tests --no-fail-fast -- --show-output >"$output" 2>&1 ||
		status=$?
	cat "$output"
fi
cargo test --release --locked --workspace --doc --quiet || status=$?

# By nextest's report: a test's name, and below it one <flakyFailure> for each attempt before the one that passed.
awk '
	function plain(text) {
		gsub("&lt;", "<", text); gsub("&gt;", ">", text); gsub("&apos;", "\047", text); gsub("&quot;", "\"", text)
		gsub("&amp;", "\\&", text)
		return text
	}
	function attribute(name,    parts) { split($0, parts, " " name "=\""); sub("\".*", "", parts[2]); return plain(parts[2]) }
	/^ *<testcase / { test = attribute("classname") " " attribute("name"); failures = 0 }
	/^ *<flakyFailure / { if (!failures++) tests++; list = list "  " test ": "; message = 1; next }
	message { list = list plain($0) "\n"; message = 0 }
	END { print "tests that passed only on a retry: " tests + 0; printf "%s", list }
' "$output"

skips=$(grep -c 'skipped: ' "$output" || true)
if [ "$skips" -gt 0 ]; then
	echo "tests skipped: $skips"
	sed -n 's/.*\(skipped: .*\)/  \1/p' "$output" | sort | uniq -c
	if "$target/release/lima" doctor >/dev/null 2>&1 && [ "${LIMA_SKIPS_ALLOWED:-0}" -lt "$skips" ]; then
		echo "lock contention can be recorded on this machine: no test may be skipped here" >&2
		[ "$status" -ne 0 ] || status=1
	fi
fi
exit "$status"
