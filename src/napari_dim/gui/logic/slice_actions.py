"""What an annotator does with slices: confirm, fill, copy, accept, go to the next.

Functions of the session; buttons and keys call the same ones. Each changes labels as one
step that Ctrl-Z brings back, and says what it did.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence

import numpy as np

from napari_dim.engine.inference.suggest import Doubts, suggest
from napari_dim.errors import InputError
from napari_dim.gui.controller import Session, SliceScore, Suggested
from napari_dim.gui.layers.annotation import Annotation
from napari_dim.gui.layers.image_layers import (
    add_layer,
    current_slice,
    go_to_slice,
    labels_array,
    new_labels,
    set_voxels,
)
from napari_dim.gui.layers.predicted_layer import PredictionLayer
from napari_dim.gui.layers.searched_classes import complete
from napari_dim.gui.widgets.class_table import classes_of, set_classes
from napari_dim.project.interpolation import between
from napari_dim.states import LABELLED, SliceState

SUGGESTED = 5


def current(session: Session) -> int:
    """The slice on the screen."""
    layer = session.labels or session.image
    return 0 if layer is None else current_slice(session.viewer, layer)


def go_to(session: Session, number: int) -> None:
    """Show a slice."""
    layer = session.image or session.labels
    if layer is not None:
        go_to_slice(session.viewer, layer, number)


def confirm(session: Session) -> str:
    """The slice on the screen is labelled as it is; an empty one holds background alone."""
    annotation, number = _annotation(session), current(session)
    _record_score(session, number, labels_array(annotation.layer)[number])
    complete(annotation.layer, [number])
    if annotation.areas[number]:
        annotation.mark([number], SliceState.UNTOUCHED)  # what is painted is confirmed by itself
        return f"Slice {number} is confirmed"
    annotation.mark([number], SliceState.PAINTED)
    return f"Slice {number} is confirmed: background only"


def set_partial(session: Session) -> str:
    """Only the painted pixels of the slice on the screen count."""
    annotation, number = _annotation(session), current(session)
    annotation.mark([number], SliceState.PARTIAL)
    return (
        f"Slice {number} is partial: only what is painted counts. Paint some background with "
        "the background brush, too"
    )


def set_untouched(session: Session) -> str:
    """Take back what was said of the slice on the screen."""
    annotation, number = _annotation(session), current(session)
    annotation.mark([number], SliceState.UNTOUCHED)
    if annotation.areas[number]:
        return f"Slice {number} is painted, so it is confirmed. Erase it to make it unlabelled"
    return f"Slice {number} is not labelled"


def fill_between(session: Session) -> str:
    """Fill the slices between labelled ones with shapes in between.

    Slices that a person labelled, and those that hold paint already, are left alone.
    """
    annotation = _annotation(session)
    states, areas = annotation.states, annotation.areas
    labelled = [int(n) for n in np.flatnonzero(states == SliceState.PAINTED)]
    if len(labelled) < 2:
        raise InputError("there are no two labelled slices", hint="Label two slices that lie apart")
    found = between(labels_array(annotation.layer), labelled)
    free = {
        n: plane
        for n, plane in found.items()
        if states[n] not in LABELLED and (not areas[n] or states[n] == SliceState.MACHINE)
    }
    if not free:
        raise InputError("there is no empty slice between labelled ones")
    annotation.write(free, SliceState.MACHINE)
    _activate(session)
    return f"Filled {len(free)} slices; look at each and confirm it. Ctrl-Z takes them back"


def copy_nearest(session: Session) -> str:
    """Copy the labels of the nearest painted slice onto the one on the screen."""
    annotation, number = _annotation(session), current(session)
    if annotation.areas[number]:
        raise InputError(f"slice {number} is painted already", hint="Erase it first")
    others = np.flatnonzero(annotation.areas)
    if not others.size:
        raise InputError("no slice is painted yet")
    nearest = int(others[np.abs(others - number).argmin()])
    annotation.write({number: labels_array(annotation.layer)[nearest]}, SliceState.PAINTED)
    _activate(session)
    return f"Copied slice {nearest} to {number}; correct it"


def step_labelled(session: Session, direction: int) -> str:
    """Go to the next labelled slice (`direction` 1) or the one before (-1)."""
    annotation, number = _annotation(session), current(session)
    ahead = [n for n in annotation.labelled if (n - number) * direction > 0]
    if not ahead:
        return "No labelled slice further on" if direction > 0 else "No labelled slice before"
    go_to(session, min(ahead, key=lambda n: abs(n - number)))
    return f"Slice {current(session)}"


def next_suggested(session: Session) -> str:
    """Go to the slice that should be labelled next, perhaps of another scan, and say why."""
    renew_suggestions(session)
    if not session.suggestions:
        raise InputError("there is nothing to suggest yet", hint="Train first")
    here = (session.image, current(session))
    ahead = [s for s in session.suggestions if (s.image, s.number) != here]
    return show_suggested(session, (ahead or session.suggestions)[0])


def show_suggested(session: Session, found: Suggested) -> str:
    """Go to a suggested slice, in whichever scan it is; returns what it is and why."""
    other = found.image is not session.image
    session.open_case(found.image)
    go_to(session, found.number)
    _to_correct(session)
    return f"{f'{found.image.name}, s' if other else 'S'}lice {found.number}: {found.reason}"


def renew_suggestions(session: Session) -> None:
    """Work out anew which slices of the open scans should be labelled next."""
    images, doubts = [], []
    for image, prediction in session.predictions.items():
        if image not in session.viewer.layers or not prediction.said.all():
            continue
        if image is session.image:
            labels = session.labels
        else:
            labels = session.labels_of(image)
        labelled: tuple[int, ...] = ()
        if labels is not None:
            annotation = session.annotation_of(labels)
            if len(annotation.states) != len(prediction.mask):
                continue
            labelled = annotation.labelled
        images.append(image)
        doubts.append(Doubts(np.nan_to_num(prediction.entropy), prediction.disagreement, labelled))
    found = suggest(doubts, SUGGESTED) if doubts else []
    session.suggestions = [Suggested(images[s.case], s.number, s.reason) for s in found]


def accept_slice(session: Session) -> str:
    """The prediction of the slice on the screen, as corrected, becomes its labels."""
    number = current(session)
    return accept(session, [number]) + _onward(session)


def accept_all(session: Session) -> str:
    """The predictions of all slices that are not labelled become their labels."""
    prediction = _prediction(session)
    return accept(session, range(len(prediction.mask)), every=True)


def accept(session: Session, numbers: Sequence[int], *, every: bool = False) -> str:
    """Predictions become labels, but never over what a person labelled.

    Raises
    ------
    InputError
        If there is nothing to accept.
    """
    prediction, annotation = _prediction(session), _target(session)
    states = annotation.states
    masks = labels_array(prediction.layer)
    open_ones = [n for n in numbers if states[n] not in LABELLED and prediction.said[n]]
    if not open_ones:
        raise InputError(
            "every slice is labelled already" if every else "this slice is labelled already",
            hint="Your own labels are kept; erase them to accept the prediction",
        )
    for number in () if every else open_ones:
        _record_score(session, number, masks[number])
    annotation.write({n: masks[n].copy() for n in open_ones}, SliceState.PAINTED)
    _activate(session)
    if len(open_ones) == 1:
        return f"Accepted slice {open_ones[0]}"
    return f"Accepted {len(open_ones)} slices; Ctrl-Z takes them back"


def accept_class(session: Session, class_id: int) -> str:
    """What is predicted of one class becomes labels, where nothing is labelled.

    The slices become partial: what else they hold is still open.
    """
    prediction, annotation = _prediction(session), _target(session)
    masks = labels_array(prediction.layer)
    return _accept_voxels(session, annotation, masks, masks == class_id, f"class {class_id}")


def accept_surer(session: Session, share: float) -> str:
    """What the model is surer of than `share` becomes labels, where nothing is labelled."""
    prediction, annotation = _prediction(session), _target(session)
    if prediction.confidence is None:
        raise InputError(
            "the model has not said how sure it is", hint="Wait for the end of the training"
        )
    masks = labels_array(prediction.layer)
    sure = sure_where(prediction, share) & (masks > 0)
    return _accept_voxels(session, annotation, masks, sure, f"what is surer than {share:.0%}")


def reject_slice(session: Session) -> str:
    """Empty the prediction of the slice on the screen; later predictions leave it alone."""
    prediction, number = _prediction(session), current(session)
    layer = prediction.layer
    where = np.nonzero(labels_array(layer)[number])
    if not where[0].size:
        raise InputError(f"nothing is predicted in slice {number}")
    index = (np.full(where[0].size, number), *where)
    set_voxels(layer, index[3 - layer.ndim :], 0)
    session.viewer.layers.selection.active = layer
    session.slices_changed.emit()
    return f"Rejected slice {number}; Ctrl-Z brings it back" + _onward(session)


def sure_where(prediction: PredictionLayer, share: float) -> np.ndarray:
    """Where the model is surer than `share`, on the scan's own grid."""
    from skimage.transform import resize

    assert prediction.confidence is not None
    shape = prediction.mask.shape[1:]
    return np.stack(
        [
            resize(plane.astype(np.float32), shape, order=1, preserve_range=True) >= 255 * share
            for plane in prediction.confidence
        ]
    )


def _accept_voxels(
    session: Session, annotation: Annotation, masks: np.ndarray, where: np.ndarray, what: str
) -> str:
    states, data = annotation.states, labels_array(annotation.layer)
    planes = {
        int(n): np.where(where[n] & (data[n] == 0), masks[n], data[n])
        for n in np.flatnonzero(where.any((1, 2)))
        if states[n] not in LABELLED
    }
    if not planes:
        raise InputError(f"there is nothing to accept of {what} in slices without labels")
    annotation.write(planes, SliceState.PARTIAL)
    _activate(session)
    return f"Accepted {what} in {len(planes)} slices, which are partial now"


def _record_score(session: Session, number: int, plane: np.ndarray) -> None:
    """Note how right the machine was on a slice that a person confirms now."""
    prediction, annotation, image = session.prediction, session.annotation, session.image
    if prediction is None or annotation is None or image is None:
        return
    if not prediction.said[number] or number in prediction.unknown:
        return
    if any((score.scan(), score.number) == (image, number) for score in session.scores):
        return
    said = prediction.mask[number]
    if said.shape != plane.shape:
        return
    classes = [i for i in np.union1d(np.unique(said), np.unique(plane)) if i]
    dice = [
        2 * np.sum((said == i) & (plane == i)) / (np.sum(said == i) + np.sum(plane == i))
        for i in classes
    ]
    session.scores.append(
        SliceScore(
            weakref.ref(image),
            len(annotation.labelled),
            number,
            float(np.mean(dice)) if dice else 1.0,
        )
    )


def _onward(session: Session) -> str:
    """Go on to the next suggestion, if there is one."""
    renew_suggestions(session)
    session.slices_changed.emit()
    if not session.suggestions:
        return ""
    said = show_suggested(session, session.suggestions[0])
    return f". Next: {said}"


def _activate(session: Session) -> None:
    """Make Ctrl-Z reach the labels."""
    session.viewer.layers.selection.active = session.labels


def _to_correct(session: Session) -> None:
    """Make the next stroke a correction of the prediction; the first time with a brush."""
    prediction, labels = session.prediction, session.labels
    if prediction is None or prediction.layer not in session.viewer.layers:
        return
    layer = prediction.layer
    if str(layer.mode) == "pan_zoom":
        if labels is not None:
            layer.brush_size, layer.selected_label = labels.brush_size, labels.selected_label
        layer.mode = "paint"
    session.viewer.layers.selection.active = layer


def _annotation(session: Session) -> Annotation:
    annotation = session.annotation
    if annotation is None:
        raise InputError("there is no labels layer", hint="Press New and paint some slices")
    return annotation


def _prediction(session: Session) -> PredictionLayer:
    prediction = session.prediction
    if prediction is None or not prediction.said.any():
        raise InputError("there is no prediction of this scan yet", hint="Train first")
    return prediction


def _target(session: Session) -> Annotation:
    """What accepted slices become part of; a scan that has no labels yet gets a layer."""
    prediction, image = _prediction(session), session.image
    if session.annotation is None and image is not None:
        labels = new_labels(image)
        known = (session.labels_of(scan) for scan in session.predictions)
        named = next((found for found in known if found is not None), prediction.layer)
        set_classes(labels, classes_of(named))  # as in the scan that the model learnt from
        add_layer(session.viewer, labels)
        session.show_case(image, labels)
    annotation = _annotation(session)
    if labels_array(annotation.layer).shape != prediction.mask.shape:
        raise InputError(
            "the labels don't lie on this scan", hint="Choose other labels, or press New"
        )
    return annotation
