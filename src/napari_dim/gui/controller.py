"""Puts the parts of one viewer's window together: the session, and what keeps its strokes."""

from __future__ import annotations

import weakref
from typing import Any

from napari_dim.gui.layers.napari_compat import (
    allow_flat_outlines,
    clear_in_own_context,
    warn_of_units_once,
)
from napari_dim.gui.session import Session
from napari_dim.gui.storage.autosave import Autosave

_SESSIONS: weakref.WeakKeyDictionary[Any, Session] = weakref.WeakKeyDictionary()


def session_of(viewer: Any) -> Session:
    """The session of a viewer, made when first asked for."""
    viewer = getattr(viewer, "__wrapped__", viewer)  # napari hands plugins a proxy.
    if viewer not in _SESSIONS:
        session = Session(viewer)
        session.autosave = Autosave(session)
        _SESSIONS[viewer] = session
        clear_in_own_context(viewer)
        allow_flat_outlines()
        warn_of_units_once(viewer)
    return _SESSIONS[viewer]
