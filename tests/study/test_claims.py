import re

import pytest
import yaml

from freeconv.errors import FreeconvError
from freeconv.study.claims import FAMILY, load_claims

CLAIMS, REGISTRATION = load_claims()
BY_ID = {claim.id: claim for claim in CLAIMS}


def quantity(level=None, network="fcn", augmentation="translate", metric="val_acc", **more):
    return {"level": level, "network": network, "augmentation": augmentation, "metric": metric, **more}


ONE = {
    "id": "a-claim",
    "section": "5",
    "statement": "So it is.",
    "source": "Table 1",
    "comparison": {"kind": "difference", "plus": [quantity(0.2)], "minus": [quantity(0.2, network="cnn")]},
    "direction": "above",
    "margin": {"mnist": 0},
    "requires": {"folds": 5},
}


def as_yaml(path, *claims, **file):
    """Write claims as a file; one, changed as given, if there are none."""
    path.write_text(yaml.safe_dump({"claims": list(claims or [ONE]), **file}))
    return path


def changed(**changes):
    comparison = {**ONE["comparison"], **changes.pop("comparison", {})}
    return {**ONE, "comparison": comparison, **changes}


def test_the_packaged_claims():
    assert len(CLAIMS) == 48
    assert sum(len(claim.margin) for claim in CLAIMS) == 69
    sections = {claim.section for claim in CLAIMS}
    assert sections == {"5.1", "5.2", "5.3", "5.4", "5.5", "5.7", "6", "A.1", "B.5", "C"}
    for claim in CLAIMS:
        assert claim.statement.rstrip(")").endswith(".")
        assert claim.requires.folds == 5
        assert claim.requires.flat is not None or claim.section == "A.1"
        if any("distance" in quantity.metric for quantity in claim.comparison.plus):
            assert claim.requires.epochs == 75
    for dataset in ("mnist", "cifar10"):
        assert sum(dataset in claim.primary for claim in CLAIMS) == FAMILY


def test_the_packaged_claims_are_those_registered():
    # another hash is another registration: with it change the day in claims.yaml, or the claims' `since`
    assert REGISTRATION.date == "2026-11-25"
    assert REGISTRATION.sha256 == "cd6e6459abaf110be0b1e9599a8a7c1ce6d1c48ff83dd78d8db890a9112a127f"


def test_levels_are_those_that_a_claim_names():
    assert BY_ID["translation-raises-validation-cifar10"].comparison.levels == [0.1, 0.2, 0.3]
    assert BY_ID["translation-raises-validation-mnist"].comparison.levels == [0.1, 0.2]
    assert len(BY_ID["rotation-raises-distance"].comparison.places()) == 10
    assert BY_ID["only-translation-suffices"].comparison.places() == [
        ("edge_noise", None),
        ("noise", None),
        ("rotate", None),
    ]


def test_comparisons_in_words():
    texts = {claim.id: claim.comparison.text() for claim in CLAIMS}
    assert texts["swap-hurts-fcn-more"] == "swap_acc of cnn at translate 0 − swap_acc of fcn at translate 0"
    assert texts["fcn-invariant-at-30"] == "(val_acc − translate_acc) of fcn at translate 0.3"
    assert texts["translation-raises-validation-mnist"] == (
        "val_acc of fcn at translate − val_acc of fcn at translate 0; each: at level 0.1, 0.2"
    )
    assert texts["distance-falls-to-40"] == (
        "step of distance_radius_1 of fcn at translate, to the next of levels 0, 0.1, 0.2, 0.3, 0.4"
    )
    assert texts["only-translation-suffices"] == (
        "translate_acc of fcn at translate 0.3 − translate_acc of fcn at 0.3; each: under edge_noise, noise, rotate"
    )
    assert texts["fcn-surpasses-cnn"].startswith(
        "val_acc of fcn at translate − val_acc of cnn at translate; one at least: at level 0.1, 0.2, "
    )
    assert texts["translation-reduces-overfitting"].startswith("|clean_train_acc − val_acc| of fcn at translate − |")


def test_a_quantity_without_a_place_has_to_be_given_one():
    with pytest.raises(ValueError, match="`level` and `augmentation` must be given"):
        BY_ID["only-translation-suffices"].comparison.minus[0].at(None, None)


def test_claims_of_a_file(tmp_path):
    claims, registration = load_claims(as_yaml(tmp_path / "claims.yaml"))
    assert [claim.id for claim in claims] == ["a-claim"]
    assert claims[0].primary == []
    assert registration.date == ""
    assert load_claims(as_yaml(tmp_path / "claims.yaml", sha256=registration.sha256))[1] == registration


@pytest.mark.parametrize(
    "changes", [{"margin": {"mnist": 0.1}}, {"requires": {"folds": 4}}, {"primary": ["mnist"]}, {"direction": "below"}]
)
def test_a_changed_claim_is_not_the_registered_one(tmp_path, changes):
    path = as_yaml(tmp_path / "claims.yaml")
    sha256 = load_claims(path)[1].sha256
    as_yaml(path, changed(statement="In other words, so it is."), sha256=sha256)
    assert load_claims(path)[1].sha256 == sha256
    as_yaml(path, changed(**changes), sha256=sha256)
    with pytest.raises(FreeconvError, match="expected the claims that sha256 was taken of, received others") as error:
        load_claims(path)
    given = str(error.value).rsplit(" ", 1)[1]
    assert load_claims(as_yaml(path, changed(**changes), sha256=given, registered="2026-12-01"))[1].sha256 == given


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"direction": "left"}, "claims.0.direction: expected 'above', 'below' or 'within', received 'left'"),
        ({"margin": {}}, "claims.0.margin: expected dictionary should have at least 1 item"),
        ({"margin": {"mnist": "0"}}, "claims.0.margin.mnist: expected a valid number, received '0'"),
        ({"margin": {"mnist": [0, 1]}}, "two margins for the direction within, one for the others"),
        ({"direction": "within"}, "two margins for the direction within, one for the others"),
        ({"direction": "within", "margin": {"mnist": [1, 0]}}, "the lower of two margins first"),
        ({"colour": 1}, "claims.0.colour: unknown key"),
        ({"primary": ["cifar10"]}, "a margin for cifar10"),
        ({"paper": {"cifar10": 0.1}}, "a margin for cifar10"),
        ({"requires": {"folds": 1}}, "claims.0.requires.folds: expected greater than or equal to 2, received 1"),
        ({"requires": {"folds": 5, "flat": {"cifar10": 0.1}}}, "requires.flat for mnist"),
        ({"requires": {}}, "claims.0.requires.folds: expected a value, received none"),
        # what cannot exist
        (
            {"comparison": {"plus": [quantity(0.2, metric="accuracy")]}},
            "claims.0.comparison.plus.0.metric: expected clean_train_acc, edge_noise_acc, noise_acc, rotate_acc, "
            "swap_acc, train_acc, translate_acc, val_acc or distance_radius_1 to 6, received 'accuracy'",
        ),
        ({"comparison": {"plus": [quantity(0.2, metric="distance_radius_7")]}}, "received 'distance_radius_7'"),
        ({"comparison": {"plus": [quantity(0.2, less="acc")]}}, "claims.0.comparison.plus.0.less: expected "),
        ({"comparison": {"plus": [quantity(1.2)]}}, "plus.0.level: expected less than 1, received 1.2"),
        ({"comparison": {"plus": [quantity(0.2, augmentation="blur")]}}, "plus.0.augmentation: expected augmentations"),
        ({"comparison": {"plus": [quantity(0.2, network="rnn")]}}, "plus.0.network: expected names such as cnn"),
        ({"comparison": {"plus": [quantity(0.2, augmentation="none")]}}, "expected level 0 for the augmentation none"),
        (
            {"comparison": {"plus": [quantity(0.2, network="cnn", metric="distance_radius_1")]}},
            "claims.0.comparison.plus.0: expected a network with free layers for distance_radius_1, received 'cnn'",
        ),
        ({"comparison": {"plus": [quantity(0.2, size=True)]}}, "`size` of a difference: a metric for `less`"),
        # places that are not settled
        ({"comparison": {"plus": [quantity()]}}, "`levels` if, and only if, a quantity has no level"),
        ({"comparison": {"levels": [0, 0.5]}}, "`levels` if, and only if, a quantity has no level"),
        (
            {"comparison": {"augmentations": ["noise"]}},
            "`augmentations` if, and only if, a quantity has no augmentation",
        ),
        (
            {"comparison": {"plus": [quantity()], "levels": [0, 0.5]}},
            "a level and an augmentation for each quantity of a `difference`",
        ),
        ({"comparison": {"kind": "each", "plus": [quantity()], "levels": [0.5, 0]}}, "levels that rise, each once"),
        ({"comparison": {"kind": "trend", "plus": [quantity()], "levels": [0, 0.5]}}, "three levels or more"),
        ({"comparison": {"kind": "slope"}}, "claims.0.comparison.kind: expected "),
    ],
)
def test_wrong_claims(tmp_path, changes, message):
    path = as_yaml(tmp_path / "claims.yaml", changed(**changes))
    with pytest.raises(FreeconvError, match=re.escape(message)) as error:
        load_claims(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


def test_too_many_primary_claims(tmp_path):
    claims = [changed(id=f"claim-{index}", primary=["mnist"]) for index in range(9)]
    load_claims(as_yaml(tmp_path / "claims.yaml", *claims[:8]))
    with pytest.raises(FreeconvError, match="expected at most 8 primary claims about mnist, received 9"):
        load_claims(as_yaml(tmp_path / "claims.yaml", *claims))


def test_files_that_hold_no_claims(tmp_path):
    path = tmp_path / "claims.yaml"
    with pytest.raises(FreeconvError, match="expected a file of claims, received nothing"):
        load_claims(path)
    path.write_text("[a: {b")
    with pytest.raises(FreeconvError, match="expected YAML, received something else"):
        load_claims(path)
    path.write_text("a: 1")
    with pytest.raises(FreeconvError, match="claims: expected a value, received none"):
        load_claims(path)
    path.write_text("- a")
    with pytest.raises(FreeconvError, match="expected "):
        load_claims(path)
    with pytest.raises(FreeconvError, match="expected each id once, received a-claim twice"):
        load_claims(as_yaml(path, ONE, ONE))
