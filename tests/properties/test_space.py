"""Laws of spaces and files, for whatever hypothesis comes up with."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from raysearch import registry
from raysearch.config.load import dump, read_trial
from raysearch.config.schema import TrialConfig
from raysearch.config.space import (
    Choice,
    Float,
    Int,
    assemble,
    default,
    defaults,
    end_points,
    ends,
    labels,
    parameters,
    walk,
)

words = st.text(min_size=1).filter(lambda text: text.isprintable())
floats = st.floats(1e-6, 0.999)
counts = st.integers(1, 10**6)
terms = st.fixed_dictionaries(
    {"weight": st.floats(0, 1e6)},
    optional={
        "options": st.dictionaries(words, st.booleans() | st.integers() | st.floats(-1e9, 1e9) | words, max_size=3)
    },
)
unlearning = st.fixed_dictionaries(
    {},
    optional={
        "steps": counts,
        "lr": floats,
        "losses": st.dictionaries(st.sampled_from(registry.names("loss")), terms, min_size=1).filter(
            lambda losses: any(term["weight"] > 0 for term in losses.values())
        ),
        "lora": st.fixed_dictionaries({"rank": counts, "last_layers": st.none() | counts}),
    },
)
cda = st.one_of(
    st.sampled_from([{"mode": "none"}, {"mode": "duplicate"}]),
    st.fixed_dictionaries({"mode": st.just("replace"), "fraction": floats}),
)
trials = st.fixed_dictionaries(
    {},
    optional={
        "model": st.fixed_dictionaries({"source": words, "revision": st.none() | words}),
        "cda": cda,
        "unlearning": st.none() | unlearning,
        "seed": st.integers(0, 2**63),
    },
)


@given(trials)
@settings(max_examples=60, deadline=None)
def test_a_configuration_written_as_yaml_reads_as_itself(data: dict[str, Any]) -> None:
    config = TrialConfig.model_validate(data)
    assert read_trial(dump(config)) == config


@st.composite
def ranges(draw: st.DrawFn) -> Float | Int:
    if draw(st.booleans()):
        low, high = sorted(draw(st.tuples(st.floats(1e-9, 1e9), st.floats(1e-9, 1e9))))
        return Float(low, high, log=draw(st.booleans()))
    low = draw(st.integers(1, 1000))
    step = draw(st.integers(1, 10))
    return Int(low, low + step * draw(st.integers(0, 50)), step=step)


keys = st.sampled_from("abcdef")
scalars = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from("uvw")
flat_choices = st.lists(scalars, min_size=1, max_size=4, unique_by=str).map(lambda options: Choice(tuple(options)))


def _blocks(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    # Keys of the options of one choice are kept apart, so that no parameter has two distributions.
    blocks = st.dictionaries(keys, children, max_size=3)
    options = st.lists(blocks, min_size=1, max_size=3).map(
        lambda found: Choice(
            tuple({f"{key}{i}": value for key, value in block.items()} for i, block in enumerate(found))
        )
    )
    return blocks | options | st.lists(children, max_size=2)


trees = st.dictionaries(keys, st.recursive(scalars | ranges() | flat_choices, _blocks, max_leaves=8), max_size=3)


def _draw(data: st.DataObject, leaf: Float | Int | Choice) -> Any:
    if isinstance(leaf, Choice):
        return data.draw(st.sampled_from(labels(leaf)))
    if isinstance(leaf, Int):
        return leaf.low + (leaf.step or 1) * data.draw(st.integers(0, (leaf.high - leaf.low) // (leaf.step or 1)))
    return data.draw(st.floats(leaf.low, leaf.high))


@given(trees, st.data())
@settings(max_examples=100, deadline=None)
def test_assemble_rebuilds_what_a_walk_built(tree: dict[str, Any], data: st.DataObject) -> None:
    params, config = walk(tree, lambda _, leaf: _draw(data, leaf))
    assert assemble(tree, params) == config
    assert set(params) <= set(parameters(tree))


@given(trees)
@settings(max_examples=100, deadline=None)
def test_a_parameter_is_asked_for_exactly_under_its_conditions(tree: dict[str, Any]) -> None:
    params = defaults(tree)
    for name, parameter in parameters(tree).items():
        assert (name in params) == all(params.get(choice) == label for choice, label in parameter.conditions)


@given(ranges())
def test_a_default_lies_in_its_range_and_on_its_grid(leaf: Float | Int) -> None:
    assert leaf.low <= default(leaf) <= leaf.high
    if leaf.step:
        assert (default(leaf) - leaf.low) % leaf.step == 0


@given(trees)
@settings(max_examples=100, deadline=None)
def test_each_end_of_each_parameter_is_tried_once(tree: dict[str, Any]) -> None:
    tried = [(name, repr(value)) for name, value, _ in end_points(tree) if name]
    wanted = [(name, repr(end)) for name, found in parameters(tree).items() for end in ends(found.distribution)]
    assert tried == wanted
