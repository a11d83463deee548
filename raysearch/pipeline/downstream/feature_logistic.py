"""Downstream model: frozen LLM -> one vector a row -> logistic regression."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from raysearch.config.schema import TrialConfig
from raysearch.errors import TrialError
from raysearch.pipeline.communicator import shard
from raysearch.pipeline.data import Data
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
        # Unflipped training rows apart from flipped ones, as other trials share them.
        parts = [np.flatnonzero(data.train.counterfactual == flipped) for flipped in (False, True)]
        sets = [data.judged.texts, *([data.train.texts[row] for row in rows] for rows in parts)]
        made = features(subject, sets, config.downstream, limit, runtime)
        judged = made[0][0]
        vectors = np.zeros((len(data.train.texts), judged.shape[1]), dtype=np.float32)
        for rows, (of_rows, _) in zip(parts, made[1:], strict=True):
            if len(rows):
                vectors[rows] = of_rows
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
            "truncated_texts": sum(texts.truncated for _, texts in made),
            "downstream_tokens": sum(texts.tokens for _, texts in made),
        }
        return Judgement(rows=mine, decided=decided, facts=facts)
