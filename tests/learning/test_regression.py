import numpy as np
import pytest
import torch

from nnctrl.learning.dataset import Dataset
from nnctrl.learning.regression import Regression
from nnctrl.networks.activations import Relu, Sigmoid, Softplus
from nnctrl.progress import SilentProgress
from nnctrl.threads import single_threaded


def smooth_data(count=300):
    x = np.random.default_rng(3).uniform([-1.0, 99.0], [3.0, 101.0], (count, 2))
    u = np.stack([np.sin(x[:, 0]) + 1000.0, 1e-3 * (x[:, 1] - 100.0) ** 2], axis=1)
    return Dataset(x, u)


def fitted(data, decay=1e-7, seed=0, activation=None):
    rng = np.random.default_rng(seed)
    regression = Regression(data, (8, 8), decay, rng, activation)
    regression.adam(data, 20, 64, 1e-2, rng, SilentProgress())
    regression.lbfgs(data, 150, SilentProgress())
    return regression


def test_fits_badly_scaled_data_and_folds_the_scaling_back():
    data = smooth_data()
    regression = fitted(data)
    assert regression.loss(data) < 1e-3
    error = regression.network()(data.states) - data.inputs
    assert np.mean((error / data.inputs.std(axis=0)) ** 2) == pytest.approx(regression.loss(data), rel=1e-6)


@pytest.mark.parametrize("activation", [Relu(), Sigmoid(), Softplus()])
def test_other_activations_are_fitted_and_end_up_in_the_network(activation):
    data = smooth_data()
    regression = fitted(data, activation=activation)
    network = regression.network()
    assert regression.loss(data) < 0.02
    assert network.architecture() == f"2-8-8-2 {activation.name}"
    error = network(data.states) - data.inputs
    assert np.mean((error / data.inputs.std(axis=0)) ** 2) == pytest.approx(regression.loss(data), rel=1e-6)


def test_more_weight_decay_gives_smaller_weights():
    data = smooth_data()
    light, heavy = (fitted(data, decay) for decay in (1e-6, 1e-2))
    size = [sum(float((w**2).sum().detach()) for w in fit.weights) for fit in (light, heavy)]
    assert size[1] < 0.5 * size[0]
    assert heavy.loss(data) > light.loss(data)


def test_a_constant_output_is_learned_as_a_constant():
    states = np.random.default_rng(0).uniform(-1.0, 1.0, (50, 2))
    data = Dataset(states, np.full((50, 1), 7.5))
    assert fitted(data).network()(states) == pytest.approx(np.full((50, 1), 7.5), abs=1e-3)


def test_lbfgs_of_no_iterations_changes_nothing():
    data = smooth_data(20)
    regression = Regression(data, (3,), 0.0, np.random.default_rng(0))
    before = regression.loss(data)
    regression.lbfgs(data, 0, SilentProgress())
    assert regression.loss(data) == before


def test_thread_count_is_put_back_even_after_an_error():
    threads, inside = torch.get_num_threads(), []

    def fail():
        inside.append(torch.get_num_threads())
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), single_threaded():
        fail()
    assert inside == [1]
    assert torch.get_num_threads() == threads
