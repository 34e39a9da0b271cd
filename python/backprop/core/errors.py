"""The errors of the package that are not about an argument: there is one."""


class DivergenceError(ArithmeticError):
    """Training diverged: a loss or a weight became NaN or infinite.

    The network holds the weights of its last good epoch.

    Parameters
    ----------
    message : str
        What happened and what to try.
    epoch, batch : int
        Where, both counted from 1.
    """

    def __init__(self, message: str, epoch: int, batch: int) -> None:
        # All three are handed on as args, because pickling makes the error again from them.
        super().__init__(message, epoch, batch)
        self.epoch = epoch
        self.batch = batch

    def __str__(self) -> str:
        return str(self.args[0])
