#!/usr/bin/env bash
# Writes requirements.lock: the versions of constraints.txt with the hashes of all their files, for
# every platform. torch stands apart, since its builds come from several places with hashes of their
# own, and so does triton, which has to fit torch.
#   PYTHON=python3.12 scripts/lock.sh
set -euo pipefail
cd "$(dirname "$0")/.."
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check uv
grep -vE '^(#|torch==|triton==)' constraints.txt >"$work/constraints.in"
{
  echo '# Made by `make lock` from constraints.txt; `pip install --require-hashes --no-deps -r`.'
  "$work/venv/bin/uv" pip compile --quiet --universal --python-version 3.11.7 --no-deps \
    --generate-hashes --no-annotate --no-header "$work/constraints.in"
} >"$work/requirements.lock"
mv "$work/requirements.lock" requirements.lock
