"""The two experiments of the learning paper: impossible for affine maps, certified with local sectors."""

from __future__ import annotations

import numpy as np
import pytest
from test_lmi_synthesis import proved

from nnctrl.learning.lmi.synthesis import SynthesisStatus

data = pytest.importorskip("benchmarks.learning_paper.data")
experiments = pytest.importorskip("benchmarks.learning_paper.experiments")

NAMES = (experiments.AFFINE, experiments.JOINT, experiments.LOCAL, experiments.PASSING)


@pytest.mark.parametrize("experiment", data.EXPERIMENTS, ids=["two", "three"])
def test_the_experiments_of_the_paper(experiment) -> None:
    """Impossible for an affine map, hence for LMI (32); certified with local sectors, without feedthrough as well."""
    outcome = experiments.run(experiment)
    affine, joint, plain, passing = (outcome.rows[name].synthesis for name in NAMES)
    for impossible in (affine, joint):
        assert impossible.status is SynthesisStatus.INFEASIBLE
        assert impossible.violation is not None
        assert impossible.violation > 0.1
    network = proved(plain, experiment.pairs, feedthrough=False)
    proved(passing, experiment.pairs, feedthrough=True)
    assert network.blocks[0].affines[0].out_size == experiment.neurons
    assert outcome.images is not None
    for pair, x, y in zip(experiment.pairs, outcome.samples, outcome.images, strict=True):
        assert len(x) == 500
        assert (pair.specification.values(x, y) <= 0.0).all()


def test_the_experiments_are_as_the_paper_describes_them() -> None:
    two, three = data.TWO_PAIRS, data.THREE_PAIRS
    assert (len(two.inputs), two.neurons, len(three.inputs), three.neurons) == (2, 10, 3, 5)
    assert len({axes.half_axes for axes in (*two.inputs, *two.outputs)}) == 1
    assert len({axes.half_axes for axes in (*three.inputs, *three.outputs)}) == 6
    for experiment in data.EXPERIMENTS:
        middles = [np.array(axes.centre) for axes in experiment.inputs]
        largest = [max(axes.half_axes) for axes in experiment.inputs]
        for i, middle in enumerate(middles):
            for j in range(i):
                assert np.linalg.norm(middle - middles[j]) > largest[i] + largest[j]
