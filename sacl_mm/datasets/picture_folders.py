"""Several folders of pictures as one."""

import os
from collections.abc import Sequence

from sacl_mm.datasets.image_files import regular_files


class PictureFolders:
    """Finds a picture in the first of several folders that has it.

    Visual Genome comes in two folders (VG_100K, VG_100K_2), and which one holds a picture stands in no file of questions.

    Args:
        folders: at least one. With a single one nothing is looked up, so it may be a remote address.
    """

    def __init__(self, folders: Sequence[str]) -> None:
        if not folders:
            raise ValueError('at least one folder of pictures is needed')
        self.folders = list(folders)
        self._names_in: dict[str, set[str]] = {}

    def path(self, name: str) -> str:
        """Where the picture is; its place in the first folder if it is in none."""
        paths = [os.path.join(folder, name) for folder in self.folders]
        if len(paths) == 1:
            return paths[0]
        return next((path for path in paths if self._exists(path)), paths[0])

    def _exists(self, path: str) -> bool:
        folder, name = os.path.split(path)
        if folder not in self._names_in:  # one listing is far cheaper than a look at every picture
            self._names_in[folder] = regular_files(folder)
        return name in self._names_in[folder]
