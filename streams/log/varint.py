"""Avro's whole numbers of up to 64 bits, and what carries its length before it: text and bytes. Quick for what records hold most."""

_UNSIGNED_END = 1 << 64
# Every second group of 7 bits, then of 14, then of 28: where an eight-byte number's parts lie while they are moved together.
_SEVENS, _FOURTEENS, _TWENTY_EIGHTS = 0x007F007F007F007F, 0x00003FFF00003FFF, 0x000000000FFFFFFF
_CONTINUED, _ENDS_IN_EIGHTH = 0x8080808080808080, 0x0080808080808080


def _groups(number: int) -> bytes:
    """A number from 0 as groups of seven bits, the lowest first, all but the last marked."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


# Whole numbers of 14 bits, and 14 bits with more to follow.
_WHOLE = [_groups(number) for number in range(1 << 14)]
_MARKED = [bytes((low & 0x7F | 0x80, low >> 7 | 0x80)) for low in range(1 << 14)]


def long_bytes(value: int) -> bytes:
    """A 64-bit number as Avro writes it. Raises: OverflowError outside of that; TypeError for anything but an int."""
    if 0 <= value < 8192:
        return _WHOLE[value << 1]
    unsigned = value << 1 if value >= 0 else ~(value << 1)
    if unsigned >= _UNSIGNED_END:
        raise OverflowError(value)
    if 1 << 42 <= unsigned < 1 << 56:
        low, middle, high = _MARKED[unsigned & 0x3FFF], _MARKED[unsigned >> 14 & 0x3FFF], _MARKED[unsigned >> 28 & 0x3FFF]
        return low + middle + high + _WHOLE[unsigned >> 42]
    return _groups(unsigned)


def long_at(raw: bytes, at: int) -> tuple[int, int]:
    """The number that begins at `at` and where it ends. Raises: IndexError, ValueError where none does."""
    word = int.from_bytes(raw[at : at + 8], "little")
    if word & _CONTINUED == _ENDS_IN_EIGHTH:
        # Eight bytes: every time in microseconds from 1979 to 3111.
        word &= 0x7F7F7F7F7F7F7F7F
        word = word & _SEVENS | (word >> 1) & (_SEVENS << 7)
        word = word & _FOURTEENS | (word >> 2) & (_FOURTEENS << 14)
        word = word & _TWENTY_EIGHTS | (word >> 4) & (_TWENTY_EIGHTS << 28)
        return (word >> 1) ^ -(word & 1), at + 8
    unsigned = shift = 0
    while True:
        byte = raw[at]
        at += 1
        unsigned |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
        if shift > 63:
            raise ValueError("a number has ten bytes at most")
    if unsigned >= _UNSIGNED_END:
        raise ValueError("a number has 64 bits")
    return (unsigned >> 1) ^ -(unsigned & 1), at


def text_bytes(text: str) -> bytes:
    """A text with its length."""
    raw = text.encode()
    return long_bytes(len(raw)) + raw


def bytes_bytes(raw: bytes) -> bytes:
    """Bytes with their length."""
    return long_bytes(len(raw)) + raw
