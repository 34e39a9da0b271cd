"""A network with its columns: made of a table, kept in a file, asked with rows."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backprop.core.files import read, save
from backprop.data import Dataset, Standardizer
from backprop.model._answering import Answering
from backprop.model._scaling import Scaling, identity
from backprop.model._training import Job, default_lr, source_task
from backprop.network import Network
from backprop.tables import Encoder, Table
from backprop.tables import read as read_table
from backprop.training.history import History

KEY = "backprop.model"
# What the command line of earlier versions wrote.
OLD_KEY = "backprop.cli"
_FORMAT = 1
_PREFIX = "encoder."
_TEST_ROWS = "test_rows"


class TableModel(Answering):
    """A network with its columns.

    `fit` makes one of a table, `backprop.load` finds one in a file.

    Parameters
    ----------
    network : Network
        It takes the encoder's features.
    encoder : backprop.tables.Encoder or Scaling
        What turns columns into features, and answers into the target's terms.
    history : History, optional
        Of its training.
    settings : mapping, optional
        What it was trained with.

    Attributes
    ----------
    network, encoder, history, settings
        As above.
    scores : dict
        Of the rows that it was tested on.
    versions : dict
        Of the programs that trained it, and the date.
    columns : list of dict
        What was understood of the table's columns, as `backprop.tables.Table.rows` says it.
    source : str
        Where the table came from.
    """

    @classmethod
    def fit(
        cls,
        source: Any,
        *,
        target: str | int | None = None,
        task: str | None = None,
        hidden: int | Sequence[int] = (100,),
        activation: str | Sequence[str] = "relu",
        loss: str | tuple[str, float] | None = None,
        dtype: Any = "float32",
        epochs: int = 40,
        batch_size: int = 32,
        optimizer: Any = "sgd",
        lr: float | None = None,
        test_size: float = 0.2,
        validation_size: float = 0.1,
        seed: int = 0,
        reading: Mapping[str, Any] | None = None,
        **training: Any,
    ) -> TableModel:
        """Read a table, divide its rows, encode, train and test.

        Parameters
        ----------
        source : Table, Dataset, or what `backprop.tables.read` takes
            A frame, a dictionary of columns, a path, a query.
        target : str or int, optional
            The column to learn; the table says which if not given.
        task : "classification" or "regression", optional
            What it is, if it is not what the values say.
        hidden, activation, loss, dtype
            The network's hidden widths, their activation, its loss and its precision.
        epochs, batch_size, optimizer, lr
            As for `Network.fit`; without ``lr`` SGD takes 0.1 for classes and 0.01 for quantities.
        test_size, validation_size : float
            The share of the rows to test on, and that of the rest to watch; the latter may be 0.
        seed : int
            Of the split, the weights and the order.
        reading : mapping, optional
            More arguments of `backprop.tables.read`: ``drop``, ``groups``, ``time``, ...
        **training
            More arguments of `Network.fit`: ``early_stopping``, ``class_weight`` by class name, ...

        Returns
        -------
        TableModel

        Raises
        ------
        TableError
            If the table cannot be used; all that is wrong is said at once.
        TypeError, ValueError
            If an argument is wrong.
        """
        if not isinstance(source, Table | Dataset):
            source = read_table(source, target=target, task=task, **(reading or {}))
        elif reading or (target is not None and isinstance(source, Table)):
            raise ValueError("`target` and `reading` have no place beside a table that was read")
        widths = [hidden] if isinstance(hidden, int) else list(hidden)
        if lr is None:
            lr = default_lr(optimizer, source_task(source, task))
        chosen = {
            "hidden": widths,
            "activation": activation,
            "loss": loss,
            "dtype": np.dtype(dtype).name,
            "test_size": test_size,
            "validation_size": validation_size,
            "seed": seed,
        }
        course = {"epochs": epochs, "batch_size": batch_size, "optimizer": optimizer, "lr": lr}
        settings = chosen | course | training | {"reading": dict(reading or {})}
        job = Job(source, cls, task=task, settings=settings, **chosen)
        job.train(seed=seed, **course, **training)
        job.score()
        return job.model

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write all of it as a safetensors file; `backprop.load` reads it.

        The file is replaced in one move: whatever happens, it is the old one or the new one.
        """
        state, arrays = self.encoder.to_state()
        about: dict[str, Any] = {
            "format": _FORMAT,
            "kind": "table" if isinstance(self.encoder, Encoder) else "arrays",
            "encoder": state,
            "history": {name: list(values) for name, values in self.history.items()},
            "settings": self.settings,
            "scores": self.scores,
            "versions": self.versions,
            "columns": self.columns,
            "source": self.source,
        }
        tensors = {_PREFIX + name: array for name, array in arrays.items()}
        if self.test_rows is not None:
            about["mark"], about["n_rows"] = self.mark, len(self.test_rows)
            tensors[_TEST_ROWS] = np.packbits(self.test_rows)
        text = json.dumps(about, default=_plain)
        save(self.network, path, metadata={KEY: text}, tensors=tensors)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> TableModel:
        """Read what `save` wrote. No code in the file is executed.

        Raises
        ------
        ValueError
            If the file is damaged, of a newer version, or a network without columns.
        OSError
            If it cannot be read.
        """
        network, texts, tensors = read(path, Network)
        model = of_saved(network, texts, tensors, os.fspath(path))
        if model is None:
            raise ValueError(
                f"{os.fspath(path)} holds a network without columns; use backprop.load"
            )
        return model


def of_saved(
    network: Network, texts: Mapping[str, str], tensors: Mapping[str, NDArray[Any]], path: str
) -> TableModel | None:
    """Return the model that was saved with a network, None if there was none."""
    if KEY in texts:
        about = _parsed(texts[KEY], path)
        try:
            return _model(network, about, tensors)
        except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
            raise _damaged(KEY, path) from error
    if OLD_KEY in texts:
        return _old_model(network, texts[OLD_KEY], tensors, path)
    return None


def of_network(network: Network) -> TableModel:
    """Return a bare network as a model whose columns are numbers, taken as they are."""
    n, p = network.layer_sizes[0], network.layer_sizes[-1]
    classes = tuple(map(str, range(p))) if network.output_name == "softmax" else ()
    return TableModel(network, Scaling.of(identity(n), identity(p), classes=classes))


def _parsed(text: str, path: str) -> dict[str, Any]:
    try:
        about = json.loads(text)
        version = about["format"]
    except (ValueError, RecursionError, KeyError, TypeError):
        raise _damaged(KEY, path) from None
    if type(version) is not int or version > _FORMAT:
        raise ValueError(
            f"{path}: its model has format {version!r} and this version of backprop reads up to "
            f"{_FORMAT}; upgrade backprop"
        )
    return dict(about)


def _damaged(key: str, path: str) -> ValueError:
    return ValueError(f"{path}: its metadata {key!r} is damaged; train the model again")


def _model(
    network: Network, about: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]
) -> TableModel:
    arrays = {
        name.removeprefix(_PREFIX): array
        for name, array in tensors.items()
        if name.startswith(_PREFIX)
    }
    kind: type[Encoder | Scaling] = {"table": Encoder, "arrays": Scaling}[about["kind"]]
    encoder = kind.from_state(about["encoder"], arrays)
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise ValueError("a number of the encoder is not finite")
    if len(encoder.classes) not in (0, network.layer_sizes[-1]):
        raise ValueError("the classes are not as many as the outputs")
    model = TableModel(
        network, encoder, history=History(about["history"]), settings=about["settings"]
    )
    model.scores, model.versions = dict(about["scores"]), dict(about["versions"])
    model.columns, model.source = list(about["columns"]), str(about["source"])
    if _TEST_ROWS in tensors:
        n = int(about["n_rows"])
        model.mark = int(about["mark"])
        model.test_rows = np.unpackbits(tensors[_TEST_ROWS], count=n).astype(bool)
    return model


def _old_model(
    network: Network, text: str, tensors: Mapping[str, NDArray[Any]], path: str
) -> TableModel:
    """Return what earlier versions' command line saved, with its scalers, trusting nothing."""
    n, p = network.layer_sizes[0], network.layer_sizes[-1]
    try:
        about: dict[str, Any] = json.loads(text)
        classes, features = about["class_names"], about["feature_names"]
        fits = (
            len(classes) in (0, p)
            and len(features) in (0, n)
            and all(isinstance(name, str) for name in [*classes, *features])
            and isinstance(about["target_name"], str | None)
            and isinstance(about["options"], dict)
        )
    except (ValueError, RecursionError, TypeError, KeyError):
        fits = False
    if not fits:
        raise _damaged(OLD_KEY, path)
    encoder = Scaling.of(
        _scaler(tensors, "scaler", n, path),
        _scaler(tensors, "target_scaler", 1, path),
        names=features,
        classes=classes,
        target=about["target_name"],
    )
    model = TableModel(network, encoder, settings=about["options"])
    model.versions = {}
    return model


def _scaler(tensors: Mapping[str, NDArray[Any]], name: str, n: int, path: str) -> Standardizer:
    found = [tensors.get(f"{name}.{part}") for part in ("mean", "scale")]
    sound = [a for a in found if a is not None and a.shape == (n,) and np.isfinite(a).all()]
    if len(sound) < 2:
        raise ValueError(f"{path}: its {name!r} is missing or damaged; train the model again")
    return Standardizer(*(array.astype(np.float64) for array in sound))


def _plain(value: Any) -> Any:
    """Return what JSON can hold of a setting."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    return repr(value)
