"""Text at hand without a download: read as source, the same every time, split by the document's own hash."""
import json
import os
import subprocess
import sys
from itertools import islice

import pytest

from gpt2lab import corpus

PROSE = "This function returns the number of elements that the given list holds at the time of the call and changes nothing in it. " * 2


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A machine with one small package to read, which must never be imported, and a cache of its own."""
    package = tmp_path / "packages" / "boobytrap"
    (package / "tests").mkdir(parents=True)
    (package / "__init__.py").write_text(f'"""{PROSE}"""\nraise SystemExit("imported!")\n')
    (package / "b.py").write_text(f'def f():\n    """Second. {PROSE}"""\nclass A:\n    """Third. {PROSE}"""\n')
    (package / "c.py").write_text(f'add_docstr(f, """Fourth. {PROSE}""")\nx = """Never a docstring. {PROSE}"""\n')
    (package / "d.py").write_text('def f():\n    """Too short."""\n')
    (package / "e.py").write_text("this is no Python\n")
    (package / "f.py").write_bytes(b'"""\xff\xfe"""')
    (package / "tests" / "test_b.py").write_text(f'"""A test. {PROSE}"""')
    (tmp_path / "stdlib").mkdir()
    monkeypatch.syspath_prepend(tmp_path / "packages")
    monkeypatch.setattr(corpus, "PACKAGES", ("boobytrap", "not_installed_anywhere"))
    monkeypatch.setattr(corpus.sysconfig, "get_path", lambda name: str(tmp_path / "stdlib"))
    monkeypatch.setattr("pydoc_data.topics.topics", {"zebra": "Last. " + PROSE, "apple": "First. " + PROSE})
    monkeypatch.setattr(corpus, "user_cache_dir", lambda *a, **k: str(tmp_path / "cache"))
    return tmp_path


def test_it_reads_documentation_in_a_fixed_order_and_imports_nothing(small):
    found = list(corpus.documents())
    assert [d.split()[0] for d in found] == ["First.", "Last.", "This", "Second.", "Third.", "Fourth."]
    assert "boobytrap" not in sys.modules


def test_what_is_said_twice_is_kept_once(small):
    (small / "packages" / "boobytrap" / "g.py").write_text(f'def again():\n    """Second. {PROSE}"""\n')
    assert len(list(corpus.documents())) == 6


def test_the_second_call_reads_the_cache_and_gives_the_same(small, monkeypatch):
    first = list(corpus.documents())
    monkeypatch.setattr(corpus, "_read_sources", lambda: pytest.fail("read the sources again"))
    assert list(corpus.documents()) == first


@pytest.mark.parametrize("damage", [b"", b"[\"half a fi", b"\xff\xff", b"null", b"{}", b"[1, 2]", b"[[\"nested\"]]"])
def test_a_damaged_cache_is_read_anew_and_mended(small, damage):
    first = list(corpus.documents())
    corpus._cache_file().write_bytes(damage)
    assert list(corpus.documents()) == first
    assert json.loads(corpus._cache_file().read_text(encoding="utf-8")) == first


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(small):
    (small / "cache").write_text("a file where the directory should be")
    assert len(list(corpus.documents())) == 6


def test_other_versions_have_another_cache(small, monkeypatch):
    before = corpus._cache_file()
    monkeypatch.setattr(corpus, "version", lambda name: "99.0")
    assert corpus._cache_file() != before


def test_text_takes_whole_documents_up_to_the_size(small):
    pieces = list(corpus.documents())
    for size in (1, len(pieces[0].encode()) - 1, len(pieces[0].encode()), len("\n\n".join(pieces[:2]).encode()), 10**6):
        text = corpus.text(size)
        assert len(text.encode()) <= size
        taken = text.split("\n\n") if text else []
        assert taken == pieces[:len(taken)]
        following = "\n\n".join(pieces[:len(taken) + 1])
        assert len(taken) == len(pieces) or len(following.encode()) > size, "one more would have fitted"


@pytest.mark.parametrize("size", [0, -5])
def test_a_size_without_sense_is_refused(size):
    with pytest.raises(ValueError, match=f"max_bytes={size}"):
        corpus.text(size)


def test_the_split_loses_nothing_and_shares_nothing(monkeypatch):
    pieces = [f"Document number {i}." for i in range(4000)]
    monkeypatch.setattr(corpus, "documents", lambda: iter(pieces))
    train, held_out = corpus.split()
    assert not set(train) & set(held_out) and sorted(train + held_out) == sorted(pieces)
    assert 0.03 < len(held_out) / len(pieces) < 0.07, "about one in 20"


def test_a_new_document_moves_no_other_across(monkeypatch):
    pieces = [f"Document number {i}." for i in range(500)]
    monkeypatch.setattr(corpus, "documents", lambda: iter(pieces))
    train, held_out = corpus.split()
    monkeypatch.setattr(corpus, "documents", lambda: iter(["A new one.", *reversed(pieces)]))
    train_then, held_out_then = corpus.split()
    assert set(train) <= set(train_then) and set(held_out) <= set(held_out_then)


@pytest.mark.parametrize("paragraph, prose", [
    ("Return a new list that holds the elements in order.", True),
    ("Two words.", False),
    (">>> print(a and b and c and d and e and f)", False),
    ("+-----+-----+ | a b | c d | +=====+=====+", False),
    ("Gibt die Länge der Liste zurück, wie sie gerade ist.", True),
])
def test_prose_is_told_from_tables_and_sessions(paragraph, prose):
    assert corpus._is_prose(paragraph) is prose


def test_indentation_goes_and_examples_go():
    raw = "Count the things that are here now.\n\n        >>> count(1)\n        1\n\n    Things that are not here count for nothing.  \n    "
    assert corpus._tidy(raw) == "Count the things that are here now.\n\nThings that are not here count for nothing."


def test_the_order_does_not_hang_on_the_hash_seed():
    program = ("import hashlib; from itertools import islice; from gpt2lab import corpus\n"
               "print(hashlib.sha256('|'.join(islice(corpus._read_sources(), 300)).encode()).hexdigest())")
    outputs = {subprocess.run([sys.executable, "-c", program], env={**os.environ, "PYTHONHASHSEED": seed}, check=True,
                              capture_output=True, text=True).stdout for seed in ("1", "2")}
    assert len(outputs) == 1


def test_this_machine_has_about_five_megabytes_of_prose():
    text = corpus.text(5_000_000)
    assert 4_000_000 < len(text.encode()) <= 5_000_000
    letters = sum(c.isalpha() or c.isspace() for c in text)
    assert letters / len(text) > 0.9 and ">>>" not in text
    assert text == corpus.text(5_000_000)


def test_the_language_reference_comes_first():
    first = "\n".join(islice(corpus.documents(), 5))
    assert "assert" in first and "statement" in first


# ---------------------------------------------------------------- code

@pytest.fixture
def library(small):
    """A small standard library: 60 modules with docstrings and comments, and some that are left out."""
    root = small / "stdlib"
    for i in range(60):
        (root / f"m{i}.py").write_text(f'"""Docstring {i}. {PROSE}"""\n# comment {i}\nimport os\n\n\ndef f{i}(x):\n    """Inner docstring."""\n'
                                       f'    return x + {i}  # why\n\n\nclass A{i}:\n    "Another docstring."\n\n\nTEXT = "a string that is no docstring {i}"\n'
                                       + f"TABLE{i} = [{i}, 2, 3]\n" * 8)
    for folder in ("encodings", "test", "site-packages"):
        (root / folder).mkdir()
        (root / folder / "left_out.py").write_text("FORBIDDEN = 1\n" * 40)
    (root / "short.py").write_text("x = 1\n")
    (root / "only_docstring.py").write_text(f'"""{PROSE}"""\n')
    (root / "broken.py").write_text("def f(:\n" * 30)
    return root


def test_code_is_statements_alone(library):
    train, held_out = corpus.code()
    everything = train + held_out
    assert len(everything) == 60 and train and held_out and not set(train) & set(held_out)
    for module in everything:
        compile(module, "module", "exec")
        assert "ocstring." not in module and "#" not in module and "This function" not in module
        assert "a string that is no docstring" in module and "pass" in module and "return x + " in module
    assert "FORBIDDEN" not in "".join(everything)


def test_nothing_of_the_code_stands_in_the_documentation(library):
    documents = "\n".join(corpus.documents())
    lines = {line for module in sum(corpus.code(), []) for line in module.splitlines() if line.strip()}
    assert "Docstring 3." in documents and not [line for line in lines if line in documents]


def test_less_code_is_a_beginning_of_more_on_the_same_sides(library):
    train, held_out = corpus.code()
    size = len(train[0].encode()) * 20
    some_train, some_held_out = corpus.code(size)
    assert 10 < len(some_train + some_held_out) < 25 and sum(len(m.encode()) for m in some_train + some_held_out) <= size
    assert some_train == train[:len(some_train)] and some_held_out == held_out[:len(some_held_out)]
    (library / "new.py").write_text("NEW = 1\n" * 40)
    assert [m for m in corpus.code()[0] if "NEW" not in m] == train, "a new module moves no other across"
    with pytest.raises(ValueError, match="max_bytes=0"):
        corpus.code(0)


def test_this_machines_library_gives_both_sides():
    train, held_out = corpus.code()
    assert len(train) > 10 and held_out and 400_000 < sum(len(m.encode()) for m in train + held_out) <= 600_000
