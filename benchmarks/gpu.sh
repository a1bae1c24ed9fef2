#!/bin/sh
# On a machine with an NVIDIA card, in at most 8 minutes: that recorded steps are plain steps, and
# every figure of docs/results/gpu.md. DATA holds the cohorts; OUT takes gpu.json and gpu.md.
#     benchmarks/gpu.sh DATA [OUT]
set -eu
here=$(dirname "$0")
out=${2:-.}
python -m pytest -q "$here/../tests/engine/training/test_graphs.py" -k cuda
exec python "$here/gpu.py" "$1" --json "$out/gpu.json" --table "$out/gpu.md" --until 400
