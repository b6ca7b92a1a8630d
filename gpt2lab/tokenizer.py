"""Text to token ids and back: GPT-2's byte-level byte-pair encoding. It stands on no other floor."""

from __future__ import annotations

import hashlib
import heapq
import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cached_property, lru_cache
from pathlib import Path

import regex

__all__ = ["bytes_to_unicode", "pretokenize", "merge_by_rank", "learn_merges", "train_bpe", "Tokenizer"]


@lru_cache
def bytes_to_unicode() -> dict[int, str]:
    """One printable character for each of the 256 bytes, as GPT-2's files write them (space is 'Ġ').

    Bytes that already print keep their own character and come first; the other 68 take 'Ā', 'ā', ... in order.
    The order of this dict is the order of the first 256 ids. Source: `encoder.py` of OpenAI's GPT-2.
    """
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    table = {byte: chr(byte) for byte in printable}
    for byte in range(256):
        if byte not in table:
            table[byte] = chr(256 + len(table) - len(printable))
    return table


GPT2_PATTERN = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_PRETOKEN = regex.compile(GPT2_PATTERN)


def pretokenize(text: str) -> list[str]:
    """Cut text where GPT-2 cuts it; no merge ever crosses a cut. Joining the pieces gives the text back.

    The last space of a run belongs to the word that follows: "a  b" -> ["a", " ", " b"].
    """
    return _PRETOKEN.findall(text)


def merge_by_rank(piece: bytes, ranks: dict[tuple[bytes, bytes], int]) -> list[bytes]:
    """Encode one pretoken: merge the pair that was learned first, everywhere it stands, until no known pair is left.

    merge_by_rank(b"aab", {(b"a", b"b"): 0}) -> [b"a", b"ab"]
    """
    parts = [piece[i:i + 1] for i in range(len(piece))]
    while len(parts) > 1:
        first = min(zip(parts, parts[1:]), key=lambda pair: ranks.get(pair, len(ranks)))
        if first not in ranks:
            break
        parts = merge_pair(parts, first)
    return parts


def merge_pair(parts: list[bytes], pair: tuple[bytes, bytes]) -> list[bytes]:
    """Replace `pair` by one part wherever it stands, from left to right: [a, a, a] with (a, a) -> [aa, a]."""
    merged, i = [], 0
    while i < len(parts):
        if i + 1 < len(parts) and (parts[i], parts[i + 1]) == pair:
            merged.append(parts[i] + parts[i + 1])
            i += 2
        else:
            merged.append(parts[i])
            i += 1
    return merged


def _lay_out(words: Counter[bytes]):
    """All distinct words in one line of symbols with -1 between them, and how often each position occurs."""
    import numpy as np

    line = np.full(sum(map(len, words)) + len(words) + 1, -1, dtype=np.int32)
    times = np.zeros(len(line), dtype=np.int64)
    at = 1
    for word, count in words.items():
        line[at:at + len(word)] = np.frombuffer(word, dtype=np.uint8)
        times[at:at + len(word)] = count
        at += len(word) + 1
    return line, times


def _count_pairs(line, times, at):
    """Weighted counts of the pairs (line[i], line[i+1]) for i in `at`, as {left << 32 | right: count}."""
    import numpy as np

    left, right = line[at].astype(np.int64), line[at + 1].astype(np.int64)
    inside = (left >= 0) & (right >= 0)                      # a pair with -1 would cross a border
    codes, which = np.unique(left[inside] << 32 | right[inside], return_inverse=True)
    totals = np.bincount(which, weights=times[at][inside], minlength=len(codes))
    return zip(codes.tolist(), totals.astype(np.int64).tolist())


def _find_pair(line, a: int, b: int):
    """Positions where a is followed by b; where a == b, every second one of a run, from the left."""
    import numpy as np

    hits = np.flatnonzero(line[:-1] == a)
    hits = hits[line[hits + 1] == b]
    if a == b and len(hits):
        starts = np.flatnonzero(np.diff(hits, prepend=-2) > 1)            # where each run of neighbours begins
        run_start = np.repeat(hits[starts], np.diff(starts, append=len(hits)))
        hits = hits[(hits - run_start) % 2 == 0]
    return hits


_FLIP = bytes(range(255, -1, -1))


def _descending(token: bytes) -> str:
    """A key whose smallest value is the lexicographically greatest token: a heap gives its smallest entry first."""
    return token.translate(_FLIP).decode("latin-1") + "\u0100"             # the end sorts after every byte


def learn_merges(words: Counter[bytes], n_merges: int) -> list[tuple[bytes, bytes]]:
    """The first `n_merges` merges of byte-pair encoding, in order (Sennrich et al. 2016, algorithm 1).

    Each step merges the most frequent pair; ties go to the lexicographically greatest pair of bytes.
    Fewer merges come back when no pair is left. Counts are kept up to date, never taken again from the start.
    """
    import numpy as np

    tokens = [bytes([byte]) for byte in range(256)]
    id_of = {token: i for i, token in enumerate(tokens)}
    keys = [_descending(token) for token in tokens]
    line, times = _lay_out(words)
    counts = Counter(dict(_count_pairs(line, times, np.arange(len(line) - 1))))
    heap = [(-n, keys[pair >> 32], keys[pair & 0xFFFFFFFF], pair) for pair, n in counts.items()]
    heapq.heapify(heap)

    merges = []
    while heap and len(merges) < n_merges:
        negative, key_a, key_b, pair = heapq.heappop(heap)
        if counts[pair] != -negative:                        # the entry is old: put it back with today's count
            if 0 < counts[pair] < -negative:
                heapq.heappush(heap, (-counts[pair], key_a, key_b, pair))
            continue
        a, b = pair >> 32, pair & 0xFFFFFFFF
        merges.append((tokens[a], tokens[b]))
        new = id_of.setdefault(tokens[a] + tokens[b], len(tokens))
        if new == len(tokens):
            tokens.append(tokens[a] + tokens[b])
            keys.append(_descending(tokens[new]))
        line, times, changed = _apply_merge(line, times, a, b, new, counts)
        for pair in changed:
            heapq.heappush(heap, (-counts[pair], keys[pair >> 32], keys[pair & 0xFFFFFFFF], pair))
    return merges


def _around(hits, offsets: tuple[int, ...]):
    """All positions hit + offset, each once, in order; the hits are sorted."""
    import numpy as np

    near = np.add.outer(hits, offsets).ravel()               # sorted but for neighbours, so sorting is quick
    near.sort(kind="stable")
    return near[np.diff(near, prepend=-1) > 0]


def _apply_merge(line, times, a: int, b: int, new: int, counts: Counter):
    """Merge (a, b) into `new` along the line and correct `counts`; also returns the pairs that gained."""
    import numpy as np

    hits = _find_pair(line, a, b)
    for pair, n in _count_pairs(line, times, _around(hits, (-1, 0, 1))):
        counts[pair] -= n
    line[hits] = new
    keep = np.ones(len(line), dtype=bool)
    keep[hits + 1] = False
    line, times = line[keep], times[keep]
    hits = hits - np.arange(len(hits))                       # each hit has moved left by the hits before it
    gained = list(_count_pairs(line, times, _around(hits, (-1, 0))))
    for pair, n in gained:
        counts[pair] += n
    return line, times, [pair for pair, _ in gained]


class Vocabulary:
    """What each id stands for. `vocab`: id -> bytes; `merges`: pairs in the order learned; `special_tokens`: text -> id."""

    def __init__(self, vocab: dict[int, bytes], merges: list[tuple[bytes, bytes]],
                 special_tokens: dict[str, int] | None = None):
        self.special_tokens = dict(special_tokens or {})
        self.merges = [(bytes(a), bytes(b)) for a, b in merges]
        special_ids = {i: text.encode() for text, i in self.special_tokens.items()}
        self.vocab = {i: token for i, token in vocab.items() if special_ids.get(i) != token}
        check_vocabulary(self.vocab, self.merges, self.special_tokens)
        self.ids = {token: i for i, token in self.vocab.items()}                  # bytes -> id
        self.ranks = {pair: rank for rank, pair in enumerate(self.merges)}
        self._bytes = {**self.vocab, **special_ids}                               # every id that can be decoded

    @property
    def n_vocab(self) -> int:
        """One more than the greatest id: the number of rows the model's embedding needs."""
        return max(self._bytes) + 1

    @property
    def eot_token(self) -> int:
        """Id of <|endoftext|>, the token that ends a document."""
        if "<|endoftext|>" not in self.special_tokens:
            raise ValueError('this tokenizer has no "<|endoftext|>": pass special_tokens={"<|endoftext|>": id} when making it')
        return self.special_tokens["<|endoftext|>"]

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The bytes of all ids in a row. Raises ValueError on an id that is not in the vocabulary."""
        ids = ids.tolist() if hasattr(ids, "tolist") else list(ids)              # tensors and arrays too
        try:
            return b"".join([self._bytes[i] for i in ids])
        except (KeyError, TypeError):
            wrong = next(i for i in ids if not isinstance(i, int) or i not in self._bytes)
            raise ValueError(f"{wrong!r} is not a token id: ids are whole numbers from 0 to {self.n_vocab - 1}") from None

    def decode(self, ids: Iterable[int], errors: str = "replace") -> str:
        """Text of the ids. Bytes are joined first: one character may be spread over several tokens."""
        return self.decode_bytes(ids).decode("utf-8", errors=errors)


def check_vocabulary(vocab: dict[int, bytes], merges: list[tuple[bytes, bytes]], special_tokens: dict[str, int]) -> None:
    """Raise ValueError, naming the value, when the three tables do not fit together."""
    mend = "load the vocabulary again from a good copy, or train it with train_bpe"
    for i, token in vocab.items():
        if not isinstance(i, int) or isinstance(i, bool) or i < 0:
            raise ValueError(f"id {i!r} of token {token!r} is not a whole number >= 0: {mend}")
        if not isinstance(token, bytes) or not token:
            raise ValueError(f"token {token!r} (id {i}) must be bytes and not empty: encode it, for example b'the'")
    tokens = set(vocab.values())
    if len(tokens) < len(vocab):
        twice, n = Counter(vocab.values()).most_common(1)[0]
        raise ValueError(f"token {twice!r} has {n} ids, {[i for i, t in vocab.items() if t == twice]}: keep one; {mend}")
    missing = [byte for byte in range(256) if bytes([byte]) not in tokens]
    if missing:
        raise ValueError(f"{len(missing)} of the 256 single bytes have no id, the first is {bytes(missing[:1])!r}: {mend}")
    for rank, (a, b) in enumerate(merges):
        for token in (a, b, a + b):
            if token not in tokens:
                raise ValueError(f"merge {rank} joins {a!r} and {b!r}, but {token!r} has no id: {mend}")
    if len(set(merges)) < len(merges):
        raise ValueError(f"merge {Counter(merges).most_common(1)[0][0]!r} is listed more than once: {mend}")
    for text, i in special_tokens.items():
        if not isinstance(text, str) or not text or not isinstance(i, int) or isinstance(i, bool) or i < 0:
            raise ValueError(f"special token {text!r} with id {i!r}: the text must not be empty, the id a whole number >= 0")
        if i in vocab:
            raise ValueError(f"special token {text!r} and token {vocab[i]!r} share id {i}: give {text!r} id {max(vocab) + 1}")
    if len(set(special_tokens.values())) < len(special_tokens):
        raise ValueError(f"two special tokens share an id in {special_tokens}: give each its own")


_LONG_SPACE = regex.compile(r"(?<!\s)\s{10000,}+(?=\S)")


class Encoder(Vocabulary):
    """A vocabulary that can also encode, through tiktoken's compiled core; tiktoken is loaded at the first call."""

    def to_tiktoken(self, name: str = "gpt2lab"):
        """The same tokenizer as a `tiktoken.Encoding`, which numbers its tokens by the order of the merges."""
        import tiktoken

        order = [self.ids[a + b] for a, b in self.merges]
        if any(i >= j for i, j in zip(order, order[1:])):
            raise ValueError("tiktoken merges the lowest id first, but these ids do not grow with the merges: "
                             "renumber the vocabulary in the order of the merges")
        return tiktoken.Encoding(name, pat_str=_TIKTOKEN_PATTERN, mergeable_ranks=self.ids, special_tokens=self.special_tokens)

    @cached_property
    def _core(self):
        return self.to_tiktoken()

    def encode_ordinary(self, text: str) -> list[int]:
        """Ids of the text; the text of a special token is encoded like any other."""
        return self.encode(text, disallowed_special=())

    def encode_by_rank(self, text: str) -> list[int]:
        """The algorithm of this chapter in Python: same ids as `encode_ordinary`, slower, and nothing hidden."""
        return [self.ids[part] for piece in pretokenize(text) for part in merge_by_rank(piece.encode(), self.ranks)]

    def encode(self, text: str, *, allowed_special=frozenset(), disallowed_special="all") -> list[int]:
        """Ids of the text, with tiktoken's treatment of special tokens.

        allowed_special: special tokens whose text becomes their id ("all" or a set). disallowed_special: those whose
        text raises ValueError ("all": every one not allowed; () : none, they are ordinary text).
        """
        allowed = self._check_special(allowed_special)
        forbidden = self.special_tokens.keys() - allowed if disallowed_special == "all" else disallowed_special
        check_text(text, forbidden)
        try:
            return self._core.encode(text, allowed_special=allowed, disallowed_special=())
        except ValueError:                                   # a very long run of spaces: too deep for tiktoken's regex
            blocks = [self._core.encode(part, allowed_special=allowed, disallowed_special=()) for part in cut_long_space(text)]
            return [i for block in blocks for i in block]

    def _check_special(self, allowed_special) -> set[str]:
        """The set of special tokens to honour. Raises ValueError on one this tokenizer does not have."""
        if allowed_special == "all":
            return set(self.special_tokens)
        if isinstance(allowed_special, str):
            raise ValueError(f'allowed_special={allowed_special!r}: pass "all" or a set, for example {{{allowed_special!r}}}')
        unknown = sorted(set(allowed_special) - self.special_tokens.keys())
        if unknown:
            raise ValueError(f"unknown special token {unknown[0]!r}: this tokenizer has {sorted(self.special_tokens)}")
        return set(allowed_special)


# tiktoken's own spelling of the same pattern: the doubled ++ never give back what they took, which is faster
_TIKTOKEN_PATTERN = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"


def check_text(text: str, forbidden: Iterable[str]) -> None:
    """Raise ValueError when text is no str, holds a lone surrogate, or holds the text of a forbidden special token."""
    if not isinstance(text, str):
        raise ValueError(f"text must be a str, got {type(text).__name__}: decode bytes with .decode('utf-8') first")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(f"text[{error.start}] is {text[error.start]!r}, half of a surrogate pair, which has no UTF-8 bytes: "
                         "mend it with text.encode('utf-16', 'surrogatepass').decode('utf-16', 'replace')") from None
    for special in forbidden:
        if special in text:
            raise ValueError(f"the text contains the special token {special!r} at position {text.index(special)}: pass "
                             f"allowed_special={{{special!r}}} to encode it as one id, or disallowed_special=() for ordinary text")


def cut_long_space(text: str) -> list[str]:
    """Cut before the last space of each very long run, where a pretoken ends anyway: tiktoken's regex would run out of stack."""
    cuts = [0]
    for run in _LONG_SPACE.finditer(text):
        cuts += [run.start(), run.end() - 1]
    return [text[i:j] for i, j in zip(cuts, [*cuts[1:], len(text)]) if i < j]


_BLOCK = 1 << 16                                             # characters encoded at a time when streaming
_LAST_CUT = regex.compile(r"(?r)(?<=\S)\s")                  # (?r): searches from the end


def even_pieces(texts: Iterable[str], size: int = _BLOCK) -> Iterator[str]:
    """Re-cut any stream of text into pieces of `size` characters; an open text file is read that much at a time."""
    if isinstance(texts, str):
        texts = [texts]
    elif hasattr(texts, "read"):
        texts = iter(lambda file=texts: file.read(size), "")
    pending, length = [], 0
    for text in texts:
        check_text(text, ())
        for start in range(0, len(text), size):
            pending.append(text[start:start + size])
            length += len(pending[-1])
            if length >= size:
                whole = "".join(pending)
                yield whole[:size]
                pending, length = [whole[size:]], length - size
    if length:
        yield "".join(pending)


def safe_blocks(texts: Iterable[str], specials: Iterable[str] = ()) -> Iterator[str]:
    """Re-cut a stream of text into blocks that can be encoded one by one.

    A space after a non-space begins a pretoken whatever follows: the only place cut here. No cut is made where
    the text so far could be the first half of a special token that has a space in it.
    """
    halves = [(s[:k], s[k]) for s in specials for k in range(1, len(s)) if s[k].isspace()]
    reach = max([1, *(len(half) for half, _ in halves)])
    pending = []                                             # pieces in which no cut was found
    for piece in even_pieces(texts):
        tail = pending[-1][-reach:] if pending else ""
        seen = tail + piece
        cuts = (match.start() for match in _LAST_CUT.finditer(seen, pos=max(0, len(tail) - 1)))
        cut = next((i for i in cuts if i >= len(tail) and not any(
            seen[i] == after and seen.endswith(half, 0, i) for half, after in halves)), None)
        if cut is None:
            pending.append(piece)
        else:
            yield "".join(pending) + piece[:cut - len(tail)]
            pending = [piece[cut - len(tail):]]
    if pending:
        yield "".join(pending)


class Tokenizer(Encoder):
    """GPT-2's tokenizer: text to ids and back, for one text, a batch or a stream; saved in Hugging Face's files.

    Tokenizer(vocab, merges, special_tokens): vocab is {id: bytes} with all 256 single bytes, merges are pairs of
    bytes in the order learned, special_tokens {"<|endoftext|>": id}.
    """

    def encode_iterable(self, texts: Iterable[str], *, allowed_special=frozenset(), disallowed_special="all") -> Iterator[int]:
        """Ids of a stream of text (pieces, lines, an open file) as if it were one text, in bounded memory."""
        allowed = self._check_special(allowed_special)
        for block in safe_blocks(texts, self.special_tokens):
            yield from self.encode(block, allowed_special=allowed, disallowed_special=disallowed_special)

    def encode_batch(self, texts: Iterable[str], max_length: int | None = None, padding_side: str = "left", **special) -> dict:
        """`input_ids` and `attention_mask`, int64 tensors (B, T): each row cut to its first max_length ids, then padded.

        The pad is <|endoftext|>, as GPT-2 has no other; the mask is 0 there. Left padding keeps the last ids together at
        the right edge, where generation goes on. `special`: allowed_special and disallowed_special of `encode`.
        """
        if isinstance(texts, str):
            raise ValueError(f"encode_batch takes a list of texts, got one str: pass [{texts[:20]!r}]")
        if max_length is not None and (not isinstance(max_length, int) or max_length < 1):
            raise ValueError(f"max_length={max_length!r}: pass a whole number of at least 1, or None for no limit")
        return pad([self.encode(text, **special)[:max_length] for text in texts], self.eot_token, padding_side)

    def save(self, folder: str | os.PathLike) -> None:
        """Write vocab.json, merges.txt and tokenizer_config.json, which `transformers` can read too."""
        save_files(self, Path(folder))

    @classmethod
    def load(cls, folder: str | os.PathLike) -> Tokenizer:
        """Read a folder in Hugging Face's GPT-2 layout. Raises ValueError, naming the entry, when a file is damaged."""
        return cls(*load_files(Path(folder)))

    @classmethod
    def gpt2(cls) -> Tokenizer:
        """GPT-2's own vocabulary, from tiktoken's files on this machine; never fetches. FileNotFoundError when absent."""
        return cls(*parse_gpt2_merges(find_gpt2_merges().read_bytes()))


def pad(rows: list[list[int]], pad_id: int, side: str) -> dict:
    """Rows of ids of unequal length as two int64 tensors (B, T), T the longest row: `input_ids` and `attention_mask`."""
    import torch

    if side not in ("left", "right"):
        raise ValueError(f"padding_side={side!r}: pass 'left' or 'right'")
    width = max(map(len, rows), default=0)
    input_ids = torch.full((len(rows), width), pad_id, dtype=torch.long)
    attention_mask = torch.zeros((len(rows), width), dtype=torch.long)
    for b, row in enumerate(rows):
        span = slice(width - len(row), width) if side == "left" else slice(0, len(row))
        input_ids[b, span] = torch.tensor(row, dtype=torch.long)
        attention_mask[b, span] = 1
    return {"input_ids": input_ids, "attention_mask": attention_mask}


def train_bpe(texts: Iterable[str], vocab_size: int, special_tokens: Iterable[str] = ("<|endoftext|>",)) -> Tokenizer:
    """Learn a tokenizer of at most `vocab_size` ids from texts: 256 bytes, then merges, then special tokens.

    The texts of special tokens are borders: nothing is merged across them and they are not counted. Ties between
    pairs go to the lexicographically greatest. When no pair is left to merge, the vocabulary is smaller.
    """
    special_tokens = list(dict.fromkeys(special_tokens))
    room = vocab_size - 256 - len(special_tokens)
    if room < 0:
        raise ValueError(f"vocab_size={vocab_size} has no room for 256 bytes and {len(special_tokens)} special tokens: "
                         f"pass at least {256 + len(special_tokens)}")
    merges = learn_merges(count_words(texts, special_tokens), room)
    vocab = number_tokens(merges)
    return Tokenizer(vocab, merges, {text: len(vocab) + i for i, text in enumerate(special_tokens)})


def count_words(texts: Iterable[str], special_tokens: Iterable[str] = ()) -> Counter[bytes]:
    """How often each pretoken occurs, as UTF-8 bytes, with the texts of special tokens left out."""
    words: Counter[str] = Counter()
    border = regex.compile("|".join(map(regex.escape, sorted(special_tokens, key=len, reverse=True))) or "(?!)")
    for text in [texts] if isinstance(texts, str) else texts:
        check_text(text, ())
        for part in border.split(text):
            words.update(pretokenize(part))
    return Counter({word.encode(): n for word, n in words.items()})


def number_tokens(merges: list[tuple[bytes, bytes]]) -> dict[int, bytes]:
    """GPT-2's numbering: the 256 bytes in the order of `bytes_to_unicode`, then one id a merge."""
    tokens = [bytes([byte]) for byte in bytes_to_unicode()]
    return dict(enumerate(dict.fromkeys([*tokens, *(a + b for a, b in merges)])))


def _printable(token: bytes) -> str:
    return "".join(bytes_to_unicode()[byte] for byte in token)


def _from_printable(text: str, where: str) -> bytes:
    byte_of = {char: byte for byte, char in bytes_to_unicode().items()}
    try:
        return bytes(byte_of[char] for char in text)
    except KeyError as error:
        raise ValueError(f"{where}: {text!r} contains {error.args[0]!r}, which stands for no byte: "
                         "copy the file again from a good source, or write it with Tokenizer.save") from None


def save_files(tokenizer: Vocabulary, folder: Path) -> None:
    """Hugging Face's GPT-2 layout: vocab.json {printable token: id}, merges.txt, tokenizer_config.json."""
    folder.mkdir(parents=True, exist_ok=True)
    vocab = {_printable(token): i for i, token in sorted(tokenizer.vocab.items())} | tokenizer.special_tokens
    merges = ["#version: 0.2", *(f"{_printable(a)} {_printable(b)}" for a, b in tokenizer.merges)]
    eot = next(iter(tokenizer.special_tokens), None)
    config = {
        "tokenizer_class": "GPT2Tokenizer", "add_prefix_space": False, "clean_up_tokenization_spaces": False,
        "bos_token": eot, "eos_token": eot, "unk_token": eot, "pad_token": None,
        "added_tokens_decoder": {str(i): {"content": text, "special": True, "normalized": False, "lstrip": False,
                                          "rstrip": False, "single_word": False}
                                 for text, i in tokenizer.special_tokens.items()},
    }
    for name, content in {"vocab.json": json.dumps(vocab, ensure_ascii=False) + "\n", "merges.txt": "\n".join(merges) + "\n",
                          "tokenizer_config.json": json.dumps(config, indent=2) + "\n"}.items():
        (folder / name).write_bytes(content.encode())        # bytes: line endings are the same on every system


_COPY_AGAIN = "copy the file again from a good source, or write it with Tokenizer.save"


def load_files(folder: Path) -> tuple[dict[int, bytes], list[tuple[bytes, bytes]], dict[str, int]]:
    """(vocab, merges, special_tokens) of a folder in Hugging Face's GPT-2 layout."""
    vocab_path, merges_path, config_path = (folder / name for name in ("vocab.json", "merges.txt", "tokenizer_config.json"))
    for path in (vocab_path, merges_path):
        if not path.is_file():
            raise FileNotFoundError(f"{path} does not exist: a tokenizer's folder holds vocab.json and merges.txt")
    numbers = _read_json(vocab_path)
    config = _read_json(config_path) if config_path.is_file() else {}
    merges = parse_merges(_read_text(merges_path), merges_path)
    named = {entry["content"]: int(i) for i, entry in config.get("added_tokens_decoder", {}).items()}
    special_tokens = named | ({"<|endoftext|>": numbers["<|endoftext|>"]} if "<|endoftext|>" in numbers else {})
    vocab, owner = {}, {}
    for text, i in numbers.items():
        if i in owner:
            raise ValueError(f"{vocab_path}: {owner[i]!r} and {text!r} share id {i!r}: {_COPY_AGAIN}")
        owner[i] = text
        if text not in special_tokens:
            vocab[i] = _from_printable(text, str(vocab_path))
    return vocab, merges, special_tokens


def _read_text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is damaged: byte {error.start} is not UTF-8: {_COPY_AGAIN}") from None


def _read_json(path: Path) -> dict:
    """A JSON object without repeated names."""
    def no_repeats(pairs):
        repeated = [name for name, n in Counter(name for name, _ in pairs).items() if n > 1]
        if repeated:
            raise ValueError(f"{path}: {repeated[0]!r} is listed more than once: {_COPY_AGAIN}")
        return dict(pairs)

    try:
        content = json.loads(_read_text(path), object_pairs_hook=no_repeats)
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is damaged: {error.msg} at line {error.lineno}, column {error.colno}: {_COPY_AGAIN}") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds a {type(content).__name__} where an object {{...}} is expected: {_COPY_AGAIN}")
    return content


def parse_merges(text: str, path: str | os.PathLike = "merges.txt") -> list[tuple[bytes, bytes]]:
    """Merges of a merges.txt: a line '#version' at the top, then two printable tokens a line."""
    merges = []
    for number, line in enumerate(text.split("\n"), start=1):
        line = line.removesuffix("\r")
        if not line or (number == 1 and line.startswith("#version")):
            continue
        parts = line.split(" ")
        if len(parts) != 2 or not all(parts):
            raise ValueError(f"{path}, line {number}: {line!r} is not two tokens with a space between: {_COPY_AGAIN}")
        merges.append(tuple(_from_printable(part, f"{path}, line {number}") for part in parts))
    return merges


# tiktoken names a cached file by the SHA-1 of the address it came from; this one is GPT-2's vocab.bpe
_GPT2_CACHE_NAME = "6d1cbeee0f20b3d9449abfede4726ed8212e3aee"
_GPT2_SHA256 = "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5"


def find_gpt2_merges() -> Path:
    """tiktoken's copy of GPT-2's merges on this machine. Raises FileNotFoundError that says how to get it."""
    if "TIKTOKEN_CACHE_DIR" in os.environ:
        folder = os.environ["TIKTOKEN_CACHE_DIR"]
    elif "DATA_GYM_CACHE_DIR" in os.environ:
        folder = os.environ["DATA_GYM_CACHE_DIR"]
    else:
        folder = os.path.join(tempfile.gettempdir(), "data-gym-cache")
    path = Path(folder, _GPT2_CACHE_NAME)
    if folder and path.is_file():
        return path
    raise FileNotFoundError(f"GPT-2's own vocabulary is not on this machine (looked for {path}): run `gpt2lab download gpt2` once "
                            "with a network, or set TIKTOKEN_CACHE_DIR to a folder that has tiktoken's files")


def parse_gpt2_merges(content: bytes) -> tuple[dict[int, bytes], list[tuple[bytes, bytes]], dict[str, int]]:
    """(vocab, merges, special_tokens) of GPT-2 from its vocab.bpe; the ids follow from the order of the merges."""
    found = hashlib.sha256(content).hexdigest()
    if found != _GPT2_SHA256:
        raise ValueError(f"GPT-2's vocab.bpe is damaged: its SHA-256 begins {found[:12]}, not {_GPT2_SHA256[:12]}: "
                         "delete it and run `gpt2lab download gpt2`")
    merges = parse_merges(content.decode("utf-8"))
    return number_tokens(merges), merges, {"<|endoftext|>": 256 + len(merges)}
