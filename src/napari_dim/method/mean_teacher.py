"""The teacher: an exponential moving average of the student."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def decay_at(step: int, decay: float, memory: float = 1.0) -> float:
    """``min(1 - 1 / (m t + 1), decay)``: follow the student closely at first.

    Parameters
    ----------
    step
        t, from 0.
    decay
        The decay in the long run, in [0, 1].
    memory
        m: 1 is the printed warm-up, the mean of all steps so far. Our addition: less lets
        go of the first steps sooner, so that a short training's teacher doesn't lag.
    """
    return min(1.0 - 1.0 / (memory * step + 1), decay)


@torch.no_grad()
def follow(
    teacher: nn.Module, student: nn.Module, decay: float | Tensor, *, statistics: bool = True
) -> None:
    """``θ' <- decay θ' + (1 - decay) θ`` for parameters and running statistics.

    Without `statistics` the parameters alone: the teacher keeps its own running ones.

    A decay of 1 keeps the teacher, 0 copies the student. Counters are copied. A decay that
    is a scalar on the device is not read, so nothing waits for it.
    """
    old: list[Tensor] = []
    new: list[Tensor] = []
    for mine, theirs in zip(
        (*teacher.parameters(), *(teacher.buffers() if statistics else ())),
        (*student.parameters(), *(student.buffers() if statistics else ())),
        strict=True,
    ):
        if mine.is_floating_point():
            old.append(mine)
            new.append(theirs)
        else:
            mine.copy_(theirs)
    if isinstance(decay, Tensor):
        torch._foreach_add_(old, torch._foreach_mul(torch._foreach_sub(new, old), 1.0 - decay))
    elif decay == 0.0:
        torch._foreach_copy_(old, new)
    elif decay != 1.0:
        torch._foreach_lerp_(old, new, 1.0 - decay)
