"""Linear plants: matrices in, matrices out."""

from __future__ import annotations

import control
import numpy as np
import pytest
import scipy.linalg

from nnctrl.errors import DimensionError, InputError
from nnctrl.systems.linear_plant import LinearPlant
from nnctrl.systems.tape import Tape


@pytest.fixture
def matrices() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    shapes = {"A": (3, 3), "B": (3, 2), "E": (3, 1), "C": (2, 3), "D": (2, 2)}
    return {name: rng.normal(size=shape) for name, shape in shapes.items()} | {"c": rng.normal(size=3)}


def test_matrices_are_kept_exactly(matrices: dict[str, np.ndarray]) -> None:
    plant = LinearPlant(**matrices, dt=0.1)
    dynamics = plant.affine()
    for name in ("A", "B", "E", "c"):
        np.testing.assert_array_equal(getattr(dynamics, name), matrices[name])
    assert dynamics.state.is_exact
    assert plant.is_affine()
    assert dynamics.output is not None
    np.testing.assert_array_equal(dynamics.output.weight, np.hstack([matrices["C"], matrices["D"], np.zeros((2, 1))]))
    assert list(plant.states) == ["x1", "x2", "x3"]
    assert [list(g) for g in (plant.inputs, plant.disturbances, plant.outputs)] == [["u1", "u2"], ["w1"], ["y1", "y2"]]


def test_tape_expression_and_matrices_agree(matrices: dict[str, np.ndarray]) -> None:
    plant = LinearPlant(**matrices, dt=0.1)
    rng = np.random.default_rng(1)
    x, u, w = (rng.normal(size=(5, size)) for size in (3, 2, 1))
    expected = x @ matrices["A"].T + u @ matrices["B"].T + w @ matrices["E"].T + matrices["c"]
    np.testing.assert_allclose(plant.step(x, u, w), expected, rtol=1e-13)
    expression = Tape(plant.casadi_function())
    np.testing.assert_allclose(expression(x, u, w, np.zeros(0))[0], expected, rtol=1e-13)
    np.testing.assert_allclose(
        plant.measure(x, u, w), x @ matrices["C"].T + u @ matrices["D"].T, rtol=1e-13, atol=1e-14
    )
    whole = np.hstack([matrices["A"], matrices["B"], matrices["E"]])
    np.testing.assert_array_equal(plant.jacobian(x, u, w)[2], whole)


def test_state_space_comes_in_and_is_discretised(matrices: dict[str, np.ndarray]) -> None:
    system = control.ss(*(matrices[name] for name in "ABCD"))
    plant = LinearPlant.from_state_space(system, ranges={"u1": (-1.0, 1.0)})
    assert not plant.is_discrete
    assert list(plant.states) == ["x1", "x2", "x3"]
    sampled = control.sample_system(system, 0.2)
    ours = plant.discretise(0.2)
    assert ours.dt == 0.2
    assert ours.ranges == {"u1": (-1.0, 1.0)}
    dynamics = ours.affine()
    np.testing.assert_allclose(dynamics.A, sampled.A, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(dynamics.B, sampled.B, rtol=1e-12, atol=1e-14)
    assert dynamics.output is not None
    np.testing.assert_allclose(dynamics.output.weight, np.hstack([system.C, system.D]), rtol=1e-14)
    again = LinearPlant.from_state_space(sampled)
    assert again.dt == 0.2
    np.testing.assert_array_equal(again.affine().A, sampled.A)


def test_labels_of_a_state_space_become_names() -> None:
    system = control.ss(
        [[0, 1], [0, 0]], [[0], [1]], [[1, 0]], [[0]], states=["p", "v"], inputs=["a"], outputs=["where"]
    )
    plant = LinearPlant.from_state_space(system)
    assert (list(plant.states), list(plant.inputs), list(plant.outputs)) == (["p", "v"], ["a"], ["where"])


def test_discretisation_holds_disturbance_and_offset(matrices: dict[str, np.ndarray]) -> None:
    plant = LinearPlant(matrices["A"], matrices["B"], matrices["c"], matrices["E"], ranges={"w1": (-1.0, 1.0)})
    period = 0.3
    held = np.hstack([matrices["B"], matrices["E"], matrices["c"][:, None]])
    block = np.zeros((7, 7))
    block[:3, :3], block[:3, 3:] = matrices["A"], held
    exponential = scipy.linalg.expm(period * block)[:3]
    dynamics = plant.discretise(period).affine()
    ours = np.hstack([dynamics.A, dynamics.B, dynamics.E, dynamics.c[:, None]])
    np.testing.assert_allclose(ours, exponential, rtol=1e-12)
    euler = plant.discretise(period, "euler").affine()
    np.testing.assert_allclose(euler.A, np.eye(3) + period * matrices["A"], rtol=1e-14)
    np.testing.assert_allclose(euler.c, period * matrices["c"], rtol=1e-14)


def test_mistakes_name_the_matrix() -> None:
    with pytest.raises(DimensionError, match=r"A has shape \(2, 3\); it must be \(2, 2\)"):
        LinearPlant(np.ones((2, 3)), np.ones((2, 1)))
    with pytest.raises(DimensionError, match=r"B has shape \(3, 1\); it must be \(2, 1\)"):
        LinearPlant(np.eye(2), np.ones((3, 1)))
    with pytest.raises(InputError, match="B contains nan or inf"):
        LinearPlant(np.eye(2), [[np.nan], [1.0]])
    with pytest.raises(DimensionError, match=r"1 distinct names \(p\) were given for 2 signals 'x'"):
        LinearPlant(np.eye(2), np.ones((2, 1)), states=["p", "p"])
    with pytest.raises(InputError, match="D is given without C"):
        LinearPlant(np.eye(2), np.ones((2, 1)), D=[[1.0]])
    plant = LinearPlant(np.eye(2), np.ones((2, 1)))
    with pytest.raises(InputError, match="changes the meaning of the states"):
        plant.discretise(0.1, "tustin")
    with pytest.raises(InputError, match="period is -1"):
        plant.discretise(-1.0)
    with pytest.raises(InputError, match="discrete already"):
        plant.discretise(1.0).discretise(1.0)
    with pytest.raises(InputError, match="unspecified period"):
        LinearPlant.from_state_space(control.ss(np.eye(1), np.eye(1), np.eye(1), 0, True))


def test_names_need_an_order_and_matrices_real_numbers() -> None:
    with pytest.raises(InputError, match="which have no order; give a dictionary of names and units, or a list"):
        LinearPlant(np.eye(2), np.ones((2, 1)), states={"p", "v"})  # type: ignore[arg-type]
    with pytest.raises(InputError, match="A holds complex numbers; give real ones"):
        LinearPlant(1j * np.eye(2), np.ones((2, 1)))
    with pytest.raises(InputError, match=r"A is no array of numbers .* give numbers in rows of equal length"):
        LinearPlant([[1.0], [1.0, 2.0]], np.ones((2, 1)))
    with pytest.raises(InputError, match=r"a str is no state space; convert it with control.ss"):
        LinearPlant.from_state_space("1/(s+1)")
