"""Small folders in the layouts of the published sets, and a cohort of two centres."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
from PIL import Image

SIDE = 40


def discs(seed: int, side: int = SIDE) -> tuple[np.ndarray, np.ndarray]:
    """A grey picture, and class ids: a disc (1) with a core (2)."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:side, :side] - side / 2 - random.uniform(-3, 3, (2, 1, 1))
    distance = np.hypot(rows, columns) / side
    ids = (distance < 0.3).astype(np.uint8) + (distance < 0.15)
    grey = 60 + 60 * ids + random.normal(0, 5, ids.shape)
    return grey.clip(0, 255).astype(np.uint8), ids


def save_pair(folder: Path, name: str, image: np.ndarray, mask: np.ndarray) -> None:
    for kind, array in (("image", image), ("mask", mask)):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        Image.fromarray(array).save(folder / kind / f"{name}.png")


def fundus(root: Path, train: int = 3) -> Path:
    """RGB pictures; masks 0 cup, 128 rim, 255 background, as RGB at two domains, grey at two."""
    seed = 0
    for domain in range(1, 5):
        for split, count in (("train", train), ("test", 2)):
            for number in range(count):
                seed += 1
                grey, ids = discs(seed)
                mask = np.array([255, 128, 0], dtype=np.uint8)[ids]
                mask = np.stack([mask] * 3, -1) if domain % 2 else mask
                folder = root / "Fundus" / f"Domain{domain}" / split / "ROIs"
                save_pair(folder, f"g{number:04}", np.stack([grey, grey // 2, grey // 3], -1), mask)
    return root / "Fundus"


def prostate(root: Path) -> Path:
    """Grey slices; the mask is inverted."""
    for seed, site in enumerate(("BIDMC", "BMC", "HK", "I2CVB", "RUNMC", "UCL")):
        for split in ("train", "test"):
            for number in range(2):
                grey, ids = discs(10 * seed + number)
                folder = root / "ProstateSlice" / site / split
                save_pair(folder, f"00_{number:02}", grey, np.where(ids > 0, 0, 255).astype("u1"))
    return root / "ProstateSlice"


def mnms(root: Path) -> Path:
    """Colour masks: red, green and blue for the three classes."""
    colours = np.array([[0, 0, 0], [0, 255, 0], [255, 0, 0], [0, 0, 255]], dtype=np.uint8)
    for seed, vendor in enumerate("ABCD"):
        for split in ("train", "test"):
            grey, ids = discs(seed)
            ids[:4, :4] = 3
            save_pair(root / "mnms" / f"vendor{vendor}" / split, "0", grey, colours[ids])
    return root / "mnms"


def saml(root: Path, cases: int = 3) -> Path:
    """NIfTI volumes of which the middle slices show two zones."""
    for seed, site in enumerate(("RUNMC", "BMC", "I2CVB", "UCL", "BIDMC", "HK")):
        (root / site).mkdir(parents=True)
        for number in range(cases):
            grey, ids = discs(10 * seed + number)
            image = np.stack([grey] * 4, -1).astype(np.int16) * 3
            mask = np.stack([0 * ids, ids, ids, 0 * ids], -1)
            suffix = "_Segmentation" if number % 2 else "_segmentation"
            affine = np.diag([0.6, 0.6, 3.0, 1.0])
            for name, data in ((f"Case{number:02}", image), (f"Case{number:02}{suffix}", mask)):
                nib.save(nib.Nifti1Image(data, affine), root / site / f"{name}.nii.gz")
    return root


def centres(root: Path, train: int = 4, test: int = 2) -> Path:
    """A cohort of pictures: one centre outlines disc and core, the other the whole disc."""
    rows = ["image,labels,slices,site,split"]
    root.mkdir(parents=True, exist_ok=True)
    seed = 0
    for site in ("north", "south"):
        for split, count in (("train", train), ("test", test)):
            for number in range(count):
                seed += 1
                grey, ids = discs(seed)
                if site == "south":
                    grey, ids = 255 - grey, (ids > 0).astype(np.uint8)
                name = f"{site}-{split}-{number}"
                Image.fromarray(grey).save(root / f"{name}.png")
                Image.fromarray(ids).save(root / f"{name}-mask.png")
                rows.append(f"{name}.png,{name}-mask.png,,{site},{split}")
    (root / "cohort.csv").write_text("\n".join(rows) + "\n")
    return root
