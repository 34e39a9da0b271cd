"""One derivative explained, as data and as text.

The text is section 4.2 of the note where one path leads to the weight, 4.3.2 where there are many.
"""

from __future__ import annotations

import math
from typing import NamedTuple


class Factor(NamedTuple):
    """One factor of a path's product.

    Attributes
    ----------
    name : str
        The derivative, "∂a_2[0]/∂h_1[3]".
    question : str
        Whom it talks to, in the words of section 4.2.
    value : float
    source : str
        What the derivative is equal to, "W_2[0, 3]".
    """

    name: str
    question: str
    value: float
    source: str


class Path(NamedTuple):
    """One path from the loss down to the weight.

    Attributes
    ----------
    units : tuple of int
        One unit of each layer L, .., k, from 0.
    factors : tuple of Factor
    value : float
        Their product, the path's part of the derivative.
    share : float
        Its magnitude over that of all paths together, 0..1.
    """

    units: tuple[int, ...]
    factors: tuple[Factor, ...]
    value: float
    share: float


class Explanation:
    """What `Network.explain` returns; its str tells it in the words of section 4.2.

    Attributes
    ----------
    weight : tuple of int
        (k, i, j): layer k = 1..L, and the NumPy indices i, j of W_k, from 0.
    value, loss : float
        The weight, and the loss of the example.
    factors : tuple of Factor
        Of the one path, where there is only one; else empty.
    paths : tuple of Path
        The strongest, by magnitude; paths with a factor of 0 are left out.
    n_paths, n_alive : int
        How many there are, and how many of them have no factor of 0.
    total : float
        The sum over all paths.
    magnitude : float
        The sum of their magnitudes; (magnitude ± total) / 2 push up and down.
    gradient : float
        The engine's own, of `Network.gradients`.
    chosen : bool
        Whether the weight was chosen for having the largest derivative of its layer.
    blameless : bool
        Whether the loss is next to nothing beside that of a network which knows nothing.
    """

    def __init__(
        self,
        layer_sizes: tuple[int, ...],
        weight: tuple[int, int, int],
        value: float,
        loss: float,
        paths: tuple[Path, ...],
        n_alive: int,
        total: float,
        magnitude: float,
        gradient: float,
        chosen: bool = False,
        blameless: bool = False,
    ) -> None:
        self.layer_sizes = layer_sizes
        self.weight = weight
        self.value = value
        self.loss = loss
        self.paths = paths
        self.n_paths = math.prod(layer_sizes[weight[0] + 1 :])
        self.n_alive = n_alive
        self.total = total
        self.magnitude = magnitude
        self.gradient = gradient
        self.chosen, self.blameless = chosen, blameless

    @property
    def factors(self) -> tuple[Factor, ...]:
        """The factors of the one path; empty where there are several, or it is dead."""
        return self.paths[0].factors if self.n_paths == 1 and self.paths else ()

    @property
    def difference(self) -> float:
        """The total minus the engine's gradient: rounding."""
        return self.total - self.gradient

    def __str__(self) -> str:
        return text(self)

    def __repr__(self) -> str:
        return (
            f"Explanation(weight={self.weight}, total={self.total:.6g}, "
            f"gradient={self.gradient:.6g}, {self.n_alive} of {self.n_paths} paths alive)"
        )


def text(e: Explanation) -> str:
    """Return the whole story."""
    k, i, j = e.weight
    lines = [
        f"Who is responsible for the loss {e.loss:.6g}? Talk to the weight directly:",
        f"  W_{k}[{i}, {j}] = {e.value:.6g}",
        f"  the note's W_{_subscript(k, i + 1, j + 1)}: it counts units from 1, [brackets] count "
        "from 0 as NumPy does",
    ]
    if e.chosen:
        lines.append(
            f"  chosen because its derivative is the largest of layer {k}"
            if e.gradient
            else f"  chosen as the first of layer {k}, all of whose derivatives are 0"
        )
    if e.blameless:
        lines.append(
            "  nobody: the loss is next to nothing, so there is nothing to blame; what follows is "
            "how the rest of it comes about"
        )
    lines.append("")
    lines += _one_path(e) if e.n_paths == 1 else _many_paths(e)
    lines += ["", *_table(_sums(e)), "", _meaning(e)]
    return "\n".join(lines)


def _subscript(*numbers: int) -> str:
    # The note's way of writing W_111 can be read only while every number has one digit.
    return ("" if max(numbers) < 10 else ",").join(map(str, numbers))


def _one_path(e: Explanation) -> list[str]:
    if not e.paths:
        return ["The one path is dead: a factor of its product is 0."]
    return ["One path leads there, a product of factors (4.2):", *_questions(e.factors)]


def _many_paths(e: Explanation) -> list[str]:
    L, k = len(e.layer_sizes) - 1, e.weight[0]
    widths = " × ".join(map(str, e.layer_sizes[k + 1 :]))
    lines = [
        f"{e.n_paths} paths lead there, one for each choice of a unit in every layer above "
        f"({widths}),",
        "and the derivative is the sum of their products (4.3.2)."
        + ("" if e.n_alive == e.n_paths else f" Alive, with no factor 0: {e.n_alive}."),
    ]
    if not e.paths:
        return lines
    lines += ["", "The strongest, with their share of the sum of all magnitudes:"]
    rows = [
        (" ← ".join(f"a_{L - n}[{u}]" for n, u in enumerate(path.units)), path.value, path.share)
        for path in e.paths
    ]
    width = max(len(route) for route, _, _ in rows)
    lines += [
        f"  L ← {route:<{width}}  {_number(value)}  {share:7.2%}" for route, value, share in rows
    ]
    listed = sum(path.share for path in e.paths)
    if len(e.paths) < e.n_alive:
        lines.append(f"  {'… these together':<{width + 4}}  {'':13}  {listed:7.2%}")
    lines += ["", "Along the strongest path we"]
    return [*lines, *_questions(e.paths[0].factors)]


def _questions(factors: tuple[Factor, ...]) -> list[str]:
    names = max(len(f.name) for f in factors)
    lines, asked = [], ""
    for n, f in enumerate(factors):
        # Two factors belong to one question: the one of a layer's units and that of their
        # activation.
        if f.question != asked or f.name.startswith("∂a_"):
            lines.append(f"  {f.question}")
        asked = f.question
        sign = "=" if n == 0 else "·"
        lines.append(f"    {sign} {f.name:<{names}}  {_number(f.value)}  {f.source}")
    return lines


def _sums(e: Explanation) -> list[tuple[str, float]]:
    rows = []
    if e.n_paths > 1:
        rows += [
            ("paths that push up", (e.magnitude + e.total) / 2),
            ("paths that push down", (e.total - e.magnitude) / 2),
        ]
    total = "sum over all paths" if e.n_paths > 1 else "product"
    return [
        *rows,
        (total, e.total),
        ("the engine's own gradient", e.gradient),
        ("difference", e.difference),
    ]


def _table(rows: list[tuple[str, float]]) -> list[str]:
    width = max(len(name) for name, _ in rows)
    return [f"  {name:<{width}}  {_number(value, 9)}" for name, value in rows]


def _number(value: float, digits: int = 6) -> str:
    plain = value == 0 or 1e-3 <= abs(value) < 1e5
    return f"{value:+.{digits}{'f' if plain else 'e'}}".rjust(digits + 7)


def _meaning(e: Explanation) -> str:
    k, i, j = e.weight
    if e.gradient == 0:
        return f"A small change of W_{k}[{i}, {j}] does not change the loss of this example."
    change = "lowers" if e.gradient > 0 else "raises"
    return (
        f"Raising W_{k}[{i}, {j}] by 0.001 changes the loss by about {0.001 * e.gradient:+.3g}; "
        f"gradient descent {change} this weight."
    )
