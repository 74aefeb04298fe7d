"""Training: one loop for every model of the studio, and a run as a folder that anybody can read while it grows."""

from models.training.loop import Fitted, fit
from models.training.options import LoopOptions
from models.training.run import Run, Status
from models.training.task import Part, Task

__all__ = ["Fitted", "LoopOptions", "Part", "Run", "Status", "Task", "fit"]
