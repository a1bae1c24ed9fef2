"""Masks as lines or as areas: what the switches, the button and the key do."""

from __future__ import annotations

from napari_dim.gui.preferences import remember_contours
from napari_dim.gui.session import Session


def show_contours(session: Session, wanted: bool) -> str:
    """Show every slice of the mask as contours only, or a person's as areas again."""
    session.show_contours(wanted)
    remember_contours(wanted)
    if wanted:
        return "Contours only: your line is twice as wide as the machine's"
    return "What you drew is shown as areas again"


def toggle_contours(session: Session) -> str:
    """The one in place of the other."""
    return show_contours(session, not session.contours)
