"""The code under test sees a process that was started as `pytest`, and nothing of ours."""

from __future__ import annotations

from field_project import FieldProject

CORE = """
import argparse


def parser():
    made = argparse.ArgumentParser()
    made.add_argument("--name", default="world")
    return made


def main(argv=None):
    return "hello " + parser().parse_args(argv).name
"""
TESTS = """
import getopt, logging, multiprocessing, os, sys, unittest
import click
from app.core import main, parser


def test_falls_back_to_sys_argv():
    assert main() == "hello world"


def test_help_names_pytest():
    assert parser().format_help().startswith("usage: pytest [-h] [--name NAME]")


def test_getopt():
    assert getopt.getopt(sys.argv[1:], "n:") == ([], [])


def test_click(capsys):
    @click.command()
    @click.option("--name", default="world")
    def command(name):
        click.echo(name)

    command(standalone_mode=False)
    assert capsys.readouterr().out == "world\\n"
    try:
        command(["--help"])
    except SystemExit:
        pass
    assert capsys.readouterr().out.startswith("Usage: pytest ")


def test_unittest_program():
    class Nothing(unittest.TestCase):
        pass

    assert unittest.main(module=None, exit=False, argv=sys.argv).progName == "pytest"


def test_argv_is_all_that_was_given():
    assert [os.path.basename(word) for word in sys.argv] == ["pytest"]
    assert not [word for word in sys.orig_argv if "boot" in word or word.endswith(".json")]


def test_main_module():
    assert "maabarium" not in sys.modules["__main__"].__file__


def test_spawn():
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(abs, [-1]) == [1]
"""
CONFTEST = """
import sys

SEEN = list(sys.argv)


def pytest_configure(config):
    assert len(SEEN) == 1 and len(sys.argv) == 1
"""


def test_arguments_are_those_of_pytest(project: FieldProject) -> None:
    project.write({"app/core.py": CORE, "tests/test_core.py": TESTS, "tests/conftest.py": CONFTEST})
    project.size()
    project.assert_plain_is_green()
    project.loop().assert_green()
