import numpy as np
from scipy import ndimage

from freeconv.measures.angle_acc import accuracy_by_angle
from tests.measures.made import Halves, random_images


def test_accuracies_by_angle_equal_loops():
    images, model = random_images(15), Halves()
    labels = np.random.default_rng(1).integers(0, 2, 15)

    def slow(change):
        changed = np.stack([change(image) for image in images])
        return np.mean(np.argmax(model.predict_on_batch(changed), axis=1) == labels)

    angles = [-180.0, -75.0, 0.0, 30.0]
    expected = [
        slow(lambda image, angle=angle: ndimage.rotate(image, angle, reshape=False, order=1, mode="nearest"))
        for angle in angles
    ]
    assert list(accuracy_by_angle(model, images, labels, angles)) == expected
    assert len(set(expected)) > 1


def test_counter_clockwise_is_positive():
    labels = np.ones(2, "int64")
    right = np.zeros((2, 16, 16, 1), "float32")
    right[:, 6:10, 11:15] = 1  # counter-clockwise from the right is up
    assert list(accuracy_by_angle(Halves(axis=1), right, labels, [-90, 90])) == [1, 0]
