#!/usr/bin/env bash
# Build wheel and sdist, and test each in a clean environment outside the checkout.
#   PYTHON=python3.12 scripts/smoke_wheel.sh [folder for the two files, default: dist]
set -euo pipefail
root="$(cd "$(dirname "$0")/.." && pwd)"
python="$(command -v "${PYTHON:-python3}")"
python="$(cd "$(dirname "$python")" && pwd)/$(basename "$python")"
out="$(mkdir -p "${1:-$root/dist}" && cd "${1:-$root/dist}" && pwd)"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

pip() { "$1/bin/python" -m pip --disable-pip-version-check "${@:2}" --quiet; }

"$python" -m venv "$work/build"
pip "$work/build" install build
rm -f "$out"/bitspike-*
"$work/build/bin/python" -m build --outdir "$out" "$root" >"$work/log" || { cat "$work/log"; exit 1; }
ls -l "$out"

"$python" -m venv "$work/clean"
cp "$root/scripts/smoke.py" "$work"
cd "$work" # so that nothing is imported from the checkout
for file in "$out"/bitspike-*.whl "$out"/bitspike-*.tar.gz; do
  pip "$work/clean" install -c "$root/constraints.txt" "$file"
  "$work/clean/bin/python" -W error smoke.py
  "$work/clean/bin/bitspike" --help >/dev/null
  pip "$work/clean" uninstall --yes bitspike
  echo "works: $(basename "$file")"
done
cd "$root"
git ls-files src/bitspike | sed 's,^src/,,' | sort >"$work/tracked"
"$work/build/bin/python" -m zipfile -l "$out"/bitspike-*.whl | awk '{print $1}' | sort >"$work/packed"
missing="$(comm -23 "$work/tracked" "$work/packed")"
if [ -n "$missing" ]; then
  echo "not in the wheel:" && echo "$missing" && exit 1
fi
