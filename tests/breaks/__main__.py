"""`python -m tests.breaks [WORD...]`: break the code, one way after the other, in a copy; each time a test must turn red."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.breaks.catalogue import BREAKS, Break

ROOT = Path(__file__).parents[2]
LIMIT_S = 120.0  # a break that makes its test hang has been noticed, too


def turns_red(broken: Break) -> str | None:
    """None when the test notices; else what is wrong."""
    with tempfile.TemporaryDirectory(prefix="breaks.") as folder:
        copy = Path(folder)
        for name in ("src", "tests", "configs"):
            if (ROOT / name).exists():
                shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", copy)
        file = copy / "src" / "automation_consumer" / broken.file
        text = file.read_text("utf-8")
        if text.count(broken.old) != 1:
            return f"{broken.file} has changed: the text to break is there {text.count(broken.old)} times"
        if (before := run(copy, broken.test)) != 0:
            return f"the test fails without the break ({before})"
        file.write_text(text.replace(broken.old, broken.new), "utf-8")
        return None if run(copy, broken.test) == 1 else "the test does not notice"


def run(copy: Path, test: str) -> int:
    """pytest's exit code: 0 passed, 1 failed; a hang counts as failed."""
    environ = {**os.environ, "PYTHONPATH": str(copy / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-W", "ignore", test]
    try:
        return subprocess.run(
            command, cwd=copy, env=environ, capture_output=True, timeout=LIMIT_S, check=False
        ).returncode
    except subprocess.TimeoutExpired:
        return 1


def main() -> None:
    words = sys.argv[1:]
    chosen = [each for each in BREAKS if all(word in each.what or word in each.test for word in words)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        wrong = 0
        for broken, problem in zip(chosen, pool.map(turns_red, chosen), strict=True):
            wrong += problem is not None
            print(f"{'red' if problem is None else 'NOT RED'}: {broken.what}", flush=True)
            if problem is not None:
                print(f"    {broken.test}: {problem}", flush=True)
    print(f"{len(chosen) - wrong} of {len(chosen)} breaks turn their test red")
    sys.exit(bool(wrong) or not chosen)


if __name__ == "__main__":
    main()
