"""Starting a study, and going on with one."""

from __future__ import annotations

import logging
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raysearch import __version__
from raysearch.config.load import Study
from raysearch.config.schema import WorkersConfig
from raysearch.errors import ConfigError, Problem, UserError
from raysearch.ledger.read import write_parquet
from raysearch.ledger.run_folder import RunFolder
from raysearch.pipeline.preflight import anchors, check
from raysearch.study.herald import Herald
from raysearch.study.listener import Listener, StudyError
from raysearch.study.session import chatter_to, check_place, start_ray, watch

if TYPE_CHECKING:
    from raysearch.workers.pool import WorkerPool


def run_study(
    study: Study,
    path: Path,
    listener: Listener,
    address: str | None = None,
    command: str = "",
    warm_start: Sequence[Path] = (),
) -> RunFolder:
    """Checks everything, makes the run folder, runs the anchors and the search, and leaves the ledger.

    Args:
        study: what to search.
        path: the new run's folder.
        listener: hears of progress.
        address: of a Ray cluster; None starts Ray on this machine.
        command: written to the manifest.
        warm_start: folders of earlier runs whose trials inform the sampler.

    Raises:
        UserError: before anything starts.
        StudyError: the baseline failed, too many trials failed in a row, or no worker group is left.
        KeyboardInterrupt: stopped by the user; finished trials are in the ledger, but for anchors that were done before
            the baseline, which run again.
    """
    from raysearch.study.warm_start import gather, keep

    _check_search(study, address)
    warm = gather(study, warm_start, listener.say)
    check(study, anchors(study), listener.say)
    run = RunFolder.create(path, study.text, _manifest(study, command))
    with run.driving():
        keep(run, warm)
        try:
            _drive(study, run, listener, address)
        except UserError:
            if not any(run.ledger):  # nothing has run: the same command must work once the mistake is mended
                shutil.rmtree(run.path)
            raise
    return run


def resume_study(
    run: RunFolder, listener: Listener, trials: int | None = None, address: str | None = None
) -> RunFolder:
    """Goes on with a run: unfinished trials first, from their last checkpoints; then as many as are asked for.

    Args:
        run: of an interrupted, killed or finished study.
        listener: hears of progress.
        trials: sampled trials in all, anchors not counted; None keeps the number that was asked for.
        address: of a Ray cluster; None starts Ray on this machine.

    Raises:
        UserError: fewer trials than there are, or another process drives the run.
        StudyError: as in ``run_study``.
        KeyboardInterrupt: stopped by the user.
    """
    study = run.study()
    with run.driving():
        if trials is not None:
            proposed = sum(proposal.kind != "anchor" for proposal in run.ledger.proposals())
            if trials < proposed:
                raise UserError(
                    f"--trials {trials}: {run.path} has {proposed} sampled trials already; give that many or more."
                )
        _check_search(study, address)
        check(study, anchors(study), listener.say)
        if trials is not None and trials != run.asked_trials():
            run.extend(trials)
        _drive(study, run, listener, address)
    return run


def check_sampler(study: Study) -> None:
    """Builds the sampler, and throws it away.

    Raises:
        ConfigError: an option that Optuna's class does not have, or that it refuses.
    """
    from raysearch.search.samplers import build
    from raysearch.search.storage import goal_of

    try:
        build(study.config.search.sampler, goal_of(study))
    except ConfigError as error:
        raise ConfigError([Problem(str(study.path), p.path, p.message) for p in error.problems]) from None


def _check_search(study: Study, address: str | None) -> None:
    check_sampler(study)
    check_place(study, address)


def _manifest(study: Study, command: str) -> dict[str, Any]:
    return {
        "study": study.config.name,
        "raysearch": __version__,
        "command": command or " ".join(sys.argv),
        "overrides": list(study.overrides),
    }


def _drive(study: Study, run: RunFolder, listener: Listener, address: str | None) -> None:
    from raysearch.workers.pool import WorkerPool

    for record in run.ledger:
        if record.kind == "anchor" and record.stage == "baseline" and record.state != "complete":
            raise StudyError(
                f"{run.path}: its baseline failed ({record.reason}), which constraints are relative to. "
                "Mend the cause and start a new run; records are never replaced."
            )
    asked = run.asked_trials()
    shown = logging.getLogger().isEnabledFor(logging.INFO)
    with Herald(listener, run) as herald, chatter_to(run.logs / "ray.log", shown):
        herald.started(run, study, asked + len(anchors(study)), sum(1 for _ in run.ledger))
        try:
            search(study, run, asked, herald, address, WorkerPool)
        finally:
            write_parquet(run)


def search(
    study: Study,
    run: RunFolder,
    asked: int,
    listener: Listener,
    address: str | None,
    make_pool: Callable[[WorkersConfig, Path], WorkerPool],
) -> None:
    """Does what is left of a search. The caller holds the run.

    Args:
        study: what is searched.
        run: its folder; what the ledger holds is not run again.
        asked: sampled trials in all.
        listener: hears of progress.
        address: of a Ray cluster; None starts Ray on this machine.
        make_pool: makes the worker groups, of the study's settings and a folder for Ray's files.
    """
    import ray

    from raysearch.study.agenda import agenda, optuna_study
    from raysearch.study.warm_start import kept

    todo = agenda(study, run, asked)
    if not (todo.waiting or todo.samples or todo.replicates):
        optuna_study(study, run, kept(run))
        return
    optuna_of_run = optuna_study(study, run, kept(run))
    start_ray(study, address, listener)
    pool = make_pool(study.config.workers, (run.path / "ray").resolve())
    pool.start()  # first of all: the groups come up while the rest is put in order
    searcher, driver = at_work(study, run, todo, optuna_of_run, pool, listener)
    try:
        with watch(pool, listener):
            walk_through(searcher, driver, run)
    finally:
        lost = not pool.alive()
        searcher.abandon("the study was stopped before the trial finished")
        pool.stop()
        ray.shutdown()
    if driver.problems:
        raise StudyError(driver.problems[0])
    if lost:
        raise StudyError(f"Ray lost its dispatcher. Finished trials are kept: `raysearch resume {run.path}` goes on.")
    if not searcher.exhausted:  # Ray Tune takes the first Ctrl-C and returns as if all was done
        raise KeyboardInterrupt


def at_work(
    study: Study, run: RunFolder, todo: Any, optuna_of_run: Any, pool: WorkerPool, listener: Listener
) -> tuple[Any, Any]:
    """The searcher and the driver of a search, who know each other.

    Args:
        study: what is searched.
        run: its folder.
        todo: its agenda.
        optuna_of_run: Optuna's study.
        pool: the worker groups, started.
        listener: hears of progress.
    """
    from raysearch.search.searcher import ParetoSearcher
    from raysearch.study.driver import Driver

    driver = Driver(study, run, pool, listener)
    driver.searcher = ParetoSearcher(
        optuna_of_run,
        study.space,
        todo,
        driver,
        study.config.workers.groups + study.config.workers.queued,
        {"dispatcher": pool.dispatcher_name, "namespace": pool.namespace},
        study.config.search.sampler.constraints == "told",
    )
    return driver.searcher, driver


def walk_through(searcher: Any, driver: Any, run: RunFolder) -> None:
    """Runs Ray Tune to the end of the search. Its own files go to RUN/ray; nothing of ours is read from them."""
    os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
    os.environ.setdefault("TUNE_GLOBAL_CHECKPOINT_S", "86400")  # of Tune's own state, which nobody restores from
    # As many actors come up at once as the searcher hands out trials: with one, short trials would follow one another.
    workers = run.study().config.workers
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(workers.groups + workers.queued)
    from ray import tune

    from raysearch.search.halving import HalvingScheduler
    from raysearch.search.turns import InTurn
    from raysearch.workers.trainable import TrialOnGroups

    scheduler = InTurn() if driver.rungs is None else HalvingScheduler(driver.rungs, driver.arrive, driver.stop)
    tuner = tune.Tuner(
        # The work is done in the groups: a trial itself needs nothing, and Ray wants at least a byte to be named.
        tune.with_resources(TrialOnGroups, {"cpu": 0, "memory": 1}),
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            scheduler=scheduler,
            num_samples=-1,  # the searcher knows when it is done
            reuse_actors=True,
            trial_name_creator=lambda trial: f"trial-{trial.config.get('number', 0):06d}",
            trial_dirname_creator=lambda trial: f"trial-{trial.config.get('number', 0):06d}-{trial.trial_id}",
        ),
        run_config=tune.RunConfig(
            name=f"tune-{os.getpid()}", storage_path=str((run.path / "ray").resolve()), verbose=0
        ),
    )
    tuner.fit()
