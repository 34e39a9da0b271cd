"""Predictors, one small file each: class ``Predictor`` with ``__init__(parameters, threads)``,
``prepare(X)`` -> the examples as the framework's own input, ``predict(prepared)`` -> class
probabilities in the framework's own type, and ``versions()``.
"""

PREDICTORS = {
    "ours": ("ours", "ours"),
    "torch": ("torch_eager", "PyTorch"),
    "onnxruntime": ("onnx_runtime", "onnxruntime"),
    "sklearn": ("sklearn_mlp", "scikit-learn"),
}
