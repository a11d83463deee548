"""Downstream model without a language model: logistic regression on the raw table, the reference arm."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from raysearch.config.schema import TrialConfig
from raysearch.pipeline.communicator import shard
from raysearch.pipeline.data import Data
from raysearch.pipeline.decisions import MAX_ITERATIONS, Judgement, check_labels
from raysearch.pipeline.leg import Leg
from raysearch.pipeline.outputs import Subject
from raysearch.pipeline.runtime import Runtime
from raysearch.registry import register


@register("downstream", "table_logistic")
class TableLogistic:
    """Logistic regression on the columns that the text would hold: numbers standardised, words as indicators.

    What a language model adds, or costs, is the difference to this. Augmentation changes it, unlearning cannot.
    """

    def judge(self, config: TrialConfig, data: Data, subject: Subject, runtime: Runtime, leg: Leg) -> Judgement:
        """Fits on the training rows and decides on the judged rows; every process fits the same model.

        Raises:
            TrialError: the training rows have one label only.
        """
        check_labels(data.train.target)
        names = [name for name, _ in data.columns]
        numeric = [name for name in names if data.kinds[name] == "numeric"]
        words = [name for name in names if data.kinds[name] != "numeric"]
        columns: Any = ColumnTransformer(
            [
                ("numeric", make_pipeline(SimpleImputer(), StandardScaler()), numeric),
                ("words", OneHotEncoder(handle_unknown="ignore"), words),
            ]
        )
        regression = LogisticRegression(C=config.downstream.inverse_regularization, max_iter=MAX_ITERATIONS)
        model: Any = make_pipeline(columns, regression)
        weight = data.train.weight
        model.fit(data.train.frame[names], data.train.target, logisticregression__sample_weight=weight)
        mine = shard(len(data.judged.texts), runtime.communicator)
        probability = model.predict_proba(data.judged.frame[names].iloc[mine])[:, 1]
        decided = (probability >= config.downstream.threshold).astype(np.int64)
        return Judgement(
            rows=mine, decided=decided, facts={"table_features": int(model[:-1].get_feature_names_out().size)}
        )
