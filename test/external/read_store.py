"""Reads the data file of a closed B-tree store by docs/formats/btree.md alone, and checks every rule on the way.

usage: python3 read_store.py STORE

Standard output: one JSON object a line, {"tree": name, "key": hex, "value": hex}, in key order within each tree.
Standard error: one JSON object with the counts. Status 1 and a message if a rule is broken.

Nothing here is shared with the product, so a format page that says something else than the code fails the test.
"""

import json
import struct
import sys
from pathlib import Path
from typing import Iterator, NamedTuple

from crc32c import crc32c

META_BYTES = 512
MAGIC = b"BPBT"
VERSION = 1
HEADER_BYTES = 64
LEAF, BRANCH, OVERFLOW, FREE_LIST = 1, 2, 3, 4
CATALOGUE_TREE = 0


class Broken(Exception):
    """A rule of the format does not hold."""


class Reference(NamedTuple):
    page: int
    birth: int


class Meta(NamedTuple):
    page_size: int
    epoch: int
    position: int
    page_count: int
    catalogue: Reference
    free_list: Reference
    free_count: int
    next_tree_id: int


class Page(NamedTuple):
    number: int
    type: int
    count: int
    prefix: bytes
    heads: list
    offsets: list
    key_count: int
    level: int
    tree: int
    reference: Reference
    payload: bytes
    raw: bytes


def u48(data: bytes, offset: int) -> int:
    return int.from_bytes(data[offset : offset + 6], "little")


def reference(data: bytes, offset: int) -> Reference:
    return Reference(u48(data, offset), u48(data, offset + 6))


def require(condition: bool, message: str) -> None:
    if not condition:
        raise Broken(message)


def decode_meta(block: bytes) -> "Meta | None":
    if len(block) < META_BYTES or block[4:8] != MAGIC:
        return None
    checksum, _, version, page_size = struct.unpack_from("<I4sII", block)
    if crc32c(block[4:META_BYTES]) != checksum:
        return None
    require(version == VERSION, f"meta has version {version}")
    epoch, position, page_count = struct.unpack_from("<QQQ", block, 16)
    (free_count, next_tree_id) = struct.unpack_from("<QI", block, 80)
    catalogue, free_list = reference(block, 40), reference(block, 52)
    return Meta(page_size, epoch, position, page_count, catalogue, free_list, free_count, next_tree_id)


class Store:
    def __init__(self, directory: Path):
        words = (directory / "FORMAT").read_text().split()
        require(words == ["bedplate", "btree", str(VERSION)], f"FORMAT says {words}")
        self.data = (directory / "data").read_bytes()
        self.meta = self.current_meta()
        self.seen: set = set()
        self.counts = {"leaf": 0, "branch": 0, "overflow": 0, "freeList": 0, "keys": 0, "trees": 0}

    def current_meta(self) -> Meta:
        """The valid meta with the larger epoch. Where the second lies depends on the page size, a power of two."""
        candidates = [decode_meta(self.data[:META_BYTES])]
        for exponent in range(9, 17):
            size = 1 << exponent
            meta = decode_meta(self.data[size : size + META_BYTES])
            if meta is not None and meta.page_size == size:
                candidates.append(meta)
        valid = [meta for meta in candidates if meta is not None]
        require(valid != [], "no valid meta")
        return max(valid, key=lambda meta: meta.epoch)

    def page(self, ref: Reference) -> Page:
        size = self.meta.page_size
        where = f"page {ref.page}"
        require(2 <= ref.page < self.meta.page_count, f"{where} is outside the file")
        require(ref.page not in self.seen, f"{where} is referred to twice")
        self.seen.add(ref.page)
        raw = self.data[ref.page * size : (ref.page + 1) * size]
        require(len(raw) == size, f"{where} is cut off")
        checksum, kind, _, count = struct.unpack_from("<IBBH", raw)
        require(crc32c(raw[4:]) == checksum, f"{where}: checksum does not match")
        require(u48(raw, 8) == ref.page, f"{where} says it is page {u48(raw, 8)}")
        require(u48(raw, 16) == ref.birth, f"{where} was born in {u48(raw, 16)}, not {ref.birth}")
        prefix_length, capacity = struct.unpack_from("<H", raw, 14)[0], struct.unpack_from("<H", raw, 22)[0]
        level, tree = struct.unpack_from("<HI", raw, 38)
        (data_length,) = struct.unpack_from("<I", raw, 60)
        if kind in (OVERFLOW, FREE_LIST):
            require(data_length <= size - HEADER_BYTES, f"{where}: payload leaves the page")
            heads, offsets, prefix = [], [], b""
        else:
            require(count <= capacity, f"{where}: {count} cells in {capacity} slots")
            heads = list(struct.unpack_from(f"<{count}I", raw, HEADER_BYTES))
            offsets = list(struct.unpack_from(f"<{count}H", raw, HEADER_BYTES + 4 * capacity))
            prefix_at = HEADER_BYTES + 6 * capacity
            prefix = raw[prefix_at : prefix_at + prefix_length]
        payload = raw[HEADER_BYTES : HEADER_BYTES + data_length]
        link = reference(raw, 48)
        return Page(ref.page, kind, count, prefix, heads, offsets, u48(raw, 32), level, tree, link, payload, raw)

    def chain(self, first: Reference, kind: int) -> bytes:
        parts = []
        while first.page != 0:
            page = self.page(first)
            require(page.type == kind, f"page {page.number} has type {page.type} in a chain of {kind}")
            self.counts["overflow" if kind == OVERFLOW else "freeList"] += 1
            parts.append(page.payload)
            first = page.reference
        return b"".join(parts)

    def tree(self, tree: int, root: Reference) -> Iterator:
        """The entries of a tree as (key, value), in order; checks the number of keys that its root promises."""
        if root.page == 0:
            return
        page = self.page(root)
        found = 0
        previous = None
        for key, value in self.entries(page, tree, page.level):
            require(previous is None or previous < key, f"tree {tree}: {key!r} follows {previous!r}")
            previous = key
            found += 1
            yield key, value
        require(found == page.key_count, f"tree {tree}: root promises {page.key_count} keys, there are {found}")

    def entries(self, page: Page, tree: int, level: int) -> Iterator:
        where = f"page {page.number}"
        require(page.tree == tree, f"{where} belongs to tree {page.tree}, not {tree}")
        require(page.level == level, f"{where} is at level {page.level}, not {level}")
        if page.type == LEAF:
            require(level == 0, f"{where}: a leaf at level {level}")
            self.counts["leaf"] += 1
            yield from self.leaf_entries(page)
            return
        require(page.type == BRANCH and level > 0, f"{where}: type {page.type} at level {level}")
        self.counts["branch"] += 1
        low = None
        child = page.reference
        for index in range(page.count + 1):
            high = None
            if index < page.count:
                at = page.offsets[index]
                (suffix_length,) = struct.unpack_from("<H", page.raw, at)
                following = reference(page.raw, at + 2)
                high = self.key(page, index, at + 14, suffix_length)
            for key, value in self.entries(self.page(child), tree, level - 1):
                require(low is None or low <= key, f"{where}: {key!r} lies below its separator {low!r}")
                require(high is None or key < high, f"{where}: {key!r} lies above its separator {high!r}")
                yield key, value
            if high is not None:
                low, child = high, following

    def leaf_entries(self, page: Page) -> Iterator:
        for index, at in enumerate(page.offsets):
            suffix_length, flags, _, value_length = struct.unpack_from("<HBBI", page.raw, at)
            key = self.key(page, index, at + 8, suffix_length)
            value_at = at + 8 + suffix_length
            if flags & 1:
                value = self.chain(reference(page.raw, value_at), OVERFLOW)
            else:
                value = page.raw[value_at : value_at + value_length]
            require(len(value) == value_length, f"page {page.number}: {key!r} has {len(value)} of {value_length} bytes")
            yield key, value

    def key(self, page: Page, index: int, at: int, length: int) -> bytes:
        suffix = page.raw[at : at + length]
        require(len(suffix) == length, f"page {page.number}: cell {index} leaves the page")
        head = int.from_bytes(suffix[:4].ljust(4, b"\0"), "big")
        require(page.heads[index] == head, f"page {page.number}: head {index} is not that of its key")
        return page.prefix + suffix

    def free_pages(self) -> list:
        """Rising page numbers, each as the LEB128 of its distance to the one before."""
        stream = self.chain(self.meta.free_list, FREE_LIST)
        numbers, distance, shift, previous = [], 0, 0, 0
        for byte in stream:
            distance |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                require(distance > 0, "the free list does not rise")
                previous += distance
                numbers.append(previous)
                distance = shift = 0
        require(shift == 0 and len(numbers) == self.meta.free_count, f"free list: {len(numbers)} of {self.meta.free_count}")
        return numbers

    def everything(self) -> Iterator:
        """The entries of all trees, as (name, key, value); then what concerns the file as a whole."""
        for name, entry in list(self.tree(CATALOGUE_TREE, self.meta.catalogue)):
            (tree,) = struct.unpack_from("<I", entry)
            require(len(entry) == 16 and tree < self.meta.next_tree_id, f"catalogue entry {name!r} is wrong")
            self.counts["trees"] += 1
            for key, value in self.tree(tree, reference(entry, 4)):
                self.counts["keys"] += 1
                yield name.decode(), key, value
        free = self.free_pages()
        for number in free:
            require(2 <= number < self.meta.page_count, f"page {number} in the free list is outside the file")
            require(number not in self.seen, f"page {number} is in use and in the free list")
        self.counts["free"] = len(free)
        known = 2 + len(self.seen) + len(free)
        require(known == self.meta.page_count, f"{known} of {self.meta.page_count} pages are in use or free")


def main() -> int:
    try:
        store = Store(Path(sys.argv[1]))
        for name, key, value in store.everything():
            print(json.dumps({"tree": name, "key": key.hex(), "value": value.hex()}))
    except (Broken, struct.error, OSError, UnicodeDecodeError) as error:
        print(f"{sys.argv[1]}: {error}", file=sys.stderr)
        return 1
    print(json.dumps({**store.counts, "position": store.meta.position}), file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
