"""A small random model behind the `Lab` interface, and pages that fail on any error or outside request."""
from __future__ import annotations

import pytest
import torch

from gpt2lab.decoder import GPT2, GPT2Config
from gpt2lab.lab import Lab
from gpt2lab.tokenizer import train_bpe

TEXT = "the cat sat because it was tired, and the other cat gathered there: they thought the theory through. " * 4


@pytest.fixture(scope="session")
def tiny_lab() -> Lab:
    """3 layers, 4 heads, 160 positions, 300 tokens; weights large enough that attention is far from flat."""
    tokenizer = train_bpe([TEXT], 300)
    torch.manual_seed(0)
    config = GPT2Config(n_layer=3, n_head=4, n_embd=32, n_positions=160, vocab_size=tokenizer.n_vocab, initializer_range=0.25)
    return Lab(GPT2(config).eval(), tokenizer, torch.device("cpu"), "tiny")


@pytest.fixture
def open_page(browser, tmp_path):
    """open_page(*html or widgets, width=...) -> a page on file://; at the end no error, and nothing asked of a network."""
    contexts, troubles = [], []

    def open_(*shown, width: int = 1000, theme: str | None = "light", **options):
        bodies = [s if isinstance(s, str) else s.to_html() if hasattr(s, "to_html") else s.data for s in shown]
        attribute = f' data-theme="{theme}"' if theme else ""
        path = tmp_path / f"page{len(contexts)}.html"
        path.write_text(f'<!doctype html><html lang="en"{attribute}><head><meta charset="utf-8"><title>A page</title>'
                        '<meta name="viewport" content="width=device-width">'
                        '<style>html[data-theme="dark"] body { color: #eeeeee; }</style></head><body><main><h1>A page</h1>'
                        + "\n".join(bodies) + "</main></body></html>", encoding="utf-8")
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("pageerror", lambda error: troubles.append(f"error in the page: {error}"))
        page.on("console", lambda m: troubles.append(f"console: {m.text}") if m.type in ("error", "warning") else None)
        page.on("request", lambda r: None if r.url.startswith(("file://", "blob:", "data:")) else troubles.append(f"request: {r.url}"))
        page.goto(path.as_uri())
        if options.get("java_script_enabled", True):
            page.wait_for_function("document.querySelectorAll('.g2-static').length === 0")
        return page

    yield open_
    for context in contexts:
        context.close()
    assert not troubles, troubles
