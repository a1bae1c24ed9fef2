"""A picture of masks over slices: the prediction beside the reference, one row a case."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from skimage.measure import find_contours

PANEL = 232
"""Side of a panel, pixels."""
_GAP, _HEAD, _FOOT, _CAPTION, _MARGIN = 10, 62, 46, 22, 20
_FINER = 3  # Lines are drawn this much larger, then reduced: smooth edges.
_DARK, _TEXT, _FAINT = (17, 19, 24), (232, 234, 237), (154, 160, 166)
_COLOURS = ((86, 180, 233), (240, 150, 20), (0, 190, 140), (225, 130, 190), (240, 228, 66))
_FILL = 0.16

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Panel:
    """One slice.

    Attributes
    ----------
    image
        Grey values, (row, column).
    reference, prediction
        Class ids, (row, column).
    spacing
        Distance between rows and between columns; panels keep the aspect.
    window
        Grey values shown as black and as white.
    caption
        Text under the panel.
    """

    image: np.ndarray
    reference: np.ndarray
    prediction: np.ndarray
    spacing: tuple[float, float]
    window: tuple[float, float]
    caption: str


@dataclass(frozen=True)
class Row:
    """The slices of one case, with lines of text on the left."""

    lines: tuple[str, ...]
    panels: tuple[Panel, ...]


def draw(rows: Sequence[Row], title: str, subtitle: str, classes: Sequence[int]) -> Image.Image:
    """Draw rows of panels with a title and a legend.

    Parameters
    ----------
    rows
        At least one, with at least one panel.
    title, subtitle
        One line each.
    classes
        Ids to outline; each gets its colour.
    """
    across = max(len(row.panels) for row in rows)
    left = max(130, *(round(_font(15).getlength(t)) + _GAP for row in rows for t in row.lines))
    width = 2 * _MARGIN + left + across * (PANEL + _GAP)
    down = PANEL + _CAPTION + _GAP
    picture = Image.new("RGB", (width, _HEAD + len(rows) * down + _FOOT + _GAP), _DARK)
    pen = ImageDraw.Draw(picture)
    pen.text((_MARGIN, 14), title, _TEXT, _font(20))
    pen.text((_MARGIN, 40), subtitle, _FAINT, _font(14))
    colours = {number: _COLOURS[i % len(_COLOURS)] for i, number in enumerate(classes)}
    for number, row in enumerate(rows):
        top = _HEAD + _GAP + number * down
        for line, text in enumerate(row.lines):
            pen.text((_MARGIN, top + 4 + 20 * line), text, _FAINT if line else _TEXT, _font(15))
        for place, panel in enumerate(row.panels):
            x = _MARGIN + left + place * (PANEL + _GAP)
            picture.paste(_panel(panel, colours), (x, top))
            pen.text((x + 2, top + PANEL + 3), panel.caption, _FAINT, _font(13))
    _legend(pen, colours, picture.height - _FOOT + 10)
    return picture


def save(picture: Image.Image, path: Path) -> Path:
    """Write a picture as PNG, whole or not at all.

    Raises
    ------
    InputError
        If it can't be written.
    """
    from napari_dim.io import atomic_path

    with atomic_path(path) as temporary:
        picture.save(temporary, format="PNG", optimize=True)
    return path


def _panel(panel: Panel, colours: dict[int, Colour]) -> Image.Image:
    side = PANEL * _FINER
    size = np.array(panel.image.shape) * np.array(panel.spacing)
    rows, columns = (max(1, round(float(s))) for s in size * side / size.max())
    low, high = panel.window
    grey = np.clip((panel.image - low) / max(high - low, 1e-9), 0, 1) * 255
    plane = Image.fromarray(grey.astype(np.uint8)).resize((columns, rows), Image.Resampling.BICUBIC)
    canvas = Image.new("RGB", (side, side))
    corner = ((side - columns) // 2, (side - rows) // 2)
    canvas.paste(plane.convert("RGB"), corner)
    scale = np.array([columns / panel.image.shape[1], rows / panel.image.shape[0]])
    for number, colour in colours.items():
        outlines = list(_outlines(panel.prediction == number, scale, corner))
        _fill(canvas, outlines, colour)
        pen = ImageDraw.Draw(canvas)
        for line in outlines:
            pen.line([tuple(p) for p in line], colour, width=2 * _FINER, joint="curve")
        for line in _outlines(panel.reference == number, scale, corner):
            _dotted(pen, line, (255, 255, 255))
    return canvas.resize((PANEL, PANEL), Image.Resampling.LANCZOS)


def _outlines(mask: np.ndarray, scale: np.ndarray, corner: tuple[int, int]) -> Iterator[np.ndarray]:
    """Outlines of a mask as (x, y) in the panel, (n, 2) each."""
    for line in find_contours(np.pad(mask, 1).astype(float), 0.5):
        yield (line[:, ::-1] - 0.5) * scale + corner


def _fill(canvas: Image.Image, outlines: Sequence[np.ndarray], colour: Colour) -> None:
    stencil = Image.new("L", canvas.size)
    pen = ImageDraw.Draw(stencil)
    for line in outlines:
        if len(line) > 2:
            pen.polygon([tuple(p) for p in line], fill=round(255 * _FILL))
    canvas.paste(colour, mask=stencil)


def _dotted(pen: ImageDraw.ImageDraw, line: np.ndarray, colour: Colour) -> None:
    """Dots at equal distances along a line."""
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    radius = 0.85 * _FINER
    for distance in np.arange(0, along[-1], 5 * _FINER):
        x, y = (np.interp(distance, along, line[:, axis]) for axis in (0, 1))
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)


def _legend(pen: ImageDraw.ImageDraw, colours: dict[int, Colour], y: int) -> None:
    x = _MARGIN
    for number, colour in colours.items():
        pen.line((x, y + 9, x + 26, y + 9), colour, width=3)
        text = f"prediction, class {number}"
        pen.text((x + 34, y), text, _TEXT, _font(14))
        x += 62 + round(_font(14).getlength(text))
    for dot in range(5):
        pen.ellipse((x + 6 * dot, y + 7, x + 6 * dot + 3, y + 10), fill=(255, 255, 255))
    pen.text((x + 36, y), "reference", _TEXT, _font(14))


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
