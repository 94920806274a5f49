"""A page that compares a SACL training with its InfoNCE twin in the embedded world.

Read in this order: evaluated_run (features and measures), validation (what is true), marks, weights, gallery (what is shown),
axes, line_chart, histogram, pictures (how), the *_section modules and page (where).
"""

from sacl_mm.report.page import Report, write_report
from sacl_mm.report.score_table import rich_table
from sacl_mm.report.summary import RUNS, headline, where_behind

__all__ = ['RUNS', 'Report', 'headline', 'rich_table', 'where_behind', 'write_report']
