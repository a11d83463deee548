"""raysearch: a search for the front of trade-offs between intrinsic bias, group fairness and accuracy of an LLM."""

__version__ = "0.2.0"
