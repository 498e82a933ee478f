"""Runs the example programs as a reader would: real processes, ports that the system chose."""

import re
import signal
import socket
import subprocess
import sys
import threading
import unittest

HELLO, FIRST_NODE, SERVICE = sys.argv[-3:]
del sys.argv[-3:]
PATIENCE = 30


class Programs(unittest.TestCase):
    def start(self, program, *arguments):
        """The process, and the address that it said it listens on."""
        process = subprocess.Popen([program, *arguments], stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.kill)
        line = process.stdout.readline()
        return process, re.fullmatch(r"listening on (\S+)\n", line).group(1)

    def free_address(self):
        """Of a port that nobody listens on: `hello` does not say which one the system chose."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            return f"127.0.0.1:{probe.getsockname()[1]}"

    def hello(self, *arguments):
        process = subprocess.Popen([HELLO, *arguments], stdout=subprocess.PIPE, text=True)
        patience = threading.Timer(PATIENCE, process.kill)
        patience.start()
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.addCleanup(patience.cancel)
        return process

    def hear(self, process, line):
        """Reads on to this line."""
        if line not in process.stdout:  # which stops there, or at the end of the output
            self.fail(f"ended without saying {line!r}")

    def test_the_readmes_example_shows_a_peer_its_key_and_its_end(self):
        address = self.free_address()
        a = self.hello("a", address)
        b = self.hello("b", "localhost:0", address)

        self.hear(a, "update b role=worker\n")
        self.hear(b, "update a role=worker\n")
        b.kill()
        self.hear(a, "peer_dead b =\n")

    def test_the_readmes_example_names_a_bad_address(self):
        done = subprocess.run([HELLO, "a", "nowhere"], capture_output=True, text=True,
                              timeout=PATIENCE, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertTrue(done.stderr.startswith("listen: nowhere is not allowed"), done.stderr)

    def test_two_first_nodes_see_each_others_role_and_leave(self):
        a, address = self.start(FIRST_NODE, "a", "localhost:0")
        b, _ = self.start(FIRST_NODE, "b", "localhost:0", address)

        said_by_b, _ = b.communicate(timeout=PATIENCE)
        said_by_a, _ = a.communicate(timeout=PATIENCE)

        self.assertEqual((a.returncode, b.returncode), (0, 0))
        self.assertIn("update a role=worker\n", said_by_b)
        self.assertIn("update b role=worker\n", said_by_a)
        self.assertRegex(said_by_a + said_by_b, r"left: \d of \d know\n")

    def test_a_bad_address_is_said_in_one_line(self):
        done = subprocess.run([FIRST_NODE, "a", "nowhere"], capture_output=True, text=True,
                              timeout=PATIENCE, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertTrue(done.stderr.startswith("listen: nowhere is not allowed"), done.stderr)

    def test_services_show_each_others_load_and_leave_at_a_signal(self):
        a, address = self.start(SERVICE, "a", "localhost:0")
        b, _ = self.start(SERVICE, "b", "localhost:0", address)
        while not re.match(r"b has load \d+\n", a.stdout.readline()):
            pass

        b.send_signal(signal.SIGTERM)
        said_by_b, _ = b.communicate(timeout=PATIENCE)
        a.send_signal(signal.SIGINT)
        said_by_a, _ = a.communicate(timeout=PATIENCE)

        self.assertEqual((a.returncode, b.returncode), (0, 0))
        self.assertIn("left: 1 of 1 know\n", said_by_b)
        self.assertIn("left: 0 of 0 know\n", said_by_a)


if __name__ == "__main__":
    unittest.main()
