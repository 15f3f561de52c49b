"""Times Lamina beside its peers: `python -m benchmarks.run`.

Every peer runs every workload in a fresh process. Results are checked against a float64 reference,
then the peers take turns in random order, pass by pass. The machine's own limits are measured in
the same run, so that each time stands beside the least that is possible.
"""

from __future__ import annotations

import argparse
import datetime
import fnmatch
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks import machine, merge, peers, report
from benchmarks.measure import Plan, measure
from benchmarks.process import ROOT, start
from benchmarks.roofline import Limits
from benchmarks.workload import Workload
from benchmarks.workloads import every

RECORD = ROOT / "docs" / "benchmarks"
SCRATCH = ROOT / "build" / "benchmarks"
LIMITS_TIMEOUT_S = 300.0

EXAMPLES = """\
examples:
  python -m benchmarks.run                              everything, into docs/benchmarks
  python -m benchmarks.run --only 'mm_*,softmax*'       some workloads
  python -m benchmarks.run --only 'jit_*' --quick       a first look, in seconds
  python -m benchmarks.run --peers lamina,torch,torch_compile
  python -m benchmarks.run --peers all --threads 1 --out /tmp/one-thread
  python -m benchmarks.run --only 'mm_*' --merge        these rows anew in docs/benchmarks
  python -m benchmarks.run --isa avx2 --out /tmp/avx2   as on a processor without AVX-512
  python -m benchmarks.run --list                       names of workloads and peers
"""


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.run",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    default = ",".join(p.name for p in peers.PEERS.values() if p.takes_part)
    parser.add_argument("--only", metavar="GLOB", default="*", help="names, separated by commas")
    parser.add_argument("--peers", metavar="NAMES", default=default, help=f"or all ({default})")
    parser.add_argument("--passes", type=int, metavar="N", help="turns of each peer (5)")
    parser.add_argument("--seconds", type=float, metavar="S", help="a turn's samples (0.5)")
    parser.add_argument("--threads", type=int, metavar="N", default=2, help="in every peer (2)")
    parser.add_argument("--quick", action="store_true", help="2 short passes, fewer limits")
    parser.add_argument(
        "--isa",
        choices=peers.ISAS,
        help="confine all peers to these instructions, and leave out those that cannot be",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="for results.json and results.md; docs/benchmarks for a whole run, "
        "build/benchmarks when --only, --peers or --quick make it a part of one",
    )
    parser.add_argument(
        "--merge",
        action="store_true",
        help="put the rows into the results.json of --out (docs/benchmarks), and keep its others",
    )
    parser.add_argument("--list", action="store_true", help="print what there is, and stop")
    options = parser.parse_args(arguments)
    whole = options.only == "*" and options.peers == default and not options.quick
    whole = whole and options.isa is None
    options.out = options.out or (RECORD if whole or options.merge else SCRATCH)
    if options.merge and options.quick:
        parser.error("--merge: rows of --quick do not mix with others")
    try:
        options.workloads = choose_workloads(options.only)
        options.chosen = choose_peers(options.peers)
    except ValueError as problem:
        parser.error(str(problem))
    if options.isa is not None:
        options.chosen = [peer for peer in options.chosen if peer.confined]
    for name in ("passes", "seconds", "threads"):
        value = getattr(options, name)
        if value is not None and value <= 0:
            parser.error(f"--{name}: a positive number, not {value}")
    return options


def choose_workloads(globs: str) -> list[Workload]:
    """The workloads that match any of the patterns.

    Raises:
        ValueError: a pattern matches nothing.
    """
    patterns = [glob.strip() for glob in globs.split(",") if glob.strip()]
    for pattern in patterns:
        if not fnmatch.filter(every(), pattern):
            raise ValueError(
                f"--only: no workload matches {pattern!r}; there are: {_names(every())}"
            )
    return [w for n, w in every().items() if any(fnmatch.fnmatch(n, p) for p in patterns)]


def choose_peers(names: str) -> list[peers.Peer]:
    """The peers of a list, each once, in the order given.

    Raises:
        ValueError: a name is unknown.
    """
    if names == "all":
        return list(peers.PEERS.values())
    wanted = list(dict.fromkeys(name.strip() for name in names.split(",") if name.strip()))
    for name in wanted:
        if name not in peers.PEERS:
            raise ValueError(f"--peers: no peer {name!r}; there are: {_names(peers.PEERS)}")
    return [peers.PEERS[name] for name in wanted]


def _names(known: Iterable[str]) -> str:
    return ", ".join(known)


def listing() -> str:
    """Workloads and peers, a line each."""
    lines = ["workloads:"]
    lines += [f"  {w.name:36} {w.summary}" for w in every().values()]
    lines += ["", "peers:"]
    for peer in peers.PEERS.values():
        version = peer.version() or "absent"
        default = "" if peer.default else " (only with --peers)"
        lines.append(f"  {peer.name:14} {version}{default}: {peer.note}")
    return "\n".join(lines)


def plan_of(options: argparse.Namespace, threads: int) -> Plan:
    """The plan that the options ask for."""
    passes = options.passes or (2 if options.quick else 5)
    seconds = options.seconds or (0.05 if options.quick else 0.5)
    settle_s = 0.02 if options.quick else Plan.settle_s
    seed = time.time_ns() % 1_000_000
    isa = options.isa or ""
    return Plan(
        passes=passes, seconds=seconds, threads=threads, settle_s=settle_s, seed=seed, isa=isa
    )


def measure_limits(threads: int, quick: bool, cache: Path) -> Limits:
    """The machine's limits, measured in a process of their own.

    Raises:
        RuntimeError: that failed.
    """
    command = [sys.executable, "-m", "benchmarks.limits", "--json", "--threads", str(threads)]
    try:
        done = subprocess.run(
            command + ["--quick"] * quick,
            cwd=ROOT,
            env=peers.environment(peers.PEERS["lamina"], threads, cache),
            capture_output=True,
            text=True,
            timeout=LIMITS_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"took more than {LIMITS_TIMEOUT_S:g} s") from None
    if done.returncode:
        said = done.stderr.strip().splitlines()[-1:] or [f"ended with code {done.returncode}"]
        raise RuntimeError(said[0])
    return Limits.from_json(json.loads(done.stdout))


def revision() -> str:
    """The commit of the sources, with "+" when they were changed since; empty outside of git."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--exclude=*", "--dirty=+"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


class Run:
    """One run: limits, workloads, limits again.

    Args:
        options: of the command line.
        console: where progress is shown.
    """

    def __init__(self, options: argparse.Namespace, console: Console):
        self.options = options
        self.console = console
        allowed = machine.allowed_threads()
        threads = min(options.threads, allowed)
        if threads < options.threads:
            console.print(f"only {allowed} processors may be used: {threads} threads")
        self.results = report.Results(
            peers=[peer.name for peer in options.chosen],
            versions={peer.name: peer.version() for peer in options.chosen},
            machine=machine.describe(),
            plan=plan_of(options, threads),
            date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            revision=revision(),
            load=machine.load(),
        )
        machine.use_cpus(threads)

    def go(self, cache: Path) -> report.Results:
        """Measures everything; an interruption leaves what was found so far."""
        columns = (
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}"),
        )
        with Progress(*columns, console=self.console, auto_refresh=False) as progress:
            task = progress.add_task("", total=len(self.options.workloads))

            def report_step(step: str) -> None:
                progress.update(task, description=step)
                progress.refresh()  # only here: a timer would disturb the measurement

            try:
                self._limits(cache, report_step)
                for workload in self.options.workloads:
                    self._workload(workload, cache, report_step)
                    progress.advance(task)
                if not self.options.quick:
                    self._limits(cache, report_step)
                self.results.complete = True
            except KeyboardInterrupt:
                self.console.print("interrupted")
            report_step("")
        return self.results

    def _limits(self, cache: Path, report_step: Callable[[str], None]) -> None:
        plan, results = self.results.plan, self.results
        report_step("limits of the machine")
        try:
            found = measure_limits(plan.threads, self.options.quick, cache)
        except (RuntimeError, ValueError) as problem:
            results.limits_problem = str(problem)
            return
        results.limits = found if results.limits is None else results.limits.best(found)

    def _workload(
        self, workload: Workload, cache: Path, report_step: Callable[[str], None]
    ) -> None:
        plan = self.results.plan
        begin = partial(start, threads=plan.threads, cache=cache)
        cells = measure(workload, self.options.chosen, plan, begin, report_step)
        row = report.Row(workload, cells, self.results.date, self.results.revision)
        self.results.rows.append(row)
        names = [name for name in self.results.peers if name in cells]
        texts = [f"{n} {report.cell_text(cells[n], None)}" for n in names]
        self.console.print(f"{workload.name}: {', '.join(texts)}", highlight=False)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs, writes, prints; 1 when Lamina failed somewhere or was wrong, 130 when interrupted."""
    options = parse(arguments)
    if options.list:
        print(listing())
        return 0
    os.environ.update(peers.ISAS.get(options.isa, {}))  # which all processes of peers inherit
    console = Console(stderr=True, soft_wrap=True)
    with tempfile.TemporaryDirectory(prefix="lamina-bench-", ignore_cleanup_errors=True) as cache:
        results = Run(options, console).go(Path(cache))
    if options.merge:
        try:
            results = merge.merged(merge.load(options.out / "results.json"), results)
        except (OSError, ValueError) as problem:
            console.print(f"not merged, written to {os.path.relpath(SCRATCH)}: {problem}")
            options.out = SCRATCH
    print(report.table(results))
    print()
    for line in report.problems(results):
        print(line)
    kept = options.out == RECORD and not results.complete
    for path in report.write(results, SCRATCH if kept else options.out):
        print(f"wrote {os.path.relpath(path)}")
    if not results.complete:
        return 130
    return 0 if results.sound else 1


if __name__ == "__main__":
    sys.exit(main())
