"""What an annotator does with slices: confirm, fill, copy, accept, go to the next.

Functions of the session; buttons and keys call the same ones. Each says what it did.
"""

from __future__ import annotations

import numpy as np

from napari_dim.engine.inference.suggest import Doubts, suggest
from napari_dim.errors import InputError
from napari_dim.gui.layers.answer_layer import answer_data, answer_layer, is_answer
from napari_dim.gui.layers.class_steps import one_step
from napari_dim.gui.layers.image_layers import add_layer, current_slice, go_to_slice, separate
from napari_dim.gui.layers.mask_layer import MaskLayer
from napari_dim.gui.layers.searched_classes import complete
from napari_dim.gui.logic import slice_actions
from napari_dim.gui.session import Session, Suggested
from napari_dim.states import LABELLED

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
    """The slice on the screen is right as it is; an empty one holds background alone."""
    mask, number = _mask(session), current(session)
    with one_step(mask, f"confirm slice {number}"):
        complete(mask.layer, [number])
        return slice_actions.confirm(mask, number)


def set_partial(session: Session) -> str:
    """Only the painted pixels of the slice on the screen count."""
    return slice_actions.set_partial(_mask(session), current(session))


def set_untouched(session: Session) -> str:
    """Take back what was said of the slice on the screen."""
    return slice_actions.take_back(_mask(session), current(session))


def confirm_filled(session: Session) -> str:
    """All filled slices are right as they are."""
    return slice_actions.confirm_filled(_mask(session))


def copy_nearest(session: Session) -> str:
    """Copy the labels of the nearest labelled slice onto the one on the screen."""
    _require_neighbours(session)
    return slice_actions.copy_nearest(_mask(session), current(session))


def step_labelled(session: Session, direction: int) -> str:
    """Go to the next labelled slice (`direction` 1) or the one before (-1)."""
    mask, number = _mask(session), current(session)
    ahead = [n for n in mask.labelled if (n - number) * direction > 0]
    if not ahead:
        return "No labelled slice further on" if direction > 0 else "No labelled slice before"
    go_to(session, min(ahead, key=lambda n: abs(n - number)))
    return f"Slice {current(session)}"


def next_suggested(session: Session) -> str:
    """Go to the slice that should be labelled next, perhaps of another scan, and say why."""
    renew_suggestions(session)
    if not session.suggestions:
        raise InputError("there is nothing to suggest yet", hint="Train first")
    return show_suggested(session, (_elsewhere(session) or session.suggestions)[0])


def _elsewhere(session: Session) -> list[Suggested]:
    """The suggestions but for the slice on the screen."""
    here = (session.image, current(session))
    return [found for found in session.suggestions if (found.image, found.number) != here]


def show_suggested(session: Session, found: Suggested) -> str:
    """Go to a suggested slice, in whichever scan it is; returns what it is and why."""
    other = found.image is not session.image
    session.open_case(found.image)
    go_to(session, found.number)
    return f"{f'{found.image.name}, s' if other else 'S'}lice {found.number}: {found.reason}"


def renew_suggestions(session: Session) -> None:
    """Work out anew which slices of the open scans should be labelled next."""
    known = [
        (image, mask)
        for image, mask in session.masks
        if mask.answer.said.all() or np.isfinite(mask.answer.entropy).all()
    ]
    doubts = [
        Doubts(
            _there(mask, np.nan_to_num(mask.answer.entropy)),
            _there(mask, mask.answer.disagreement),
            mask.labelled,
            separate(image),
        )
        for image, mask in known
    ]
    found = suggest(doubts, SUGGESTED) if doubts else []
    session.suggestions = [Suggested(known[s.case][0], s.number, s.reason) for s in found]


def _there(mask: MaskLayer, doubt: np.ndarray) -> np.ndarray:
    """Doubts of slices, without those that the scan lacks."""
    found = doubt.copy()
    found[sorted(mask.missing)] = 0
    return found


def still_suggested(session: Session) -> list[Suggested]:
    """The suggestions that nobody has labelled since they were made."""
    labelled = {image: mask.labelled for image, mask in session.masks}
    return [s for s in session.suggestions if s.number not in labelled.get(s.image, ())]


def accept_slice(session: Session) -> str:
    """The machine's mask of the slice on the screen is labels as it is; go on to the next.

    A slice that is labelled already, as by a correction, stays as it is.
    """
    mask, number = _predicted(session), current(session)
    if mask.states[number] in LABELLED:
        return f"Slice {number} is labelled already" + _onward(session)
    return slice_actions.accept(_predicted(session), [current(session)]) + _onward(session)


def accept_all(session: Session) -> str:
    """The machine's masks of all slices that are not labelled are labels as they are."""
    return slice_actions.accept(_predicted(session))


def unseen(session: Session) -> int:
    """How many slices `accept_all` would make labels that no person has looked at."""
    mask = session.mask
    return 0 if mask is None else len(slice_actions.machines(mask))


def class_trusted(session: Session, class_id: int) -> slice_actions.Trusted:
    """What accepting all that is predicted of one class would do."""
    mask = _predicted(session)
    return slice_actions.trusted(mask, mask.planes == class_id, f"class {class_id}")


def surer_trusted(session: Session, share: float) -> slice_actions.Trusted:
    """What accepting all that the model is surer of than `share` would do."""
    mask = _predicted(session)
    if mask.answer.confidence is None:
        raise InputError(
            "the model has not said how sure it is", hint="Wait for the end of the training"
        )
    return slice_actions.trusted(mask, _sure(mask, share), f"what is surer than {share:.0%}")


def accept_trusted(session: Session, part: slice_actions.Trusted) -> str:
    """What a person trusts of the machine's is labels, in slices that are not labelled."""
    return slice_actions.accept_trusted(_predicted(session), part)


def reject_slice(session: Session) -> str:
    """Empty the machine's mask of the slice on the screen; later ones leave it alone."""
    return slice_actions.reject(_predicted(session), current(session)) + _onward(session)


def take_newest(session: Session) -> str:
    """The slice on the screen shows the machine's newest answer, and follows it."""
    return slice_actions.take_newest(_predicted(session), current(session))


def show_answer(session: Session) -> str:
    """Show the machine's newest answer beside the mask, or take it away again."""
    mask, image = _predicted(session), session.image
    shown = [layer for layer in session.viewer.layers if is_answer(layer)]
    for layer in shown:
        session.viewer.layers.remove(layer)
    if shown:
        return "The machine's newest is hidden again"
    name = image.name if image is not None else mask.layer.name
    add_layer(session.viewer, answer_layer(mask, f"{name} (machine's newest, locked)"))
    return "Outlines: the machine's newest. “Take newest” takes it over in a slice"


def renew_answer(session: Session) -> None:
    """Where the machine's newest answer is shown beside the mask, show what it says by now."""
    shown = next((layer for layer in session.viewer.layers if is_answer(layer)), None)
    if shown is not None and session.mask is not None:
        shown.data = answer_data(session.mask)


def _sure(mask: MaskLayer, share: float) -> np.ndarray:
    """Where the model is surer than `share`, on the scan's own grid."""
    from skimage.transform import resize

    assert mask.answer.confidence is not None
    shape = mask.planes.shape[1:]
    return np.stack(
        [
            resize(plane.astype(np.float32), shape, order=1, preserve_range=True) >= 255 * share
            for plane in mask.answer.confidence
        ]
    )


def _onward(session: Session) -> str:
    """Go on to the next suggestion, if there is one; one that was rejected is still among them."""
    renew_suggestions(session)
    session.slices_changed.emit()
    ahead = _elsewhere(session)
    return f". Next: {show_suggested(session, ahead[0])}" if ahead else ""


def neighbours(session: Session) -> bool:
    """Whether a slice of the scan says anything of the next one."""
    return session.image is None or not separate(session.image)


def _require_neighbours(session: Session) -> None:
    if not neighbours(session):
        raise InputError("these are pictures of their own: none says anything of the next one")


def _mask(session: Session) -> MaskLayer:
    mask = session.mask
    if mask is None:
        raise InputError("the scan has no mask yet", hint="Press New and paint some slices")
    return mask


def _predicted(session: Session) -> MaskLayer:
    mask = session.mask
    if mask is None or not mask.answer.said.any():
        raise InputError("there is no prediction of this scan yet", hint="Train first")
    return mask
