"""``python -m napari_dim.cli``: the same as the ``napari-dim`` command."""

from __future__ import annotations

import sys

from napari_dim.cli import main

sys.exit(main())
