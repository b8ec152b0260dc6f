#!/usr/bin/env bash
# Makes the Python environment of the real-client tests, once, and prints its folder: $SLUICE_VENV, or `python` in the
# cargo target folder. Called by the tests and by .ci/run. Fails, with the reason on stderr, where Python 3, its venv
# module, pip or the package registry is missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# What the tests were written against. rotel, an OpenTelemetry collector, exists as pre-releases only.
packages=(
    "openai>=3.57,<4" "anthropic>=2.13,<3" "google-genai>=3.6,<4" "prometheus-client>=0.26,<1" "rotel>=0.0.1a15"
)

dir=${SLUICE_VENV:-${CARGO_TARGET_DIR:-target}/python}
mkdir -p "$(dirname "$dir")"
dir=$(cd "$(dirname "$dir")" && pwd)/$(basename "$dir")

# One at a time; whoever waited finds it made.
exec 9>"$dir.lock"
flock 9
if [ "$(cat "$dir/made-of" 2>/dev/null || true)" != "${packages[*]}" ]; then
    rm -rf "$dir"
    python3 -m venv "$dir" >&2
    "$dir/bin/python" -m pip install --quiet --disable-pip-version-check "${packages[@]}" >&2
    echo "${packages[*]}" > "$dir/made-of"
fi
echo "$dir"
