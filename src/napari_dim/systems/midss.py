"""The frame of DiM without its own parts: MiDSS, and with flags off FixMatch and upper bound."""

from __future__ import annotations

from napari_dim.systems.dim import DiM


class MiDSS(DiM):
    """``L_s + λ (L_in + L_out + λ L_sym)``; Table 4's first row."""

    name = "midss"
    title = "MiDSS: pastes both ways, symmetric guidance, amplitude mixing"
    terms = DiM.terms


class FixMatch(DiM):
    """``L_s + λ L`` of the strong view against sure pseudo-labels of the weak one."""

    name = "fixmatch"
    title = "FixMatch: sure pseudo-labels of the weak view teach the strong one"
    terms = DiM.terms


class FixMatchCutMix(DiM):
    """FixMatch whose strong views are pasted into each other, labels with them."""

    name = "fixmatch-cutmix"
    title = "FixMatch with CutMix of the unlabelled slices"
    terms = DiM.terms


class UpperBound(DiM):
    """FixMatch's term, L_in and L_out with unmoved labelled slices.

    The bound comes from the data: all slices of a domain are labelled.
    """

    name = "upper-bound"
    title = "Upper bound: pastes within FixMatch, for a domain that is labelled whole"
    terms = DiM.terms
