# SPDX-License-Identifier: Apache-2.0
"""A PostgreSQL of a test's own: made by initdb as somebody who is not root, on a loopback port, gone with it."""
import glob
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import threading
import uuid

BIN = pathlib.Path(max(glob.glob("/usr/lib/postgresql/*/bin"), default="/usr/lib/postgresql/bin"))
PASSWORD = "a word of a test"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Cluster:
    """SCRAM over TCP as user il, whose password is in .passfile; superuser by .admin, a socket in .dir.  real: as it is installed."""

    def __init__(self, folder, real=False):
        self.dir, self.port, self.proc = pathlib.Path(folder), free_port(), None
        self.dir.mkdir(mode=0o700)
        self.demote = []
        if os.geteuid() == 0:  # it refuses to run as root
            shutil.chown(self.dir, "nobody")
            for up in self.dir.parents:
                if up.stat().st_uid == 0 and str(up).startswith("/tmp/") or up.name.startswith(("tmp", "interlock")):
                    up.chmod(up.stat().st_mode | 0o011)
            self.demote = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
        self.passfile = self.dir.parent / "pgpass"
        self.passfile.write_text(f"*:*:*:il:{PASSWORD}\n")
        self.passfile.chmod(0o600)
        self.admin = f"postgresql://boss@/postgres?host={self.dir}&port={self.port}"
        self.sh(BIN / "initdb", "-D", self.dir / "data", "-U", "boss", "-E", "UTF8", "--locale=C", "--auth-local=trust", "--auth-host=scram-sha-256", "--no-sync")
        with open(self.dir / "data/postgresql.conf", "a") as f:
            f.write(f"port={self.port}\nlisten_addresses='127.0.0.1,127.0.0.2'\nunix_socket_directories='{self.dir}'\nmax_connections=120\nlog_min_messages=warning\n"
                    "log_min_error_statement=error\n"
                    + ("" if real else "shared_buffers=32MB\nautovacuum=off\nfsync=off\nfull_page_writes=off\n"))  # processes end here, the machine does not
        self.start()
        self.sql(f"CREATE ROLE il LOGIN CREATEDB PASSWORD '{PASSWORD}'")

    def sh(self, *args):
        subprocess.run([*self.demote, *map(str, args)], cwd=self.dir, check=True, capture_output=True)

    def start(self, wait=True):
        self.log = open(self.dir / "log", "a")
        self.proc = subprocess.Popen([*self.demote, BIN / "postgres", "-D", self.dir / "data"], cwd=self.dir, stdout=self.log, stderr=self.log)
        while wait and subprocess.run([BIN / "pg_isready", "-q", "-h", self.dir, "-p", str(self.port)]).returncode:
            assert self.proc.poll() is None, (self.dir / "log").read_text()
        return self

    def stop(self, how=signal.SIGINT):
        """SIGINT ends what runs; SIGQUIT is as if the power failed."""
        if self.proc:
            self.proc.send_signal(how)
            self.proc.wait(30)
            self.log.close()
        self.proc = None

    def sql(self, text, db="postgres"):
        """Rows of text."""
        out = subprocess.run(["psql", "-qXAtv", "ON_ERROR_STOP=1", "-F", "\t", "-c", text, self.admin.replace("/postgres?", f"/{db}?")],
                             check=True, capture_output=True, text=True).stdout
        return [tuple(line.split("\t")) for line in out.splitlines()]

    def database(self, port=None):
        """A new one; its URL, by TCP."""
        name = "t" + uuid.uuid4().hex[:12]
        self.sql(f"CREATE DATABASE {name} OWNER il")
        return f"postgresql://il@127.0.0.1:{port or self.port}/{name}?passfile={self.passfile}"

    def errors(self):
        """What it complains of that is not of a test's own making."""
        return [line for line in (self.dir / "log").read_text().splitlines() if re.search(r"ERROR:|PANIC:", line)]


class Cable:
    """A port in front of another; cut() ends what goes through and lets nothing come, join() mends it."""

    def __init__(self, port):
        self.to, self.whole, self.pairs = port, True, []
        self.listen = socket.create_server(("127.0.0.1", 0))
        self.port = self.listen.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            a, _ = self.listen.accept()
            try:
                if not self.whole:
                    raise OSError
                b = socket.create_connection(("127.0.0.1", self.to))
            except OSError:
                a.close()
                continue
            self.pairs.append((a, b))
            for x, y in ((a, b), (b, a)):
                threading.Thread(target=self.carry, args=(x, y), daemon=True).start()

    def carry(self, x, y):
        try:
            while data := x.recv(65536):
                y.sendall(data)
        except OSError:
            pass
        for s in (x, y):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        self.whole = False
        for pair in self.pairs:
            for s in pair:
                try:
                    s.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        self.pairs = []

    def join(self):
        self.whole = True
