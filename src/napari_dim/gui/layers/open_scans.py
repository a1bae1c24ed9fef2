"""The open scans of a viewer, and which labels layer holds the mask of which."""

from __future__ import annotations

import logging
import weakref
from typing import Any

from napari.layers import Image, Labels, Layer
from psygnal import Signal

from napari_dim.errors import InputError
from napari_dim.gui.layers.aside_layer import is_aside
from napari_dim.gui.layers.image_layers import missing_slices
from napari_dim.gui.layers.layer_classes import classes_of, set_classes
from napari_dim.gui.layers.mask_layer import MaskLayer
from napari_dim.gui.layers.mask_place import fits, from_file, lay_onto, move_with, why_not

_log = logging.getLogger("napari_dim.gui")


class OpenScans:
    """The scans and masks that are open.

    Parameters
    ----------
    viewer
        Whose layers; not kept alive.

    Attributes
    ----------
    doubts
        Layers that show how unsure the model is, by the image layer they belong to.
    """

    changed = Signal()
    """States, sizes or voxels of a mask have changed."""
    moved = Signal(object, str)
    """As `ScanMask.moved`, of any mask."""

    def __init__(self, viewer: Any) -> None:
        self._viewer = weakref.ref(viewer)
        self.doubts: weakref.WeakKeyDictionary[Layer, Layer] = weakref.WeakKeyDictionary()
        self._pairs: weakref.WeakKeyDictionary[Layer, weakref.ref[Labels]] = (
            weakref.WeakKeyDictionary()
        )
        self._masks: weakref.WeakKeyDictionary[Layer, MaskLayer] = weakref.WeakKeyDictionary()
        self._followed: weakref.WeakSet[Layer] = weakref.WeakSet()
        self._told: weakref.WeakSet[Labels] = weakref.WeakSet()

    @property
    def viewer(self) -> Any:
        """The viewer.

        Raises
        ------
        RuntimeError
            If it is gone.
        """
        viewer = self._viewer()
        if viewer is None:
            raise RuntimeError("the viewer is gone")
        return viewer

    def layers(self, kind: type[Image] | type[Labels]) -> list[Any]:
        """The open layers of a kind, topmost first."""
        return [
            layer
            for layer in reversed(self.viewer.layers)
            if isinstance(layer, kind) and not is_aside(layer) and self.is_scan(layer)
        ]

    def is_scan(self, layer: Layer) -> bool:
        """Whether a layer is not an image that we made, as that of uncertainty is."""
        return all(layer is not ours for ours in self.doubts.values())

    def pair(self, image: Layer, labels: Labels) -> None:
        """Remember that the mask of a scan is in a layer; from now on it moves with the scan.

        A mask is that of one scan: it is no other one's from then on.
        """
        for other, pair in list(self._pairs.items()):
            if other is not image and pair() is labels:
                del self._pairs[other]
        self._pairs[image] = weakref.ref(labels)
        if labels in self._masks:
            self._masks[labels].lack(missing_slices(image))
        if image not in self._followed:
            self._followed.add(image)
            for name in ("scale", "translate", "rotate", "shear", "affine", "units"):
                getattr(image.events, name).connect(self._on_placed)

    def labels_of(self, image: Layer) -> Labels | None:
        """The layer that a scan was labelled in last, if it is still open."""
        pair = self._pairs.get(image)
        labels = None if pair is None else pair()
        return labels if labels is not None and labels in self.viewer.layers else None

    def owner_of(self, labels: Layer) -> Layer | None:
        """The open scan that a layer was labelled for last, if it is known."""
        for image, pair in self._pairs.items():
            if pair() is labels and image in self.viewer.layers:
                return image
        return None

    def can_be_of(self, labels: Labels, image: Layer) -> bool:
        """Whether labels may become the mask of a scan: nobody's that can be laid onto it.

        The mask of another scan is never laid anew: what lies beyond this one would be lost.
        """
        if self.owner_of(labels) in (None, image):
            return not why_not(labels, image)
        return fits(labels, image)

    def guess_labels(self, image: Layer) -> Labels | None:
        """Labels to work on with a scan: its own, else a fitting layer that is nobody's.

        Of several, one that lies on no other scan, then the one whose name begins most like
        the scan's. One that lies elsewhere is left alone, and told once.
        """
        own = self.labels_of(image)
        if own is not None:
            return own
        free = [
            layer
            for layer in self.layers(Labels)
            if self.owner_of(layer) in (None, image)
            and (fits(layer, image) or self._might_fit(layer, image))
        ]
        return max(free, key=lambda layer: _alike(layer.name, image.name), default=None)

    def _might_fit(self, labels: Labels, image: Layer) -> bool:
        """Whether labels that lie on no other open scan can be laid onto this one."""
        others = [other for other in self.layers(Image) if other is not image]
        if any(fits(labels, other) for other in others):
            return False
        reason = why_not(labels, image)
        if not reason:
            return True
        if from_file(labels) and labels not in self._told and all(
            why_not(labels, other) for other in others
        ):  # fmt: skip
            from napari.utils.notifications import show_warning

            self._told.add(labels)
            show_warning(f"{labels.name} is not taken as the labels of {image.name}: {reason}")
        return False

    def mask_in(self, labels: Labels) -> MaskLayer:
        """The mask in a labels layer; from now on its strokes are acts that can be undone."""
        if labels not in self._masks:
            mask = MaskLayer(labels)
            owner = self.owner_of(labels)
            mask.lack(() if owner is None else missing_slices(owner))
            mask.changed.connect(self._on_changed)
            mask.moved.connect(self._on_moved)
            mask.renamed.connect(self._on_renamed)
            self._masks[labels] = mask
        return self._masks[labels]

    @property
    def any_labels(self) -> Labels | None:
        """The layer of some mask, for the names and colours of its classes."""
        return next(iter(self._masks), None)

    def known_mask(self, labels: Layer) -> MaskLayer | None:
        """The mask in a labels layer, if it is one."""
        return self._masks.get(labels)

    def laid(self, labels: Labels, image: Layer) -> Labels | None:
        """The labels, laid onto the scan, which is told; None if they can't be."""
        from napari.utils.notifications import show_info, show_warning

        try:
            notes = lay_onto(labels, image)
        except InputError as error:
            show_warning(str(error))
            return None
        if notes:
            show_info("\n".join(f"{labels.name}: {note}" for note in notes))
        for note in notes:
            _log.info("%s", note)  # without the mask's name, which may be a patient's
        return labels

    def _on_placed(self, event: Any) -> None:
        labels = self.labels_of(event.source)
        if labels is not None:
            move_with(labels, event.source)

    def _on_renamed(self, mask: MaskLayer) -> None:
        set_classes(mask.layer, classes_of(mask.layer))

    def _on_changed(self) -> None:
        self.changed.emit()

    def _on_moved(self, numbers: frozenset[int], what: str) -> None:
        self.moved.emit(numbers, what)


def _alike(a: str, b: str) -> int:
    """How many letters two names begin with alike."""
    pairs = enumerate(zip(a, b, strict=False))
    return next((n for n, (x, y) in pairs if x != y), min(len(a), len(b)))
