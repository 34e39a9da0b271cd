"""A model is a network with its columns.

>>> import backprop as bp
>>> model = bp.TableModel.fit("houses.csv", target="price")  # doctest: +SKIP
>>> model.predict({"rooms": 3, "town": "Orléans"})  # doctest: +SKIP
>>> model.save("houses.safetensors")  # doctest: +SKIP
"""

from backprop.model._answering import Report
from backprop.model._importance import Importance
from backprop.model._scaling import Scaling
from backprop.model._scores import (
    Block,
    ClassificationReport,
    RegressionReport,
    lines,
    too_small,
)
from backprop.model._split import Parts, split
from backprop.model._table_model import TableModel, of_network, of_saved
from backprop.model._training import Job, LastEpoch, default_lr, output_of, source_task

__all__ = [
    "Block",
    "ClassificationReport",
    "Importance",
    "Job",
    "LastEpoch",
    "Parts",
    "RegressionReport",
    "Report",
    "Scaling",
    "TableModel",
    "default_lr",
    "lines",
    "of_network",
    "of_saved",
    "output_of",
    "source_task",
    "split",
    "too_small",
]
