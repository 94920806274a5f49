"""Files that hold images and captions in a form that is not read here, known by their first bytes."""

_TAR_MARK = 257  # where 'ustar' stands in a tar archive

_ARROW = (
    'an Arrow file: write its names and captions as a table first, '
    "datasets.Dataset.from_file(path).select_columns(['image', 'caption']).to_csv('pairs.csv')"
)
_PACKED = {
    b'PAR1': (
        'a Parquet file: write its names and captions as a table first, '
        "pandas.read_parquet(path)[['image', 'caption']].to_csv('pairs.csv', index=False); "
        'where it has addresses of images, img2dataset --input_format=parquet --output_format=files downloads them'
    ),
    b'ARROW1': _ARROW,
    b'\xff\xff\xff\xff': _ARROW,  # a stream, as the datasets library saves it
    b'PK\x03\x04': (
        'a zip archive or an Excel workbook: unpack the archive, or save the workbook as CSV UTF-8, and give what comes out'
    ),
    b'\x1f\x8b': 'compressed with gzip: unpack it first (gunzip; a .tar.gz with tar -xzf)',
    b'BZh': 'compressed with bzip2: unpack it first (bunzip2)',
    b'\xfd7zXZ': 'compressed with xz: unpack it first (unxz)',
    b'\x28\xb5\x2f\xfd': 'compressed with zstd: unpack it first (unzstd)',
    b'\x89HDF': 'an HDF5 file: write its names and captions as a table first, image,caption',
}
_TAR = (
    'a tar archive, as WebDataset shards are: unpack it into a folder, tar -xf <shard> -C <folder>, and give the folder '
    'as ann_file; a.jpg with a.txt beside it is read'
)


def how_to_unpack(head: bytes) -> str | None:
    """'a Parquet file: ...' with what makes it readable, None for what is not packed."""
    if head[_TAR_MARK:].startswith(b'ustar'):
        return _TAR
    return next((advice for mark, advice in _PACKED.items() if head.startswith(mark)), None)
