"""What the tests of a project find around them: a short temporary folder, a host that knows its own name."""

from __future__ import annotations

import pytest
from field_project import FieldProject

TESTS = """
import multiprocessing.managers, os, socket, socketserver, subprocess, sys, tempfile
from pathlib import Path
from app.core import double


def test_socket_in_tmp_path(tmp_path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "server.sock"))


def test_socket_in_a_test_with_a_rather_long_name_and_a_folder_of_its_own(tmp_path_factory):
    place = tmp_path_factory.mktemp("some-service") / "run" / "control.socket"
    place.parent.mkdir()
    with socketserver.UnixStreamServer(str(place), socketserver.BaseRequestHandler):
        assert place.exists()


def test_manager():
    with multiprocessing.managers.SyncManager() as manager:
        assert manager.dict({1: 2}).copy() == {1: 2}


def test_other_temporary_files():
    with tempfile.TemporaryDirectory() as folder:
        assert os.listdir(folder) == []
        path = Path(folder, "s")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
            one.bind(str(path))
    assert len(tempfile.mktemp()) < 40
    shown = subprocess.run([sys.executable, "-c", "import tempfile; print(tempfile.gettempdir())"], capture_output=True)
    assert shown.stdout.decode().strip() == tempfile.gettempdir()


def test_home_is_not_the_temporary_folder():
    assert os.path.realpath(os.path.expanduser("~")) != os.path.realpath(tempfile.gettempdir())
"""
HOST = """
import socket


def test_own_name():
    assert socket.gethostbyname(socket.gethostname())


def test_own_addresses():
    assert socket.getaddrinfo(socket.gethostname(), None)
    assert socket.gethostbyname_ex(socket.gethostname())
    assert socket.getfqdn()
    assert socket.gethostbyaddr("127.0.0.1")


def test_server_on_own_name():
    with socket.create_server((socket.gethostname(), 0)) as server:
        with socket.create_connection(server.getsockname()):
            pass


def test_localhost():
    assert socket.gethostbyname("localhost") == "127.0.0.1"
"""


@pytest.mark.parametrize("sandbox", ["", 'level = "trusted"'])
def test_temporary_folder_and_host(project: FieldProject, sandbox: str) -> None:
    project.write({"tests/test_core.py": TESTS, "tests/test_host.py": HOST})
    project.size(more=f"[sandbox]\n{sandbox}")
    project.assert_plain_is_green()
    project.loop().assert_green()
