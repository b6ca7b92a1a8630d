"""Cases of exercise 01 that a learner does not see: longer, random, and mean in other places."""

from gpt2lab.grading import Case, args, exact, raises
from gpt2lab.grading.checks.tokenizer import END, MERGES, SPECIAL_TOKENS, USER, VOCAB, encode_args, ids_of, ranks_of


def words(rng, letters: str, count: int) -> str:
    return " ".join("".join(rng.choice(list(letters), rng.integers(1, 7))) for _ in range(count))


def random_text(rng) -> str:
    return "".join(rng.choice(list("aB 7\n\t'sé日_-.🙂 \u00a0"), 200))


def random_ranks(rng) -> dict:
    """Ranks as training could give them: halves are bytes or earlier tokens. The dict is not in order of rank."""
    tokens, pairs = [b"a", b"b", b"c"], []
    while len(pairs) < 20:
        pair = tokens[rng.integers(len(tokens))], tokens[rng.integers(len(tokens))]
        if pair[0] + pair[1] not in tokens and len(pair[0] + pair[1]) < 6:
            pairs.append(pair)
            tokens.append(pair[0] + pair[1])
    return {pairs[i]: int(i) for i in rng.permutation(len(pairs))}


def random_piece(rng, length: int) -> bytes:
    return bytes(rng.choice(list(b"abc"), length).astype("uint8"))


HIDDEN = {
    "tokenizer.pretokenize": (
        Case("random text", lambda rng: args(random_text(rng)), points=2, compare=exact()),
        Case("other white space", lambda rng: args("a\t\tb\u00a0\u00a0c \r\n\r\nd　e"), compare=exact()),
        Case("other digits", lambda rng: args("٣٤ ½ Ⅷ x²"), compare=exact()),
    ),
    "tokenizer.train_merges": (
        Case("random words", lambda rng: args([words(rng, "abc", 40), words(rng, "ab é", 30)], 25), points=2, compare=exact()),
        Case("runs in the middle", lambda rng: args(["baaab baaab abab ababa bbbbbb"], 8), compare=exact()),
    ),
    "tokenizer.merge_by_rank": (
        Case("random ranks", lambda rng: args(random_piece(rng, 60), random_ranks(rng)), points=2, compare=exact()),
        Case("other random ranks", lambda rng: args(random_piece(rng, 40), random_ranks(rng)), compare=exact()),
        Case("a run of another length", lambda rng: args(b"aaaaaaaaaaa", ranks_of("a a", "aa aa", "aa a")), compare=exact()),
    ),
    "tokenizer.encode": (
        Case("random text", lambda rng: encode_args(random_text(rng) + words(rng, "abc", 20)), points=2, compare=exact()),
        Case("both special tokens", lambda rng: encode_args(f"{USER} the cat\n{END}{USER}low  {END} ", END, USER), compare=exact()),
        Case("no special tokens at all", lambda rng: args(f"the {END}", VOCAB, MERGES, {}), compare=exact()),
        Case("the other one is in the text", lambda rng: encode_args(f"low {END} {USER}", USER), compare=raises("ValueError", (END,))),
    ),
    "tokenizer.decode": (
        Case("random ids", lambda rng: args(rng.integers(0, 272, 80).tolist(), VOCAB, SPECIAL_TOKENS), points=2, compare=exact()),
        Case("an id below zero", lambda rng: args([-1], VOCAB, SPECIAL_TOKENS), points=0.5, compare=raises("ValueError", ("-1",))),
        Case("emoji", lambda rng: args(ids_of("👩‍👩‍👧‍👦 ok".encode()), VOCAB, SPECIAL_TOKENS), compare=exact()),
    ),
}  # fmt: skip
