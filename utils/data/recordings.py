"""The sound files of a folder, found by what a table of transcripts calls them."""

import os
import unicodedata
from pathlib import Path

from utils.data.audio import SOUND_SUFFIXES
from utils.step import UserError

NOT_READ = {".m4a", ".wma", ".aac", ".webm", ".mp4", ".amr", ".3gp", ".mkv", ".mov", ".avi"}


class Recordings:
    """.paths: sorted list of the folder's sound files; .not_read: those that must be converted."""

    def __init__(self, folder):
        self.folder = _absolute(folder)
        if not self.folder.is_dir():
            raise UserError(folder, "no such folder of recordings")
        self.paths, self.not_read, self._stems = [], [], {}
        seen = set()   # links may lead in circles
        for top, folders, names in os.walk(self.folder, followlinks=True):
            folders[:] = [name for name in sorted(folders)
                          if (real := os.path.realpath(Path(top) / name)) not in seen
                          and not self.folder.is_relative_to(real) and not seen.add(real)]
            for name in sorted(names):
                path = Path(top) / name
                suffix = path.suffix.lower()
                if name.startswith(".") or suffix not in SOUND_SUFFIXES | NOT_READ:
                    continue
                (self.paths if suffix in SOUND_SUFFIXES else self.not_read).append(path)
        self._folders = {_key(part) for path in self.paths
                         for part in path.relative_to(self.folder).parts[:-1]}
        for path in self.paths:
            self._stems.setdefault(_key(path.stem), []).append(path)
        self.paths.sort()

    def check(self):
        """UserError if there is nothing to read."""
        if not self.paths:
            other = f", but {len(self.not_read)} such as {self.not_read[0].name}, which cannot " \
                    "be read" if self.not_read else ""
            raise UserError(self.folder, f"no sound files{other}",
                            "convert them: ffmpeg -i IN OUT.wav" if other
                            else f"expected {' '.join(sorted(SOUND_SUFFIXES)[:8])} ...")

    def find(self, name, beside=None):
        """(path, None), or (None, why not): by path, else by name, with its suffix or another.

        beside: another folder that paths may be relative to
        """
        name = name.strip().replace("\\", "/")
        if not name:
            return None, "no recording is named"
        for base in (self.folder, *([Path(beside)] if beside else [])):
            path = base / name
            if path.suffix.lower() in SOUND_SUFFIXES and os.path.isfile(path):  # noqa: PTH113 (too long is no error)
                return _absolute(path), None
        wanted = _key(name).rsplit("/", 1)[-1]
        stem = wanted
        if wanted.endswith(tuple(SOUND_SUFFIXES | NOT_READ)):
            stem = wanted.rsplit(".", 1)[0]
        parts = [*_key(name).split("/")[:-1], stem]
        scores = {path: _alike(path, parts) + 0.5 * (_key(path.name) == wanted)
                  for path in self._stems.get(stem, [])}
        best = [path for path, score in scores.items() if score == max(scores.values())]
        if len(parts) > 1 and parts[-2] in self._folders and max(scores.values(), default=0) < 2:
            return None, f"no recording {name} in {self.folder}, where others of that folder are"
        if len(best) == 1:
            return best[0], None
        if best:
            return None, f"{name} may be {best[0].relative_to(self.folder)} or " \
                         f"{best[1].relative_to(self.folder)}"
        return None, f"no recording {name} in {self.folder}"

    def like(self, path):
        """As find, for a transcript in a file of its own: the sound beside it goes first."""
        for suffix in sorted(SOUND_SUFFIXES):
            for beside in (path.with_suffix(suffix), path.with_suffix(suffix.upper())):
                if beside.is_file():
                    return _absolute(beside), None
        return self.find(path.stem)


def _absolute(path):
    """Links stay: with git-annex they lead to files without folders' or speakers' names."""
    return Path(os.path.abspath(path))  # noqa: PTH100


def _alike(path, parts):
    """How many folders at the end of a path, its own name among them, are those of a name."""
    own = [_key(part) for part in path.with_suffix("").parts]
    count = 0
    while count < min(len(own), len(parts)) and own[-1 - count] == parts[-1 - count]:
        count += 1
    return count


def _key(name):
    """Names compare composed, whatever the file system made of them, and in lower case."""
    return unicodedata.normalize("NFC", str(name)).lower()
