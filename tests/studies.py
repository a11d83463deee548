"""A small study for tests: a tiny random model, a made-up table with the real columns, built-in text."""

from __future__ import annotations

from pathlib import Path

from raysearch.config.load import Study
from tests.small_tables import WRITERS

TEXT = """\
name: small
trial:
  model: {{source: {model}}}
  data:
    table: acs_employment_atlanta
    path: {table}
    train_rows: 60
    validation_rows: 40
    test_rows: 40
    min_group_rows: 1
  text: {{max_columns: 4}}
  cda: !choice
    - {{mode: none}}
    - {{mode: duplicate}}
    - {{mode: replace, fraction: !float {{low: 0.2, high: 0.8}}}}
  unlearning:
    steps: 4
    pairs_per_step: 6
    lr: !float {{low: 1.0e-3, high: 1.0e-2, log: true}}
    lora: {{rank: 2}}
    losses:
      gradient_ascent: {{weight: 0.05}}
      learn: {{weight: 0.05}}
      probability_gap: {{weight: !float {{low: 0.5, high: 2.0}}}}
      kl: {{weight: 1.0}}
      answer_mass: {{weight: 0.3}}
    neutral: {{source: built_in, texts: 8, texts_per_step: 4}}
  stereotypes: {{evaluation_pairs: 32}}
  evaluation: {{perplexity_source: built_in, perplexity_texts: 8, bootstrap_rounds: 100}}
search: {{trials: 3, sampler: {{name: tpe, startup_trials: 2}}}}
constraints:
  - {{metric: accuracy, at_least: -1.0, relative_to: baseline}}
  - {{metric: answer_mass_ratio, at_most: 100.0}}
anchors:
  unlearning:
    steps: 2
    pairs_per_step: 6
    lora: {{rank: 2}}
    neutral: {{source: built_in, texts: 8, texts_per_step: 4}}
workers: {{groups: 2, stage_cache: {{limit_gib: 0}}}}
"""


def small_study(tmp_path: Path, model: Path, *overrides: str) -> Study:
    """Writes the table and gives the study."""
    table = tmp_path / "table"
    if not table.exists():
        table.mkdir()
        WRITERS["acs_employment_atlanta"](table)
    return Study.from_text(TEXT.format(model=model, table=table), tmp_path / "small.yaml", overrides)
