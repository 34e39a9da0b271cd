"""Importing this module lets threadpoolctl limit the threads of backprop.

>>> import backprop.threadpool
>>> with threadpoolctl.threadpool_limits(1):
...     net.fit(X, y)

Then `threadpool_limits` limits backprop as it does BLAS and OpenMP, alone as
``threadpool_limits(1, user_api="backprop")``, and `threadpool_info` lists it.
"""

from backprop.core.runtime import __version__, get_num_threads, set_num_threads

try:
    from threadpoolctl import LibController, register
except ImportError as error:
    raise ImportError(
        "backprop.threadpool needs threadpoolctl 3.5 or later; install it with "
        "pip install 'backprop[threadpoolctl]'"
    ) from error


class Controller(LibController):  # type: ignore[misc]
    """The pool of the compiled core, as threadpoolctl sees it."""

    user_api = "backprop"
    internal_api = "backprop"
    filename_prefixes = ("_backprop",)

    def get_num_threads(self) -> int:
        """Return the number of threads that computations may use."""
        return get_num_threads()

    def set_num_threads(self, num_threads: int) -> None:
        """Set it, in the whole process."""
        set_num_threads(num_threads)

    def get_version(self) -> str:
        """Return backprop's version."""
        return __version__


register(Controller)
