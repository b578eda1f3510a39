import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import KFold

from freeconv.data.folds import fold_index, held_out_images

SIZES = st.integers(2, 10).flatmap(lambda folds: st.tuples(st.integers(folds, 300), st.just(folds)))


@given(SIZES)
def test_folds_are_those_of_scikit_learn(size):
    images, folds = size
    for fold, (train, held_out) in enumerate(KFold(folds).split(np.empty(images))):
        mine = fold_index(images, folds, fold)
        np.testing.assert_array_equal(mine[0], train)
        np.testing.assert_array_equal(mine[1], held_out)


@given(SIZES)
def test_each_image_is_held_out_once(size):
    images, folds = size
    together = [fold_index(images, folds, fold) for fold in range(folds)]
    assert np.concatenate([held_out for _, held_out in together]).tolist() == list(range(images))
    for train, held_out in together:
        assert sorted([*train, *held_out]) == list(range(images))
        assert np.all(np.diff(held_out) == 1)  # a block


@given(SIZES)
def test_the_number_of_held_out_images_is_known_beforehand(size):
    images, folds = size
    for fold in range(folds):
        assert held_out_images(images, folds, fold) == len(fold_index(images, folds, fold)[1])


@pytest.mark.parametrize("fold", [5, 7])
def test_a_fold_that_does_not_exist(fold):
    with pytest.raises(IndexError):
        fold_index(20, 5, fold)
