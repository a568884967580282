"""Runs the project's own pytest in an isolated environment, with Java when it uses Spark.

Owns that environment and the reading of how pytest ended. Must not judge the tests themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from deployer.checks.junit import InvalidReport, Results, read_results
from deployer.checks.process import Completed, Deadline
from deployer.checks.session import Session, Verdict, failed, last_lines, listed
from deployer.checks.venvs import Venv, install, interpreter, make_venv
from deployer.errors import DeployError, FailureReason, Problem
from deployer.report.model import Check, CheckStatus, Finding

NAME = "test"
_ALL_PASSED, _SOME_FAILED, _INTERRUPTED, _NONE_COLLECTED = 0, 1, 2, 5  # pytest's exit codes
_ONLY_BUILD = "`checks: false` only builds."
_SLOW_S = 1.0

# 25 group-by and join tests took 19.5 s with Spark's defaults and 14.5 s with such settings (facts
# 3.1). They are defaults: what the project's own SparkSession sets goes before them.
_SPARK_DEFAULTS = {
    "spark.master": "local[2]",
    "spark.default.parallelism": "1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.rdd.compress": "false",
    "spark.shuffle.compress": "false",
    "spark.sql.shuffle.partitions": "1",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}


def run_tests(session: Session) -> Verdict:
    """Install the project with its test dependencies and run pytest over it."""
    deadline = Deadline(session.timeout_s)
    if not session.project.has_tests():
        return _no_tests(deadline)
    venv = Venv(session.scratch.work / "tests")
    stopped, notes = _prepare(session, venv, deadline)
    if stopped:
        return _not_installed(session, stopped, deadline)
    try:
        env = {**session.tool_environment(), **_environment(session, venv)}
    except DeployError as no_java:
        return failed(NAME, deadline.used_s(), no_java.problem.title, no_java.problem)
    report = session.scratch.emptied(session.scratch.reports) / "junit.xml"
    # xunit1 has the file and line of each test; the cache would change the project's folder.
    options = ["-o", "junit_family=xunit1", "-o", f"cache_dir={session.scratch.work / 'pytest'}"]
    argv: list[str | Path] = [venv.python, "-m", "pytest", *options, f"--junitxml={report}"]
    completed = session.run(argv, deadline, env=env)
    if completed.timed_out:
        return session.too_slow(NAME, "pytest", completed, deadline)
    return _judge(session, completed, report, notes, deadline)


def _prepare(
    session: Session, venv: Venv, deadline: Deadline
) -> tuple[Completed | None, tuple[Finding, ...]]:
    """Make `venv`; gives back the command that failed, if any, and what is worth a note."""
    project = session.project
    needs = project.needs_of_tests()
    # Editable, so that traces name the project's own files and annotations find their lines.
    what: list[str | Path] = ["--editable", f".[{needs.extra}]" if needs.extra else "."]
    what += ["--group", needs.group] if needs.group else []
    what += ["--requirements", needs.file] if needs.file else []
    session.on_line(f"test dependencies: {needs.source or 'none declared'}")
    completed = make_venv(session, venv.path, interpreter(project.requires_python), deadline)
    if completed.exit_code == 0:
        completed = install(session, venv, [*what, "pytest"], deadline)
    if completed.exit_code != 0:
        return completed, ()
    if venv.has_package("pyspark") or not project.imports_pyspark():
        return None, ()
    completed = install(session, venv, ["pyspark"], deadline)
    note = Finding(
        "The project imports pyspark, but neither it nor its test dependencies ask for it: the "
        "newest was installed. Pin the version of your runtime in the dependency group `test`.",
        code="pyspark-undeclared",
    )
    return None if completed.exit_code == 0 else completed, (note,)


def _environment(session: Session, venv: Venv) -> Mapping[str, str]:
    """What tests get besides the tool environment; asks for a Java only when there is PySpark."""
    own = {
        "PATH": f"{venv.bin}:{session.tool_environment()['PATH']}",
        "VIRTUAL_ENV": str(venv.path),
    }
    if not venv.has_package("pyspark"):
        return own
    java = session.tools.java()
    conf = session.scratch.root / "spark"
    conf.mkdir(exist_ok=True)
    settings = {
        **_SPARK_DEFAULTS,
        "spark.driver.extraJavaOptions": f'-Dderby.system.home="{session.scratch.temporary}"',
        "spark.sql.warehouse.dir": str(session.scratch.work / "warehouse"),
    }
    text = "".join(f"{name} {value}\n" for name, value in settings.items())
    (conf / "spark-defaults.conf").write_text(text, encoding="utf-8")
    return {
        **own,
        "JAVA_HOME": str(java.path),
        "PATH": f"{venv.bin}:{java.path / 'bin'}:{session.tool_environment()['PATH']}",
        "PYSPARK_DRIVER_PYTHON": str(venv.python),
        "PYSPARK_PYTHON": str(venv.python),
        "SPARK_CONF_DIR": str(conf),
        "SPARK_LOCAL_DIRS": str(session.scratch.temporary),
        "SPARK_LOCAL_IP": "127.0.0.1",
    }


def _judge(
    session: Session,
    completed: Completed,
    report: Path,
    notes: tuple[Finding, ...],
    deadline: Deadline,
) -> Verdict:
    """The verdict on a pytest that ended by itself."""
    if completed.exit_code == _NONE_COLLECTED:
        return _no_tests(deadline)
    try:
        results = read_results(report, session.project.path, owner=session.scratch.owner)
    except InvalidReport as error:
        return _without_results(completed, str(error), deadline)
    if completed.exit_code == _ALL_PASSED:
        status = CheckStatus.WARNED if notes else CheckStatus.PASSED
        return Verdict(Check(NAME, status, deadline.used_s(), _summary(results), notes))
    if completed.exit_code not in (_SOME_FAILED, _INTERRUPTED) or not results.problems:
        return _without_results(completed, _summary(results), deadline)
    wrong = results.failures + results.errors
    title = f"{wrong} of {results.tests} tests of the project failed."
    problem = Problem(
        FailureReason.TESTS_FAILED,
        title,
        listed(results.problems),
        f"Correct the code or its tests. {_ONLY_BUILD}",
    )
    findings = (*results.problems, *notes)
    summary = _summary(results)
    seconds = deadline.used_s()
    return failed(NAME, seconds, summary, problem, findings=findings, output_tail=completed.tail)


def _summary(results: Results) -> str:
    parts = (
        (results.failures, "failed"),
        (results.errors, "with errors"),
        (results.passed, "passed"),
        (results.skipped, "skipped"),
    )
    counts = ", ".join(f"{count} {word}" for count, word in parts if count) or "no results"
    slowest = results.slowest
    if slowest and slowest.seconds >= _SLOW_S:
        return f"{counts} (slowest: {slowest.name}, {slowest.seconds:.1f} s)"
    return counts


def _without_results(completed: Completed, why: str, deadline: Deadline) -> Verdict:
    """Pytest failed, but no test did: its own error, a coverage limit, or a crash."""
    how = f"exit code {completed.exit_code}"
    if completed.exit_code is not None and completed.exit_code < 0:
        how = f"signal {-completed.exit_code}"
    problem = Problem(
        FailureReason.TESTS_FAILED,
        f"pytest ended with {how}, although no single test is reported as failed.",
        f"{why}\n{last_lines(completed.tail)}",
        f"Run `python -m pytest` in the project's folder. {_ONLY_BUILD}",
    )
    summary = f"pytest ended with {how}"
    return failed(NAME, deadline.used_s(), summary, problem, output_tail=completed.tail)


def _not_installed(session: Session, completed: Completed, deadline: Deadline) -> Verdict:
    if completed.timed_out:
        what = "the installation of the project and its test dependencies"
        return session.too_slow(NAME, what, completed, deadline)
    problem = Problem(
        FailureReason.TESTS_FAILED,
        "The tests could not start: the project and its test dependencies can't be installed.",
        last_lines(completed.tail),
        f"Correct the dependencies, or the package index in UV_INDEX_URL. {_ONLY_BUILD}",
    )
    summary = "the test environment could not be installed"
    return failed(NAME, deadline.used_s(), summary, problem, output_tail=completed.tail)


def _no_tests(deadline: Deadline) -> Verdict:
    summary = "the project has no tests; nothing shows that it works"
    return Verdict(Check(NAME, CheckStatus.WARNED, deadline.used_s(), summary))
