"""Layers that keep something beside their weights: moving averages, states of random generators."""

import keras
import numpy as np
import pytest

from freeconv.architectures.build import build, get_weights
from freeconv.architectures.layers import BatchNormalization, Convolution, Dense, Dropout, Free, Settings
from freeconv.training.stack import compile_replicas, initial_state, on_device

SHAPE, CLASSES, COUNT, RATE, STEPS = (8, 8, 1), 3, 24, 0.01, 5
NORMALISED = {
    "conv": [Convolution(4, 3), BatchNormalization(0.8), Dense(8), BatchNormalization(0.8)],
    "free": [Free(4, 3), BatchNormalization(0.8), Dense(8)],
}
DROPPED = [Free(4, 3), Dropout(0.5), Dense(8), Dropout(0.5)]
IMAGES = np.random.default_rng(0).integers(0, 256, (COUNT, *SHAPE), dtype="uint8")
LABELS = np.random.default_rng(1).integers(0, CLASSES, COUNT).astype("int32")


def networks(layers, seeds, stacked):
    return [build(layers, SHAPE, CLASSES, "made", Settings(seed, stacked=stacked)) for seed in seeds]


def stack_of(models, rate=RATE):
    return compile_replicas(models[0], rate)(initial_state(models))


def every_step(stack, index):
    """Return the loss of each step, (steps, replicas)."""
    data = on_device(IMAGES), on_device(LABELS)
    return np.array([stack.train(*data, index[step : step + 1])[0] for step in range(len(index))])


def batches(replicas, size=12):
    rng = np.random.default_rng(2)
    return np.stack([[rng.permutation(COUNT)[:size] for _ in range(STEPS)] for _ in range(replicas)], axis=1)


@pytest.mark.parametrize("kind", list(NORMALISED))
@pytest.mark.parametrize("seeds", [[5], [5, 6]], ids=["one", "two"])
def test_moving_averages_are_those_of_keras(kind, seeds):
    models = networks(NORMALISED[kind], seeds, stacked=len(seeds) > 1)
    index, stack = batches(len(seeds)), stack_of(models)
    losses = every_step(stack, index)
    names = list(get_weights(models[0]))
    ours = stack.weights(names)
    assert {"norm_1/moving_mean", "norm_1/moving_variance"} < set(names)
    for place, model in enumerate(models):
        model.compile(
            keras.optimizers.Adam(RATE),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            jit_compile=False,
        )
        for step, rows in enumerate(index[:, place]):
            theirs = model.train_on_batch(IMAGES[rows] / np.float32(255), LABELS[rows])
            assert losses[step, place] == pytest.approx(float(np.ravel(theirs)[0]), rel=1e-3)
        for name, array in get_weights(model).items():
            np.testing.assert_allclose(ours[name][place], array, rtol=1e-2, atol=1e-3, err_msg=name)
        assert np.abs(ours["norm_1/moving_mean"][place]).max() > 0.01


@pytest.mark.parametrize("kind", list(NORMALISED))
def test_a_stack_of_two_has_the_moving_averages_of_two_singles(kind):
    index = batches(2)
    both = stack_of(networks(NORMALISED[kind], [5, 6], stacked=True))
    losses = every_step(both, index)
    moved = both.weights(["norm_1/moving_mean", "norm_1/moving_variance"])
    for place, model in enumerate(networks(NORMALISED[kind], [5, 6], stacked=True)):
        single = stack_of([model])
        np.testing.assert_allclose(every_step(single, index[:, [place]])[:, 0], losses[:, place], rtol=1e-4)
        for name, array in single.weights(list(moved)).items():
            np.testing.assert_allclose(moved[name][place], array[0], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("seeds", [[5], [5, 5, 6]], ids=["one", "three"])
def test_units_are_dropped_anew_in_each_step_and_network(seeds):
    """At rate 0 and with equal batches, losses differ by what is dropped alone."""
    models = networks(DROPPED, seeds, stacked=True)
    for model in models[1:]:
        model.set_weights(models[0].get_weights())
    index = np.tile(np.arange(COUNT), (STEPS, len(seeds), 1))
    stack = stack_of(models, rate=0.0)
    losses = every_step(stack, index)
    assert len(set(losses[:, 0])) == STEPS
    if len(seeds) > 1:
        np.testing.assert_array_equal(losses[:, 0], losses[:, 1])  # equal seeds
        assert (losses[:, 0] != losses[:, 2]).all()
    single = stack_of(networks(DROPPED, [5], stacked=True), rate=0.0)
    np.testing.assert_allclose(every_step(single, index[:, [0]])[:, 0], losses[:, 0], rtol=1e-5)


@pytest.mark.parametrize("replicas", [1, 2])
def test_a_stack_with_state_goes_on_as_if_it_had_not_stopped(replicas):
    layers = [Free(4, 3), BatchNormalization(0.8), Dropout(0.5), Dense(8)]
    models = networks(layers, [5, 6][:replicas], stacked=replicas > 1)
    index, make = batches(replicas), compile_replicas(models[0], RATE)
    whole = make(initial_state(models))
    every_step(whole, index)
    state = whole.state()
    copy = keras.tree.map_structure(np.copy, state)
    losses = every_step(whole, index)
    keras.tree.map_structure(np.testing.assert_array_equal, state, copy)
    resumed = make(state)
    np.testing.assert_array_equal(every_step(resumed, index), losses)
    keras.tree.map_structure(np.testing.assert_array_equal, resumed.state(), whole.state())


@pytest.mark.parametrize("replicas", [1, 2])
def test_evaluation_takes_moving_averages_and_drops_nothing(replicas):
    layers = [Convolution(4, 3), BatchNormalization(0.8), Dropout(0.5), Dense(8)]
    models = networks(layers, [5, 6][:replicas], stacked=replicas > 1)
    stack = stack_of(models)
    every_step(stack, batches(replicas))
    index = np.tile(np.arange(COUNT), (replicas, 1))
    before = keras.tree.map_structure(np.copy, stack.state())
    losses, _ = stack.evaluate(on_device(IMAGES), on_device(LABELS), index)
    keras.tree.map_structure(np.testing.assert_array_equal, stack.state(), before)
    for place, model in enumerate(models):
        weights = stack.weights(get_weights(model))
        for variable in model.weights:
            variable.assign(weights[variable.path][place])
        logits = keras.ops.convert_to_numpy(model(IMAGES / np.float32(255), training=False))
        expected = keras.losses.sparse_categorical_crossentropy(LABELS, logits, from_logits=True)
        assert losses[place] == pytest.approx(float(np.mean(keras.ops.convert_to_numpy(expected))), rel=1e-4)
