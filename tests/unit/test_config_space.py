"""Spaces as trees: labels, conditions, defaults, ends."""

from __future__ import annotations

import pytest

from raysearch.config.space import (
    Choice,
    Float,
    Int,
    assemble,
    combinations,
    default,
    defaults,
    end_points,
    labels,
    parameters,
    walk,
)
from raysearch.errors import ConfigError

NESTED = {
    "a": Choice(
        (
            None,
            {"mode": "x", "f": Float(0.0, 1.0), "b": Choice(({"kind": "p", "n": Int(1, 5)}, {"kind": "q"}))},
        )
    ),
    "list": [1, Int(0, 2)],
}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("x", 1, None), ("x", 1, "none")),
        (({"mode": "x"}, {"mode": "y", "f": 1}), ("x", "y")),
        (({"kind": "x"}, None), ("x", "none")),
        (({"mode": "x"}, {"mode": "x"}), ("option_0", "option_1")),
        (({"mode": "x"}, {"other": 1}), ("option_0", "option_1")),
        (({"mode": Choice(("x", "y"))}, {"mode": "z"}), ("option_0", "option_1")),
        (({"mode": "x"}, "x"), ("option_0", "x")),
        (([1, 2], 3), ("option_0", 3)),
    ],
)
def test_an_option_goes_by_itself_its_constant_unique_entry_or_its_number(options: tuple, expected: tuple) -> None:
    assert labels(Choice(options)) == expected


def test_a_walk_asks_only_for_what_exists_under_the_answers() -> None:
    answers = {"a": "x", "a.f": 0.5, "a.b": "q", "list[1]": 2}
    params, config = walk(NESTED, lambda name, _: answers[name])
    assert params == answers
    assert config == {"a": {"mode": "x", "f": 0.5, "b": {"kind": "q"}}, "list": [1, 2]}
    assert walk(NESTED, lambda name, _: {"a": "none", "list[1]": 0}[name])[1] == {"a": None, "list": [1, 0]}


def test_parameters_know_the_choices_that_they_are_under() -> None:
    found = parameters(NESTED)
    assert found["a"].conditions == ()
    assert found["a.b.n"].conditions == (("a", "x"), ("a.b", "p"))


def test_one_parameter_in_two_options_has_alternatives_and_one_distribution() -> None:
    weight = Float(0.0, 1.0)
    found = parameters({"a": Choice(({"w": weight, "p": 1}, {"w": weight}))})["a.w"]
    assert (found.conditions, found.alternatives) == ((("a", "option_0"),), ((("a", "option_1"),),))
    with pytest.raises(ConfigError, match=r"a\.w: one parameter, two distributions"):
        parameters({"a": Choice(({"w": weight}, {"w": Int(0, 1)}))})


@pytest.mark.parametrize(
    ("leaf", "expected"),
    [
        (Float(1.0, 3.0), 2.0),
        (Float(1e-4, 1e-2, log=True), 1e-3),
        (Float(0.0, 1.0, step=0.25), 0.5),
        (Float(0.0, 1.0, default=0.1), 0.1),
        (Int(1, 100, log=True), 10),
        (Int(10, 70, step=20), 50),
        (Int(3, 3), 3),
        (Choice((None, 1)), "none"),
        (Choice(("x", "y"), "y"), "y"),
    ],
)
def test_a_default_is_what_is_given_or_the_middle_or_the_first(leaf: Float | Int | Choice, expected: object) -> None:
    assert default(leaf) == pytest.approx(expected) if isinstance(expected, float) else default(leaf) == expected


def test_every_end_of_every_parameter_is_an_end_point_under_its_conditions() -> None:
    tried = {(name, value): config for name, value, config in end_points(NESTED)}
    assert set(tried) == {
        ("a", "none"), ("a", "x"), ("a.f", 0.0), ("a.f", 1.0), ("a.b", "p"), ("a.b", "q"), ("a.b.n", 1), ("a.b.n", 5),
        ("list[1]", 0), ("list[1]", 2),
    }  # fmt: skip
    assert tried["a.b.n", 5]["a"]["b"] == {"kind": "p", "n": 5}


def test_a_space_without_parameters_has_one_end_point() -> None:
    assert list(end_points({"seed": 1})) == [("", None, {"seed": 1})]


@pytest.mark.parametrize(
    "params",
    [
        {"a": "none"},
        {"a": "none", "list[1]": 0, "a.f": 0.5},
        {"a": "y", "list[1]": 0},
        {"a": "none", "list[1]": 3},
        {"a": "none", "list[1]": 0.5},
        {"a": "none", "list[1]": True},
    ],
)
def test_assemble_refuses_missing_unknown_and_impossible_values(params: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        assemble(NESTED, params)


def test_assemble_takes_whole_numbers_that_a_table_made_floats() -> None:
    config = assemble(NESTED, {**defaults(NESTED), "list[1]": 2.0})
    assert config["list"] == [1, 2]
    assert type(config["list"][1]) is int


def test_one_and_true_are_two_options() -> None:
    tree = {"x": Choice((1, True))}
    assert [assemble(tree, {"x": value})["x"] is value for value in (1, True)] == [True, True]


def test_a_parameter_of_two_options_is_tried_at_its_ends_under_both() -> None:
    tree = {"a": Choice(({"w": Int(0, 9), "p": 1}, {"w": Int(0, 9)}))}
    tried = [config for name, _, config in end_points(tree) if name == "a.w"]
    assert tried == [{"a": {"w": 0, "p": 1}}, {"a": {"w": 9, "p": 1}}, {"a": {"w": 0}}, {"a": {"w": 9}}]


def test_combinations_are_every_mix_of_options_that_can_be() -> None:
    assert list(combinations(NESTED)) == [{"a": "none"}, {"a": "x", "a.b": "p"}, {"a": "x", "a.b": "q"}]
    assert list(combinations({"x": Choice((1, 2)), "y": Choice(("u", "v")), "z": Float(0.0, 1.0)})) == [
        {"x": 1, "y": "u"},
        {"x": 1, "y": "v"},
        {"x": 2, "y": "u"},
        {"x": 2, "y": "v"},
    ]
    assert list(combinations({"x": 1})) == [{}]
