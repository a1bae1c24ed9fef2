"""The ``napari-dim`` command, and ``python -m napari_dim``, which `torchrun -m` takes, too."""

from __future__ import annotations

import sys


def main() -> int:
    """Run a command; its exit code. Ctrl-C ends it in one line while it is being loaded, too."""
    try:
        from napari_dim.cli import main as run
    except KeyboardInterrupt:
        sys.stderr.write("napari-dim: interrupted\n")
        return 1
    return run()


if __name__ == "__main__":
    sys.exit(main())
