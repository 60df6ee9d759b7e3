"""Damage: to bytes as a disk or a line does it, to JSON, archives and text as a person or an enemy does it."""

import io
import json
import struct
import zipfile
from collections.abc import Callable
from random import Random
from typing import Any

WORDS = (
    *("", " ", "\0", "\n", "\r", "\t", "\x1b[31m", "\u202e", "\u2028", "\ufeff", "\ud800", "é", "日本", "\U0001f600"),
    *(
        "nan",
        "inf",
        "-inf",
        "1e999",
        "-1",
        "0",
        "1_000",
        "0x10",
        "True",
        "None",
        "null",
        "[]",
        "{}",
        "'",
        '"',
        "`",
        "$HOME",
    ),
    *("..", "../..", "/", "~nosuchuser", "/dev/null", "/dev/zero", "/proc/self/mem", "%s", "%n", "{0}", "<script>"),
    *(
        "x" * 300,
        "x" * 5000,
        "9" * 30,
        "9" * 5000,
        "9" * 400 + ".5",
        "[" * 200,
        "(" * 200,
        "@" * 100,
        ":" * 100,
        "," * 100,
    ),
)
"""Words that programs trip over."""

NUMBERS = (
    0,
    -1,
    1,
    255,
    256,
    65535,
    1 << 31,
    -(1 << 31),
    (1 << 31) - 1,
    1 << 32,
    1 << 40,
    1 << 62,
    (1 << 63) - 1,
    1 << 63,
)


def damaged_bytes(random: Random, content: bytes, most: int = 3) -> bytes:
    """Bytes that differ from `content` in one to `most` places."""
    damaged = bytearray(content)
    for _ in range(random.randint(1, most)):
        random.choice(BYTES)(random, damaged)
    return bytes(damaged) if bytes(damaged) != content else damaged_bytes(random, content, most)


def _flip(random: Random, content: bytearray) -> None:
    if content:
        content[random.randrange(len(content))] ^= 1 << random.randrange(8)


def _set(random: Random, content: bytearray) -> None:
    if content:
        content[random.randrange(len(content))] = random.choice((0, 1, 0x7F, 0x80, 0xFF, random.randrange(256)))


def _early(random: Random, content: bytearray) -> None:
    if content:
        content[random.randrange(min(len(content), 128))] = random.randrange(256)


def _late(random: Random, content: bytearray) -> None:
    if content:
        content[-1 - random.randrange(min(len(content), 128))] = random.randrange(256)


def _cut(random: Random, content: bytearray) -> None:
    del content[random.randint(0, len(content)) :]


def _delete(random: Random, content: bytearray) -> None:
    start = random.randint(0, len(content))
    del content[start : start + random.choice((1, 2, 4, 100, 4096))]


def _double(random: Random, content: bytearray) -> None:
    start = random.randint(0, len(content))
    piece = content[start : start + random.choice((1, 4, 100, 4096))]
    content[start:start] = piece


def _insert(random: Random, content: bytearray) -> None:
    start = random.randint(0, len(content))
    content[start:start] = random.randbytes(random.choice((1, 2, 8, 1000)))


def _number(random: Random, content: bytearray) -> None:
    form, mask = random.choice((("<H", 16), ("<I", 32), (">I", 32), ("<Q", 64), (">H", 16)))
    packed = struct.pack(form, random.choice(NUMBERS) & ((1 << mask) - 1))
    start = random.randint(0, max(0, len(content) - len(packed)))
    content[start : start + len(packed)] = packed


def _zeros(random: Random, content: bytearray) -> None:
    start = random.randint(0, len(content))
    length = min(len(content) - start, random.choice((16, 512, 4096)))
    content[start : start + length] = bytes(length)


BYTES: tuple[Callable[[Random, bytearray], None], ...] = (
    *(_flip, _flip, _set, _set, _early, _early, _late, _cut, _delete, _double, _insert, _number, _zeros),
)


def damaged_text(random: Random, text: str) -> bytes:
    """A text with hostile words put in, lines lost, doubled or swapped, or of another encoding."""
    lines = text.splitlines(keepends=True)
    for _ in range(random.randint(1, 3)):
        at = random.randrange(len(lines)) if lines else 0
        match random.randrange(7):
            case 0:
                lines[at:at] = [random.choice(WORDS)]
            case 1 if lines:
                place = random.randint(0, len(lines[at]))
                lines[at] = lines[at][:place] + random.choice(WORDS) + lines[at][place:]
            case 2:
                del lines[at : at + 1]
            case 3 if lines:
                lines.insert(at, lines[random.randrange(len(lines))])
            case 4 if lines:
                place = random.randint(0, len(lines[at]))
                lines[at] = lines[at][:place]
            case 5 if lines:
                lines[at] = lines[at].replace(random.choice((",", "=>", '"', "\t", " ")), random.choice(WORDS))
            case _:
                random.shuffle(lines)
    encoding = random.choice(("utf-8",) * 8 + ("utf-16", "utf-8-sig", "utf-32", "cp1252"))
    return "".join(lines).encode(
        encoding, errors=random.choice(("surrogatepass", "replace")) if "utf" in encoding else "replace"
    )


def damaged_json(random: Random, content: bytes) -> bytes:
    """A JSON text of which one value or key is another."""
    if random.random() < 0.3 or not _is_json(content):
        return damaged_bytes(random, content)
    tree = {"": json.loads(content)}
    places = list(_places(tree))
    holder, key = random.choice(places)
    match random.randrange(6):
        case 0 if isinstance(holder, dict):
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder[random.choice(WORDS)] = holder.pop(key)
        case 2 if isinstance(holder, list):
            del holder[key]
        case _:
            holder[key] = _hostile_value(random, holder[key])
    text = json.dumps(tree.get(""), indent=random.choice((None, 2)))
    if random.random() < 0.1:
        text = text.replace(",", f", {random.choice(list(_names(tree)) or ['a'])}: 1,", 1)
    damaged = text.encode("utf-8", "surrogatepass")
    return damaged if json_differs(damaged, content) else damaged_json(random, content)


def _is_json(content: bytes) -> bool:
    try:
        json.loads(content)
    except (ValueError, RecursionError):
        return False
    return True


def json_differs(one: bytes, other: bytes) -> bool:
    """Whether two texts are JSON of different values, or one is none."""
    try:
        return repr(json.loads(one)) != repr(json.loads(other))
    except (ValueError, RecursionError):
        return True


def _places(value: Any) -> Any:
    """Every place of a tree: the object or list, and the key."""
    for key in value if isinstance(value, dict) else range(len(value)):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key])


def _names(value: Any) -> Any:
    for holder, key in _places(value):
        if isinstance(holder, dict) and key:
            yield json.dumps(key)


def _hostile_value(random: Random, value: Any) -> Any:
    nested: Any = 1
    for _ in range(random.choice((3, 40, 900))):
        nested = [nested] if random.random() < 0.5 else {"a": nested}
    near: list[object] = []
    if isinstance(value, int | float) and not isinstance(value, bool):
        near.append(value + random.choice((-1, 1, 1e-9)))
    near += [value[:-1], value + "x", value.upper()] if isinstance(value, str) else []
    others: list[object] = [None, True, False, [], {}, 0, -1, 0.5, 1e308, float("nan"), float("inf")]
    others += [nested, [value], {"a": value}]
    return random.choice((*near, *near, *near, *others, random.choice(NUMBERS), 1 << 80, random.choice(WORDS)))


def damaged_archive(random: Random, content: bytes) -> bytes:
    """An archive of arrays of which one member, or the way it is stored, is another."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    at = random.randrange(len(members))
    name, member = members[at]
    method = zipfile.ZIP_STORED
    match random.randrange(9):
        case 0:
            members.append((name, member))
        case 1:
            members.append((random.choice(("notes.txt", "a/", "x.npy", "../evil.npy", "")), b"words"))
        case 2:
            del members[at]
        case 3:
            members[at] = (random.choice(("x.npy", name.removesuffix(".npy"), name.upper(), "")), member)
        case 4:
            members[at] = (name, _other_header(random, member))
        case 5:
            members[at] = (name, _other_values(random, member))
        case 6:
            members[at] = (name, member[: random.randint(0, len(member))])
        case 7:
            method = random.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
            members[at] = (name, _other_values(random, member))
        case _:
            members[at] = (name, damaged_bytes(random, member))
    return archive_of(members, method)


def archive_of(members: list[tuple[str, bytes]], method: int = zipfile.ZIP_STORED) -> bytes:
    """A zip file."""
    import warnings

    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", method) as archive:
        warnings.simplefilter("ignore")
        for name, member in members:
            archive.writestr(zipfile.ZipInfo(name or "x"), member, compress_type=method)
    return buffer.getvalue()


HEADERS = (
    *(
        "{'descr': '<f4', 'fortran_order': False, 'shape': (18446744073709551616,), }",
        "{'descr': '|O', 'fortran_order': False, 'shape': (3,), }",
    ),
    "{'descr': '<f4', 'fortran_order': False, 'shape': (True, 3), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 3), }",
    "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (3,), }",
    "{'descr': '<f4', 'fortran_order': 1, 'shape': (3,), }",
    "{'descr': '<U1000000', 'fortran_order': False, 'shape': (1000000,), }",
    "{'descr': '<f16', 'fortran_order': False, 'shape': (3,), }",
    "{'descr': '<c8', 'fortran_order': False, 'shape': (3,), }",
    "{'descr': '<M8[s]', 'fortran_order': False, 'shape': (3,), }",
    "{'descr': '<f4', 'shape': (3,)}",
    "__import__('os').system('true')",
    "[" * 500,
    "",
)
"""Headers of arrays that are none, or none of numbers or strings."""


def _other_header(random: Random, member: bytes) -> bytes:
    length = struct.unpack("<H", member[8:10])[0]
    header = random.choice(HEADERS).encode() + b"\n"
    return (
        member[:6]
        + random.choice((b"\1\0", b"\2\0", b"\3\0", b"\t\t"))
        + struct.pack("<H", len(header))
        + header
        + (member[10 + length :])
    )


def _other_values(random: Random, member: bytes) -> bytes:
    """The bytes of an array, some of its values replaced."""
    length = struct.unpack("<H", member[8:10])[0]
    body = bytearray(member[10 + length :])
    if not body:
        return member + b"x"
    for _ in range(random.randint(1, 4)):
        value = random.choice((b"\0\0\xc0\x7f", b"\0\0\x80\x7f", b"\0\0\0\0", b"\xff\xff\xff\xff", random.randbytes(4)))
        at = random.randrange(0, len(body), 4)
        body[at : at + 4] = value[: len(body) - at]
    return member[: 10 + length] + bytes(body)
