import numpy as np
from scipy import ndimage

from freeconv.analysis import predictions
from freeconv.analysis.predictions import accuracy, accuracy_by_shift
from tests.measures.made import Halves, random_images


def test_accuracy_goes_through_in_equal_batches(monkeypatch):
    monkeypatch.setattr(predictions, "BATCH", 10)
    images, model = random_images(23), Halves()
    labels = np.random.default_rng(1).integers(0, 2, 23)
    right = [(image[:, 8:].sum() > image[:, :8].sum()) == label for image, label in zip(images, labels, strict=True)]
    assert accuracy(model, images, labels) == sum(right) / 23
    assert 0 < sum(right) < 23
    assert model.shapes == {(10, 16, 16, 1)}


def test_accuracies_by_shift_equal_loops():
    images, model = random_images(15), Halves()
    labels = np.random.default_rng(1).integers(0, 2, 15)

    def slow(change):
        changed = np.stack([change(image) for image in images])
        return np.mean(np.argmax(model.predict_on_batch(changed), axis=1) == labels)

    shares = [-0.4, -0.03, 0.0, 0.2]
    found = {name: accuracy_by_shift(model, images, labels, shares, name) for name in ("horizontal", "vertical")}
    for name, axis in (("vertical", 0), ("horizontal", 1)):
        expected = [
            slow(lambda image, s=s, a=axis: ndimage.shift(image, np.eye(3)[a] * s * 16, order=1, mode="nearest"))
            for s in shares
        ]
        assert list(found[name]) == expected
    assert len(set(found["horizontal"])) > 1


def test_right_and_down_are_positive():
    images = np.zeros((2, 16, 16, 1), "float32")
    images[:, 6:10, 6:10] = 1
    labels = np.ones(2, "int64")
    shares = [-0.25, 0.25]
    for axis, moved, other in ((2, "horizontal", "vertical"), (1, "vertical", "horizontal")):
        assert list(accuracy_by_shift(Halves(axis), images, labels, shares, moved)) == [0, 1]
        # both halves stay equally bright
        assert list(accuracy_by_shift(Halves(axis), images, labels, shares, other)) == [0, 0]
