"""A hash of label sets that is the same for ever and on every server: XXH64.

Labels are hashed as Prometheus holds them in memory, name and value one after the other in the
order of names, each after its length; so `limit_ratio` chooses the series that it chooses.
"""

from __future__ import annotations

from promlab.model.labels import LabelTable

_MASK = 2**64 - 1
_P1, _P2, _P3, _P4, _P5 = (
    0x9E3779B185EBCA87,
    0xC2B2AE3D27D4EB4F,
    0x165667B19E3779F9,
    0x85EBCA77C2B2AE63,
    0x27D4EB2F165667C5,
)


def label_set_hash(labels: LabelTable, row: int) -> int:
    """Hash of one label set, 64 bits."""
    data = bytearray()
    for name, value in labels.row(row).items():
        for text in (name, value):
            encoded = text.encode("utf-8", "surrogatepass")
            size = len(encoded)
            data += bytes([size]) if size < 255 else b"\xff" + size.to_bytes(3, "little")
            data += encoded
    return xxh64(bytes(data))


def xxh64(data: bytes) -> int:
    """XXH64 with seed 0."""
    at, size = 0, len(data)
    if size >= 32:
        lanes = [(_P1 + _P2) & _MASK, _P2, 0, -_P1 & _MASK]
        while at + 32 <= size:
            for i in range(4):
                lanes[i] = _round(lanes[i], int.from_bytes(data[at : at + 8], "little"))
                at += 8
        h = sum(_rotated(v, r) for v, r in zip(lanes, (1, 7, 12, 18), strict=True)) & _MASK
        for lane in lanes:
            h = ((h ^ _round(0, lane)) * _P1 + _P4) & _MASK
    else:
        h = _P5
    h = (h + size) & _MASK
    while at + 8 <= size:
        h ^= _round(0, int.from_bytes(data[at : at + 8], "little"))
        h = (_rotated(h, 27) * _P1 + _P4) & _MASK
        at += 8
    if at + 4 <= size:
        h ^= int.from_bytes(data[at : at + 4], "little") * _P1 & _MASK
        h = (_rotated(h, 23) * _P2 + _P3) & _MASK
        at += 4
    for byte in data[at:]:
        h ^= byte * _P5 & _MASK
        h = _rotated(h, 11) * _P1 & _MASK
    h = (h ^ h >> 33) * _P2 & _MASK
    h = (h ^ h >> 29) * _P3 & _MASK
    return h ^ h >> 32


def _rotated(x: int, bits: int) -> int:
    return (x << bits | x >> 64 - bits) & _MASK


def _round(lane: int, word: int) -> int:
    return _rotated((lane + word * _P2) & _MASK, 31) * _P1 & _MASK
