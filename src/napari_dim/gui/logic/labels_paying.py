"""Whether more labels still make the model better, by the slices that a person corrected."""

from __future__ import annotations

PAYS = 0.01
"""Rise of the mean Dice from which more labels pay."""
RECENT = 4
"""Corrected slices that the last mean is taken over, and the one before."""


def stopped_paying(dice: list[float]) -> bool:
    """Whether more labels made the model no better of late, by the Dice of corrected slices."""
    if len(dice) < 2 * RECENT:
        return False
    return sum(dice[-RECENT:]) - sum(dice[-2 * RECENT : -RECENT]) < PAYS * RECENT


def verdict(dice: list[float]) -> str:
    """What the Dice of the corrected slices, in order, says to the annotator."""
    text = f"The model's Dice on the last slice you corrected or checked: {dice[-1]:.2f}."
    if len(dice) < 2 * RECENT:
        return text
    if stopped_paying(dice):
        return (
            f"{text} The last {RECENT} were no better than the {RECENT} before: "
            "more labels hardly pay."
        )
    late, early = sum(dice[-RECENT:]) / RECENT, sum(dice[-2 * RECENT : -RECENT]) / RECENT
    return f"{text} It still learns: {late - early:+.2f} over the last {RECENT}."
