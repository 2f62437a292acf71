"""A throw-away Postgres cluster on a loopback port; as another user when we are root, which Postgres refuses."""

import contextlib
import glob
import os
import pwd
import shutil
import signal
import socket
import struct
import subprocess

from kit.daemon import Failed, free_port, wait_for


class Cluster:
    def __init__(self, folder):
        self._bin = _server_folder()
        self._home = os.path.join(folder, "postgres")
        self._user = _user()
        self._process = None
        self.port = free_port()
        os.makedirs(self._home)
        if self._user:
            os.chown(self._home, self._user.pw_uid, self._user.pw_gid)
        self._run("initdb", "-D", f"{self._home}/data", "-U", "nines", "-A", "trust", "-E", "UTF8", "--no-sync")
        self.start()

    def url(self, port=None, database="postgres"):
        return f"postgres://nines@127.0.0.1:{port or self.port}/{database}?sslmode=disable"

    def create(self, database):
        """Another database in it; its URL."""
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "nines", database)
        return self.url(database=database)

    def start(self):
        command = [f"{self._bin}/postgres", "-D", f"{self._home}/data", "-p", str(self.port), "-k", self._home,
                   "-c", "listen_addresses=127.0.0.1", "-c", "synchronous_commit=on"]
        with open(f"{self._home}/log", "ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, **self._identity())
        wait_for("Postgres", self._answers, 60)

    def stop(self):
        """A fast shutdown: clients are cut off."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(60)

    def crash(self):
        """An immediate shutdown: the next start replays the log."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(60)

    def cut(self):
        """Ends every session; the server itself goes on."""
        for pid in self._backends():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)

    @contextlib.contextmanager
    def standing_still(self):
        """Nobody answers and no connection breaks, as with a machine that hangs."""
        stopped = [self._process.pid, *self._backends()]
        for pid in stopped:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in stopped:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def _backends(self):
        """The processes of our server that serve a client: its children whose title names our user."""
        with open(f"/proc/{self._process.pid}/task/{self._process.pid}/children", encoding="ascii") as file:
            children = [int(pid) for pid in file.read().split()]
        found = []
        for pid in children:
            with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as file:
                if file.read().startswith(b"postgres: nines "):
                    found.append(pid)
        return found

    def _answers(self):
        """A session can begin: the server answers the start of one with `R`, not with an error."""
        wish = b"\0\3\0\0user\0nines\0database\0postgres\0\0"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 2) as session:
            session.sendall(struct.pack("!I", len(wish) + 4) + wish)
            return session.recv(1) == b"R"
        return False

    def _run(self, name, *arguments):
        done = subprocess.run([f"{self._bin}/{name}", *arguments], capture_output=True, text=True, check=False,
                              **self._identity())
        if done.returncode:
            raise Failed(f"{name}: {done.stderr.strip()}")

    def _identity(self):
        who = {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []} if self._user else {}
        return {"cwd": self._home, **who}


def _server_folder():
    folders = [os.path.dirname(os.path.realpath(shutil.which("initdb") or ""))]
    folders += sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True)
    for folder in folders:
        if folder and os.access(f"{folder}/initdb", os.X_OK) and os.access(f"{folder}/postgres", os.X_OK):
            return folder
    raise Failed("no Postgres server: neither PATH nor /usr/lib/postgresql/*/bin has initdb and postgres")


def _user():
    if os.geteuid() != 0:
        return None
    known = [entry for entry in pwd.getpwall() if entry.pw_name in ("postgres", "nobody")]
    if not known:
        raise Failed("Postgres refuses root, and there is neither a user postgres nor nobody")
    return max(known, key=lambda entry: entry.pw_name)
