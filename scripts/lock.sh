#!/bin/sh
# Resolves requirements.lock from pyproject.toml. Needs a network and uv (the dev extra installs it).
# The lock names packages, versions and hashes only: no download address and no path, so that any index serves it.
set -eu
cd "$(dirname "$0")/.."
uv=.venv/bin/uv
[ -x "$uv" ] || uv=uv
"$uv" pip compile pyproject.toml --all-extras --universal --python-version 3.11 --generate-hashes \
    --no-emit-index-url --no-emit-find-links --no-annotate --no-header --quiet "$@" -o requirements.lock
if grep -nE '://|^ *(-f|-i|--find-links|--index-url|--extra-index-url)|@ ' requirements.lock; then
    echo "requirements.lock: holds an address or a path (above)" >&2
    exit 1
fi
