#!/bin/sh
# Runs the study in the file $1 into ~/.cache/lima/studies/NAME, goes on there when it was interrupted, and makes its tables.
# LIMA_STUDY_DIR: another folder.
set -eu

lima=${CARGO_TARGET_DIR:?run this with make}/release/lima
file=$1
name=$(sed -n 's/^name = "\([a-z-]*\)"$/\1/p' "$file")
out=${LIMA_STUDY_DIR:-$HOME/.cache/lima/studies/${name:?a study without a name}}

[ "$(id -u)" -eq 0 ] || {
	echo "study: recording and making containers need root" >&2
	exit 1
}
mkdir -p "$(dirname "$out")"
"$lima" study check "$file"
status=0
"$lima" study run "$file" -o "$out" || status=$?
# Virtual machines in guests that are emulated can fail for no reason of theirs (docs/study.md).
for again in 1 2 3; do
	if [ "$status" -eq 1 ] && grep -q '^target = "lab:' "$file" && grep -q '^platforms.*"microvm"' "$file"; then
		echo "study: what failed or hung is tried again ($again of 3)" >&2
		status=0
		"$lima" study run "$file" --retry -o "$out" || status=$?
	fi
done
# Runs that failed are marked in the tables; what was interrupted goes on the next time.
[ "$status" -gt 1 ] || "$lima" analyze "$out"
exit "$status"
