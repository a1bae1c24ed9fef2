"""Equations (1), (2) and Table 1."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_dim.method.divergence import (
    GENERATORS,
    alignment_loss,
    distribution,
    f_divergence,
    soft_histogram,
)

# Table 1 as printed: f, f', f''.
TABLE_1 = {
    "reverse-kl": (
        lambda x: x * math.log(x),
        lambda x: math.log(x) + 1,
        lambda x: 1 / x,
    ),
    "forward-kl": (lambda x: -math.log(x), lambda x: -1 / x, lambda x: 1 / x**2),
    "jeffrey": (
        lambda x: (x - 1) * math.log(x),
        lambda x: math.log(x) + 1 - 1 / x,
        lambda x: 1 / x + 1 / x**2,
    ),
    "js": (
        lambda x: -(x + 1) / 2 * math.log((x + 1) / 2) + x / 2 * math.log(x),
        lambda x: math.log(2 * x / (x + 1)) / 2,
        lambda x: 1 / (2 * x * (x + 1)),
    ),
    "pearson": (
        lambda x: (1 - x) ** 2 / x,
        lambda x: 1 - 1 / x**2,
        lambda x: 2 / x**3,
    ),
}


@pytest.mark.parametrize("name", TABLE_1)
@pytest.mark.parametrize("x", [0.01, 0.5, 1.0, 1.7, 40.0])
def test_table_1_by_autograd(name, x):
    value = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    f = GENERATORS[name](value)
    (first,) = torch.autograd.grad(f, value, create_graph=True)
    (second,) = torch.autograd.grad(first, value)
    for got, expected in zip((f, first, second), TABLE_1[name], strict=True):
        assert got.item() == pytest.approx(expected(x), rel=1e-9, abs=1e-12)


def test_every_divergence_of_the_table_is_there():
    assert set(GENERATORS) == set(TABLE_1)
    for f in GENERATORS.values():
        assert f(torch.tensor(1.0)).item() == 0.0


def closed_form(name, p, q):
    """Textbook sums over the two distributions."""
    kl = lambda a, b: (a * (a / b).log()).sum(-1)  # noqa: E731
    middle = (p + q) / 2
    return {
        "reverse-kl": kl(p, q),
        "forward-kl": kl(q, p),
        "jeffrey": kl(p, q) + kl(q, p),
        "js": (kl(p, middle) + kl(q, middle)) / 2,
        "pearson": ((q - p) ** 2 / p).sum(-1),
    }[name]


def simplex(rows):
    values = torch.tensor(rows, dtype=torch.float64)
    return values / values.sum(-1, keepdim=True)


weights = st.lists(st.floats(0.02, 1.0), min_size=4, max_size=4)


@pytest.mark.parametrize("name", TABLE_1)
@given(first=weights, second=weights)
@settings(max_examples=40, deadline=None)
def test_divergence_equals_its_closed_form_and_is_not_negative(name, first, second):
    p, q = simplex(first), simplex(second)
    d = f_divergence(p, q, GENERATORS[name])
    assert d.item() == pytest.approx(closed_form(name, p, q).item(), rel=1e-4, abs=1e-6)
    assert d.item() >= -1e-9
    assert f_divergence(p, p, GENERATORS[name]).item() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("name", TABLE_1)
def test_divergence_stays_finite_where_a_class_is_missing(name):
    p = torch.tensor([1.0, 0.0, 0.0])
    q = torch.tensor([0.0, 1.0, 0.0], requires_grad=True)
    d = f_divergence(p, q, GENERATORS[name])
    d.backward()
    assert torch.isfinite(d)
    assert d > 0
    assert torch.isfinite(q.grad).all()


@pytest.mark.parametrize("name", TABLE_1)
def test_gradcheck(name):
    torch.manual_seed(0)
    p = torch.rand(3, 4, dtype=torch.float64).softmax(-1)
    logits = torch.rand(3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda x: f_divergence(p, x.softmax(-1), GENERATORS[name]), logits
    )


@pytest.mark.parametrize("estimator", ["marginal", "pixel", "histogram"])
@pytest.mark.parametrize("exclusive", [True, False])
def test_alignment_is_zero_for_equal_logits_and_falls_by_descent(estimator, exclusive):
    torch.manual_seed(1)
    label = torch.randn(2, 3, 8, 8) * 2
    assert alignment_loss(
        label, label.clone(), "js", estimator, exclusive=exclusive
    ).item() == pytest.approx(0, abs=1e-6)
    unlabel = (label.flip(1) + 1.5).requires_grad_(True)
    losses = []
    optimiser = torch.optim.Adam([unlabel], lr=0.05)
    for _ in range(60):
        optimiser.zero_grad()
        loss = alignment_loss(label, unlabel, "js", estimator, exclusive=exclusive)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]


def test_alignment_moves_the_unlabelled_side_only():
    label = torch.randn(2, 3, 4, 4, requires_grad=True)
    unlabel = torch.randn(2, 3, 4, 4, requires_grad=True)
    alignment_loss(label, unlabel).backward()
    assert label.grad is None
    assert unlabel.grad.abs().sum() > 0


def test_distributions_sum_to_one():
    logits = torch.randn(2, 3, 5, 6) * 20
    for estimator in ("marginal", "pixel", "histogram"):
        for exclusive in (True, False):
            p = distribution(logits, estimator, exclusive=exclusive)
            torch.testing.assert_close(p.sum(-1), torch.ones(p.shape[:-1]))


def test_histogram_against_counting():
    logits = torch.tensor([-1e9, 0.0, 0.0, 1e9]).view(1, 1, 2, 2)
    h = soft_histogram(logits)[0]
    assert h[0].item() == pytest.approx(0.25, abs=1e-6)
    assert h[-1].item() == pytest.approx(0.25, abs=1e-6)
    assert h[15:17].sum().item() == pytest.approx(0.5, abs=1e-6)
