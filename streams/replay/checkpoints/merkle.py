"""
A Merkle tree over a list of entries, hashed as RFC 6962 (certificate transparency, section 2.1) does.

A leaf is sha256(0x00 + entry), a node sha256(0x01 + left + right); the tree of n leaves has its left half at the greatest power of two
below n. Leaves are added one by one; what is kept is one hash for each bit of their number.
"""

import hashlib
from collections.abc import Iterable

EMPTY = hashlib.sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    """The hash of one entry."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class MerkleTree:
    """A tree that grows to the right."""

    def __init__(self, leaves: Iterable[bytes] = ()) -> None:
        self.count = 0
        self._peaks: list[bytes] = []  # of full subtrees, the greatest first
        for leaf in leaves:
            self.add(leaf)

    def add(self, leaf: bytes) -> None:
        """One more leaf, by its hash."""
        self.count += 1
        self._peaks.append(leaf)
        # Two full subtrees of one size make one of twice the size.
        full = self.count
        while full % 2 == 0:
            right, left = self._peaks.pop(), self._peaks.pop()
            self._peaks.append(node_hash(left, right))
            full //= 2

    def root(self) -> bytes:
        """The hash of the whole tree; of no leaves, sha256 of nothing."""
        if not self._peaks:
            return EMPTY
        root = self._peaks[-1]
        for peak in self._peaks[-2::-1]:
            root = node_hash(peak, root)
        return root
