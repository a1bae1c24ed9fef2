"""UDA-VAE++'s networks (Lu et al., CVPR W 2022): a segmenter with Gaussian bottlenecks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_dim.nets.dropout import SeededDropout

LEVELS = ("at_quarter", "at_half", "at_full")


@dataclass(frozen=True)
class Latent:
    """A bottleneck's mean, logarithm of the variance, and draw."""

    mean: Tensor
    log_variance: Tensor
    draw: Tensor


class Bottleneck(nn.Module):
    """``z = μ + σ ε``, the mean attended to by a map of its own."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.attention = nn.Conv2d(channels, 1, 1)
        self.spread = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm = nn.InstanceNorm2d(channels)

    def forward(self, h: Tensor, noise: Tensor | None) -> Latent:
        """The latent map; without noise it is its mean."""
        mean = torch.tanh(self.norm(h * self.attention(h)))
        log_variance = torch.tanh(self.norm(self.spread(h)))
        draw = mean if noise is None else mean + (0.5 * log_variance).exp() * noise
        return Latent(mean, log_variance, draw)


class VariationalUNet(nn.Module):
    """A U-Net whose decoder passes through a bottleneck at a quarter, half and full size.

    Called, it gives the fused logits with every draw at its mean.

    Parameters
    ----------
    channels, classes
        Of image and logits.
    width
        Channels of the first level.
    """

    def __init__(self, channels: int, classes: int, width: int) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(5)]
        self.widths = {"at_quarter": widths[2], "at_half": widths[1], "at_full": widths[0]}
        self.down = nn.ModuleList(
            _double(a, b) for a, b in zip([channels, *widths], widths, strict=False)
        )
        self.grow = nn.ModuleList(
            nn.ConvTranspose2d(2 * w, w, 2, stride=2) for w in reversed(widths[:-1])
        )
        drops = (0.5, 0.0, 0.5, 0.5)
        self.up = nn.ModuleList(
            _double(2 * w, w, drop) for w, drop in zip(reversed(widths[:-1]), drops, strict=True)
        )
        self.bottlenecks = nn.ModuleDict({n: Bottleneck(w) for n, w in self.widths.items()})
        self.heads = nn.ModuleDict(
            {
                "at_quarter": nn.Conv2d(widths[2], classes, 3, padding=1),
                "at_half": nn.Conv2d(widths[1], classes, 3, padding=1),
                "at_full": nn.Sequential(
                    nn.Conv2d(width, width, 3, padding=1),
                    nn.InstanceNorm2d(width),
                    nn.ReLU(inplace=True),
                    nn.Conv2d(width, classes, 3, padding=1),
                ),
            }
        )
        self.fusion = nn.Sequential(
            nn.Conv2d(3 * classes, 12, 3, padding=1),
            nn.InstanceNorm2d(12),
            nn.ReLU(inplace=True),
            nn.Conv2d(12, classes, 3, padding=1),
        )

    def all(
        self, x: Tensor, noise: Mapping[str, Tensor] | None = None
    ) -> tuple[dict[str, Latent], dict[str, Tensor], Tensor]:
        """Latents and logits a level, and the fused logits; without noise the means are taken."""
        skips: list[Tensor] = []
        for level, block in enumerate(self.down):
            x = block(x if level == 0 else F.max_pool2d(x, 2))
            skips.append(x)
        skips.pop()
        latents: dict[str, Latent] = {}
        logits: dict[str, Tensor] = {}
        for level, (grow, block) in enumerate(zip(self.grow, self.up, strict=True)):
            x = block(torch.cat([skips.pop(), grow(x)], 1))
            if level:
                name = LEVELS[level - 1]
                latents[name] = self.bottlenecks[name](x, None if noise is None else noise[name])
                x = latents[name].draw
                logits[name] = self.heads[name](x).float()
        size = (x.shape[-2], x.shape[-1])
        shown = [
            F.interpolate(logits[n].softmax(1), size=size, mode="bilinear", align_corners=False)
            for n in LEVELS
        ]
        return latents, logits, self.fusion(torch.cat(shown, 1)).float()

    def forward(self, x: Tensor) -> Tensor:
        """Fused logits, ``(batch, class, row, column)``."""
        return self.all(x)[2]


def image_decoder(latent: int, classes: int, channels: int, width: int) -> nn.Sequential:
    """From a latent map and masks to the image at that scale, in [0, 1]."""
    layers: list[nn.Module] = []
    before = latent + classes
    for after in (2 * width, 2 * width, width, width, max(1, width // 2), max(1, width // 2)):
        layers += [
            nn.Conv2d(before, after, 3, padding=1),
            nn.BatchNorm2d(after),
            nn.ReLU(inplace=True),
        ]
        before = after
    return nn.Sequential(*layers, nn.Conv2d(before, channels, 3, padding=1), nn.Sigmoid())


class InformationEstimator(nn.Module):
    """Scores whether masks belong to images: as a whole, by place, and against noise.

    Maps are pooled to `SIDE` on a side first, so that no layer depends on the slices' size.

    Parameters
    ----------
    classes, channels
        Of the masks' logits and of the images; three scales of each are given.
    """

    SIDE = 16

    def __init__(self, classes: int, channels: int) -> None:
        super().__init__()
        many = self.SIDE**2
        self.image = _narrow(3 * channels)
        self.mask = _narrow(3 * classes)
        self.whole = _dense(2 * 3 * many, (128, 128))
        self.local_mask = nn.Sequential(
            nn.Conv2d(3 * classes, 3, 3, padding=1), nn.Conv2d(3, 1, 3, padding=1)
        )
        self.local_word = nn.Linear(many, 32)
        self.local = nn.Sequential(
            nn.Conv2d(35, 64, 1), nn.ReLU(), nn.Conv2d(64, 64, 1), nn.ReLU(), nn.Conv2d(64, 1, 1)
        )
        self.prior_map = nn.Sequential(
            nn.Conv2d(3 * classes, 1, 3, padding=1), nn.InstanceNorm2d(1)
        )
        self.prior = _dense(many, (256, 256))

    def pooled(self, maps: Tensor) -> Tensor:
        """Maps at the size that is compared."""
        return F.adaptive_avg_pool2d(maps, self.SIDE)

    def scores(self, masks: Tensor, images: Tensor) -> tuple[Tensor, Tensor]:
        """Whole scores, ``(batch, 1)``, and local ones, ``(batch, 1, row, column)``."""
        shown = self.image(images)
        whole = self.whole(torch.cat([self.mask(masks).flatten(1), shown.flatten(1)], 1))
        word = self.local_word(self.local_mask(masks).flatten(1))
        tiled = word[:, :, None, None].expand(-1, -1, *shown.shape[-2:])
        return whole, self.local(torch.cat([tiled, shown], 1))

    def prior_scores(self, masks: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Scores of uniform noise and of the masks, ``(batch, 1)``."""
        return self.prior(noise), self.prior(self.prior_map(masks).flatten(1).sigmoid())


def _narrow(channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, 3, 3, padding=1), nn.InstanceNorm2d(3), nn.ReLU(inplace=True)
    )


def _dense(before: int, widths: tuple[int, int]) -> nn.Sequential:
    first, second = widths
    return nn.Sequential(
        nn.Linear(before, first), nn.ReLU(), nn.Linear(first, second), nn.ReLU(),
        nn.Linear(second, 1),
    )  # fmt: skip


def _double(before: int, after: int, dropout: float = 0.0) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (before, after):
        layers += [
            nn.Conv2d(channels, after, 3, padding=1),
            nn.InstanceNorm2d(after),
            nn.ReLU(inplace=True),
        ]
    if dropout:
        layers.append(SeededDropout(dropout))
    return nn.Sequential(*layers)
