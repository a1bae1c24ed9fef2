"""Entropies and the selection of equation (3)."""

from __future__ import annotations

import pytest
import torch

from napari_dim.method.entropy import sample_entropy, select, selective_entropy
from napari_dim.method.targets import Targets


def test_entropy_is_one_for_no_idea_and_zero_for_certainty():
    sure = torch.zeros(1, 4, 3, 3)
    sure[:, 1] = 100
    logits = torch.cat((torch.zeros(1, 4, 3, 3), sure))
    torch.testing.assert_close(sample_entropy(Targets(4), logits), torch.tensor([1.0, 0.0]))


def test_regions_entropy_is_that_of_their_classes():
    targets = Targets(3, [(1, 2), (2,)])
    logits = torch.randn(2, 2, 4, 4)
    p = targets.class_probability(logits.sigmoid())
    by_hand = -(p * p.log()).sum(1).mean((1, 2)) / torch.log(torch.tensor(3.0))
    torch.testing.assert_close(sample_entropy(targets, logits), by_hand)


def test_selection_is_equation_3():
    entropy = torch.tensor([0.1, 0.39, 0.4, 0.8], requires_grad=True)
    chosen = select(entropy, 0.4)
    assert chosen.tolist() == [1, 1, 0, 0]
    loss = selective_entropy(entropy, chosen)
    assert loss.item() == pytest.approx((0.1 + 0.39) / 2)
    loss.backward()
    assert entropy.grad.tolist() == [0.5, 0.5, 0, 0]
