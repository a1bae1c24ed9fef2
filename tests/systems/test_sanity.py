"""What each system must do by its own idea: a check a claim."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from napari_dim import nets
from napari_dim.method.entropy import pixel_entropy, robust_entropy
from napari_dim.method.largest_part import largest_part
from napari_dim.method.losses import LossForm, segmentation_loss
from napari_dim.method.mixing import linear_box_masks, mix_amplitude, paste, patch_mask
from napari_dim.method.targets import Targets
from napari_dim.systems.caussl import dependence, filters
from napari_dim.systems.system import Stage
from tests.systems.small import begun, views, weights

PUBLISHED = LossForm("all", "squared")


def student(system):
    return weights(system.networks["student"])


def test_the_published_unet():
    net = nets.build("published-unet", channels_in=3, channels_out=2, width=64)
    assert sum(p.numel() for p in net.parameters()) == 31_037_698
    small = nets.build(
        "published-unet", channels_in=1, channels_out=2, width=4, dropout=True
    ).eval()
    x = torch.randn(1, 1, 48, 64)
    torch.testing.assert_close(small(x), small.head(small.maps(x)))
    assert nets.last_map(small, x).shape == (1, 4, 48, 64)
    assert not torch.equal(small.train()(x), small.train()(x))  # it drops


# U-Net


def test_supervised_loss_of_perfect_logits_and_by_hand():
    targets = Targets(3)
    index = torch.randint(0, 3, (2, 16, 16))
    y, w = targets.encode(index)
    assert segmentation_loss(targets, 100 * y, y, w, PUBLISHED) < 1e-3
    z = torch.randn(2, 3, 16, 16)
    p = z.softmax(1)
    dice = (2 * (p * y).sum((0, 2, 3)) / (p**2 + y).sum((0, 2, 3))).mean()
    expected = -(y * p.log()).sum(1).mean() + 1 - dice
    torch.testing.assert_close(segmentation_loss(targets, z, y, w, PUBLISHED), expected)


@pytest.mark.parametrize("name", ["fixmatch", "midss", "dim", "fda"])
def test_with_no_weight_on_unlabelled_slices_the_weights_are_the_u_net_s(name):
    """Bit for bit, where each view passes by itself."""
    off = {"fda": {"ratio": 0.0, "entropy_weight": 0.0}}.get(
        name, {"passes": "separate", "mix_labelled": 0.0, "align_weight": 0.0}
    )
    system, plain = begun(name, **off), begun("supervised")
    for step in range(2):
        batch, stage = views(seed=step), system.stage(0.9, step)
        system.take(batch, stage, {**system.pace(0.9, step), "weight": 0.0})
        plain.step(batch, 0.9, step)
    assert torch.equal(student(system), student(plain))


# UA-MT


def test_uamt_masks_and_bounds():
    system = begun("uamt", passes=2, dropout=False, noise=0.0)
    batch, stage = views(), Stage()
    pace = system.pace(0.5, 1)
    assert system.pace(0.0, 0)["bound"] == pytest.approx(0.752, abs=1e-3)
    assert system.pace(1.0, 0)["bound"] == 1.0
    none = system.guide(batch, stage, {**pace, "bound": 0.0})
    every = system.guide(batch, stage, {**pace, "bound": 2.0})
    assert none.mask.sum() == 0
    assert every.mask.mean() == 1
    parts = system.losses(batch, none, stage, pace)
    assert parts["consistency"] == 0
    assert parts["total"] == parts["supervised"]
    parts = system.losses(batch, every, stage, pace)
    p = system.targets.probability(system.forward("student", batch.labelled_strong,
                                                  batch.unlabelled)[1])  # fmt: skip
    torch.testing.assert_close(parts["consistency"], (p - every.probability).square().mean())
    # an equal teacher, no noise, no dropout: of the same pass nothing differs
    alone = replace(batch, labelled_strong=batch.unlabelled, unlabelled=batch.unlabelled)
    system.networks["teacher"].load_state_dict(system.networks["student"].state_dict())
    system.networks.eval()
    said = system.guide(alone, stage, {**pace, "bound": 2.0})
    assert system.losses(alone, said, stage, pace)["consistency"] < 1e-10


def test_uncertainty_is_at_most_its_maximum():
    for targets in (Targets(3), Targets(3, [(1, 2), (2,)])):
        for z in (
            torch.zeros(1, targets.channels, 4, 4),
            5 * torch.randn(2, targets.channels, 8, 8),
        ):
            entropy = pixel_entropy(targets, targets.probability(z))
            assert entropy.max() <= 1 + 1e-6


# FDA


def test_fda_transfer():
    x, u = torch.randn(2, 1, 32, 32), 3 + torch.randn(2, 1, 32, 32)
    one = torch.ones(2)
    torch.testing.assert_close(mix_amplitude(x, u, 0 * one, 0.1), x)
    torch.testing.assert_close(mix_amplitude(x, x, one, 0.1), x, atol=1e-4, rtol=1e-4)
    mean = mix_amplitude(x, u, one, 0.0) - x  # only the mean is moved, to the other's size
    torch.testing.assert_close(mean, mean.mean((2, 3), keepdim=True).expand_as(mean), atol=1e-4,
                               rtol=1e-3)  # fmt: skip
    moved = mix_amplitude(x, u, one, 0.5)
    spectrum, own, style = (torch.fft.fft2(v) for v in (moved, x, u))
    torch.testing.assert_close(spectrum.abs(), style.abs(), atol=1e-2, rtol=1e-2)
    some = (own.abs() > 1) & (style.abs() > 1)
    turned = (spectrum * own.conj())[some].angle().abs()
    assert turned.max() < 0.02


def test_fda_entropy():
    targets = Targets(3)
    assert robust_entropy(targets, torch.full((1, 3, 4, 4), 1 / 3)) == pytest.approx(1, abs=1e-4)
    sure = torch.zeros(1, 3, 4, 4)
    sure[:, 1] = 1
    assert robust_entropy(targets, sure) < 1e-6
    late = begun("fda")
    assert "entropy" not in late.step(views(), 0.3, 0)
    assert "entropy" in late.step(views(), 0.34, 1)


# SIFA


def test_sifa_updates_only_those_it_says():
    system = begun("sifa", width=8)
    batch = views()
    seen = {}
    update = system._update

    def watched(names, loss):
        before = {n: weights(net).clone() for n, net in system.networks.items()}
        update(names, loss)
        seen[names] = {n for n, net in system.networks.items()
                       if not torch.equal(weights(net), before[n])}  # fmt: skip

    system._update = watched
    system.step(batch, 0.0, 0)
    assert len(seen) == 3
    assert all(set(names) == changed for names, changed in seen.items())


def test_least_squares_critics_and_the_pool():
    from napari_dim.method.adversary import ImagePool, fools, tells_apart

    one, zero = torch.ones(2, 1, 3, 3), torch.zeros(2, 1, 3, 3)
    assert tells_apart(one, zero) == 0
    assert tells_apart(one, one) == 0.5
    assert fools(one) == 0
    pool = ImagePool(3, torch.Generator().manual_seed(0))
    fakes = torch.arange(3.0).view(3, 1, 1, 1)
    assert torch.equal(pool(fakes), fakes)  # new ones until it is full
    later = [float(pool(torch.full((1, 1, 1, 1), 9.0)).flatten()[0]) for _ in range(20)]
    assert 9.0 in later
    assert any(value < 9 for value in later)


def test_sifa_shapes_and_cycle():
    system = begun("sifa", width=4)
    lower, upper = system.networks["student"].segmenter.encoder(torch.randn(2, 1, 48, 64))
    assert lower.shape == upper.shape == (2, 32, 6, 8)
    x = torch.rand(2, 1, 16, 16)
    looks = {"source_again": x, "target_again": x, "there": x, "back": x}
    assert system._translation(x, x, looks)[0] == 0


# FixMatch


def test_fixmatch_thresholds_and_views():
    batch, pace = views(), {"progress": 0.9, "weight": 1.0, "decay": 0.99}
    never = begun("fixmatch", confidence=1.0)
    assert never.take(batch, Stage(), pace)["direct"] == 0
    always = begun("fixmatch", confidence=0.5, regions=[(1, 2), (2,)])
    assert always.guide(batch, Stage(), pace).pasted.sure.mean() == 1
    swapped = replace(batch, unlabelled=batch.unlabelled_strong, unlabelled_strong=batch.unlabelled)
    one, two = (begun("fixmatch", confidence=0.5).take(b, Stage(), pace) for b in (batch, swapped))
    assert one["direct"] != two["direct"]
    for labeller in ("teacher", "self"):
        assert "direct" in begun("fixmatch", labeller=labeller).take(batch, Stage(), pace)


def test_cutmix_mixes_slices_and_labels_alike():
    batch, pace = views(), {"progress": 0.9, "weight": 1.0, "decay": 0.99}
    plain, mixed = (
        begun(name, confidence=0.5).guide(batch, Stage(), pace).pasted
        for name in ("fixmatch", "fixmatch-cutmix")
    )
    assert torch.equal(mixed.strong, paste(plain.strong.roll(1, 0), plain.strong, mixed.box))
    assert torch.equal(mixed.pseudo, paste(plain.pseudo.roll(1, 0), plain.pseudo, mixed.box))


# CPS


def test_cps_networks_differ_and_teach_without_gradient():
    system = begun("cps")
    pair = system.networks["student"], system.networks["peer"]
    assert not torch.equal(weights(pair[0]), weights(pair[1]))
    batch, stage, pace = views(), Stage(), system.pace(1.0, 0)
    first = system.losses(batch, None, stage, pace)
    (first["taught"]).backward()
    assert all(p.grad is None for p in pair[1].parameters())
    system.networks["student"], system.networks["peer"] = pair[1], pair[0]
    second = system.losses(batch, None, stage, pace)
    torch.testing.assert_close(second["taught"], first["taught_peer"])
    torch.testing.assert_close(second["supervised"], first["supervised_peer"])
    system.networks["student"].load_state_dict(system.networks["peer"].state_dict())
    same = system.losses(batch, None, stage, pace)
    torch.testing.assert_close(same["taught"], same["taught_peer"])
    assert set(begun("cps", cutmix=True).step(views(), 0.9, 0)) == set(first)


# CoraNet


def test_coranet_certain_and_uncertain():
    system = begun("coranet")
    batch, stage = views(), Stage(part=1)
    system.prepare(stage, 0.5, 0)
    pace = {**system.pace(0.9, 0), "weight": 1.0}
    said = system.guide(batch, stage, pace)
    every = system.losses(batch, replace(said, certain=torch.ones_like(said.certain)), stage, pace)
    assert every["uncertain"] == 0
    none = system.losses(batch, replace(said, certain=torch.zeros_like(said.certain)), stage, pace)
    assert float(none["certain"].detach()) == pytest.approx(0, abs=1e-4)
    assert all(torch.isfinite(v) for v in none.values())


def test_coranet_heads_and_renewal():
    system = begun("coranet", classes=2, width=8)
    for step in range(12):
        system.step(views(classes=2, seed=step), 0.0, step)
    area = {name: system.targets.harden(z.softmax(1))[0][:, 1].mean()
            for name, z in system._heads("student", views(classes=2).labelled).items()}  # fmt: skip
    assert area["greedy"] >= area["careful"]
    first = weights(system.networks["labeller"]).clone()
    assert not torch.equal(first, student(system))
    copies = []
    for progress in (0.24, 0.245, 0.28):
        system.step(views(classes=2), progress, 1)
        copies.append(weights(system.networks["labeller"]).clone())
    assert not torch.equal(first, copies[0])
    assert torch.equal(copies[0], copies[1])
    assert not torch.equal(copies[1], copies[2])


# UDA-VAE++


def test_variational_parts():
    from napari_dim.method.variational import (
        balanced_entropy,
        divergence_to_normal,
        domain_distance,
        information,
    )

    zero = torch.zeros(2, 3, 8, 8)
    assert divergence_to_normal(zero, zero) == 0
    a, b = (torch.randn(2, 3, 8, 8), zero), (torch.randn(2, 3, 8, 8) + 2, zero)
    assert domain_distance(a, a) == 0
    torch.testing.assert_close(domain_distance(a, b), domain_distance(b, a))
    assert domain_distance(a, b) > 0
    z, targets = torch.randn(1, 2, 4, 4), Targets(2)
    index = (torch.arange(16).view(1, 4, 4) < 3).long()
    y, w = targets.encode(index)
    doubled = balanced_entropy(torch.cat([z, z], 2), torch.cat([y, y], 2), torch.cat([w, w], 2))
    torch.testing.assert_close(doubled, balanced_entropy(z, y, w))
    more = torch.cat([z, z[..., :1, :1].expand(1, 2, 4, 4)], 2)  # one pixel of class 1 again
    label = torch.cat([y, y[..., :1, :1].expand(1, 2, 4, 4)], 2)
    same = balanced_entropy(more, label, torch.ones(1, 1, 8, 4))
    background = balanced_entropy(z, y, w * (index == 0)[:, None])
    object_ = balanced_entropy(more, label, label[:, 1:])
    torch.testing.assert_close(same, (background + object_) / 2)
    assert information(torch.full((4,), 9.0), torch.full((4,), -9.0)) > information(
        torch.zeros(4), torch.zeros(4))  # fmt: skip


def test_uda_vae_at_its_means():
    net = begun("uda-vae").networks["student"].eval()
    x = torch.randn(2, 1, 48, 48)
    latents, _, fused = net.all(x)
    assert all(torch.equal(each.draw, each.mean) for each in latents.values())
    assert torch.equal(fused, net(x))


def test_information_of_pairs_exceeds_that_of_shuffled_ones():
    from napari_dim.method.variational import information
    from napari_dim.nets.variational_networks import InformationEstimator

    torch.manual_seed(0)
    estimator = InformationEstimator(1, 1)
    optimiser = torch.optim.Adam(estimator.parameters(), lr=2e-3)
    maps = torch.randn(8, 3, 16, 16) + 2 * torch.randn(8, 3, 1, 1)
    for _ in range(60):
        optimiser.zero_grad()
        whole, other = (estimator.scores(maps, v)[1] for v in (maps, maps.roll(1, 0)))
        (-information(whole, other)).backward()
        optimiser.step()
    apart = maps.roll(3, 0)
    joint = information(estimator.scores(maps, maps)[1], estimator.scores(maps, apart)[1])
    shuffled = information(estimator.scores(maps, apart)[1], estimator.scores(maps, maps)[1])
    assert joint > shuffled


# SS-Net


def test_the_virtual_adversary():
    """Of unit length, worse than a random change of the same length; statistics stand still."""
    from napari_dim.method.adversary import unit
    from napari_dim.method.losses import squared_dice

    system = begun("ssnet", width=8)
    for step in range(8):
        system.step(views(seed=step), 0.5, step)
    buffers = [b.clone() for b in system.networks.buffers()]
    batch, stage, pace = views(seed=20), Stage(), system.pace(0.5, 0)
    guide = system.guide(batch, stage, pace)
    assert all(torch.equal(a, b) for a, b in zip(buffers, system.networks.buffers(), strict=True))
    length = guide["change"].flatten(1).norm(dim=1)
    size = system.options.length * math.sqrt(48 * 48) / 256
    torch.testing.assert_close(length, torch.full_like(length, size))
    system.networks.eval()
    with torch.no_grad():
        p = system._both(guide["x"])[1].softmax(1)
        far = squared_dice(system._both(guide["x"] + guide["change"])[1].softmax(1), p)
        others = []
        for _ in range(5):
            other = guide["x"] + size * unit(torch.randn(guide["x"].shape))
            others.append(squared_dice(system._both(other)[1].softmax(1), p))
    assert far > torch.stack(others).mean()


def test_the_memory_and_the_separation():
    from napari_dim.systems.ssnet import rescaled, separation

    system = begun("ssnet", memory=4)
    for step in range(6):
        system.step(views(seed=step), 0.5, step)
    assert (system._held <= 4).all()
    assert system._held.sum() > 0
    scores = torch.rand(7)
    assert rescaled(scores).mean() == pytest.approx(1)
    f = torch.randn(1, 32).expand(5, 32)
    assert separation(f, f[:3], torch.rand(5), torch.rand(3)) < 1e-6
    nothing_right = replace(views(), index=torch.full((2, 48, 48), -1))
    held = system._memory.clone()
    system.after(nothing_right, system.guide(nothing_right, Stage(), {}), Stage(), {})
    assert torch.equal(system._memory, held)  # none from wrong pixels


# BCP


def test_the_patch_and_the_mixture():
    draws = torch.Generator().manual_seed(0)
    for rows, columns in ((48, 48), (64, 50)):
        mask = patch_mask(rows, columns, 2 / 3, generator=draws, device=torch.device("cpu"))
        assert int((mask == 0).sum()) == (2 * rows // 3) * (2 * columns // 3)
    system = begun("bcp", weight=1.0)
    batch = views()
    same = replace(batch, labelled_strong=batch.labelled_strong[:1].repeat(2, 1, 1, 1),
                   index=batch.index[:1].repeat(2, 1, 1))  # fmt: skip
    (mixed,) = system.guide(same, Stage(part=0), {})
    assert torch.equal(mixed.x, same.labelled_strong[:1])  # a slice pasted into itself
    inside, outside = mixed.inside[0], mixed.outside[0]
    assert torch.equal(inside, outside)


def test_only_the_largest_part_is_kept():
    mask = torch.zeros(1, 2, 32, 32)
    mask[0, 0, 2:10, 2:10] = 1
    mask[0, 0, 20:24, 20:24] = 1
    kept = largest_part(mask)
    assert kept[0, 0].sum() == 64
    assert kept[0, 0, 2:10, 2:10].all()
    assert kept[0, 1].sum() == 0


def test_bcp_s_teacher_begins_as_the_student():
    system = begun("bcp")
    system.step(views(), 0.0, 0)
    system.prepare(system.stage(0.3, 1), 0.3, 1)
    pair = (system.networks[n].state_dict() for n in ("student", "teacher"))
    assert all(torch.equal(a, b) for a, b in zip(*(p.values() for p in pair), strict=True))
    system.step(views(), 0.31, 2)
    before = weights(system.networks["teacher"]).clone()
    system.prepare(system.stage(0.4, 3), 0.4, 3)  # once only
    assert torch.equal(before, weights(system.networks["teacher"]))


# CauSSL


def test_dependence():
    class Identity:
        layers = [torch.eye(3)]  # noqa: RUF012

    w = [torch.randn(3, 8)]
    assert dependence(w, w, Identity()) == pytest.approx(1, abs=1e-6)
    one, other = [torch.eye(3, 8)], [torch.eye(8)[3:6]]
    assert dependence(one, other, Identity()) == 0


def test_a_search_raises_it_and_leaves_the_networks():
    system = begun("caussl", inner_every=1, inner_steps=20)
    pair = {n: filters(system.networks[n]) for n in ("student", "peer")}
    before, kept = float(system._dependence(pair, pair).detach()), student(system).clone()
    system.prepare(system.stage(0.5, 1), 0.5, 1)
    assert float(system._dependence(pair, pair)) > before
    assert torch.equal(kept, weights(system.networks["student"]))
    fixed = {n: [w.detach() for w in ws] for n, ws in pair.items()}
    maps = system.networks["maps"]
    dependence(pair["student"], fixed["peer"], maps["student"]).backward()
    assert any(p.grad is not None for p in system.networks["student"].parameters())
    assert all(p.grad is None for p in system.networks["peer"].parameters())


# MiDSS, DiM, upper bound


def test_a_box_of_everything_or_nothing():
    system = begun("midss")
    batch, stage, pace = views(), system.stage(0.9, 0), system.pace(0.9, 0)
    for value, inner in ((1.0, "labelled"), (0.0, "unlabelled_strong")):
        system._boxes = lambda weak, value=value: torch.full_like(weak[:, :1], value)
        found = system.guide(batch, stage, {**pace, "progress": 0.0}).pasted.inner
        torch.testing.assert_close(found, getattr(batch, inner), atol=1e-5, rtol=1e-5)


def test_nothing_agreed_means_no_symmetric_loss_and_flags_off_fixmatch():
    batch = views()
    assert begun("midss", confidence=1.0).step(batch, 0.9, 0)["symmetric"] == 0
    off = {"paste": False, "symmetric": False, "amplitude": False, "align_weight": 0.0,
           "mix_labelled": 0.0, "least_weight": 0.0, "teacher_memory": 1.0, "passes": "separate",
           "ramp": "squared"}  # fmt: skip
    flags, fixmatch = begun("dim", **off), begun("fixmatch")
    for step in range(2):
        one, two = (s.step(batch, 0.8, step) for s in (flags, fixmatch))
        assert one == two
    assert torch.equal(weights(flags.networks), weights(fixmatch.networks))
    assert {"inner", "outer", "direct"} <= set(begun("upper-bound").step(batch, 0.9, 0))


def test_linear_boxes():
    boxes = linear_box_masks(400, 48, 48, generator=torch.Generator().manual_seed(0),
                             device=torch.device("cpu"))  # fmt: skip
    area = boxes.mean((1, 2, 3))
    assert area.min() > 0.005
    assert area.max() <= 0.45
    height, width = (boxes.amax(axis).sum((1, 2)) for axis in (3, 2))
    tall = (height / width.clamp_min(1)).log()
    assert tall.mean() > 0.2  # uniform in the aspect, so more are tall than wide
