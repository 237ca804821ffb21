"""The suite `learning-paper`: the experiments of the learning paper, and random specifications for all methods."""

from __future__ import annotations

from typing import ClassVar

from benchmarks.learning_paper.feasibility import ByDepth, ByWidth
from benchmarks.learning_paper.paper_pairs import ThreePairs, TwoPairs
from benchmarks.learning_paper.random_pairs import RandomPairs
from nnctrl.suite import AbstractExperiment, AbstractSuite


class LearningPaperSuite(AbstractSuite):
    """Section V of 'Learning neural networks under input-output specifications', and what lies beyond its method."""

    id: ClassVar[str] = "learning-paper"
    title: ClassVar[str] = "The experiments of the paper on learning under specifications"

    def experiments(self) -> tuple[AbstractExperiment, ...]:
        """The paper's two, its closing observation, and the random draws."""
        return TwoPairs(), ThreePairs(), ByWidth(), ByDepth(), RandomPairs()
