import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from freeconv.augmentations import AUGMENTATIONS, evaluations, metric, metrics, studied
from freeconv.augmentations.edge_noise import edge_noise
from freeconv.augmentations.none import none
from freeconv.augmentations.rotate import rotate
from freeconv.augmentations.translate import translate
from freeconv.errors import FreeconvError
from freeconv.images import add_noise as noise
from freeconv.images import shift, swap_quadrants, turn


def keras_rotate(images, level, rng):
    return rotate(images, level, rng, form="keras-2018")


def authors_edge_noise(images, level, rng):
    return edge_noise(images, level, rng, form="authors")


RANDOM = [translate, rotate, keras_rotate, noise, edge_noise, authors_edge_noise]
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


def keras_2018(image: np.ndarray, theta: float) -> np.ndarray:
    """Return an image turned by `theta` degrees as the Keras of 2018 did, with its matrix, channel by channel."""
    angle = np.deg2rad(theta)
    turning = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    there, back = np.eye(3), np.eye(3)
    there[:2, 2] = image.shape[0] / 2 + 0.5, image.shape[1] / 2 + 0.5
    back[:2, 2] = -there[:2, 2]
    matrix = there @ turning @ back
    channels = [
        ndimage.affine_transform(channel.astype(float), matrix[:2, :2], matrix[:2, 2], order=1, mode="nearest")
        for channel in np.moveaxis(image, -1, 0)
    ]
    return np.stack(channels, axis=-1)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("level", "largest"), [(0.05, 18), (0.126, 45), (0.7, 251), (0.99, 356)])
def test_rotate_of_keras_2018_is_its_affine_transform(shape, level, largest):
    images = batch(shape)
    angles = np.random.default_rng(7).uniform(-largest, largest, shape[0])
    expected = [keras_2018(image, angle) for image, angle in zip(images, angles, strict=True)]
    np.testing.assert_allclose(keras_rotate(images, level, np.random.default_rng(7)), expected, atol=1e-4)


def test_rotate_of_keras_2018_below_one_degree_changes_nothing():
    images = batch((5, 9, 9, 1))
    np.testing.assert_array_equal(keras_rotate(images, 0.0027, np.random.default_rng(0)), images)


def test_rotate_keeps_the_centre():
    images = np.zeros((50, 9, 9, 1), np.float32)
    images[:, 4, 4] = 1
    rotated = rotate(images, 0.5, np.random.default_rng(0))
    np.testing.assert_allclose(rotated[:, 4, 4], 1, atol=1e-6)
    assert rotated[:, [0, -1]].max() == 0


def test_rotate_of_keras_2018_keeps_the_point_one_pixel_down_and_right_of_the_centre():
    images = np.zeros((50, 9, 11, 1), np.float32)
    images[:, 5, 6] = 1
    np.testing.assert_allclose(keras_rotate(images, 0.5, np.random.default_rng(0))[:, 5, 6], 1, atol=1e-6)


@pytest.mark.parametrize("pixels", [(0, 0), (3, 0), (0, -2), (-8, 5), (1, 1)])
def test_shift_by_whole_pixels_moves_down_and_right(pixels):
    images = batch((2, 9, 7, 3))
    rows, columns = np.meshgrid(np.arange(9) - pixels[0], np.arange(7) - pixels[1], indexing="ij")
    expected = images[:, rows.clip(0, 8), columns.clip(0, 6)]
    np.testing.assert_array_equal(shift(images, np.array([pixels, pixels])), expected)


def test_shift_by_half_a_pixel_is_the_mean_of_neighbours():
    images = batch((1, 5, 6, 1))
    moved = shift(images, np.array([[0, 0.5]]))
    np.testing.assert_allclose(moved[:, :, 1:], (images[:, :, 1:] + images[:, :, :-1]) / 2, atol=1e-6)


@pytest.mark.parametrize("quarters", [-1, 1, 2, 3, 4])
def test_turn_by_quarters_is_counter_clockwise(quarters):
    images = batch((3, 8, 8, 3))
    expected = np.rot90(images, quarters, axes=(1, 2))  # also counter-clockwise
    np.testing.assert_allclose(turn(images, np.full(3, 90.0 * quarters)), expected, atol=1e-5)


def test_turn_of_keras_2018_by_half_a_turn_is_two_pixels_off():
    images = batch((3, 8, 10, 3))
    expected = shift(turn(images, np.full(3, 180.0)), np.full((3, 2), 2.0))
    np.testing.assert_allclose(turn(images, np.full(3, 180.0), center="keras-2018"), expected, atol=1e-5)


def test_shift_and_turn_take_each_image_by_itself():
    images = np.repeat(batch((1, 8, 8, 1)), 2, axis=0)
    np.testing.assert_array_equal(shift(images, np.array([[0, 0], [1.5, 0]]))[0], images[0])
    np.testing.assert_array_equal(turn(images, np.array([0, 30.0]))[0], images[0])
    assert not np.array_equal(shift(images, np.array([[0, 0], [1.5, 0]]))[1], images[1])
    assert not np.array_equal(turn(images, np.array([0, 30.0]))[1], images[1])


@pytest.mark.parametrize(
    ("move", "message"),
    [
        (lambda images: shift(images, np.zeros(2)), r"^shifts: .*\(2, 2\).*Received: \(2,\)$"),
        (lambda images: shift(images, [[0, 0], [0, 0]]), "^shifts: .*Received: <class 'list'>$"),
        (lambda images: shift(images, np.array([[0, 0], [0, np.nan]])), "^shifts: .*finite.* Received: nan$"),
        (lambda images: turn(images, np.zeros((2, 1))), r"^angles: .*\(2,\).*Received: \(2, 1\)$"),
        (lambda images: turn(images, np.array([0, -np.inf])), "^angles: .*finite.* Received: -inf$"),
        (lambda images: turn(images, np.zeros(2), "keras-2019"), "^center: .*'keras-2018'. Received: 'keras-2019'$"),
        (lambda images: shift(images[0], np.zeros((4, 2))), r"^images: .*Received: \(4, 4, 1\)$"),
        (lambda images: turn(images[0], np.zeros(4)), r"^images: .*Received: \(4, 4, 1\)$"),
    ],
)
def test_wrong_moves_are_refused(move, message):
    with pytest.raises(ValueError, match=message):
        move(batch((2, 4, 4, 1)))


@pytest.mark.parametrize(
    ("augment", "known"), [(rotate, "'center' or 'keras-2018'"), (edge_noise, "'border' or 'authors'")]
)
def test_unknown_forms_are_refused(augment, known):
    with pytest.raises(ValueError, match=f"^form: expected {known}. Received: 'keras'$"):
        augment(batch((2, 4, 4, 1)), 0.1, np.random.default_rng(0), form="keras")


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


@pytest.mark.parametrize("augment", [translate, rotate, keras_rotate])
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


@pytest.mark.parametrize("shape", SHAPES)
def test_edge_noise_of_the_authors_is_noise_in_the_top_and_bottom_5_rows(shape):
    images = batch(shape)
    noisy = authors_edge_noise(images, 0.5, np.random.default_rng(0))
    added = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    added[:, 5 : max(shape[1] - 5, 5)] = 0
    np.testing.assert_allclose(noisy, images + added / 2, atol=1e-6)


def test_edge_noise_of_the_authors_is_that_of_their_index_inside_a_batch():
    images = batch((30, 28, 28, 1))
    added = np.random.default_rng(0).standard_normal(images.shape, dtype=np.float32) / 2
    added[5:-5, 5:-5] = 0
    noisy = authors_edge_noise(images, 0.5, np.random.default_rng(0))
    np.testing.assert_allclose(noisy[5:-5], (images + added)[5:-5], atol=1e-6)


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
    functions = {member.name: member.apply for member in AUGMENTATIONS.members()}
    assert functions == {
        "none": none,
        "translate": translate,
        "rotate": rotate,
        "noise": noise,
        "edge_noise": edge_noise,
    }


def test_augmentations_come_in_the_papers_order():
    assert list(AUGMENTATIONS) == ["none", "translate", "rotate", "noise", "edge_noise"]
    assert studied() == ["translate", "rotate", "noise", "edge_noise"]
    assert [member.name for member in evaluations()] == studied()


def test_the_accuracies_of_a_run_are_those_of_what_it_is_evaluated_on():
    assert metric("edge_noise") == "edge_noise_acc"
    assert metrics([]) == ("train_acc", "clean_train_acc", "val_acc", "swap_acc")
    every = (
        "train_acc",
        "clean_train_acc",
        "val_acc",
        "translate_acc",
        "rotate_acc",
        "noise_acc",
        "edge_noise_acc",
        "swap_acc",
    )
    assert metrics(reversed(studied())) == every
    assert metrics([*studied(), *studied()]) == every  # each once
    with pytest.raises(FreeconvError, match=r"^augmentation: expected one of none, translate, .* received 'blur'"):
        metrics(["blur"])


@pytest.mark.parametrize("member", AUGMENTATIONS.members(), ids=lambda member: member.name)
def test_the_first_form_is_the_functions_default(member):
    images = batch((3, 12, 12, 1))
    plain = member.apply(images, 0.3, np.random.default_rng(0))
    for form in member.forms[:1]:
        np.testing.assert_array_equal(member.apply(images, 0.3, np.random.default_rng(0), form=form), plain)


@pytest.mark.parametrize("member", AUGMENTATIONS.members(), ids=lambda member: member.name)
def test_only_unclipped_augmentations_leave_the_range_of_images(member):
    changed = member.apply(batch((20, 12, 12, 1)), 0.5, np.random.default_rng(0))
    assert (changed.min() < 0 and changed.max() > 1) == member.unclipped


@pytest.mark.parametrize("name", ["translate", "rotate"])
def test_what_drawings_show_is_a_move_of_exactly_the_level(name):
    images, rng = batch((2, 9, 12, 1)), np.random.default_rng(0)
    exactly = AUGMENTATIONS[name].exactly
    expected = {
        "translate": shift(images, np.full((2, 2), [0, -3.0])),
        "rotate": turn(images, np.full(2, -90.0)),
    }
    np.testing.assert_array_equal(exactly(images, 0.25, rng), expected[name])


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
