"""The output activation that torch.nn lacks: a module of its own, so that it can be pickled."""

import torch


class Exp(torch.nn.Module):  # type: ignore[misc]
    """exp(a) of each number: the rates of a Poisson regression."""

    def forward(self, a: torch.Tensor) -> torch.Tensor:
        """Return exp(a)."""
        return torch.exp(a)
