"""Builds the releases of the Scala library: `python examples/build_scala.py OUT_DIR [VERSION …]`.

`examples/scala` is release 1.5.0; the diff in `examples/scala/releases/` leads back to 1.4.0. It needs
neither sbt nor Maven: the Scala compiler comes with PySpark, which the embedded workspace keeps in its
cache, and Java is the machine's, or the one that the embedded workspace brings along.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from build_releases import apply

from deployer.checks.java import provide_java
from sandbox.environments import Environments
from sandbox.options import user_cache
from sandbox.requirement_lines import Requirements

LIBRARY = Path(__file__).resolve().parent / "scala"
PACKAGE, GROUP, ARTIFACT = "com.example.retail", "com.example.retail", "retail-metrics-scala"
SCALA = "2.13"
MAIN_CLASS = f"{PACKAGE}.Report"
STEPS: Mapping[str, Sequence[str]] = {"1.4.0": ("1.5.0",), "1.5.0": ()}
"""The diffs to take back from the current source for each release."""

_TIME = (2026, 3, 1, 0, 0, 0)  # the same sources always give the same bytes
_BUILD_INFO = 'package {package}\n\n/** Written by the build. */\nobject BuildInfo {{ val version = "{version}" }}\n'
_MANIFEST = """\
Manifest-Version: 1.0
Created-By: build_scala.py
Implementation-Title: {artifact}
Implementation-Version: {version}
Main-Class: {main}
"""
_POM_PROPERTIES = "artifactId={artifact}\ngroupId={group}\nversion={version}\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the releases asked for, and print the path of each jar."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out_dir", type=Path, help="where the jars go")
    parser.add_argument("versions", nargs="*", metavar="VERSION", help="default: all of them")
    parser.add_argument("--cache", type=Path, help="default: the cache of `spark-deploy sandbox`")
    options = parser.parse_args(arguments)
    unknown = [version for version in options.versions if version not in STEPS]
    if unknown:
        parser.error(f"there is no release {unknown[0]}; there are {', '.join(STEPS)}")
    cache = options.cache or user_cache(os.environ)
    if cache is None:
        parser.error("there is no HOME to keep PySpark in; name a folder with --cache")
    for version in options.versions or STEPS:
        print(build(version, options.out_dir, cache.resolve()))
    return 0


def build(version: str, out_dir: Path, cache: Path) -> Path:
    """Build one release into `out_dir` and give back the jar's path."""
    out_dir.mkdir(parents=True, exist_ok=True)
    jar = out_dir / f"{ARTIFACT}_{SCALA}-{version}.jar"
    with tempfile.TemporaryDirectory() as folder:
        sources = write_source(version, Path(folder, "source"))
        classes = Path(folder, "classes")
        classes.mkdir()
        compile_scala(sources, classes, cache)
        write_jar(jar, version, classes)
    return jar


def write_source(version: str, target: Path) -> list[Path]:
    """Write the sources of one release into the new folder `target`; the source files."""
    shutil.copytree(LIBRARY / "src", target / "src")
    for step in STEPS[version]:
        patch = (LIBRARY / "releases" / f"{step}.patch").read_text(encoding="utf-8")
        apply(patch, target, backwards=True)
    build_info = target.joinpath("src/main/scala", *PACKAGE.split("."), "BuildInfo.scala")
    build_info.write_text(_BUILD_INFO.format(package=PACKAGE, version=version), encoding="utf-8")
    return sorted(target.rglob("*.scala"))


def compile_scala(sources: Iterable[Path], classes: Path, cache: Path) -> None:
    """Compile against PySpark's jars, with the compiler that is among them."""
    environments = Environments(cache / "environments", os.environ)
    jars = environments.provide(Requirements(), threading.Event()).spark_jars
    java = provide_java(os.environ, cache).path / "bin" / "java"
    tools = [next(jars.glob(f"scala-{name}-*.jar")) for name in ("compiler", "library", "reflect")]
    # A compiler that lives for seconds does best without the optimising JIT.
    command = [java, "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
    command += ["-cp", os.pathsep.join(map(str, tools)), "scala.tools.nsc.Main", "-deprecation"]
    command += ["-Werror", "-encoding", "UTF-8", "-d", classes, *sources]
    class_path = os.pathsep.join(str(jar) for jar in sorted(jars.glob("*.jar")))
    subprocess.run(command, check=True, env={"CLASSPATH": class_path})


def write_jar(jar: Path, version: str, classes: Path) -> None:
    """Write the jar as Maven would: the manifest first, pom.properties, and the classes by name."""
    artifact = f"{ARTIFACT}_{SCALA}"
    manifest = _MANIFEST.format(artifact=ARTIFACT, version=version, main=MAIN_CLASS)
    properties = _POM_PROPERTIES.format(artifact=artifact, group=GROUP, version=version)
    members = {
        "META-INF/MANIFEST.MF": manifest.replace("\n", "\r\n").encode(),
        f"META-INF/maven/{GROUP}/{artifact}/pom.properties": properties.encode(),
    }
    for file in sorted(classes.rglob("*.class")):
        members[file.relative_to(classes).as_posix()] = file.read_bytes()
    with zipfile.ZipFile(jar, "w") as archive:
        for name, content in members.items():
            member = zipfile.ZipInfo(name, _TIME)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.external_attr = 0o100644 << 16
            member.create_system = 3
            archive.writestr(member, content)


if __name__ == "__main__":
    sys.exit(main())
