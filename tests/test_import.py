"""`import gpt2lab` loads nothing but Python itself; the rest comes when it is asked for."""
import json
import subprocess
import sys

import pytest

import gpt2lab

FOREIGN = ("import json, sys; before = set(sys.modules); import {module}; print(json.dumps(sorted("
           "{{name.partition('.')[0] for name in set(sys.modules) - before}} - sys.stdlib_module_names - {{'gpt2lab'}})))")


def foreign_modules(module: str) -> list[str]:
    """Top-level packages from outside the standard library that importing `module` loads, in a fresh interpreter."""
    done = subprocess.run([sys.executable, "-c", FOREIGN.format(module=module)], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_importing_the_package_loads_no_library():
    assert foreign_modules("gpt2lab") == []


def test_the_measure_itself_notices_a_library():
    assert "numpy" in foreign_modules("numpy")


@pytest.mark.parametrize("module", ["gpt2lab.cli", "gpt2lab.download", "gpt2lab.corpus", "gpt2lab.doctor", "gpt2lab.figures",
                                    "gpt2lab.tokenizer", "gpt2lab.widgets"])
def test_what_needs_no_tensors_loads_no_torch(module):
    assert not {"torch", "transformers", "matplotlib", "tensorflow", "jax"} & set(foreign_modules(module))


@pytest.mark.parametrize("module", ["gpt2lab.attention", "gpt2lab.decoder", "gpt2lab.weights", "gpt2lab.lab"])
def test_the_model_needs_neither_transformers_nor_pictures(module):
    assert not {"transformers", "matplotlib", "IPython", "ipywidgets"} & set(foreign_modules(module))


def test_open_lab_is_found_when_asked_for():
    from gpt2lab.lab import open_lab
    assert gpt2lab.open_lab is open_lab


def test_a_name_that_is_not_there_says_so():
    with pytest.raises(AttributeError, match="no_such_thing"):
        assert gpt2lab.no_such_thing
