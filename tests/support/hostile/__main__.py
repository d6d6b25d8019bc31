"""Runs the hostile server: tests/support/hostile.lua starts it. Prints one line of NAME=VALUE
words once it accepts connections. Each other file of this folder adds behaviours to its table."""

import importlib
import os
import pathlib
import subprocess
import sys
import tempfile

from server import Server

here = pathlib.Path(__file__).resolve().parent
for path in sorted(here.glob("*.py")):
    if path.stem not in ("__main__", "server"):
        importlib.import_module(path.stem)

folder = tempfile.mkdtemp(prefix="luapool-hostile.")
subprocess.run([here.parent / "certificates", folder], check=True)
server = Server(folder)
print(f"control={server.port} ca={folder}/ca.pem dir={folder} pid={os.getpid()}", flush=True)
os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
server.run()
