"""How much of the loss each layer and unit is responsible for, before and after a step.

The norms ‖∇A_k‖ and ‖∇H_k‖ say how much the loss of a batch feels what a layer computes (4.2).
Shares are of ‖∇θ‖²: a step lowers the loss by η‖∇θ‖² to first order, a sum over parameters of which
each unit has the part of its own weights and bias.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from backprop.core.checks import positive

if TYPE_CHECKING:
    from backprop.core.network import Core
    from backprop.core.trace import Trace

_N_UNITS = 3


class LayerAccount(NamedTuple):
    """The account of layer k.

    Attributes
    ----------
    k : int
    grad_A, grad_H : float
        ‖∇A_k‖ and ‖∇H_k‖, Frobenius norms over the batch.
    grad_W, grad_b : float
        ‖∇W_k‖ and ‖∇b_k‖.
    share : float
        (‖∇W_k‖² + ‖∇b_k‖²) / ‖∇θ‖²; those of all layers add up to 1.
    unit_shares : ndarray (n_k,)
        The part of ``share`` that is each unit's own.
    unit_grad_A : ndarray (n_k,)
        The norm of each unit's column of ∇A_k.
    """

    k: int
    grad_A: float
    grad_H: float
    grad_W: float
    grad_b: float
    share: float
    unit_shares: NDArray[np.float64]
    unit_grad_A: NDArray[np.float64]


class Account:
    """What `Network.account` returns; its str is a table.

    Attributes
    ----------
    before, after : list of LayerAccount
        Layers 1 .. L, at the network's weights and after one step from them.
    loss, loss_after : float
    lr : float
        The learning rate of that step.
    predicted, observed : float
        The change of the loss that −η‖∇θ‖² predicts, and the one that came.
    """

    def __init__(
        self,
        before: list[LayerAccount],
        after: list[LayerAccount],
        loss: float,
        loss_after: float,
        lr: float,
    ) -> None:
        self.before, self.after = before, after
        self.loss, self.loss_after = loss, loss_after
        self.lr = lr
        self.predicted = -lr * sum(a.grad_W**2 + a.grad_b**2 for a in before)
        self.observed = loss_after - loss

    def __str__(self) -> str:
        head = ("layer", "‖∇H_k‖", "‖∇A_k‖", "share", "most responsible units")
        rows = [head]
        for old, new in zip(self.before, self.after, strict=True):
            rows.append(
                (
                    str(old.k),
                    f"{old.grad_H:.3g} → {new.grad_H:.3g}",
                    f"{old.grad_A:.3g} → {new.grad_A:.3g}",
                    f"{old.share:.1%} → {new.share:.1%}",
                    _strongest(old),
                )
            )
        widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
        lines = [f"loss {self.loss:.6g} → {self.loss_after:.6g} by a step with lr = {self.lr:g}"]
        lines += ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in rows]
        lines.append(
            f"the loss changed by {self.observed:.3g}; -lr ‖∇θ‖² predicted {self.predicted:.3g}"
        )
        return "\n".join(line.rstrip() for line in lines)

    def __repr__(self) -> str:
        shares = ", ".join(f"{a.k}: {a.share:.1%}" for a in self.before)
        return f"Account(loss={self.loss:.6g} -> {self.loss_after:.6g}, shares of layers {shares})"


def account(network: Core, X: ArrayLike, y: ArrayLike, lr: float) -> Account:
    """Account for the loss of a batch; see `Network.account`."""
    lr = positive("lr", lr)
    before = network.trace(X, y)
    twin = network.copy()
    twin.step(X, y, lr)
    after = twin.trace(X, y)
    # A step that is too long may make numbers overflow; the account shows that, it is no error.
    with np.errstate(over="ignore", invalid="ignore"):
        return Account(_layers(before), _layers(after), before.loss, after.loss, lr)


def _layers(trace: Trace) -> list[LayerAccount]:
    own = [
        (np.square(t.grad_W, dtype=np.float64).sum(axis=1), np.square(t.grad_b, dtype=np.float64))
        for t in trace[1:]
    ]
    everything = sum(float(W.sum() + b.sum()) for W, b in own)
    accounts = []
    for t, (W, b) in zip(trace[1:], own, strict=True):
        unit_shares = (W + b) / everything if everything else np.zeros(len(b))
        accounts.append(
            LayerAccount(
                k=t.k,
                grad_A=_norm(t.grad_A),
                grad_H=_norm(t.grad_H),
                grad_W=float(W.sum()) ** 0.5,
                grad_b=float(b.sum()) ** 0.5,
                share=float(unit_shares.sum()),
                unit_shares=unit_shares,
                unit_grad_A=np.linalg.norm(t.grad_A.astype(np.float64), axis=0),
            )
        )
    return accounts


def _norm(array: NDArray[np.floating]) -> float:
    return float(np.linalg.norm(array.astype(np.float64)))


def _strongest(layer: LayerAccount) -> str:
    # Units whose parts differ by rounding alone keep their order, so that the table does not depend
    # on the instruction set.
    units = np.argsort(-layer.unit_shares.round(6), kind="stable")[:_N_UNITS]
    return ", ".join(f"[{u}] {layer.unit_shares[u]:.1%}" for u in units if layer.unit_shares[u])
