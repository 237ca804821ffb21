"""The two experiments of the learning paper: impossible for affine maps, certified with local sectors."""

from __future__ import annotations

import numpy as np
import pytest
from test_lmi_synthesis import proved

from benchmarks.learning_paper.data import EXPERIMENTS, THREE_PAIRS, TWO_PAIRS, Experiment
from nnctrl.learning.lmi.cross_check import cross_check
from nnctrl.learning.lmi.local import synthesise_local
from nnctrl.learning.lmi.synthesis import SynthesisStatus, affine_map, synthesise
from nnctrl.learning.lmi.transformed import Hidden
from nnctrl.networks.activations import Tanh


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=["two", "three"])
def test_the_experiments_of_the_paper(experiment: Experiment) -> None:
    """Impossible for an affine map, hence for LMI (32); certified with local sectors, without feedthrough as well, and
    proved again by branch and bound.
    """
    pairs = experiment.pairs
    for impossible in (affine_map(pairs), synthesise(pairs, Hidden.of(Tanh(), experiment.neurons))):
        assert impossible.status is SynthesisStatus.INFEASIBLE
        assert impossible.violation is not None
        assert impossible.violation > 0.1
    rng = np.random.default_rng(0)
    for feedthrough in (False, True):
        network = proved(synthesise_local(pairs, experiment.neurons, Tanh(), feedthrough), pairs, feedthrough)
        assert network.blocks[0].affines[0].out_size == experiment.neurons
        for pair in pairs:
            assert cross_check(network, pair).is_proved
            x = pair.inputs.source.sample(rng, 500)
            assert (pair.specification.values(x, network(x)) <= 0.0).all()


def test_the_experiments_are_as_the_paper_describes_them() -> None:
    two, three = TWO_PAIRS, THREE_PAIRS
    assert (len(two.inputs), two.neurons, len(three.inputs), three.neurons) == (2, 10, 3, 5)
    assert len({axes.half_axes for axes in (*two.inputs, *two.outputs)}) == 1
    assert len({axes.half_axes for axes in (*three.inputs, *three.outputs)}) == 6
    for experiment in EXPERIMENTS:
        middles = [np.array(axes.centre) for axes in experiment.inputs]
        largest = [max(axes.half_axes) for axes in experiment.inputs]
        for i, middle in enumerate(middles):
            for j in range(i):
                assert np.linalg.norm(middle - middles[j]) > largest[i] + largest[j]
