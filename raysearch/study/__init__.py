"""A study from start to front: the only room that joins the searcher and the workers. Ray Tune runs here.

run_study(load_study("demo"), Path("runs/demo"), listener)
resume_study(RunFolder.open("runs/demo"), listener, trials=200)
"""

from __future__ import annotations

from raysearch.study.listener import Listener, StudyError
from raysearch.study.run import resume_study, run_study

__all__ = ["Listener", "StudyError", "resume_study", "run_study"]
