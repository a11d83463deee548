"""The configuration of a trial and of a study: typed, frozen, strict. Field docs become the JSON Schema.

A trial's configuration is everything that decides its numbers. The search space of a study has this same shape
(``space.py``), so whatever is sampled is a ``TrialConfig`` and can be replayed alone.
"""

from __future__ import annotations

import itertools
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PositiveFloat, field_validator, model_validator

from raysearch import registry
from raysearch.config.block import Block, known
from raysearch.config.downstream import DownstreamConfig
from raysearch.config.metric_names import BY_ATTRIBUTE, BY_SET, METRICS, split, worst
from raysearch.config.unlearning import StereotypeConfig, UnlearningConfig


def is_description(table: str) -> bool:
    """Whether ``data.table`` names a file that describes a table, rather than a registered one."""
    return table.endswith((".yaml", ".yml"))


class ModelConfig(Block):
    source: str = "smollm2-135m"
    """A name that `raysearch fetch` knows, a folder with config.json and safetensors, or a Hugging Face id. A folder
    that begins with a dot, ./mine, is relative to the study's file (with --set, to the working folder)."""
    revision: str | None = None
    """Hub revision; None is the default branch."""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """Precision of the frozen weights. bfloat16 is slower than float32 on most CPUs."""
    attention: Literal["sdpa", "eager"] = "sdpa"
    """Attention implementation of transformers."""
    activation_checkpointing: bool = False
    """Compute activations again in the backward pass instead of keeping them: less memory, about a third more work."""
    sharding: Literal["none", "fsdp2"] = "none"
    """fsdp2: the frozen weights are spread over the workers of a group and gathered block by block, for models that
    one device cannot hold; none: every worker holds all of them (DDP)."""
    trust_remote_code: bool = False
    """Run Python code that comes with a model. Off unless you trust its author."""


class DataConfig(Block):
    table: str = "acs_employment_atlanta"
    """A registered table: acs_employment_atlanta, german_credit, ...; or a YAML file that describes one of your own,
    relative to the study's file (with --set, to the working folder)."""
    path: str | None = None
    """A file or folder of your own that holds this table's files, relative to the study's file (with --set, to the
    working folder); None resolves the table by its name."""
    sensitive: str = "sex"
    """The sensitive attribute: groups are its values, and counterfactual augmentation flips it. Several crossed are
    joined by ` x `: `sex x race` has the groups `female, Black`, ..."""
    also_by: tuple[str, ...] = Field(default=(), strict=False)
    """More sensitive attributes, crossed ones too, by which the group metrics are measured beside: `[race]`."""
    train_rows: int | None = Field(default=400, ge=20)
    """Rows of the training split, drawn stratified by label and group; None takes all there are."""
    validation_rows: int | None = Field(default=300, ge=20)
    """Rows of the validation split, on which a search is judged."""
    test_rows: int | None = Field(default=300, ge=20)
    """Rows of the test split, scored once when a front is confirmed."""
    split_seed: int = Field(default=0, ge=0)
    """Seed of the split; part of the problem, so not the same thing as the trial's seed."""
    balance: Literal["none", "label", "group", "label_and_group"] = "none"
    """Undersampling of the training rows until labels, groups, or both crossed are equally many; judged rows stay."""
    min_group_rows: int = Field(default=5, ge=1)
    """Least positives and least negatives of each group in a judged split: below it a rate is an error, not a guess."""
    small_groups: Literal["refuse", "leave_out"] = "refuse"
    """What becomes of a group below `min_group_rows`: refuse the split, or leave its rows out of the judged ones, which
    the record then says. Crossed groups are often small."""

    @field_validator("table")
    @classmethod
    def _tableknown(cls, value: str) -> str:
        return value if is_description(value) else known("dataset", value)


class TextConfig(Block):
    serializer: str = "text_template"
    """How a row becomes text: text_template ('The age is 34.')."""
    column_order: Literal["importance", "table"] = "importance"
    """importance: permutation importance on the training split, most important first; table: as in the file."""
    include_sensitive: bool = True
    """Whether the sensitive attribute is written into the text."""
    max_columns: int | None = Field(default=None, ge=1)
    """Keep only the first so many columns of the order; None keeps all."""
    max_length_tokens: int = Field(default=128, ge=8)
    """Longer texts are cut from the right; every cut row is counted and reported."""

    @field_validator("serializer")
    @classmethod
    def _serializerknown(cls, value: str) -> str:
        return known("serializer", value)


class CdaNone(Block):
    """No augmentation."""

    mode: Literal["none"] = "none"


class CdaDuplicate(Block):
    """Every training row again with the sensitive attribute flipped and the label kept."""

    mode: Literal["duplicate"]


class CdaReplace(Block):
    """A fraction of the training rows is flipped in place."""

    mode: Literal["replace"]
    fraction: float = Field(default=0.5, gt=0.0, le=1.0)
    """Share of training rows whose sensitive attribute is flipped."""


class CdaWeighted(Block):
    """As duplicate, but by weight: a row and its flipped copies count together as much as the row did before."""

    mode: Literal["weighted"]
    share: float = Field(default=0.5, gt=0.0, lt=1.0)
    """Share of a row's weight that goes to its flipped copies; with several other values they share it evenly."""


class CdaReweigh(Block):
    """No flipped rows: weights that make label and group independent in the training split."""

    mode: Literal["reweigh"]


CdaConfig = Annotated[CdaNone | CdaDuplicate | CdaReplace | CdaWeighted | CdaReweigh, Field(discriminator="mode")]


class EvaluationConfig(Block):
    split: Literal["validation", "test"] = "validation"
    """The split that is judged: rows of the table, and templates and words of the stereotype set."""
    perplexity_texts: int = Field(default=32, ge=2)
    """Held-out general texts for the perplexity ratio."""
    perplexity_max_length_tokens: int = Field(default=48, ge=8)
    perplexity_source: Literal["wikipedia_summaries", "built_in"] = "wikipedia_summaries"
    controls: bool = False
    """Also measure the gap on paraphrases and with both answers named in either order (more forward passes)."""
    bootstrap_rounds: int = Field(default=1000, ge=100)
    confidence: float = Field(default=0.95, gt=0.5, lt=1.0)
    """Level of every interval."""


class TrialConfig(Block):
    """Everything that decides a trial's numbers."""

    model: ModelConfig = ModelConfig()
    data: DataConfig = DataConfig()
    text: TextConfig = TextConfig()
    cda: CdaConfig = CdaNone()
    unlearning: UnlearningConfig | None = None
    """None leaves the model as it came (stages baseline and cda)."""
    downstream: DownstreamConfig = DownstreamConfig()
    stereotypes: StereotypeConfig = StereotypeConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    seed: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _a_counterfactual_differs(self) -> TrialConfig:
        if self.cda.mode not in ("none", "reweigh") and not self.text.include_sensitive:
            raise ValueError(
                f"cda.mode is {self.cda.mode}, but text.include_sensitive is false: a row and its counterfactual would "
                "be the same text. Write the attribute into the text, or set cda.mode to none."
            )
        return self

    @property
    def stage(self) -> str:
        """baseline, cda, unlearning or combined: which of the two mitigations is on."""
        if self.unlearning is None:
            return "baseline" if self.cda.mode == "none" else "cda"
        return "unlearning" if self.cda.mode == "none" else "combined"

    @property
    def measured(self) -> tuple[str, ...]:
        """Names of all metrics that the trial measures."""
        sets = tuple(self.stereotypes.weights) if self.stereotypes.also else ()
        by_set = [f"{metric}.{name}" for name in sets for metric in BY_SET]
        return (*METRICS, *by_set, *(f"{metric}.{name}" for name in self.data.also_by for metric in BY_ATTRIBUTE))


def _metric_known(name: str) -> str:
    metric, part = split(name)
    if metric not in METRICS:
        raise ValueError(f"unknown metric '{name}'. {registry.suggestion(name, METRICS)}")
    if part and metric not in (*BY_SET, *BY_ATTRIBUTE):
        raise ValueError(f"'{metric}' is not measured by parts: leave '.{part}' out")
    return name


MetricName = Annotated[str, AfterValidator(_metric_known)]
"""That a trial measures it for the set or attribute after the dot is checked against the space (``load.py``)."""


class ConstraintConfig(Block):
    """A bound on a metric. Exactly one of `at_least` and `at_most`."""

    metric: MetricName
    at_least: float | None = None
    at_most: float | None = None
    relative_to: Literal["zero", "baseline", "majority_rate"] = "zero"
    """baseline: the bound is added to the baseline's value (at_least: -0.02 is 'at most 0.02 below it').
    majority_rate: to the share of the larger label in the judged split."""

    @model_validator(mode="after")
    def _one_bound(self) -> ConstraintConfig:
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("a constraint needs exactly one of 'at_least' and 'at_most'")
        return self


class SamplerConfig(Block):
    name: Literal["tpe", "nsga2", "nsga3", "gp", "random", "quasi_random", "hvi"] = "hvi"
    """Optuna's samplers, and `hvi`: ours, by expected gain of feasible hypervolume, best where trials are few."""
    seed: int = Field(default=0, ge=0)
    startup_trials: int = Field(default=10, ge=1)
    """TPE, GP and hvi: so many trials are random before the model is used."""
    constraints: Literal["told", "withheld"] = "told"
    """told: the sampler hears of violations natively. withheld: it sees objectives alone, while halving, the gate and
    the front still know; measured better with TPE where the front is only just feasible (docs/log.md)."""
    options: dict[str, Any] = Field(default_factory=dict)
    """More keyword arguments of the sampler's class, as `{cost_aware: true}` for hvi: the largest gain a second."""


class EarlyStoppingConfig(Block):
    """Asynchronous successive halving on the whole vector of objectives: at each rung the worse trials end."""

    fidelity: Literal["unlearning.steps", "data.train_rows", "downstream.classifier.epochs"] = "unlearning.steps"
    """What a rung measures: steps of unlearning done, training rows that the downstream model saw, or epochs of its
    fine-tuning (which begins anew after each rung)."""
    rungs: Annotated[tuple[int, ...], Field(strict=False, min_length=1)]
    """Rising values of the fidelity at which trials are judged; each trial's own full value comes after the last."""
    reduction_factor: float = Field(default=3.0, gt=1.0)
    """eta: about one trial in so many goes on from a rung."""

    @field_validator("rungs")
    @classmethod
    def _rungs_rise(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if value[0] < 1 or any(b <= a for a, b in itertools.pairwise(value)):
            raise ValueError(f"rungs must rise and begin at 1 or above, as in [6, 12]; got {list(value)}")
        return value


class ReplicatesConfig(Block):
    """More seeds for configurations that may be on the front, after the exploration."""

    share: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Share of search.trials that is spent on replicates; the rest explores."""
    most_seeds: int = Field(default=5, ge=2)
    """No configuration gets more seeds than so many, the first included."""


class SearchConfig(Block):
    trials: int = Field(default=20, ge=1)
    """Sampled trials, anchors not counted, replicates counted."""
    sampler: SamplerConfig = SamplerConfig()
    points: Annotated[tuple[dict[str, Any], ...], Field(strict=False)] = ()
    """Parameter values to try first, each once: `- {unlearning.lr: 1e-3}`; what a point leaves out is sampled."""
    grid: bool = False
    """Try every combination of the space's choices, after `points`, each once; ranges are sampled. `trials` must be
    enough for all of them."""
    early_stopping: EarlyStoppingConfig | None = None
    gate: bool = True
    """A trial whose intrinsic constraints fail does not pay for the downstream stage."""
    replicates: ReplicatesConfig = ReplicatesConfig()
    max_consecutive_failures: int = Field(default=8, ge=1)
    """So many failed trials in a row stop the study: something is wrong with the study, not with a trial."""


class AnchorsConfig(Block):
    """Reference points that every front carries: the baseline, and each mitigation alone at these settings."""

    cda: CdaConfig = CdaDuplicate(mode="duplicate")
    unlearning: UnlearningConfig = UnlearningConfig()


class StageCacheConfig(Block):
    """Results of stages on disk, shared by trials, worker groups and studies; the numbers are the same without."""

    limit_gib: float = Field(default=20.0, ge=0.0)
    """The least recently used results are removed beyond this size; 0 keeps none on disk."""
    folder: str | None = Field(default=None, pattern=r"^[/~]")
    """An absolute path; None: `stages` in raysearch's cache (RAYSEARCH_CACHE). On storage that the nodes of a cluster
    share, they share the results."""


class WorkersConfig(Block):
    groups: int = Field(default=1, ge=1)
    """Ray Train worker groups; each holds the model and takes trial after trial."""
    workers_per_group: int = Field(default=1, ge=1)
    """Processes that share one trial: data parallel over gloo (CPU) or NCCL (GPU)."""
    cpus_per_worker: int = Field(default=1, ge=1)
    gpus_per_worker: float = Field(default=0.0, ge=0.0)
    """A fraction below 1 lets as many groups of one worker share a GPU; from 1 on a whole number."""
    accelerator_type: str | None = Field(default=None, pattern=r"^[A-Za-z0-9-]+$")
    """Only GPUs of this kind, as Ray names them: A10G, L4, A100, H100, ...; needs gpus_per_worker."""
    resources: dict[str, PositiveFloat] = Field(default_factory=dict)
    """Further Ray resources of each worker, such as a cluster's nodes declare: `{big_disk: 1}`."""
    label_selector: dict[str, str] = Field(default_factory=dict)
    """Only nodes with these Ray labels: `{market: spot}`; `!spot` and `in(spot, reserved)` are understood, too."""
    max_restarts: int = Field(default=10, ge=0)
    """How often a lost group is started again, beginning anew after a time-out; without a group the study stops, to be
    resumed."""
    queued: int = Field(default=0, ge=0)
    """Trials proposed ahead, beyond one a group: no group waits between short trials, and each is proposed with less
    knowledge. 0 is right where a trial takes longer than some seconds."""
    trial_timeout_s: float | None = Field(default=None, gt=0.0)
    """A trial that takes longer, from rung to rung, fails, and its group starts anew; None sets no limit."""
    checkpoint_every_s: float = Field(default=60.0, gt=0.0)
    """So often unlearning saves its state, from which an interrupted trial goes on."""
    stage_cache: StageCacheConfig = StageCacheConfig()
    fresh_group_per_trial: bool = False
    """A group's processes end after each trial (between rungs, too) and new ones start: some seconds a trial, for
    libraries that leave something behind. The numbers are the same. Not counted as a restart."""

    @model_validator(mode="after")
    def _gpus_can_be_shared_out(self) -> WorkersConfig:
        gpus = self.gpus_per_worker
        if gpus > 1 and not gpus.is_integer():
            raise ValueError(f"gpus_per_worker: {gpus:g} is more than one GPU and not a whole number; Ray needs one")
        if 0 < gpus < 1 and self.workers_per_group > 1:
            raise ValueError(
                f"gpus_per_worker: with {gpus:g} the {self.workers_per_group} workers of a group may share a GPU, over "
                "which NCCL refuses to talk. Use gpus_per_worker: 1, or workers_per_group: 1 and more groups"
            )
        if self.accelerator_type is not None and gpus == 0:
            raise ValueError(
                f"accelerator_type: {self.accelerator_type} is a kind of GPU and gpus_per_worker is 0. "
                "Set gpus_per_worker, or choose nodes by resources or label_selector"
            )
        own = sorted({"CPU", "GPU", "memory", "object_store_memory"} & set(self.resources))
        if own:
            raise ValueError(
                f"resources: {own[0]} is not a resource of a cluster's own. "
                "CPUs and GPUs are cpus_per_worker and gpus_per_worker"
            )
        return self


class StudyConfig(Block):
    """A study: a space of trials, what is wanted of them, and where they run."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    """Lower-case letters, digits, - and _; names the run folder."""
    description: str = ""
    trial: Any
    """The search space: a trial's configuration in which any leaf may be !float, !int or !choice."""
    search: SearchConfig = SearchConfig()
    objectives: dict[MetricName, Literal["minimize", "maximize"]] = Field(
        default={
            "intrinsic_gap": "minimize",
            "demographic_parity_difference": "minimize",
            "equalized_odds_difference": "minimize",
            "accuracy": "maximize",
        },
        min_length=1,
    )
    constraints: tuple[ConstraintConfig, ...] = Field(default=(), strict=False)
    reference_point: dict[MetricName, float] = Field(default_factory=dict)
    """Corner of the hypervolume by objective, fixed before the search; what is left out is the metric's worst value."""
    anchors: AnchorsConfig = AnchorsConfig()
    workers: WorkersConfig = WorkersConfig()

    @model_validator(mode="after")
    def _reference_is_of_objectives(self) -> StudyConfig:
        for name in self.reference_point:
            if name not in self.objectives:
                raise ValueError(
                    f"reference_point: '{name}' is not an objective. {registry.suggestion(name, self.objectives)}"
                )
        return self

    @property
    def corner(self) -> tuple[float, ...]:
        """The reference point in the order of the objectives, in each metric's own sign."""
        return tuple(self.reference_point.get(name, worst(name)) for name in self.objectives)
