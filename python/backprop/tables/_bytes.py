"""What a file is, by its first bytes: never by its name alone.

Nothing here reads more than a few megabytes, whatever a file unpacks to.
"""

import contextlib
import gzip
import io
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from backprop.tables.errors import TableError, needs

# A line longer than this is no row of a table.
LONGEST_LINE = 8 * 2**20
SAMPLE_BYTES = 2**20

# Where the bytes stand, the bytes, what the file is, what to do.
_AS_CSV = "save it as CSV and give that"
_UNPACK = "unpack it and give the table in it"
_SIGNATURES: list[tuple[int, bytes, str, str]] = [
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel or Office file (.xls)", _AS_CSV),
    (0, b"BZh", "packed by bzip2", "unpack it: bunzip2 FILE"),
    (0, b"\xfd7zXZ\0", "packed by xz", "unpack it: unxz FILE"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (0, b"Rar!\x1a\x07", "a RAR archive", _UNPACK),
    (257, b"ustar", "a tar archive", _UNPACK),
    (0, b"%PDF", "a PDF document", "export the table as CSV"),
    (0, b"\x89PNG", "a PNG picture", "give a table"),
    (0, b"\xff\xd8\xff", "a JPEG picture", "give a table"),
    (0, b"GIF8", "a GIF picture", "give a table"),
    (0, b"\x93NUMPY", "a NumPy array", "give the array itself: np.load(FILE)"),
    (0, b"\x89HDF\r\n", "an HDF5 file", "read it with h5py or pandas and give the frame"),
    (0, b"ARROW1", "an Arrow or Feather file", "read it with pyarrow or polars and give the frame"),
    (0, b"FEA1", "a Feather file", "read it with pyarrow or polars and give the frame"),
    (0, b"ORC", "an ORC file", "read it with pyarrow and give the frame"),
    (0, b"Obj\x01", "an Avro file", "read it with another program and write Parquet"),
    (0, b"\x80\x04\x95", "a Python pickle", "load it and give the frame"),
    (0, b"\x80\x05\x95", "a Python pickle", "load it and give the frame"),
    (0, b"\x7fELF", "a program", "give a table"),
    (0, b"MZ\x90", "a program", "give a table"),
    (0, b"RDX", "R data", "write.csv it in R and give that"),
    (0, b"$FL2", "an SPSS file", "read it with pandas.read_spss and give the frame"),
    (0, b"version https://git-lfs", "a pointer of Git LFS, not the data", "git lfs pull"),
]
_ZSTD = b"\x28\xb5\x2f\xfd"


@dataclass(frozen=True)
class Kind:
    """What a file is: its format, how it is packed, and the first bytes of what it holds."""

    format: str
    packed: str | None
    head: bytes
    whole: bool


def identify(path: Path) -> Kind:
    """Return what a file is.

    Raises
    ------
    TableError
        If it is empty or no table; the message says what it is and what to do.
    """
    with path.open("rb") as file:
        start = file.read(512)
    if not start:
        raise TableError(f"{path}: the file is empty")
    if start[:4] == b"PAR1":
        return Kind("parquet", None, b"", False)
    if start[8:12] == b"DUCK":
        return Kind("duckdb", None, b"", False)
    if start[:16] == b"SQLite format 3\0":
        return Kind("sqlite", None, b"", False)
    if start[:2] == b"PK":
        _refuse_zip(path)
    for at, mark, what, remedy in _SIGNATURES:
        if start[at : at + len(mark)] == mark:
            raise TableError(f"{path}: this is {what}, not a table as text; {remedy}")
    packed = "gzip" if start[:2] == b"\x1f\x8b" else "zstd" if start[:4] == _ZSTD else None
    head, whole = _head(path, packed)
    if not head:
        raise TableError(f"{path}: the file is empty")
    if packed is not None and head[:4] == b"PAR1":
        raise TableError(f"{path}: this is a packed Parquet file; unpack it first")
    if packed is not None and head[257:262] == b"ustar":
        raise TableError(f"{path}: this is a tar archive; {_UNPACK}")
    _refuse_markup(path, head)
    return Kind("json" if _is_json(path, head) else "csv", packed, head, whole)


def _refuse_zip(path: Path) -> None:
    import zipfile

    inside: list[str] = []
    with contextlib.suppress(zipfile.BadZipFile, OSError, ValueError), zipfile.ZipFile(path) as zf:
        inside = zf.namelist()
    if any(name.startswith("xl/") for name in inside):
        raise TableError(
            f"{path}: this is an Excel workbook (.xlsx); save the sheet as CSV, or give the frame "
            "that pandas.read_excel returns"
        )
    if any(name == "content.xml" for name in inside):
        raise TableError(f"{path}: this is an OpenDocument file; save the sheet as CSV")
    if any(name.endswith(".npy") for name in inside):
        raise TableError(f"{path}: this is a NumPy archive (.npz); give its arrays by np.load")
    names = ", ".join(inside[:3]) + (", ..." if len(inside) > 3 else "")
    raise TableError(f"{path}: this is a zip archive{f' with {names}' if names else ''}; {_UNPACK}")


def _refuse_markup(path: Path, head: bytes) -> None:
    start = head[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        raise TableError(
            f"{path}: this is a web page or XML, not a table; download the file that the page "
            "links to"
        )
    lines = [line.strip() for line in start.splitlines() if not line.startswith(b"%")]
    if next(filter(None, lines), b"").startswith(b"@relation"):
        raise TableError(
            f"{path}: this is an ARFF file; give the frame that scipy.io.arff.loadarff returns, "
            "or the lines below @data as CSV"
        )
    if start.startswith(b"{\\rtf"):
        raise TableError(f"{path}: this is a text document (RTF), not a table; {_AS_CSV}")


def _is_json(path: Path, head: bytes) -> bool:
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:200]
    suffixes = {suffix.lower() for suffix in path.suffixes}
    if suffixes & {".json", ".jsonl", ".ndjson"}:
        return start[:1] in (b"{", b"[")
    return re.match(rb'\{\s*"|\[\s*\{\s*"', start) is not None


def _head(path: Path, packed: str | None) -> tuple[bytes, bool]:
    """Return the first megabyte of what a file holds, and whether that is all of it."""
    try:
        with open_binary(path, packed) as file:
            head = file.read(SAMPLE_BYTES)
            if head and b"\n" not in head and b"\r" not in head:
                head += file.read(LONGEST_LINE)
                if b"\n" not in head and b"\r" not in head and len(head) > LONGEST_LINE:
                    raise TableError(
                        f"{path}: line 1 is longer than {LONGEST_LINE >> 20} MB: no row of a "
                        "table is; is it a table with line ends?"
                    )
            return head, not file.read(1)
    except (OSError, EOFError) as error:
        if packed is None:
            raise
        raise TableError(f"{path}: it cannot be unpacked ({error}); is it whole?") from None


def open_binary(path: Path, packed: str | None) -> IO[bytes]:
    """Open what a file holds as bytes, unpacked."""
    if packed == "gzip":
        return gzip.open(path, "rb")  # type: ignore[return-value]
    if packed == "zstd":
        return io.BufferedReader(_Lines(path))
    return path.open("rb")


class _Lines(io.RawIOBase):
    """The lines of a file packed by zstd, which Python reads only since 3.14: by the engine."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        try:
            import duckdb
        except ImportError:
            raise needs("duckdb", "reading a file packed by zstd") from None
        self._rest = b""
        self._connection = duckdb.connect()
        # A delimiter that no text has: every line is one cell.
        query = (
            "SELECT line FROM read_csv(?, columns={'line': 'VARCHAR'}, auto_detect=false, "
            "header=false, delim='\x01', quote='', escape='', compression='zstd', "
            f"max_line_size={LONGEST_LINE})"
        )
        self._errors = duckdb.Error
        try:
            self._cursor = self._connection.execute(query, [str(path)])
        except duckdb.Error as error:
            raise _unpacking(path, error) from None
        self._path = path

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            try:
                rows = self._cursor.fetchmany(1000)
            except self._errors as error:
                raise _unpacking(self._path, error) from None
            self._rest = b"".join((row[0] or "").encode() + b"\n" for row in rows)
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def close(self) -> None:
        self._connection.close()
        super().close()


def _unpacking(path: Path, error: Exception) -> TableError:
    first = str(error).splitlines()[0]
    return TableError(f"{path}: it cannot be unpacked or read ({first})")


def encoding_of(path: Path, head: bytes, given: str | None) -> tuple[str, str | None]:
    """Return the encoding of the text that starts with these bytes, and what to say about it.

    Text is UTF-8 or says otherwise by a mark in front. What is neither, and has single accented
    letters within words, is Latin-1, or its superset that Windows writes; anything else is
    refused, for wrong letters would be read in silence.
    """
    if given is not None:
        try:
            "".encode(given)
        except LookupError:
            raise ValueError(
                f"`encoding` must be a name that Python knows, such as 'latin-1', got {given!r}"
            ) from None
        return given, None
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16", None
    if head.startswith(b"\xef\xbb\xbf"):
        head = head[3:]
    if b"\0" in head:
        even, odd = head[0:2000:2].count(0), head[1:2000:2].count(0)
        half = min(len(head), 2000) // 2
        if half >= 4 and max(even, odd) > 0.9 * half and min(even, odd) < 0.1 * half:
            return ("utf-16-le" if odd > even else "utf-16-be"), None
        at = head.index(b"\0")
        raise TableError(
            f"{path}: not a table: byte {at} (line {head.count(10, 0, at) + 1}) is zero, which no "
            "text has; is it a binary file, or a damaged one?"
        )
    control = sum(head.count(code) for code in range(32) if code not in (9, 10, 11, 12, 13, 26, 27))
    if control > max(2, len(head) // 100):
        raise TableError(
            f"{path}: not a table: {control} of its first {len(head)} bytes are control "
            "characters; is it a binary file?"
        )
    try:
        head.decode()
    except UnicodeDecodeError as error:
        # The sample may end within a letter.
        if error.start >= len(head) - 3 and error.reason == "unexpected end of data":
            return "utf-8", None
        return _one_byte(path, head, error.start)
    return "utf-8", None


def _one_byte(path: Path, head: bytes, at: int) -> tuple[str, str]:
    line = head.count(10, 0, at) + 1
    high = re.findall(rb"[\x80-\xff]+", head)
    runs = sum(len(run) > 2 for run in high)
    letters = len(re.findall(rb"[A-Za-z][\xc0-\xff]|[\xc0-\xff][a-z]", head))
    undefined = any(byte in run for run in high for byte in b"\x81\x8d\x8f\x90\x9d")
    if undefined or runs > 0.1 * len(high) or 2 * letters < len(high):
        raise TableError(
            f"{path}, line {line}: byte 0x{head[at]:02X} is not UTF-8, and which letters it means "
            "is not certain; convert the file (iconv -f ENCODING -t UTF-8 FILE > NEW) or say "
            "which it is, such as encoding='cp1251'"
        )
    encoding = "cp1252" if re.search(rb"[\x80-\x9f]", head) else "latin-1"
    start = max(head.rfind(b"\n", 0, at), head.rfind(b"\r", 0, at)) + 1
    around = re.split(rb"[^A-Za-z\x80-\xff'-]+", head[start : at + 20])
    word = next(part for part in around if re.search(rb"[\x80-\xff]", part)).decode(encoding)
    return encoding, (
        f"the text is not UTF-8 and was read as {encoding}, as in {word!r} (line {line}); if the "
        "letters are wrong, convert it: iconv -f ENCODING -t UTF-8"
    )


def lines(path: Path, packed: str | None, encoding: str) -> Iterator[str]:
    """Yield the lines of a text with their ends.

    Raises
    ------
    TableError
        If a line is too long, or is not in the encoding.
    """
    codec = "utf-8-sig" if encoding == "utf-8" else encoding
    with open_binary(path, packed) as file, io.TextIOWrapper(file, codec, newline="") as text:
        number = 0
        try:
            while line := text.readline(LONGEST_LINE):
                number += 1
                if len(line) >= LONGEST_LINE and not line.endswith(("\n", "\r")):
                    raise TableError(
                        f"{path}, line {number}: it is longer than {LONGEST_LINE >> 20} MB: no "
                        "row of a table is"
                    )
                if "\0" in line:
                    raise TableError(
                        f"{path}, line {number}: a zero byte, which no text has; is the file "
                        "damaged?"
                    )
                yield line
        except UnicodeDecodeError as error:
            raise TableError(
                f"{path}, after line {number}: byte 0x{error.object[error.start]:02X} is not "
                f"{encoding}; convert the file: iconv -f ENCODING -t UTF-8 FILE > NEW"
            ) from None
        except (OSError, EOFError) as error:
            if packed is None:
                raise
            raise TableError(f"{path}: it cannot be unpacked ({error}); is it whole?") from None


def spool(stream: IO[bytes], folder: str) -> Path:
    """Write what comes by a pipe to a file, for it is read more than once."""
    path = Path(folder) / "standard input"
    with path.open("wb") as file:
        while block := stream.read(2**20):
            file.write(block)
            if shutil.disk_usage(folder).free < 2**26:
                raise TableError("standard input: it fills the disk; give a file")
    return path
