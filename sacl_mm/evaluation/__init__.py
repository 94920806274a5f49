"""Measures on benchmarks."""

from sacl_mm.evaluation.retrieval_metric import RetrievalMetric

__all__ = ['RetrievalMetric']
