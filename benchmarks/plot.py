"""The grid as a picture: each contestant's time on each row, relative to ours."""

from __future__ import annotations

from benchmarks.contestants import CONTESTANTS
from benchmarks.scores import JUDGED, Score, threads_text


def save(scores: list[Score], names: list[str], title: str, path: str) -> None:
    """Write one panel per thread count; the format is the file name's."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    counts = sorted({score.threads for score in scores})
    fig, axes = pyplot.subplots(
        len(counts), 1, figsize=(11, 4 * len(counts)), squeeze=False, layout="constrained"
    )
    for ax, threads in zip(axes[:, 0], counts, strict=True):
        shown = [s for s in scores if s.threads == threads and s.us(JUDGED)]
        others = [name for name in names if name != JUDGED]
        width = 0.8 / max(1, len(others))
        for i, name in enumerate(others):
            places, heights = [], []
            for k, score in enumerate(shown):
                theirs, ours = score.us(name), score.us(JUDGED)
                if theirs and ours:
                    places.append(k - 0.4 + (i + 0.5) * width)
                    heights.append(theirs / ours - 1)
            ax.bar(places, heights, width, bottom=1, label=CONTESTANTS[name][1])
        ax.axhline(1, color="black", linewidth=1)
        ax.set_yscale("log")
        ax.set_xticks(range(len(shown)), [score.row.name for score in shown])
        ax.set_ylabel("time of a step / ours fit")
        ax.set_title(f"{title}, {threads_text(threads)}")
        ax.legend(ncols=4, fontsize="small")
    fig.savefig(path, dpi=120)
    pyplot.close(fig)
