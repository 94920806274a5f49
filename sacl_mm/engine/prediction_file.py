"""The predictions of a test as JSON."""

from collections.abc import Sequence

from mmengine.evaluator import BaseMetric

from sacl_mm.engine.output_file import plain, write_json


class PredictionFile(BaseMetric):
    """Writes what the model returned for each sample, in the order of the data set: a list of dicts, in which tensors are
    lists (of features, scores, identifiers) and what is no finite number is null.

    Where processes share a test, they send their predictions through the temporary folder, as metrics do.

    Args:
        path: the JSON file.
    """

    default_prefix = 'predictions'  # of no measure

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        self.results += map(plain, data_samples)

    def compute_metrics(self, results: list) -> dict:
        write_json(self.path, results, indent=None)
        return {}
