"""How networks are trained, and with what unless options say otherwise."""

from dataclasses import dataclass


@dataclass
class Options:
    """How to train a network; what an option means is told by steps/nnet/train.py --help."""

    num_epochs: int = 15
    optimizer: str = "adamw"
    learning_rate: float = 2e-3
    final_learning_rate: float = 2e-5
    schedule: str = "cosine"
    warmup: float = 0.1
    weight_decay: float = 1e-3
    momentum: float = 0.9
    clip_norm: float = 5.0
    label_smoothing: float = 0.0
    soft_weight: float = 0.5
    soft_temperature: float = 1.0
    patience: int = 5
    average: int = 3
    average_of: str = "best"
    checkpoint_minutes: float = 2.0
    xla: bool = True

    def of_frames(self):
        """The part of frame_losses()."""
        return {"label_smoothing": self.label_smoothing, "soft_weight": self.soft_weight,
                "soft_temperature": self.soft_temperature}
