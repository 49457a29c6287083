"""What a call means among people of whom a known share has the disease, in counts of people.

Sensitivity and specificity belong to the threshold; what a positive means depends on how common the disease
is where the film was taken. Counts are told rather than rates, since people misread rates (Gigerenzer 2007).
"""

from __future__ import annotations

from dataclasses import dataclass

# Rounded to people, a thousand would hide the few who are missed where the disease is rare.
_GROUPS = (1_000, 10_000, 100_000)
_ENOUGH_ILL = 10


@dataclass(frozen=True)
class Group:
    """Whole people like those filmed. `ill` have the disease; `above` are at or above the threshold.

    `above_chance` and `below_chance`: the share of the ill among those above (the positive predictive value)
    and among those below (1 minus the negative one), 0..1, from unrounded counts; None where there is nobody.
    """

    people: int
    ill: int
    above: int
    above_ill: int
    above_chance: float | None
    below_chance: float | None

    @property
    def below(self) -> int:
        return self.people - self.above

    @property
    def below_ill(self) -> int:
        return self.ill - self.above_ill


def group_at(prevalence: float, sensitivity: float, specificity: float) -> Group:
    """The group for a prevalence in 0..1; ValueError where one of the three is not in 0..1.

    A thousand people, or as many more as it takes for ten of them to be ill.
    """
    for name, share in {
        "prevalence": prevalence,
        "sensitivity": sensitivity,
        "specificity": specificity,
    }.items():
        if not 0 <= share <= 1:
            raise ValueError(f"{name} must be in 0..1, not {share}")
    ill_above, well_above = prevalence * sensitivity, (1 - prevalence) * (1 - specificity)
    ill_below, well_below = prevalence - ill_above, (1 - prevalence) * specificity
    people = _GROUPS[0]
    if prevalence > 0:
        people = next((n for n in _GROUPS if round(n * prevalence) >= _ENOUGH_ILL), _GROUPS[-1])
    # Each count is rounded within the one before, so that they add up.
    ill = round(people * prevalence)
    above_ill = round(ill * sensitivity)
    return Group(
        people=people,
        ill=ill,
        above=above_ill + round((people - ill) * (1 - specificity)),
        above_ill=above_ill,
        above_chance=_share(ill_above, well_above),
        below_chance=_share(ill_below, well_below),
    )


def _share(part: float, rest: float) -> float | None:
    return part / (part + rest) if part + rest > 0 else None
