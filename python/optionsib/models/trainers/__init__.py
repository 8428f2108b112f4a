"""Trainers: ``optionsib train NAME`` runs one of these."""

from optionsib.models.trainers.configs import read_training_config
from optionsib.models.trainers.registry import TRAINERS, Trainer, find_trainer
from optionsib.models.trainers.run import Outcome, Run, Score

__all__ = ["TRAINERS", "Outcome", "Run", "Score", "Trainer", "find_trainer", "read_training_config"]
