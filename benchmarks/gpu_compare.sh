#!/bin/sh
# On a machine with an NVIDIA card, in one call of at most 10 minutes: DiM at the paper's scale
# (256 x 256, width 64) for as many of its 30,000 steps as PAPER seconds hold, with steps a second;
# then tables and figures of all systems at the bench scale, as far as the rest of the time goes
# (the same call goes on with them). DATA is a folder or cohort.csv as for `napari-dim compare`.
#     [PAPER=240] [STEPS=500] benchmarks/gpu_compare.sh DATA OUT
set -eu
here=$(dirname "$0")
paper=${PAPER:-240}
python "$here/gpu_compare.py" "$1" --seconds "$paper" --json "$2/paper.json"
timeout $((570 - paper)) python -m napari_dim.cli compare "$1" --out "$2/bench" --scale bench \
    --steps "${STEPS:-500}" --seeds 0 --systems all,ablation,divergences --jobs 2 ||
    echo "bench: not all runs were made; the same call goes on with them"
exec timeout 30 python -m napari_dim.cli compare --tables "$2/bench"
