"""Measures on benchmarks."""

from sacl_mm.evaluation.caption_consensus import CaptionConsensus
from sacl_mm.evaluation.cell_attribute_accuracy import CellAttributeAccuracy
from sacl_mm.evaluation.eccv_caption import EccvCaption
from sacl_mm.evaluation.flickr8k_human_judgement import Flickr8kHumanJudgement
from sacl_mm.evaluation.ground_truth import GroundTruthMetric, check_dataset
from sacl_mm.evaluation.nlvr2_accuracy import NLVR2Accuracy
from sacl_mm.evaluation.ranking_metric import RankingMetric
from sacl_mm.evaluation.retrieval_metric import RetrievalMetric
from sacl_mm.evaluation.sentence_consensus import SentenceConsensus
from sacl_mm.evaluation.vqa_accuracy import VQAAccuracy

__all__ = [
    'CaptionConsensus',
    'CellAttributeAccuracy',
    'EccvCaption',
    'Flickr8kHumanJudgement',
    'GroundTruthMetric',
    'NLVR2Accuracy',
    'RankingMetric',
    'RetrievalMetric',
    'SentenceConsensus',
    'VQAAccuracy',
    'check_dataset',
]
