"""Damaged files, by the thousand: only clear errors, no crash, no hang, no memory blow-up."""
import json
import os
import subprocess
import sys
from pathlib import Path

CASES = 2400


def test_damaged_files_give_clear_errors_and_nothing_else():
    """In a process of its own, so that a crash is seen as one."""
    done = subprocess.run([sys.executable, str(Path(__file__).with_name("fuzz_weights.py")), "--cases", str(CASES)],
                          capture_output=True, text=True, timeout=600, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, f"ended with {done.returncode}:\n{done.stderr[-3000:]}"
    counted = json.loads(done.stdout.splitlines()[-1])
    assert counted["cases"] == CASES
    assert counted["ValueError"] > CASES / 2, "most damage must be noticed"
    assert counted["loaded"] > 0, "a changed number alone is still a model"
    assert counted["grown_bytes"] < 200e6
