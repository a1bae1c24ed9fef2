"""U-Nets in torch alone. All take any size that is a multiple of `STRIDE`.

The layers of `residual_unet` and `paper_unet`, the names of their weights and the order in which
these are drawn are those of MONAI's UNet and BasicUNet, so that runs of earlier versions load; a
test compares them.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from napari_dim.nets.instance_norm import InstanceNorm

STRIDE = 16
"""Rows and columns must be multiples of this."""
DROPOUT = 0.2
"""Share of the values that these networks drop where dropout is asked for."""

Finish = Callable[[int], nn.Module]
"""Normalisation, dropout and activation after a convolution to so many channels."""


def residual_unet(
    channels_in: int, channels_out: int, width: int, *, dropout: bool = False
) -> nn.Module:
    """Five levels, strided residual units, instance norm; a map a class at full size.

    With several classes the few maps at full size keep some from being learnt for long; it is
    here for the runs of earlier versions.
    """
    return _residual(channels_in, channels_out, width, dropout, wide=False)


def wide_residual_unet(
    channels_in: int, channels_out: int, width: int, *, dropout: bool = False
) -> nn.Module:
    """`residual_unet` with `width` maps at full size, of which a convolution makes the logits.

    Our default: the most Dice a step (docs/decisions/0029). Instance norm has no running
    statistics, so nothing is bound to the labelled scanner.
    """
    return _residual(channels_in, channels_out, width, dropout, wide=True)


def _residual(
    channels_in: int, channels_out: int, width: int, dropout: bool, *, wide: bool
) -> nn.Module:
    def finish(channels: int) -> nn.Module:
        return _finish(InstanceNorm(channels), dropout, nn.LeakyReLU(0.1, inplace=True))

    widths = tuple(width * 2**level for level in range(5))
    return ResidualUNet(channels_in, channels_out, widths, finish, wide=wide)


def paper_unet(
    channels_in: int, channels_out: int, width: int, *, dropout: bool = False
) -> nn.Module:
    """The paper's U-Net: 64-128-256-512-1024 at width 64, batch norm, transposed convolutions."""

    def finish(channels: int) -> nn.Module:
        return _finish(nn.BatchNorm2d(channels), dropout, nn.ReLU(inplace=True))

    return DoubleUNet(channels_in, channels_out, width, finish)


class ResidualUNet(nn.Module):
    """Each level but the deepest halves the size with its first convolution.

    Parameters
    ----------
    channels_in, channels_out
        Of image and logits.
    widths
        Channels of each level, from the first to the deepest.
    finish
        What follows a convolution.
    wide
        Whether there are ``widths[0]`` maps at full size, or one for each channel of the logits.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        widths: tuple[int, ...],
        finish: Finish,
        *,
        wide: bool,
    ) -> None:
        super().__init__()

        def narrow_end() -> nn.Module:
            return Residual(channels_out, channels_out, finish, units=1, bare=True)

        def wide_end() -> nn.Module:
            return nn.Conv2d(widths[0], channels_out, 3, padding=1)

        after, end = (widths[0], wide_end) if wide else (channels_out, narrow_end)
        self.model = _level(channels_in, after, widths, finish, end)

    def forward(self, x: Tensor) -> Tensor:
        """Logits, ``(batch, channels_out, row, column)``."""
        logits: Tensor = self.model(x)
        return logits


def _level(
    before: int, after: int, widths: tuple[int, ...], finish: Finish, end: Callable[[], nn.Module]
) -> nn.Module:
    """A level and all below it; `end` makes its last layers, after the maps have grown."""
    own, *deeper = widths

    def unit() -> nn.Module:
        return Residual(own, own, finish, units=1)

    if len(deeper) > 1:
        inside, joined = _level(own, own, tuple(deeper), finish, unit), 2 * own
    else:
        inside, joined = Residual(own, deeper[0], finish), own + deeper[0]
    down = Residual(before, own, finish, stride=2)
    grow = _unit(
        nn.ConvTranspose2d(joined, after, 3, stride=2, padding=1, output_padding=1), finish(after)
    )
    return nn.Sequential(down, Beside(inside), nn.Sequential(grow, end()))


class Beside(nn.Module):
    """What goes in, and what a module makes of it, as channels side by side."""

    def __init__(self, submodule: nn.Module) -> None:
        super().__init__()
        self.submodule = submodule

    def forward(self, x: Tensor) -> Tensor:
        """``(batch, channels in and out, row, column)``."""
        return torch.cat([x, self.submodule(x)], 1)


class Residual(nn.Module):
    """Convolutions, and a shorter way beside them.

    Parameters
    ----------
    before, after
        Channels.
    finish
        What follows a convolution.
    stride
        Of the first convolution.
    units
        How many convolutions.
    bare
        Whether nothing follows the last one.
    """

    def __init__(
        self,
        before: int,
        after: int,
        finish: Finish,
        *,
        stride: int = 1,
        units: int = 2,
        bare: bool = False,
    ) -> None:
        super().__init__()
        self.conv = nn.Sequential()
        for number in range(units):
            last = bare and number == units - 1
            conv = nn.Conv2d(after if number else before, after, 3, 1 if number else stride, 1)
            self.conv.add_module(f"unit{number}", _unit(conv, None if last else finish(after)))
        self.residual: nn.Module = nn.Identity()
        if stride != 1:
            self.residual = nn.Conv2d(before, after, 3, stride, 1)
        elif before != after:
            self.residual = nn.Conv2d(before, after, 1)

    def forward(self, x: Tensor) -> Tensor:
        """``(batch, after, row, column)``, sides divided by the stride."""
        beside: Tensor = self.residual(x)
        through: Tensor = self.conv(x)
        return through + beside


class DoubleUNet(nn.Module):
    """Two convolutions a level, max-pooling down and transposed convolutions up.

    Parameters
    ----------
    channels_in, channels_out
        Of image and logits.
    width
        Channels of the first level; each of the four deeper ones has twice as many.
    finish
        What follows a convolution.
    """

    def __init__(self, channels_in: int, channels_out: int, width: int, finish: Finish) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(5)]
        self.conv_0 = _double(channels_in, width, finish)
        for level in range(1, 5):
            down = nn.Sequential()
            down.add_module("max_pooling", nn.MaxPool2d(2))
            down.add_module("convs", _double(widths[level - 1], widths[level], finish))
            self.add_module(f"down_{level}", down)
        for level in range(4, 0, -1):
            # The last step up keeps the number of channels.
            grown = widths[level] // 2 if level > 1 else widths[level]
            self.add_module(
                f"upcat_{level}",
                Up(widths[level], grown, widths[level - 1], widths[level - 1], finish),
            )
        self.final_conv = nn.Conv2d(width, channels_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits, ``(batch, channels_out, row, column)``."""
        maps = [self.conv_0(x)]
        for level in range(1, 5):
            maps.append(self.get_submodule(f"down_{level}")(maps[-1]))
        x = maps.pop()
        for level in range(4, 0, -1):
            x = self.get_submodule(f"upcat_{level}")(x, maps.pop())
        logits: Tensor = self.final_conv(x)
        return logits


class Up(nn.Module):
    """Twice the size, beside the encoder's map of that size, two convolutions."""

    def __init__(self, before: int, grown: int, beside: int, after: int, finish: Finish) -> None:
        super().__init__()
        self.upsample = nn.Sequential()
        self.upsample.add_module("deconv", nn.ConvTranspose2d(before, grown, 2, stride=2))
        self.convs = _double(beside + grown, after, finish)

    def forward(self, x: Tensor, beside: Tensor) -> Tensor:
        """``(batch, after, row, column)``, as large as `beside`."""
        found: Tensor = self.convs(torch.cat([beside, self.upsample(x)], 1))
        return found


def _double(before: int, after: int, finish: Finish) -> nn.Sequential:
    both = nn.Sequential()
    for number, channels in enumerate((before, after)):
        conv = nn.Conv2d(channels, after, 3, padding=1)
        both.add_module(f"conv_{number}", _unit(conv, finish(after)))
    return both


def _unit(conv: nn.Module, finish: nn.Module | None) -> nn.Sequential:
    unit = nn.Sequential()
    unit.add_module("conv", conv)
    if finish is not None:
        unit.add_module("adn", finish)
    return unit


def _finish(norm: nn.Module, dropout: bool, activation: nn.Module) -> nn.Sequential:
    finish = nn.Sequential()
    finish.add_module("N", norm)
    if dropout:
        finish.add_module("D", nn.Dropout(DROPOUT))
    finish.add_module("A", activation)
    return finish
