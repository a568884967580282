"""What a task's process gets: quick Spark settings and a scrubbed environment.

Owns Spark's configuration folder and the environment variables of a task. Must not start anything.
The settings come by SPARK_CONF_DIR, so that user code which only calls
`SparkSession.builder.getOrCreate()` has them, and its own settings still win.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# Warnings and errors only; without a file of ours spark-submit would bury a task's own output.
_LOGGING = """\
rootLogger.level = warn
rootLogger.appenderRef.stderr.ref = stderr
appender.stderr.type = Console
appender.stderr.name = stderr
appender.stderr.target = SYSTEM_ERR
appender.stderr.layout.type = PatternLayout
appender.stderr.layout.pattern = %d{yy/MM/dd HH:mm:ss} %p %c{1}: %m%n%ex
logger.native.name = org.apache.hadoop.util.NativeCodeLoader
logger.native.level = error
"""


@dataclass(frozen=True)
class Scratch:
    """The folder of one task run; everything that the run writes by default goes below it."""

    root: Path

    @property
    def home(self) -> Path:
        """HOME of the task, and the folder that it starts in."""
        return self.root / "home"

    @property
    def temporary(self) -> Path:
        """TMPDIR of the task, and Spark's local folder."""
        return self.root / "tmp"

    @property
    def conf(self) -> Path:
        """SPARK_CONF_DIR of the task."""
        return self.root / "conf"

    @property
    def eggs(self) -> Path:
        """Where eggs are unpacked; it does not exist before."""
        return self.root / "eggs"

    def make(self) -> None:
        """Make the folders."""
        for folder in (self.home, self.temporary, self.conf):
            folder.mkdir(parents=True)


def spark_settings(scratch: Scratch, jars: Sequence[Path]) -> dict[str, str]:
    """Spark settings for one small local run: no user interface, few tasks, nothing left behind."""
    # C1 only and the serial collector: a JVM that lives for seconds saves a third of its time.
    java = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
    folders = {"derby.system.home": scratch.temporary, "java.io.tmpdir": scratch.temporary}
    java += "".join(f' -D{name}="{folder}"' for name, folder in folders.items())
    settings = {
        "spark.master": "local[2]",
        "spark.default.parallelism": "1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.extraJavaOptions": java,
        "spark.driver.host": "127.0.0.1",
        "spark.sql.shuffle.partitions": "1",
        "spark.sql.warehouse.dir": str(scratch.root / "warehouse"),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    if jars:
        settings["spark.jars"] = ",".join(str(jar) for jar in jars)
    return settings


def write_conf(scratch: Scratch, jars: Sequence[Path]) -> None:
    """Write Spark's settings and logging where SPARK_CONF_DIR of `task_environment` points."""
    lines = [f"{name} {value}\n" for name, value in spark_settings(scratch, jars).items()]
    (scratch.conf / "spark-defaults.conf").write_text("".join(lines), encoding="utf-8")
    (scratch.conf / "log4j2.properties").write_text(_LOGGING, encoding="utf-8")


def task_environment(
    environ: Mapping[str, str],
    *,
    scratch: Scratch,
    python: Path,
    java_home: Path,
    python_path: Sequence[Path] = (),
) -> dict[str, str]:
    """The environment variables of a task: of `environ` only PATH, so that no credential leaks.

    `python_path` reaches the executors too: local ones take over PYTHONPATH of the driver.
    """
    path = [str(python.parent), str(java_home / "bin"), environ.get("PATH", os.defpath)]
    python_paths = {"PYTHONPATH": os.pathsep.join(map(str, python_path))} if python_path else {}
    return {
        **python_paths,
        "HOME": str(scratch.home),
        "JAVA_HOME": str(java_home),
        "LANG": "C.UTF-8",
        "PATH": os.pathsep.join(path),
        "PYSPARK_DRIVER_PYTHON": str(python),
        "PYSPARK_PYTHON": str(python),
        "PYTHONUNBUFFERED": "1",  # what was printed before a kill is in the logs
        "SPARK_CONF_DIR": str(scratch.conf),
        "SPARK_LOCAL_DIRS": str(scratch.temporary),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "TMPDIR": str(scratch.temporary),
    }
