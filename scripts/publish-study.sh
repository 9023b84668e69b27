#!/bin/sh
# Copies the results of the study that `make study-isolation` made to docs/study: findings, figures, LaTeX and tables; large tables
# compressed. What is not copied: Parquet (the same tables), PNG (the same figures), traces.
set -eu

results=${LIMA_STUDY_DIR:-$HOME/.cache/lima/studies/isolation}/results
to=docs/study

[ -e "$results/findings.md" ] || {
	echo "publish-study: $results has no findings.md: make study-isolation makes it" >&2
	exit 1
}
rm -rf "$to/csv" "$to/figures" "$to/latex"
mkdir -p "$to/csv" "$to/figures" "$to/latex"
cp "$results/findings.md" "$to/"
cp "$results"/figures/*.svg "$to/figures/"
cp "$results"/latex/*.tex "$to/latex/"
cp "$results"/csv/*.csv "$to/csv/"
find "$to/csv" -size +300k -exec gzip -9 -n {} +
du -sh "$to"
