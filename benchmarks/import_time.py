"""How long `import gpt2lab` takes, beside starting Python with nothing to do. Figure to reach: less than 0.15 s."""
import subprocess
import sys
import time

ROUNDS = 15


def fastest(*programs: str) -> list[float]:
    """The least time of each program over ROUNDS rounds, taken in turns so that noise falls on all alike."""
    best = [float("inf")] * len(programs)
    for _ in range(ROUNDS):
        for i, program in enumerate(programs):
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", program], check=True)
            best[i] = min(best[i], time.perf_counter() - start)
    return best


if __name__ == "__main__":
    nothing, package, torch = fastest("pass", "import gpt2lab", "import torch")
    print(f"python -c 'import gpt2lab' takes {package / nothing:.2f} times as long as python -c pass: "
          f"{1000 * (package - nothing):.1f} ms more ({1000 * nothing:.0f} ms -> {1000 * package:.0f} ms); "
          f"import torch for comparison: {torch / nothing:.1f} times")
