import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from freeconv.augment import AUGMENT, edge_noise, noise, none, rotate, swap_quadrants, translate
from freeconv.configs import AUGMENTATIONS

RANDOM = [translate, rotate, noise, edge_noise]
SHAPES = [(20, 28, 28, 1), (20, 32, 32, 3), (20, 11, 8, 3)]

shapes = st.tuples(st.integers(1, 4), st.integers(2, 14), st.integers(2, 14), st.sampled_from([1, 3]))
levels = st.floats(0, 1.5)
seeds = st.integers(0, 2**32)


def batch(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("level", [0.1, 0.4, 0.99, 1.5])
def test_translate_is_scipys_shift(shape, level):
    images = batch(shape)
    shifts = np.random.default_rng(7).uniform(-level, level, (shape[0], 2)) * shape[1:3]
    expected = [
        ndimage.shift(image.astype(float), (*shift, 0), order=1, mode="nearest")
        for image, shift in zip(images, shifts, strict=True)
    ]
    np.testing.assert_allclose(translate(images, level, np.random.default_rng(7)), expected, atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("level", [0.05, 0.125, 0.99])
def test_rotate_is_scipys_rotate(shape, level):
    images = batch(shape)
    angles = np.random.default_rng(7).uniform(-360 * level, 360 * level, shape[0])
    expected = [
        ndimage.rotate(image.astype(float), angle, reshape=False, order=1, mode="nearest")
        for image, angle in zip(images, angles, strict=True)
    ]
    np.testing.assert_allclose(rotate(images, level, np.random.default_rng(7)), expected, atol=1e-4)


def test_rotate_keeps_the_centre():
    images = np.zeros((50, 9, 9, 1), np.float32)
    images[:, 4, 4] = 1
    rotated = rotate(images, 0.5, np.random.default_rng(0))
    np.testing.assert_allclose(rotated[:, 4, 4], 1, atol=1e-6)
    assert rotated[:, [0, -1]].max() == 0


def test_translate_spreads_over_the_whole_range():
    ramp = np.tile(np.arange(100, dtype=np.float32)[:, None, None] / 100, (2000, 1, 60, 1))
    moved = translate(ramp, 0.2, np.random.default_rng(0))[:, 50, 0, 0] * 100 - 50
    assert -20 <= moved.min() < -19.9
    assert 19.9 < moved.max() <= 20
    assert abs(moved.mean()) < 1


@pytest.mark.parametrize("augment", [none, *RANDOM])
@given(shape=shapes, seed=seeds)
@settings(max_examples=25, deadline=None)
def test_level_0_changes_nothing(augment, shape, seed):
    images = batch(shape, seed)
    np.testing.assert_array_equal(augment(images, 0, np.random.default_rng(seed)), images)


@pytest.mark.parametrize("augment", RANDOM)
@given(shape=shapes, level=levels, seed=seeds)
@settings(max_examples=25, deadline=None)
def test_shape_type_determinism_and_untouched_input(augment, shape, level, seed):
    images = batch(shape)
    before = images.copy()
    augmented = augment(images, level, np.random.default_rng(seed))
    assert augmented.shape == shape
    assert augmented.dtype == np.float32
    assert np.isfinite(augmented).all()
    np.testing.assert_array_equal(augment(images, level, np.random.default_rng(seed)), augmented)
    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize("augment", RANDOM)
def test_another_stream_gives_another_result(augment):
    images = batch((3, 12, 12, 1))
    first, second = (augment(images, 0.3, np.random.default_rng(seed)) for seed in (1, 2))
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("augment", RANDOM)
def test_each_image_draws_its_own(augment):
    images = np.repeat(batch((1, 12, 12, 3)), 3, axis=0)
    first, second, third = augment(images, 0.3, np.random.default_rng(1))
    assert not np.array_equal(first, second)
    assert not np.array_equal(second, third)


@pytest.mark.parametrize("augment", RANDOM)
def test_pieces_draw_what_the_whole_draws(augment):
    images = batch((10, 11, 12, 3))
    rng = np.random.default_rng(3)
    pieces = [augment(images[part], 0.3, rng) for part in (slice(0, 3), slice(3, 10))]
    np.testing.assert_array_equal(np.concatenate(pieces), augment(images, 0.3, np.random.default_rng(3)))


@pytest.mark.parametrize("augment", [translate, rotate])
@given(shape=shapes, level=levels, seed=seeds)
@settings(max_examples=25, deadline=None)
def test_interpolation_stays_in_range(augment, shape, level, seed):
    images = batch(shape, seed)
    moved = augment(images, level, np.random.default_rng(seed))
    flat, moved = images.reshape(shape[0], -1), moved.reshape(shape[0], -1)
    assert (moved.min(1) >= flat.min(1) - 1e-6).all()
    assert (moved.max(1) <= flat.max(1) + 1e-6).all()


def test_images_that_are_not_contiguous():
    images = batch((4, 9, 16, 3))
    view = images[::-1, :, ::-2]
    np.testing.assert_array_equal(
        translate(view, 0.3, np.random.default_rng(0)), translate(view.copy(), 0.3, np.random.default_rng(0))
    )


def test_noise_is_normal_and_not_clipped():
    images = batch((50, 28, 28, 1))
    added = noise(images, 0.15, np.random.default_rng(0)) - images
    assert abs(added.mean()) < 0.003
    assert added.std() == pytest.approx(0.15, rel=0.02)
    assert ((added / 0.15) ** 4).mean() == pytest.approx(3, rel=0.1)
    assert (images + added).min() < 0
    assert (images + added).max() > 1


@pytest.mark.parametrize("shape", SHAPES)
def test_edge_noise_is_noise_in_the_border_of_5_pixels(shape):
    images = batch(shape)
    changed = edge_noise(images, 0.5, np.random.default_rng(0)) != images
    _, height, width, _ = shape
    border = np.ones((height, width), bool)
    border[5 : height - 5, 5 : max(width - 5, 5)] = False
    assert not changed[:, ~border].any()
    assert changed[:, border].mean() > 0.99


def test_edge_noise_has_the_standard_deviation_of_its_level():
    images = np.zeros((200, 28, 28, 1), np.float32)
    assert edge_noise(images, 0.3, np.random.default_rng(0))[:, :5].std() == pytest.approx(0.3, rel=0.02)


def test_swap_exchanges_top_right_and_bottom_left():
    image = np.array([[1, 2], [3, 4]], np.float32).repeat(2, 0).repeat(2, 1)[None, :, :, None]
    expected = np.array([[1, 3], [2, 4]]).repeat(2, 0).repeat(2, 1)
    np.testing.assert_array_equal(swap_quadrants(image)[0, :, :, 0], expected)


def test_swap_of_odd_sizes_keeps_the_middle():
    images = np.arange(15, dtype=np.float32).reshape(1, 3, 5, 1)
    expected = [[0, 1, 2, 10, 11], [5, 6, 7, 8, 9], [3, 4, 12, 13, 14]]
    np.testing.assert_array_equal(swap_quadrants(images)[0, :, :, 0], expected)


@given(shape=shapes, seed=seeds)
@settings(max_examples=50, deadline=None)
def test_swap_twice_is_the_image(shape, seed):
    images = batch(shape, seed)
    once = swap_quadrants(images)
    np.testing.assert_array_equal(np.sort(once, axis=None), np.sort(images, axis=None))
    np.testing.assert_array_equal(swap_quadrants(once), images)


def test_every_augmentation_has_a_function():
    assert set(AUGMENT) == {"none", *AUGMENTATIONS}


@pytest.mark.parametrize("augment", [none, *RANDOM, lambda images, level, rng: swap_quadrants(images)])
@pytest.mark.parametrize(
    ("images", "received"),
    [
        (np.zeros((2, 4, 4, 1)), "float64"),
        (np.zeros((2, 4, 4, 1), np.uint8), "uint8"),
        ([[0.0]], "list"),
        (np.zeros((4, 4, 1), np.float32), r"\(4, 4, 1\)"),
        (np.zeros((2, 4, 4, 2), np.float32), r"\(2, 4, 4, 2\)"),
    ],
)
def test_wrong_images_are_refused(augment, images, received):
    with pytest.raises(ValueError, match=f"^images: .*Received: .*{received}"):
        augment(images, 0.1, np.random.default_rng(0))


@pytest.mark.parametrize("augment", [none, *RANDOM])
@pytest.mark.parametrize("level", [-0.1, float("nan"), float("inf")])
def test_wrong_levels_are_refused(augment, level):
    with pytest.raises(ValueError, match=rf"^level: .*Received: {level}"):
        augment(batch((1, 4, 4, 1)), level, np.random.default_rng(0))
