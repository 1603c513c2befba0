"""Interruption of training."""

from rich.progress import Progress


class PowerCut(Progress):
    """Progress display that interrupts training after a number of batches."""

    def __init__(self, after: int) -> None:
        super().__init__(disable=True)
        self._left = after

    def advance(self, task_id, advance=1):
        self._left -= 1
        if self._left == 0:
            raise KeyboardInterrupt
        super().advance(task_id, advance)
