"""Updates and schedules against Keras's own, step by step."""

import keras
import numpy as np
import pytest
from keras import ops

from freeconv.study.jobs import Optimizer, Schedule
from freeconv.training.optimizers import rule
from freeconv.training.state import MOMENTS
from tests.tiny_jobs import config

SHAPES, RATE, IMAGES = [(3, 4), (5,)], 0.05, 60


def settings(optimizer=None, schedule=None):
    """Return those of runs on 60 images in 3 folds, batches of 10: 4 steps an epoch."""
    job = config(folds=3, batch=10, learning_rate=RATE)
    return job.model_copy(update={"optimizer": optimizer, "schedule": schedule})


def start(moments):
    rng = np.random.default_rng(0)
    weights = [ops.convert_to_tensor(rng.normal(size=shape).astype("float32")) for shape in SHAPES]
    state = {name: [ops.zeros(shape) for shape in SHAPES] if name in moments else [] for name in MOMENTS}
    return {"weights": weights, **state, "fixed": [], "step": ops.convert_to_tensor(np.float32(0))}


@pytest.mark.parametrize(
    ("optimizer", "theirs", "moments"),
    [
        (None, lambda: keras.optimizers.Adam(RATE), MOMENTS),
        (Optimizer(name="adamw", weight_decay=0.1), lambda: keras.optimizers.AdamW(RATE, weight_decay=0.1), MOMENTS),
        (Optimizer(name="adamw"), lambda: keras.optimizers.Adam(RATE), MOMENTS),
        (Optimizer(name="sgd"), lambda: keras.optimizers.SGD(RATE), ()),
        (Optimizer(name="sgd", momentum=0.9), lambda: keras.optimizers.SGD(RATE, momentum=0.9), ("first",)),
        (
            Optimizer(name="sgd", momentum=0.9, weight_decay=0.1),
            lambda: keras.optimizers.SGD(RATE, momentum=0.9, weight_decay=0.1),
            ("first",),
        ),
    ],
    ids=["adam", "adamw", "adamw without decay", "sgd", "momentum", "momentum and decay"],
)
def test_steps_are_those_of_keras(optimizer, theirs, moments):
    ours = rule(settings(optimizer), IMAGES)
    assert tuple(ours.moments) == tuple(moments)
    state, rng = start(ours.moments), np.random.default_rng(1)
    variables = [keras.Variable(weight) for weight in state["weights"]]
    before = [np.array(variable) for variable in variables]
    keras_optimizer = theirs()
    for step in range(20):
        gradients = [ops.convert_to_tensor(rng.normal(size=shape).astype("float32")) for shape in SHAPES]
        keras_optimizer.apply(gradients, variables)
        state = ours.update(state, gradients, ours.rate_at(state["step"]))
        for mine, variable in zip(state["weights"], variables, strict=True):
            np.testing.assert_allclose(ops.convert_to_numpy(mine), np.array(variable), rtol=1e-4, atol=1e-5)
        assert float(state["step"]) == step + 1
    assert all(np.abs(np.array(variable) - was).min() > 0 for variable, was in zip(variables, before, strict=True))


def rates(schedule, epochs):
    made = rule(settings(schedule=schedule), IMAGES)
    return [float(made.rate_at(ops.convert_to_tensor(np.float32(step)))) for step in range(4 * epochs)]


def test_a_constant_rate_is_a_number():
    assert rule(settings(), IMAGES).learning_rate == RATE


def test_cosine_falls_to_zero_and_stays_there():
    found = rates(Schedule(name="cosine", epochs=5), 6)
    expected = [RATE * 0.5 * (1 + np.cos(np.pi * min(step, 20) / 20)) for step in range(24)]
    assert found == pytest.approx(expected, rel=1e-5, abs=1e-8)


def test_steps_change_the_rate_after_these_epochs():
    found = rates(Schedule(name="steps", at=[1, 3], factor=0.5), 5)
    assert found == pytest.approx([RATE] * 4 + [RATE / 2] * 8 + [RATE / 4] * 8)


def test_warm_up_multiplies_what_there_is():
    plain = rates(Schedule(name="cosine", epochs=5), 5)
    found = rates(Schedule(name="cosine", epochs=5, warmup=2), 5)
    factors = [min(1, (step + 1) / 8) for step in range(20)]
    assert found == pytest.approx([rate * factor for rate, factor in zip(plain, factors, strict=True)], rel=1e-5)
    assert rates(Schedule(warmup=1), 2) == pytest.approx([RATE * part for part in (0.25, 0.5, 0.75, 1, 1, 1, 1, 1)])
