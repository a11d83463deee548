"""Downstream model: frozen LLM -> one vector a row -> logistic regression."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from raysearch.config.schema import TrialConfig
from raysearch.errors import TrialError
from raysearch.pipeline.communicator import shard
from raysearch.pipeline.data import Data, Rows
from raysearch.pipeline.decisions import MAX_ITERATIONS, Judgement, check_labels
from raysearch.pipeline.leg import Leg
from raysearch.pipeline.outputs import Subject, features
from raysearch.pipeline.runtime import Runtime
from raysearch.registry import register


@register("downstream", "feature_logistic")
class FeatureLogistic:
    """Logistic regression on pooled hidden states; features standardised by the training rows.

    Features are shared out over the processes and gathered; rank 0 fits, all judge a share of the rows.
    """

    def judge(self, config: TrialConfig, data: Data, subject: Subject, runtime: Runtime, leg: Leg) -> Judgement:
        """Fits on the training rows and decides on the judged rows.

        Raises:
            TrialError: features are not finite, or the training rows have one label only.
        """
        limit = config.text.max_length_tokens
        settings = (config.downstream, limit, runtime)
        judged, judged_tokens = features(subject, data.judged.texts, *settings)
        vectors, truncated, tokens = _of_training_rows(subject, data.train, settings)
        if not (np.isfinite(vectors).all() and np.isfinite(judged).all()):
            raise TrialError("the model's features are not finite")
        check_labels(data.train.target)
        model: Any = None
        if runtime.communicator.rank == 0:
            model = make_pipeline(
                StandardScaler(),
                LogisticRegression(C=config.downstream.inverse_regularization, max_iter=MAX_ITERATIONS),
            )
            weight = data.train.weight
            model.fit(vectors.astype(np.float64), data.train.target, logisticregression__sample_weight=weight)
        model = runtime.communicator.broadcast(model)
        mine = shard(len(data.judged.texts), runtime.communicator)
        probability = model.predict_proba(judged[mine].astype(np.float64))[:, 1]
        decided = (probability >= config.downstream.threshold).astype(np.int64)
        facts = {
            "truncated_texts": truncated + judged_tokens.truncated,
            "downstream_tokens": tokens + judged_tokens.tokens,
        }
        return Judgement(rows=mine, decided=decided, facts=facts)


def _of_training_rows(subject: Subject, train: Rows, settings: tuple[Any, ...]) -> tuple[NDArray[np.float32], int, int]:
    """([rows, width], truncated texts, tokens); unflipped rows apart from flipped ones, as other trials share them."""
    vectors: NDArray[np.float32] | None = None
    truncated = tokens = 0
    for flipped in (False, True):
        rows = np.flatnonzero(train.counterfactual == flipped)
        if not len(rows):
            continue
        found, of_rows = features(subject, [train.texts[row] for row in rows], *settings)
        vectors = np.zeros((len(train.texts), found.shape[1]), dtype=np.float32) if vectors is None else vectors
        vectors[rows] = found
        truncated, tokens = truncated + of_rows.truncated, tokens + of_rows.tokens
    assert vectors is not None  # a split without training rows was refused
    return vectors, truncated, tokens
