"""Shared by the comparisons with other programs: running Corral, and a report of claims that decides the exit code."""
import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path


class Report:
    def __init__(self):
        self.passed = self.failed = 0

    def limit(self, claim, value, limit):
        self.claim(f"{claim}: {value:.2e} (limit {limit:.0e})", value <= limit)

    def claim(self, text, good, detail=""):
        print(("pass  " if good else "FAIL  ") + text + ("" if good or not detail else "\n" + detail), flush=True)
        self.passed, self.failed = self.passed + bool(good), self.failed + (not good)


def corral(program, *arguments, check=True):
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, arguments))}\nexit {done.returncode}\n{done.stderr[-3000:]}")
    return done


def main(documentation, cases):
    """Runs the cases in an empty folder. `cases(report, program, folder)` yields pairs of a name and a function without arguments."""
    parser = argparse.ArgumentParser(description=documentation, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corral", required=True, type=Path)
    parser.add_argument("--only", default="", help="only cases whose name has this in it")
    parser.add_argument("--keep", type=Path, help="leave the folders here")
    args = parser.parse_args()
    report = Report()
    folder = args.keep or Path(tempfile.mkdtemp(prefix="corral_interop_"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, run in cases(report, args.corral.resolve(), folder):
            if args.only not in name:
                continue
            try:
                run()
            except (RuntimeError, OSError, KeyError, ValueError, subprocess.CalledProcessError) as error:
                report.claim(f"{name}: {type(error).__name__}: {error}", False, str(getattr(error, "stderr", None) or ""))
    finally:
        if not args.keep:
            shutil.rmtree(folder, ignore_errors=True)
    print(f"{report.passed} passed, {report.failed} failed")
    sys.exit(report.failed > 0 or report.passed == 0)
