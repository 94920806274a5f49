"""Files of images: which may be opened, and in which folder they are."""

from sacl_mm.datasets.image_files import AllowedFolders, FolderListing, regular_files


def test_folders_by_themselves(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folders = AllowedFolders(['data/images', 'data/images', 's3://b/c'])
    assert str(folders) == "'data/images', 's3://b/c'"
    for path in ('data/images/a', 'data/images/b/../a', f'{tmp_path}/data/images/a', 's3://b/c/a'):
        assert path in folders
    for path in ('data/imagesX/a', 'data/a', 'a', 's3://b/cd', 's3://b/c/../a', 's3://b/c/http://x', '/', 's3://b'):
        assert path not in folders
    assert regular_files('nowhere') == regular_files('a\0b') == set()


def test_a_file_is_taken_from_the_first_folder_that_has_it(tmp_path):
    for name in ('one/a.png', 'two/a.png', 'two/b.png', 'two/c.png/d'):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    listing = FolderListing()

    def found(name):
        return listing.first([str(tmp_path / folder / name) for folder in ('one', 'two')])

    assert [found(name).removeprefix(f'{tmp_path}/') for name in ('a.png', 'b.png', 'c.png', 'e.png')] == [
        'one/a.png', 'two/b.png', 'one/c.png', 'one/e.png',
    ]  # fmt: skip
    assert listing.first(['s3://bucket/a.png']) == 's3://bucket/a.png'
    assert str(tmp_path / 'none' / 'a.png') not in listing
