"""A page about any run of this library: scores, curves, weights of negatives, retrieved images, provenance.

Read in this order: runs (what was logged), scores and curves (what is shown of it), retrieval (a model among its validation
images), weights and gallery (what is shown of that), figures, provenance, page; `templates/` holds the HTML.
"""

from sacl_mm.report.page import Report, write_report

__all__ = ['Report', 'write_report']
