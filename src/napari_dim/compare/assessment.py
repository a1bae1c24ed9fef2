"""A network on the test slices: masks by the tables' decision, their scores, and features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from napari_dim.compare.benchmark import Benchmark, Item
from napari_dim.compare.protocol import scored_slices
from napari_dim.compare.table_metrics import table_scores
from napari_dim.data.working_grid import normalised
from napari_dim.engine.evaluation.metrics import score_binary
from napari_dim.engine.inference.predictor import Predictor
from napari_dim.engine.inference.trained_model import Model
from napari_dim.method.losses import PUBLISHED, segmentation_loss
from napari_dim.method.targets import Targets

Masks = list[np.ndarray]
"""For each test item: boolean, ``(slice, structure, row, column)``."""


@dataclass(frozen=True)
class Look:
    """How a run stands at a step: by test domain, in the order of the structures.

    Attributes
    ----------
    step
        Steps done.
    loss
        Site -> mean of ``CE + Dice²`` over its test slices.
    dc
        Site -> mean DC of each structure.
    """

    step: int
    loss: dict[str, float]
    dc: dict[str, list[float]]

    @property
    def mean(self) -> float:
        """Mean DC over structures and domains: what chooses the best."""
        return float(np.mean([np.mean(each) for each in self.dc.values()]))

    def plain(self) -> dict[str, Any]:
        """As the records keep it."""
        return {
            "step": self.step,
            "loss": {s: round(v, 5) for s, v in self.loss.items()},
            "dc": {s: [round(v, 5) for v in each] for s, each in self.dc.items()},
        }


class Assessor:
    """Looks at a model through the test slices of a benchmark."""

    def __init__(self, benchmark: Benchmark, device: torch.device) -> None:
        self.benchmark = benchmark
        self.device = device
        self.tested = scored_slices(benchmark)
        self._stacks: list[Tensor] = [
            normalised(item.volume, (item.volume.array.shape[1], item.volume.array.shape[2]))
            for item, _ in self.tested
        ]

    def look(self, model: Model, step: int) -> Look:
        """Loss and DC on the slices that are scored."""
        loss: dict[str, list[float]] = {}
        dc: dict[str, list[list[float]]] = {}
        masks, losses = self._predicted(model, scored_only=True)
        for (item, numbers), mask, each in zip(self.tested, masks, losses, strict=True):
            loss.setdefault(item.site, []).extend(each)
            for place, number in enumerate(numbers):
                dc.setdefault(item.site, []).append(
                    [
                        np.nan if wanted is None else _dice(mask[place, s], wanted)
                        for s, wanted in enumerate(self._wanted(item, int(number)))
                    ]
                )
        return Look(
            step,
            {site: float(np.mean(each)) for site, each in loss.items()},
            {site: np.nan_to_num(np.nanmean(each, 0)).tolist() for site, each in dc.items()},
        )

    def masks(self, model: Model) -> Masks:
        """The masks of all slices of the test items."""
        return self._predicted(model, scored_only=False)[0]

    def scores(self, masks: Masks) -> dict[str, Any]:
        """Per slice the tables' metrics, and per item ours: symmetric, in 3D where it has slices.

        Returns
        -------
        dict
            ``"images"``: site -> slice -> per structure DC, JC, HD, ASD (None where the slice
            doesn't count for it); ``"ours"``: site -> item -> per structure Dice, Jaccard,
            HD95, ASD (None where a mask is empty).
        """
        images: dict[str, dict[str, Any]] = {}
        ours: dict[str, dict[str, Any]] = {}
        for (item, numbers), mask in zip(self.tested, masks, strict=True):
            for number in numbers:
                images.setdefault(item.site, {})[item.slice_name(int(number))] = [
                    None if wanted is None else _rounded(table_scores(mask[number, s], wanted))
                    for s, wanted in enumerate(self._wanted(item, int(number)))
                ]
            ours.setdefault(item.site, {})[item.name] = self._ours(item, mask)
        return {"images": images, "ours": ours}

    def features(self, model: Model) -> np.ndarray:
        """A vector a scored slice, ``(n, channel)``; see `systems.system.System.features`."""
        predictor = Predictor(model, self.device)
        net = predictor.net
        training = net.training
        net.eval()
        found: list[np.ndarray] = []
        with torch.no_grad():
            for stack, (_, numbers) in zip(self._stacks, self.tested, strict=True):
                for part in _chunks(numbers, predictor.batch):
                    x = predictor.view(stack, part)
                    found.append(model.system.features(x).float().cpu().numpy())
        net.train(training)
        return np.concatenate(found)

    def sites(self) -> list[str]:
        """The site of each scored slice."""
        return [item.site for item, numbers in self.tested for _ in numbers]

    def _ours(self, item: Item, mask: np.ndarray) -> list[list[float | None]]:
        assert item.mask is not None
        spacing = item.volume.spacing
        flat = len(item.mask) == 1 or item.volume.separate
        found = []
        for s, structure in enumerate(self.benchmark.structures):
            wanted = structure.of(item.mask)
            if not flat:
                found.append(_rounded(_plain(score_binary(mask[:, s], wanted, spacing))))
                continue
            each = [
                _plain(score_binary(mask[n, s], wanted[n], (1.0, 1.0))) for n in range(len(wanted))
            ]
            found.append(_rounded([_mean(values) for values in zip(*each, strict=True)]))
        return found

    def _wanted(self, item: Item, number: int) -> list[np.ndarray | None]:
        assert item.mask is not None
        wanted = [structure.of(item.mask[number]) for structure in self.benchmark.structures]
        return [each if self.benchmark.every or each.any() else None for each in wanted]

    @torch.no_grad()
    def _predicted(self, model: Model, *, scored_only: bool) -> tuple[Masks, list[list[float]]]:
        predictor = Predictor(model, self.device)
        net, targets = predictor.net, predictor.targets
        training = net.training
        net.eval()
        masks: Masks = []
        losses: list[list[float]] = []
        try:
            for stack, (item, numbers) in zip(self._stacks, self.tested, strict=True):
                wanted = numbers if scored_only else np.arange(len(stack))
                rows, columns = stack.shape[-2:]
                found: list[np.ndarray] = []
                lost: list[float] = []
                for part in _chunks(wanted, predictor.batch):
                    with predictor.autocast():
                        logits = net(predictor.view(stack, part))
                    logits = logits[..., :rows, :columns].float()
                    found.append(self._decided(model, targets, logits))
                    if scored_only:
                        lost += self._losses(model, targets, logits, item, part)
                masks.append(np.concatenate(found))
                losses.append(lost)
        finally:
            net.train(training)
        return masks, losses

    def _decided(self, model: Model, targets: Targets, logits: Tensor) -> np.ndarray:
        """Each region at 0.5, or the likeliest class: ``(n, structure, row, column)``."""
        if not targets.exclusive:  # the regions are the structures, in their order
            whole: np.ndarray = (targets.probability(logits) >= 0.5).cpu().numpy()
            return whole
        ids = np.array((0, *model.classes))[logits.argmax(1).cpu().numpy()]
        return np.stack([structure.of(ids) for structure in self.benchmark.structures], 1)

    def _losses(
        self, model: Model, targets: Targets, logits: Tensor, item: Item, numbers: np.ndarray
    ) -> list[float]:
        assert item.mask is not None
        table = np.zeros(256, dtype=np.int64)
        for place, class_id in enumerate(model.classes, start=1):
            table[class_id] = place
        index = torch.from_numpy(table[item.mask[numbers]]).to(logits.device)
        target, weight = targets.encode(index)
        return [
            float(segmentation_loss(targets, logits[n], target[n], weight[n], PUBLISHED))
            for n in (slice(k, k + 1) for k in range(len(logits)))
        ]


def _chunks(numbers: np.ndarray, size: int) -> list[np.ndarray]:
    return [numbers[start : start + size] for start in range(0, len(numbers), size)]


def _dice(found: np.ndarray, wanted: np.ndarray) -> float:
    size = int(found.sum()) + int(wanted.sum())
    return 2 * int((found & wanted).sum()) / size if size else 1.0


def _plain(scores: Any) -> list[float | None]:
    return [scores.dice, scores.jaccard, scores.hd95, scores.asd]


def _mean(values: tuple[float | None, ...]) -> float | None:
    there = [v for v in values if v is not None]
    return float(np.mean(there)) if there else None


def _rounded(values: Any) -> list[float | None]:
    return [None if v is None else round(float(v), 4) for v in values]
