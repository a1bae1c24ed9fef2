"""A form made from the settings: labels, ranges and help come from their fields."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args, get_origin

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCheckBox, QComboBox, QDoubleSpinBox, QFormLayout, QSpinBox, QWidget

from napari_dim.config import OPTION_NAMES, setting_field
from napari_dim.options import OPTIONS, SystemName, SystemOptions

ADVANCED = (
    "system", "device", "apart", "divergence", "context", "max_size", "width", "labelled_batch",
    "unlabelled_batch", "learning_rate", "sharpness", "align_weight", "entropy_weight",
    "confidence", "strength", "seed",
)  # fmt: skip


class SettingsForm(QWidget):
    """Edits some of the settings.

    Parameters
    ----------
    names
        Settings that all systems share, or DiM's own.
    start
        Values to begin with, instead of the fields' defaults.
    """

    def __init__(
        self, names: Sequence[str] = ADVANCED, start: dict[str, Any] | None = None
    ) -> None:
        super().__init__()
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
        self._editors: dict[str, QWidget] = {}
        self._tips: dict[str, str] = {}
        for name in names:
            field = setting_field(name)
            value = (start or {}).get(name, getattr(field.default, "name", field.default))
            editor = _editor(field, value)
            # Scrolling the panel must not turn a number that lies under the pointer.
            editor.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            editor.wheelEvent = _ignore_wheel(editor)
            extra = field.json_schema_extra
            symbol = extra.get("symbol", "") if isinstance(extra, dict) else ""
            tip = f"{field.description}{f' ({symbol} in the paper)' if symbol else ''}"
            editor.setToolTip(tip)
            form.addRow(name.replace("_", " "), editor)
            form.labelForField(editor).setToolTip(tip)
            self._editors[name] = editor

    def values(self) -> dict[str, Any]:
        """All values, by name; those that the chosen system doesn't have are left out."""
        values = {name: _value(editor) for name, editor in self._editors.items()}
        own = OPTIONS[values.get("system", "dim")].model_fields
        return {k: v for k, v in values.items() if k in own or k not in OPTION_NAMES}

    def editor(self, name: str) -> QWidget:
        """What a value is edited with."""
        return self._editors[name]

    def lock(self, name: str, why: str) -> None:
        """Let a value not be changed, and say why; with no reason it can be changed again."""
        editor = self._editors[name]
        self._tips.setdefault(name, editor.toolTip())
        editor.setEnabled(not why)
        editor.setToolTip(why or self._tips[name])

    def set_value(self, name: str, value: Any) -> None:
        """Change one value."""
        editor = self._editors[name]
        if isinstance(editor, QComboBox):
            editor.setCurrentText(str(value))
        elif isinstance(editor, QCheckBox):
            editor.setChecked(bool(value))
        else:
            editor.setValue(value)


def _editor(field: Any, value: Any) -> QWidget:
    # A system is chosen by its name; what is its own follows.
    kind = SystemName if field.annotation == get_args(SystemOptions)[0] else field.annotation
    if get_origin(kind) is Literal:
        box = QComboBox()
        for place, choice in enumerate(get_args(kind)):
            box.addItem(str(choice))
            if kind is SystemName:  # one line each
                line = (OPTIONS[choice].__doc__ or "").split("\n")[0]
                box.setItemData(place, line, Qt.ItemDataRole.ToolTipRole)
        box.setCurrentText(str(value))
        return box
    if field.annotation is bool:
        check = QCheckBox()
        check.setChecked(value)
        return check
    whole = field.annotation is int
    spin = QSpinBox() if whole else QDoubleSpinBox()
    if isinstance(spin, QDoubleSpinBox):
        spin.setDecimals(4)
        spin.setSingleStep(max(abs(value), 0.1) / 10)
    low, high = _limits(field)
    spin.setRange(low, high)
    spin.setValue(value)
    spin.setMinimumWidth(90)
    return spin


def _limits(field: Any) -> tuple[Any, Any]:
    """The field's range; an open end is moved in by the smallest step shown."""
    whole = field.annotation is int
    step = 1 if whole else 1e-4
    low: Any = 0
    high: Any = 2**31 - 1 if whole else 1e9
    for limit in field.metadata:
        low = getattr(limit, "ge", low)
        high = getattr(limit, "le", high)
        if hasattr(limit, "gt"):
            low = limit.gt + step
        if hasattr(limit, "lt"):
            high = limit.lt - step
    return low, high


def _value(editor: QWidget) -> Any:
    if isinstance(editor, QComboBox):
        return editor.currentText()
    if isinstance(editor, QCheckBox):
        return editor.isChecked()
    return editor.value()


def _ignore_wheel(editor: QWidget) -> Any:
    kind = type(editor)

    def wheel(event: Any) -> None:
        if editor.hasFocus():
            kind.wheelEvent(editor, event)
        else:
            event.ignore()

    return wheel
