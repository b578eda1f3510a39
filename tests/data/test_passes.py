import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freeconv.augmentations import AUGMENTATIONS, Augmentation, studied
from freeconv.data import passes
from freeconv.data.passes import augmented_pass
from freeconv.errors import FreeconvError
from freeconv.seeds import random_stream

FORMS = [(member.name, form) for member in AUGMENTATIONS.members() for form in (None, *member.forms)]


def images_of(count: int = 23, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 12, 11, channels), dtype=np.uint8)


def one_by_one(images, dataset, augmentation, form, level, copy_index, seed) -> np.ndarray:
    """Return a pass, image by image, as it would be stored."""
    member = AUGMENTATIONS[augmentation]
    rng = random_stream(seed, "shard", dataset, augmentation, level, copy_index)
    found = []
    for image in images:
        scaled = image[None].astype("float32") / 255
        changed = member.apply(scaled, level, rng) if form is None else member.apply(scaled, level, rng, form=form)
        found.append(changed.astype("float16") if member.unclipped else (changed * 255).round().astype("uint8"))
    return np.concatenate(found)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("augmentation", "form"), FORMS)
def test_a_pass_is_the_augmentation_image_by_image(augmentation, form, channels):
    arguments = (images_of(channels=channels), "a", augmentation, form, 0.3, 2, 5)
    found, expected = augmented_pass(*arguments), one_by_one(*arguments)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("augmentation", list(AUGMENTATIONS))
@settings(max_examples=10, deadline=None)
@given(piece=st.integers(1, 30), count=st.integers(1, 25))
def test_the_size_of_pieces_does_not_matter(augmentation, piece, count):
    images = images_of(count)
    whole = augmented_pass(images, "a", augmentation, None, 0.3, 0, 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passes, "PIECE_IMAGES", piece)
        np.testing.assert_array_equal(augmented_pass(images, "a", augmentation, None, 0.3, 0, 0), whole)


@pytest.mark.parametrize("augmentation", [name for name in AUGMENTATIONS if not AUGMENTATIONS[name].unclipped])
def test_level_0_keeps_every_byte(augmentation):
    images = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    np.testing.assert_array_equal(augmented_pass(images, "a", augmentation, None, 0.0, 0, 0), images)


@pytest.mark.parametrize("augmentation", studied())
def test_datasets_levels_copies_and_seeds_have_passes_of_their_own(augmentation):
    images = images_of(3)
    found = {
        augmented_pass(images, dataset, augmentation, None, level, copy_index, seed).tobytes()
        for dataset in "ab"
        for level in (0.2, 0.4)
        for copy_index in (0, 1)
        for seed in (0, 1)
    }
    assert len(found) == 16


def test_the_first_form_is_that_of_no_form():
    for augmentation, form in (("edge_noise", "border"), ("rotate", "center")):
        plain, named = (augmented_pass(images_of(), "a", augmentation, value, 0.3, 0, 0) for value in (None, form))
        np.testing.assert_array_equal(plain, named)


def test_values_are_rounded_not_cut_off():
    member = Augmentation(name="brighter", apply=lambda images, level, rng: images + np.float32(0.6 / 255), title="")
    AUGMENTATIONS.add(member)
    try:
        images = np.arange(200, dtype=np.uint8).reshape(2, 10, 10, 1)
        np.testing.assert_array_equal(augmented_pass(images, "a", "brighter", None, 0.5, 0, 0), images + 1)
    finally:
        AUGMENTATIONS.remove("brighter")


def test_an_augmentation_that_does_not_exist():
    with pytest.raises(FreeconvError, match=r"^augmentation: expected one of none, translate"):
        augmented_pass(images_of(), "a", "blur", None, 0.5, 0, 0)
