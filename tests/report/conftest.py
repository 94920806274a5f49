"""What the tests of the report share."""

import pytest
from report_examples import CONFIGS, both, config, save_untrained

from sacl_mm.inference.model_folder import config_of
from sacl_mm.report import write_report
from sacl_mm.report.provenance import checkpoint_of
from sacl_mm.report.retrieval import embed


@pytest.fixture(scope='module')
def work_dir(tmp_path_factory):
    path = tmp_path_factory.mktemp('demo')
    for name in CONFIGS:
        save_untrained(path / name, config(name))
    return path


@pytest.fixture(scope='module')
def report(work_dir):
    return write_report(
        both(work_dir), work_dir / 'report.html', 'SACL & more', 'lead', dict(SACL=dict(command='python <train>'))
    )


@pytest.fixture(scope='module')
def run(work_dir):
    cfg = config_of(work_dir / 'sacl')
    return embed(cfg, *checkpoint_of(work_dir / 'sacl', cfg))
