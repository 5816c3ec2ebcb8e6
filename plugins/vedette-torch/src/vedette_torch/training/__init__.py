"""Training: a run folder, a loop that can be killed at any moment, and what it says about itself."""

from vedette_torch.training.hardware import Hardware
from vedette_torch.training.loop import TrainedRun, train

__all__ = ["Hardware", "TrainedRun", "train"]
