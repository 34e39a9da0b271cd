"""The loss curve of a run as a picture."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence


def save_curve(history: Mapping[str, Sequence[float]], path: str, title: str) -> bool:
    """Draw training and validation loss by epoch into ``path``; False without matplotlib."""
    try:
        # The object interface: pyplot would look for a display and keep the figure.
        from matplotlib.figure import Figure
    except ImportError:
        return False
    # What font it found instead of which is no message of this program.
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.subplots()
    epochs = range(1, len(history["loss"]) + 1)
    axes.plot(epochs, history["loss"], label="training")
    if "val_loss" in history:
        axes.plot(epochs, history["val_loss"], label="validation")
        axes.legend()
    axes.set(xlabel="epoch", ylabel="loss", title=title, yscale="log")
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=150)
    return True
