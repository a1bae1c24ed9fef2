"""TIFFs that store white as zero: values turned round, so that high is bright in every reader."""

from __future__ import annotations

import numpy as np
import tifffile

TURNED = "low is bright in this TIFF (WhiteIsZero); its values are turned round, so that high is"
_MASK = "white is zero in this TIFF of one bit; its white pixels are taken for the class"
_ARRAY = "this TIFF of one bit was written from an array; its ones are taken as they are"
OF_MASKS = (_MASK, _ARRAY)
"""What is told of masks."""


def turned(
    values: np.ndarray, page: tifffile.TiffPage, *, indices: bool, by_pillow: bool = False
) -> tuple[np.ndarray, tuple[str, ...]]:
    """The values of a page in their own sense, and what is to be told.

    Class numbers (`indices`) are numbers, whatever they look like; but of one bit a pixel the
    white ones are the class, as a person drew it. tifffile (and scikit-image with it) calls an
    array of booleans WhiteIsZero and stores True as one: there the ones are what was meant, of
    masks and of images. Pillow turns up to 8 bits on its own.
    """
    if page.photometric != tifffile.PHOTOMETRIC.MINISWHITE:
        return values, ()
    one_bit = page.bitspersample == 1
    array = one_bit and str(page.software).startswith("tifffile")
    wanted = not array and (one_bit or not indices)
    done = by_pillow and page.bitspersample <= 8
    told = (_ARRAY if array else _MASK if indices else TURNED,) if array or wanted else ()
    if wanted == done:
        return values, told
    if values.dtype == np.bool_:
        return ~values, told
    if values.dtype.kind == "f":
        return -values, told
    bits = 8 if done else page.bitspersample
    if values.dtype.kind == "i":
        return (-1 - values).astype(values.dtype), told
    return (values.dtype.type(2**bits - 1) - values).astype(values.dtype), told
