"""The methods by which a network shows what it does; each is a module, imported when it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

if TYPE_CHECKING:
    from backprop.account import Account
    from backprop.diagnose import Diagnosis
    from backprop.explain import Explanation


class Views:
    """Explanation, account and diagnosis of a `Network`, which inherits from this."""

    __slots__ = ()

    def explain(
        self: Any, x: ArrayLike, y: ArrayLike, weight: tuple[int, int, int], *, n_paths: int = 10
    ) -> Explanation:
        """Explain ∂L/∂W_kij of one example as the note does (4.1, 4.2, 4.3.2).

        Where one path leads from the loss to the weight it is a product of factors, each a question
        put to the layer below; where there are many it is the sum of such products.

        Parameters
        ----------
        x : array_like (n_features,) or (1, n_features)
            One example.
        y : array_like
            Its class, or its target.
        weight : (k, i, j)
            Layer k = 1..L and the NumPy indices i, j of W_k, which count from 0: the derivative is
            ``net.trace(x, y)[k].grad_W[i, j]``. The note's W_111 is (1, 0, 0).
        n_paths : int
            At most so many paths are listed, the strongest.

        Returns
        -------
        Explanation
            With ``.factors`` (of the one path) or ``.paths``, ``.total``, the engine's own
            ``.gradient``, and the story as its str.

        Raises
        ------
        TypeError, ValueError
            As for `loss`, or if ``x`` is more than one example or there is no such weight.
        ArithmeticError
            If the total is not the engine's gradient to rounding, or is not finite.
        """
        from backprop.explain import explain

        return explain(self, x, y, weight, n_paths=n_paths)

    def account(self: Any, X: ArrayLike, y: ArrayLike, *, lr: float = 0.1) -> Account:
        """Account for the loss: how much of it each layer and unit is responsible for (4.2).

        Parameters
        ----------
        X, y : array_like
            As for `loss`.
        lr : float
            The learning rate of the step after which a second account is taken. The step is that
            of a copy: the network is not changed.

        Returns
        -------
        Account
            Norms of ∇A_k and ∇H_k and shares of ‖∇θ‖², by layer and unit, ``.before`` and
            ``.after`` the step, and a table as its str.

        Raises
        ------
        TypeError, ValueError
            As for `step`.
        """
        from backprop.account import account

        return account(self, X, y, lr)

    def diagnose(
        self: Any, X: ArrayLike, y: ArrayLike, *, lr: float = 0.1, n_examples: int = 1000
    ) -> Diagnosis:
        """Look for what keeps a network from learning.

        Dead and saturated units, vanishing and exploding gradients, unscaled features, imbalanced
        labels, and a learning rate that is too high or too low: the change of the loss that
        -lr ‖∇θ‖² predicts against the one that comes, on a copy.

        Parameters
        ----------
        X, y : array_like
            As for `loss`: what the network is trained on.
        lr : float
            The learning rate it is, or is to be, trained with.
        n_examples : int
            At most so many, evenly spaced, are sent through the network.

        Returns
        -------
        Diagnosis
            A list of findings, each with a ``.fault``, ``.number``, ``.message`` and ``.remedy``;
            empty where all is well.

        Raises
        ------
        TypeError, ValueError
            As for `step`, or for a bad ``n_examples``.
        """
        from backprop.diagnose import diagnose

        return diagnose(self, X, y, lr=lr, n_examples=n_examples)
