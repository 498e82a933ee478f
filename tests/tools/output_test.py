"""Tests of the output for people, and of what happens when nobody reads it."""

import os
import pathlib
import pty
import subprocess
import threading
import time

import harness


class Output(harness.ProgramTest):
    def run_on_terminal(self, environment, *options):
        """The output of a node on a terminal in a second."""
        controller, terminal = pty.openpty()
        command = [harness.PROGRAM, "run", "--name", "a", "--set", "k=v", "--seconds", "1",
                   *options]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=terminal,
                              env={**os.environ, "TERM": "xterm", **environment}) as process:
            os.close(terminal)
            text = b""
            try:
                while part := os.read(controller, 65536):
                    text += part
            except OSError:
                pass  # a terminal says this when its last user has gone
            os.close(controller)
            self.assertEqual(process.wait(timeout=harness.PATIENCE), 0)
        return text.decode()

    def test_colour_on_a_terminal_only_and_not_where_it_is_refused(self):
        self.assertIn("\x1b[", self.run_on_terminal({}))
        self.assertNotIn("\x1b", self.run_on_terminal({"NO_COLOR": "1"}))
        self.assertNotIn("\x1b", self.run_on_terminal({"TERM": "dumb"}))
        self.assertNotIn("\x1b", self.run_on_terminal({}, "--json"))
        status, output, errors = self.run_program("run", "--name", "a", "--set", "k=v",
                                                  "--seconds", "0.5")
        self.assertEqual((status, errors), (0, ""))
        self.assertNotIn("\x1b", output)
        self.assertRegex(output, r"^\d\d:\d\d:\d\d\.\d{3}  started +a at 127\.0\.0\.1:\d+")
        self.assertRegex(output, r"\n\d\d:\d\d:\d\d\.\d{3}  update +a  k = v")

    def test_what_others_publish_cannot_drive_the_terminal(self):
        evil = "\x1b[2J\x07\x9b".encode("latin-1") + "\u009b".encode()
        done = subprocess.run(
            [harness.PROGRAM, "run", "--name", "a", "--seconds", "0.5"], capture_output=True,
            input=b"set k " + evil + b"\nget a k\nstate\nmembers\nstats\nfoo\x1b\n", check=False,
            timeout=harness.PATIENCE)

        self.assertEqual(done.returncode, 0)
        self.assertNotIn(b"\x1b", done.stdout)
        self.assertEqual(done.stdout.count(rb"\x1b[2J\x07\x9b\xc2\x9b"), 3)
        self.assertIn(rb"foo\x1b: no such command", done.stdout)

    def test_who_does_not_read_stops_neither_gossip_nor_costs_memory(self):
        a = self.node("a", is_read=False)
        watcher_seed = self.first_line(a)
        b = self.node("b", "--seed", watcher_seed)
        b.event("peer_live", peer="a")
        count = 20_000
        writer = threading.Thread(
            target=a.say, args=[f"set k {i:06} " + 200 * "x" for i in range(count)], daemon=True)
        writer.start()
        time.sleep(1)  # by now the pipe is full: the writer waits

        self.assertTrue(writer.is_alive())
        heartbeat = b.member("a")["heartbeat"]
        b.until("members", lambda m: m["members"][1]["heartbeat"] > heartbeat + 5)
        self.assertEqual(b.member("a")["status"], "live")
        if self.is_plain_build(a):
            self.assertLess(self.memory_mib(a), 64)

        # When it is read again, nothing was lost: one answer a command, in order.
        thread = threading.Thread(target=a._read, daemon=True)
        thread.start()
        for i in range(count):
            reply = a.reply()
            self.assertEqual((reply["reply"], reply["version"]), ("set", i + 1))
        b.until("get a k", lambda g: g["version"] == count)

    def test_it_ends_even_if_nobody_reads(self):
        a = self.node("a", is_read=False)
        self.first_line(a)
        writer = threading.Thread(target=self.say_until_it_breaks, args=[a], daemon=True)
        writer.start()
        time.sleep(1)
        begin = time.monotonic()

        a.process.terminate()

        self.assertEqual(a.process.wait(timeout=harness.PATIENCE), 0)
        self.assertLess(time.monotonic() - begin, 10)
        writer.join(harness.PATIENCE)

    @staticmethod
    def say_until_it_breaks(node):
        try:
            node.say(*["state"] * 100_000)
        except OSError:
            pass

    @staticmethod
    def first_line(node):
        """The endpoint, from the only line that is read."""
        import json
        return json.loads(node.process.stdout.readline())["endpoint"]

    @staticmethod
    def is_plain_build(node):
        maps = pathlib.Path(f"/proc/{node.process.pid}/maps")
        if not maps.exists():
            return False
        text = maps.read_text()
        return "libasan" not in text and "libtsan" not in text

    @staticmethod
    def memory_mib(node):
        pages = pathlib.Path(f"/proc/{node.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGESIZE") / 2**20


if __name__ == "__main__":
    harness.main()
