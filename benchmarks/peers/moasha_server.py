"""Syne Tune's MOASHA behind a pipe: reads {trial, values, fidelity} lines, answers CONTINUE or STOP.

It runs in an environment of its own, which `benchmarks/search_quality.py` makes:

    python -m venv ENV && ENV/bin/pip install syne-tune && ENV/bin/python benchmarks/peers/moasha_server.py 4 3 27 3
"""

import datetime
import json
import sys

from syne_tune.backend.trial_status import Trial
from syne_tune.config_space import uniform
from syne_tune.optimizer.schedulers.multiobjective.moasha import MOASHA


def main() -> None:
    objectives, grace, full, eta = (int(word) for word in sys.argv[1:5])
    names = [f"m{index}" for index in range(objectives)]
    scheduler = MOASHA(
        {"x": uniform(0, 1)},
        metrics=names,
        time_attr="fidelity",
        max_t=full,
        grace_period=grace,
        reduction_factor=eta,
        random_seed=0,
    )
    trials: dict[int, Trial] = {}
    for line in sys.stdin:
        word = json.loads(line)
        number = word["trial"]
        if number not in trials:
            trials[number] = Trial(trial_id=number, config={"x": 0.5}, creation_time=datetime.datetime.now())
            scheduler.on_trial_add(trials[number])
        result = {**dict(zip(names, word["values"], strict=True)), "fidelity": word["fidelity"]}
        if word["fidelity"] >= full:
            scheduler.on_trial_complete(trials[number], result)
            decision = "CONTINUE"
        else:
            decision = str(scheduler.on_trial_result(trials[number], result))
            if decision == "STOP":
                scheduler.on_trial_remove(trials[number])
        print(decision, flush=True)


if __name__ == "__main__":
    main()
