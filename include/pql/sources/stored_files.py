"""Files wherever they are (local, or any fsspec store): a glob in, what is there and local UTF-8 copies out."""

from __future__ import annotations

import codecs
import gzip
import hashlib
import lzma
import re
import shutil
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

import fsspec

from pql.sources.lines import Format
from pql.types import UserError

_CHUNK = 1 << 20
_COMPRESSED = {".gz": "gzip", ".bz2": "bz2", ".xz": "xz", ".zst": "zstd"}
_FORMATS: dict[str, Format] = {
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".json": "ndjson",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
}


@dataclass(frozen=True)
class StoredFile:
    """One file as its store lists it."""

    url: str  # with the store's scheme; a plain path if local
    name: str
    size: int
    version: str  # changes when the file does
    modified_at: datetime

    @property
    def unit(self) -> str:
        """The name its events go by in the lake.

        >>> StoredFile("/data/a b.json", "a b.json", 1, "", datetime(2026, 1, 1, tzinfo=UTC)).unit
        'a_b-518bd388'
        """
        stem = re.sub(r"[^A-Za-z0-9.]+", "_", PurePosixPath(self.name).name.split(".")[0])[:60]
        return f"{stem}-{hashlib.md5(self.url.encode(), usedforsecurity=False).hexdigest()[:8]}"

    def format(self) -> Format | None:
        """By its name, whatever compresses it; None if the name does not tell."""
        suffixes = [s.lower() for s in PurePosixPath(self.name).suffixes if s.lower() not in _COMPRESSED]
        return _FORMATS.get(suffixes[-1]) if suffixes else None


def listed(path: str, base: Path, now: datetime) -> list[StoredFile]:
    """The files a glob (relative to `base`, or an fsspec URL) matches, by name. UserError if there are none."""
    url = path if "://" in path or Path(path).is_absolute() else str((base / path).resolve())
    try:
        fs, inner = fsspec.core.url_to_fs(url)
        found = [fs.info(one) for one in sorted(fs.glob(inner))]
    except (OSError, ImportError, ValueError) as error:
        raise UserError(f"Cannot list {url}: {error}") from error
    files = [_stored(fs, info, now) for info in found if info["type"] == "file"]
    if not files:
        raise UserError(f"No file matches {url}. Check `path` in the settings; it is relative to the settings file.")
    return files


def local_copy(file: StoredFile, folder: Path, encoding: str) -> Path:
    """The file as UTF-8 without compression on the local disk: itself if it is that already, else a copy in `folder`.

    UserError if it cannot be read, its compression ends in the middle, or it is not text of that encoding.
    """
    suffix = PurePosixPath(file.name).suffix.lower()
    is_utf8 = codecs.lookup(encoding).name in ("utf-8", "utf-8-sig") or file.format() == "parquet"
    if "://" not in file.url and suffix not in _COMPRESSED and is_utf8:
        return Path(file.url)
    target = folder / PurePosixPath(file.name).name.removesuffix(suffix if suffix in _COMPRESSED else "")
    try:
        with fsspec.open(file.url, "rb", compression=_COMPRESSED.get(suffix)) as source:
            if is_utf8:
                with target.open("wb") as copy:
                    shutil.copyfileobj(source, copy, _CHUNK)
            else:
                _recode(source, target, encoding)
    except UnicodeError as error:
        raise UserError(f"{file.name} is not {encoding}: {error}. Set `encoding` in the settings.") from error
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise UserError(
            f"{file.name} is damaged or ends in the middle ({error}). Nothing of it was read; fetch or write it again."
        ) from error
    except OSError as error:
        raise UserError(f"Cannot read {file.url}: {error}") from error
    return target


def _recode(source: Any, target: Path, encoding: str) -> None:
    decoder = codecs.getincrementaldecoder(encoding)()
    with target.open("w", encoding="utf-8", newline="") as copy:
        while chunk := source.read(_CHUNK):
            copy.write(decoder.decode(chunk))
        copy.write(decoder.decode(b"", final=True))


def _stored(fs: Any, info: dict[str, Any], now: datetime) -> StoredFile:
    is_local = "file" in (fs.protocol if isinstance(fs.protocol, tuple) else (fs.protocol,))
    version = next(
        (info[key] for key in ("ETag", "etag", "md5Hash", "mtime", "LastModified", "created") if info.get(key)), ""
    )
    return StoredFile(
        url=info["name"] if is_local else fs.unstrip_protocol(info["name"]),
        name=info["name"].rsplit("/", 1)[-1],
        size=int(info["size"] or 0),
        version=str(version),
        modified_at=_modified_at(info, now),
    )


def _modified_at(info: dict[str, Any], now: datetime) -> datetime:
    for key in ("mtime", "LastModified", "last_modified", "updated", "created"):
        value = info.get(key)
        if isinstance(value, int | float):
            return datetime.fromtimestamp(value, UTC)
        if isinstance(value, datetime):
            return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    return now
