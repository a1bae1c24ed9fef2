"""``python -m napari_dim``: the same as the ``napari-dim`` command; `torchrun -m` takes it."""

from __future__ import annotations

import sys

from napari_dim.cli import main

sys.exit(main())
