import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from freeconv.data.selection import selected
from freeconv.seeds import random_stream


def numbered(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return images and labels that say which they are."""
    labels = np.arange(count)
    return np.broadcast_to(labels[:, None, None, None], (count, 2, 3, 1)).astype(np.uint8), labels


@given(count=st.integers(1, 200), seed=st.integers(0, 9))
def test_all_images_as_they_are(count, seed):
    images, labels = numbered(count)
    for limit in (None, count, count + 1):
        chosen = selected(images, labels, "a", False, limit, seed)
        np.testing.assert_array_equal(chosen[0], images)
        np.testing.assert_array_equal(chosen[1], labels)


@given(count=st.integers(1, 200), seed=st.integers(0, 9), shuffled=st.booleans(), data=st.data())
def test_images_keep_their_labels_and_each_is_chosen_once_at_most(count, seed, shuffled, data):
    images, labels = numbered(count)
    limit = data.draw(st.none() | st.integers(1, 250))
    chosen_images, chosen = selected(images, labels, "a", shuffled, limit, seed)
    assert chosen_images[:, 0, 0, 0].tolist() == chosen.tolist()
    assert len(set(chosen.tolist())) == len(chosen) == min(count, limit or count)
    if not shuffled:
        assert chosen.tolist() == sorted(chosen)


@given(count=st.integers(1, 200), seed=st.integers(0, 9))
def test_the_order_is_that_of_its_stream(count, seed):
    order = random_stream(seed, "fetch", "a").permutation(count)
    assert selected(*numbered(count), "a", True, None, seed)[1].tolist() == order.tolist()


@given(count=st.integers(2, 200), seed=st.integers(0, 9), shuffled=st.booleans(), data=st.data())
def test_a_subset_is_in_the_order_of_all_images(count, seed, shuffled, data):
    limit = data.draw(st.integers(1, count - 1))
    every = selected(*numbered(count), "a", shuffled, None, seed)[1].tolist()
    subset = selected(*numbered(count), "a", shuffled, limit, seed)[1].tolist()
    kept = set(subset)
    assert subset == [label for label in every if label in kept]
    places = random_stream(seed, "limit", "a").choice(count, limit, replace=False)
    assert kept == {every[place] for place in places}


def test_datasets_and_seeds_have_orders_and_subsets_of_their_own():
    def found(dataset, seed, shuffled, limit):
        return tuple(selected(*numbered(100), dataset, shuffled, limit, seed)[1])

    for shuffled, limit in ((True, None), (False, 50)):
        assert len({found(dataset, seed, shuffled, limit) for dataset in "ab" for seed in (0, 1)}) == 4


def test_the_input_is_left_alone():
    images, labels = numbered(50)
    before = images.copy(), labels.copy()
    selected(images, labels, "a", True, 20, 0)
    np.testing.assert_array_equal(images, before[0])
    np.testing.assert_array_equal(labels, before[1])
