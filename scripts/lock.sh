#!/bin/sh
# Resolves requirements.lock from pyproject.toml, and requirements-*.lock from its .in. Needs a network and uv (the dev extra installs it).
# The lock names packages, versions and hashes only: no download address and no path, so that any index serves it.
set -eu
cd "$(dirname "$0")/.."
uv=.venv/bin/uv
[ -x "$uv" ] || uv=uv
resolve() {
    "$uv" pip compile "$@" --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-emit-find-links --no-annotate --no-header --quiet
}
resolve pyproject.toml --all-extras "$@" -o requirements.lock
resolve requirements-peers.in "$@" -o requirements-peers.lock
resolve requirements-models.in "$@" -o requirements-models.lock
resolve requirements-importers.in "$@" -o requirements-importers.lock
resolve requirements-fuzz.in "$@" -o requirements-fuzz.lock
if grep -nE '://|^ *(-f|-i|--find-links|--index-url|--extra-index-url)|@ ' requirements.lock requirements-*.lock; then
    echo "a lock holds an address or a path (above)" >&2
    exit 1
fi
