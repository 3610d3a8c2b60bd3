#!/usr/bin/env bash
# Write requirements.lock: the versions of constraints.txt with the hashes of all their files, for every
# platform. torch is left out, since its builds come from several places with different hashes, and so is
# triton, which has to fit torch. spikingjelly, which tests compare with, is in requirements-peer.lock: it
# is installed last, without its dependencies.
#   PYTHON=python3.12 scripts/lock.sh
set -euo pipefail
cd "$(dirname "$0")/.."
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check uv

lock() { # the pins on standard input, with hashes, into the file $1
  {
    echo '# Made by `make lock` from constraints.txt; `pip install --require-hashes --no-deps -r`.'
    "$work/venv/bin/uv" pip compile --quiet --universal --python-version 3.11.7 --no-deps \
      --generate-hashes --no-annotate --no-header -
  } >"$work/lock"
  mv "$work/lock" "$1"
}

grep -vE '^(#|torch==|triton==|spikingjelly==)' constraints.txt | lock requirements.lock
grep -E '^spikingjelly==' constraints.txt | lock requirements-peer.lock
