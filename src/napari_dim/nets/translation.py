"""SIFA's networks (Chen et al., TMI 2020): translators, a shared encoder, patch critics."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Residual(nn.Module):
    """Two 3 x 3 convolutions around a shortcut that is padded with zeros where channels grow."""

    def __init__(
        self, before: int, after: int, norm: type[nn.Module], *, dilation: int = 1
    ) -> None:
        super().__init__()
        self.grown = after - before
        self.body = nn.Sequential(
            nn.Conv2d(before, after, 3, padding=dilation, dilation=dilation),
            norm(after),
            nn.ReLU(inplace=True),
            nn.Conv2d(after, after, 3, padding=dilation, dilation=dilation),
            norm(after),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Like `x`, with the new number of channels."""
        half = self.grown // 2
        shortcut = F.pad(x, (0, 0, 0, 0, half, self.grown - half)) if self.grown else x
        return F.relu(shortcut + self.body(x))


class Encoder(nn.Module):
    """Features at an eighth of the size: the lower ones and the last, 32 times `width` each."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        w, norm = width, nn.BatchNorm2d
        self.lower = nn.Sequential(
            nn.Conv2d(channels, w, 7, padding=3), norm(w), nn.ReLU(inplace=True),
            Residual(w, w, norm), nn.MaxPool2d(2),
            Residual(w, 2 * w, norm), nn.MaxPool2d(2),
            Residual(2 * w, 4 * w, norm), Residual(4 * w, 4 * w, norm), nn.MaxPool2d(2),
            Residual(4 * w, 8 * w, norm), Residual(8 * w, 8 * w, norm),
            Residual(8 * w, 16 * w, norm),
            *(Residual(16 * w, 16 * w, norm) for _ in range(3)),
            Residual(16 * w, 32 * w, norm), Residual(32 * w, 32 * w, norm),
        )  # fmt: skip
        self.upper = nn.Sequential(
            *(Residual(32 * w, 32 * w, norm, dilation=2) for _ in range(2)),
            *(
                layer
                for _ in range(2)
                for layer in (
                    nn.Conv2d(32 * w, 32 * w, 3, padding=1),
                    norm(32 * w),
                    nn.ReLU(inplace=True),
                )
            ),
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The lower features and the last."""
        lower = self.lower(x)
        return lower, self.upper(lower)


class Segmenter(nn.Module):
    """Encoder and two classifiers; called, it gives the logits of the upper one."""

    def __init__(self, channels: int, classes: int, width: int) -> None:
        super().__init__()
        self.encoder = Encoder(channels, width)
        self.lower_head = nn.Conv2d(32 * width, classes, 1)
        self.head = nn.Conv2d(32 * width, classes, 1)

    def all(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The last features, the logits and those of the lower classifier, at full size."""
        lower, upper = self.encoder(x)
        return upper, _enlarged(self.head(upper), x), _enlarged(self.lower_head(lower), x)

    def forward(self, x: Tensor) -> Tensor:
        """Logits, ``(batch, class, row, column)``."""
        return _enlarged(self.head(self.encoder(x)[1]), x)


class Translator(nn.Module):
    """From one look to the other: ``tanh(x + change)``, nine residual blocks (G)."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        w, norm = 2 * width, nn.InstanceNorm2d
        self.body = nn.Sequential(
            nn.Conv2d(channels, w, 7, padding=3), norm(w), nn.ReLU(inplace=True),
            nn.Conv2d(w, 2 * w, 3, stride=2, padding=1), norm(2 * w), nn.ReLU(inplace=True),
            nn.Conv2d(2 * w, 4 * w, 3, stride=2, padding=1), norm(4 * w), nn.ReLU(inplace=True),
            *(Residual(4 * w, 4 * w, norm) for _ in range(9)),
            *_up(4 * w, 2 * w), *_up(2 * w, w),
            nn.Conv2d(w, channels, 7, padding=3),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """Like `x`."""
        return torch.tanh(x + self.body(x))


class Decoder(nn.Module):
    """From the encoder's features back to the labelled look: ``tanh(x + change)`` (U)."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        w = 2 * width
        self.body = nn.Sequential(
            nn.Conv2d(32 * width, 4 * w, 3, padding=1),
            nn.InstanceNorm2d(4 * w),
            nn.ReLU(inplace=True),
            *(Residual(4 * w, 4 * w, nn.InstanceNorm2d) for _ in range(4)),
            *_up(4 * w, 2 * w), *_up(2 * w, 2 * w), *_up(2 * w, w),
            nn.Conv2d(w, channels, 7, padding=3),
        )  # fmt: skip

    def forward(self, features: Tensor, x: Tensor) -> Tensor:
        """Like `x`, whose features these are."""
        return torch.tanh(x + self.body(features))


class PatchCritic(nn.Module):
    """A score a patch; with two maps the second is for another question."""

    def __init__(self, channels: int, width: int, maps: int = 1) -> None:
        super().__init__()
        w = 4 * width
        layers: list[nn.Module] = []
        for place, (before, after, stride) in enumerate(
            ((channels, w, 2), (w, 2 * w, 2), (2 * w, 4 * w, 2), (4 * w, 8 * w, 1))
        ):
            layers.append(nn.Conv2d(before, after, 4, stride=stride, padding=2))
            if place:
                layers.append(nn.InstanceNorm2d(after))
            layers.append(nn.LeakyReLU(0.2, inplace=True))
        self.body = nn.Sequential(*layers, nn.Conv2d(8 * w, maps, 4, padding=2))

    def forward(self, x: Tensor) -> Tensor:
        """Scores, ``(batch, map, row, column)``."""
        scores: Tensor = self.body(x)
        return scores


def _up(before: int, after: int) -> list[nn.Module]:
    return [
        nn.ConvTranspose2d(before, after, 3, stride=2, padding=1, output_padding=1),
        nn.InstanceNorm2d(after),
        nn.ReLU(inplace=True),
    ]


def _enlarged(logits: Tensor, x: Tensor) -> Tensor:
    size = (x.shape[-2], x.shape[-1])
    return F.interpolate(logits.float(), size=size, mode="bilinear", align_corners=False)
