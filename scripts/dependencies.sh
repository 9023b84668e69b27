#!/bin/sh
# Checks the dependencies: licences that are on the list (.config/licences), and one version of what must be one.
set -eu

packages=$(mktemp)
trap 'rm -f "$packages"' EXIT
# For the one platform that LIMA runs on, with all that can be built.
cargo tree --locked --workspace --features lima-cli/cluster --target x86_64-unknown-linux-gnu --prefix none --format '{p}|{l}' |
	sed -e 's/ (\*)$//' -e '/^$/d' | sort -u >"$packages"

# One version of Arrow and Parquet in the whole tree: the one that DataFusion re-exports.
for name in arrow arrow-array arrow-schema parquet datafusion; do
	versions=$(grep -c "^$name v" "$packages" || true)
	if [ "$versions" -ne 1 ]; then
		echo "dependencies: $versions versions of $name, where there must be one:" >&2
		grep "^$name v" "$packages" >&2 || true
		exit 1
	fi
done

# An expression is fine when each part of its ANDs has an alternative that is on the list.
awk -F'|' '
	NR == FNR { sub(/[ \t]*#.*/, ""); if ($0 != "") allowed[$0] = 1; next }
	{
		expression = $2
		gsub(/ *\/ */, " OR ", expression)
		gsub(/[()]/, "", expression)
		parts = split(expression, part, " AND ")
		for (i = 1; i <= parts; i++) {
			fine = 0
			alternatives = split(part[i], alternative, " OR ")
			for (j = 1; j <= alternatives; j++) if (alternative[j] in allowed) fine = 1
			if (!fine) { print "dependencies: licence not on the list: " $1 ": " $2; bad = 1; break }
		}
		if (parts == 0) { print "dependencies: no licence: " $1; bad = 1 }
	}
	END { exit bad }
' .config/licences "$packages" >&2
