"""What a task's process finds: Spark's settings and its environment."""

from __future__ import annotations

from pathlib import Path

from sandbox.spark_presets import Scratch, spark_settings, task_environment, write_conf


def test_no_credential_of_the_parent_reaches_a_task(tmp_path: Path) -> None:
    parent = {
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "secret",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "DATABRICKS_TOKEN": "secret",
        "GITHUB_TOKEN": "secret",
        "HOME": "/home/someone",
        "HTTPS_PROXY": "http://user:secret@proxy",
        "PATH": "/usr/bin",
        "UV_INDEX_INNER_PASSWORD": "secret",
    }
    given = task_environment(
        parent,
        scratch=Scratch(tmp_path),
        python=Path("/env/bin/python"),
        java_home=Path("/java"),
    )
    assert not any("secret" in value for value in given.values())
    assert given["PATH"] == "/env/bin:/java/bin:/usr/bin"
    assert given["HOME"] == str(tmp_path / "home")


def test_eggs_are_on_the_path_of_python_and_without_any_there_is_none(tmp_path: Path) -> None:
    def variables(*eggs: Path) -> dict[str, str]:
        return task_environment(
            {"PYTHONPATH": "/elsewhere"},
            scratch=Scratch(tmp_path),
            python=Path("/env/bin/python"),
            java_home=Path("/java"),
            python_path=eggs,
        )

    assert variables(Path("/a.egg"), Path("/b.egg"))["PYTHONPATH"] == "/a.egg:/b.egg"
    assert "PYTHONPATH" not in variables()


def test_all_that_spark_writes_lies_in_the_scratch_folder(tmp_path: Path) -> None:
    settings = spark_settings(Scratch(tmp_path), [])
    assert Path(settings["spark.sql.warehouse.dir"]).is_relative_to(tmp_path)
    for folder in ("derby.system.home", "java.io.tmpdir"):
        option = f'-D{folder}="{tmp_path / "tmp"}"'
        assert option in settings["spark.driver.extraJavaOptions"]
    assert settings["spark.driver.bindAddress"] == "127.0.0.1"


def test_jars_are_given_to_spark_as_one_list(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path / "run")
    scratch.make()
    write_conf(scratch, [Path("/a.jar"), Path("/b.jar")])
    text = (scratch.conf / "spark-defaults.conf").read_text(encoding="utf-8")
    assert "spark.jars /a.jar,/b.jar\n" in text
    assert (scratch.conf / "log4j2.properties").exists()
