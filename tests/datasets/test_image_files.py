"""Files of images: which may be opened, and in which folder they are."""

from sacl_mm.datasets.image_files import AllowedFolders, regular_files


def test_folders_by_themselves(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folders = AllowedFolders(['data/images', 'data/images', 's3://b/c'])
    assert str(folders) == "'data/images', 's3://b/c'"
    for path in ('data/images/a', 'data/images/b/../a', f'{tmp_path}/data/images/a', 's3://b/c/a'):
        assert path in folders
    for path in ('data/imagesX/a', 'data/a', 'a', 's3://b/cd', 's3://b/c/../a', 's3://b/c/http://x', '/', 's3://b'):
        assert path not in folders
    assert regular_files('nowhere') == regular_files('a\0b') == set()
