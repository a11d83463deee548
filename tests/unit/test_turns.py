"""Which trial is next: as Ray Tune's own scheduler says, without looking at those that are done."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler

from raysearch.search.turns import InTurn


@dataclass(eq=False)
class Fake:
    trial_id: str
    status: str = Trial.PENDING


@dataclass
class Controller:
    trials: list[Fake] = field(default_factory=list)

    def get_trials(self) -> list[Fake]:
        return self.trials

    def get_live_trials(self) -> set[Fake]:
        return {trial for trial in self.trials if trial.status not in (Trial.TERMINATED, Trial.ERROR)}


class Blind(Controller):
    """May not be asked for all."""

    def get_trials(self) -> list[Fake]:
        raise AssertionError("looked through all trials of the study")


@pytest.mark.parametrize("seed", range(5))
def test_it_chooses_as_tune_does(seed: int) -> None:
    dice, ours, tunes = random.Random(seed), InTurn(), FIFOScheduler()
    controller = Controller()
    for step in range(300):
        if dice.random() < 0.4:
            trial = Fake(f"{dice.getrandbits(32):08x}")  # Tune's names are in no order
            controller.trials.append(trial)
            ours.on_trial_add(controller, trial)
        living = sorted(controller.get_live_trials(), key=lambda trial: trial.trial_id)
        if living and dice.random() < 0.5:
            trial = dice.choice(living)
            trial.status = dice.choice([Trial.PENDING, Trial.RUNNING, Trial.PAUSED, Trial.TERMINATED, Trial.ERROR])
            if trial.status == Trial.TERMINATED:
                ours.on_trial_complete(controller, trial, {})
            if trial.status == Trial.ERROR:
                ours.on_trial_error(controller, trial)
        chosen = ours.choose_trial_to_run(Blind(controller.trials))
        assert chosen is tunes.choose_trial_to_run(controller), step
    assert len(ours._place) == len(controller.get_live_trials()), "nothing is kept of trials that are done"
