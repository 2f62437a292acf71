"""The cluster and the proxy together, with psql as the client: what each way of cutting leaves in the database."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from kit.cluster import Cluster  # noqa: E402
from kit.proxy import ANSWERED, WITHHELD, Proxy  # noqa: E402

PSQL = shutil.which("psql")


def psql(port, *statements):
    """(exit status, what it printed); each statement is a message of its own."""
    command = [PSQL, "-XqAt", "-h", "127.0.0.1", "-p", str(port), "-U", "nines", "-d", "postgres"]
    command += [part for statement in statements for part in ("-c", statement)]
    environment = dict(os.environ, PGSSLMODE="prefer", PGCONNECT_TIMEOUT="5")
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30, env=environment)
    return done.returncode, done.stdout.strip()


@unittest.skipIf(os.environ.get("NINES_TEST_POSTGRES") == "off", "NINES_TEST_POSTGRES=off")
@unittest.skipUnless(PSQL, "psql is not installed")
class CutAtCommit(unittest.TestCase):
    def test_what_is_left_after_each_way(self):
        folder = tempfile.mkdtemp(prefix="nines-proof-")
        os.chmod(folder, 0o755)
        self.addCleanup(shutil.rmtree, folder, True)
        cluster = Cluster(folder)
        self.addCleanup(cluster.crash)
        psql(cluster.port, "create table cursors (seq bigint)", "insert into cursors values (0)")
        move = ("begin", "update cursors set seq = seq + 1", "commit")
        for way, heard, left in ((ANSWERED, False, "1"), (WITHHELD, False, "1"), (None, True, "2")):
            asked = []
            proxy = Proxy(cluster.port, lambda moves, way=way, asked=asked: asked.append(moves) or way)
            status, _ = psql(proxy.port, *move)
            proxy.close()
            self.assertEqual((status == 0, asked), (heard, [True]), way)
            self.assertEqual(psql(cluster.port, "select seq from cursors")[1], left, way)
        cluster.stop()
        cluster.start()
        self.assertEqual(psql(cluster.port, "select seq from cursors"), (0, "2"))


if __name__ == "__main__":
    unittest.main()
