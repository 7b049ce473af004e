"""Hazard: subprocess in all its forms: pipes, shells, closed descriptors, environments, processes that are killed."""

import subprocess
import sys

data = bytes(range(256)) * 4000
print(subprocess.run(["cat"], input=data, capture_output=True, check=True).stdout == data)
print(subprocess.run("exit 7", shell=True, check=False).returncode)
print(subprocess.run(["/bin/sh", "-c", "echo $A"], env={"A": "only"}, capture_output=True, check=True).stdout)
print(subprocess.run(["/bin/sh", "-c", "kill -9 $$"], check=False).returncode)
child = subprocess.run([sys.executable, "-S", "-c", "print(len(bytearray(10**6)))"], capture_output=True, close_fds=True, check=True)
print(child.stdout, child.stderr)
