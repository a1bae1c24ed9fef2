"""Time of the networks' passes: type and layout, one network against the other.

python benchmarks/networks.py [--rows 192] [--columns 144] [--batch 8] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from contextlib import nullcontext
from pathlib import Path

import torch

from napari_dim import nets
from napari_dim.engine.precision import use_threads


def passes(net: torch.nn.Module, x: torch.Tensor, *, bfloat16: bool, repeats: int) -> list[float]:
    """Median milliseconds of forward, and of forward and backward."""
    context = torch.autocast("cpu", dtype=torch.bfloat16) if bfloat16 else nullcontext()

    def forward() -> None:
        with torch.no_grad(), context:
            net(x)

    def both() -> None:
        net.zero_grad(set_to_none=True)
        with context:
            y = net(x)
        y.float().square().mean().backward()

    medians = []
    for run in (forward, both):
        run()
        times = []
        for _ in range(repeats):
            start = time.perf_counter()
            run()
            times.append(time.perf_counter() - start)
        medians.append(1000 * statistics.median(times))
    return medians


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=192)
    parser.add_argument("--columns", type=int, default=144)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    use_threads(0)
    torch.manual_seed(0)
    table = []
    for name, width in (("resunet-wide", 16), ("resunet", 16), ("unet", 16), ("unet", 64)):
        for bfloat16, last in ((False, False), (False, True), (True, True)):
            net = nets.build(name, channels_in=3, channels_out=2, width=width)
            x = torch.randn(args.batch, 3, args.rows, args.columns)
            if last:
                net = net.to(memory_format=torch.channels_last)
                x = x.contiguous(memory_format=torch.channels_last)
            forward, both = passes(net, x, bfloat16=bfloat16, repeats=args.repeats)
            table.append(
                {
                    "network": f"{name} {width}",
                    "parameters": sum(p.numel() for p in net.parameters()),
                    "type": "bfloat16" if bfloat16 else "float32",
                    "layout": "channels-last" if last else "contiguous",
                    "forward_ms": round(forward, 1),
                    "forward_backward_ms": round(both, 1),
                }
            )
            row = table[-1]
            print(
                f"{row['network']:11s} {row['parameters'] / 1e6:5.1f} M  {row['type']:8s} "
                f"{row['layout']:13s} forward {forward:7.1f} ms  with backward {both:8.1f} ms",
                flush=True,
            )
    if args.json:
        args.json.write_text(json.dumps(table, indent=2))


if __name__ == "__main__":
    main()
