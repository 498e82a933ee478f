"""`run --trace`: a line on standard error for each message, and nothing there without it."""

import re
import subprocess

import harness

LINE = re.compile(r"\d\d:\d\d:\d\d\.\d\d\d (sent|received) (\S+) (digest|answer|delta) leg \[.*")


class Trace(harness.ProgramTest):
    def end(self, *nodes):
        """Ends the nodes; what each said on standard error, as lines."""
        for node in nodes:
            node.say("quit")
        said = []
        for node in nodes:
            status, errors = node.wait()
            self.assertEqual(status, 0, errors)
            said.append(errors.splitlines())
        return said

    def test_each_message_is_a_line_with_direction_and_remote(self):
        a = self.node("a")
        b = self.node("b", "--seed", a.endpoint, "--trace")
        a.event("peer_live", peer="b")
        self.assertEqual(a.ask("set key value")["reply"], "set")
        b.event("update", peer="a", key="key")

        silent, lines = self.end(a, b)

        self.assertEqual(silent, [])
        seen = [LINE.fullmatch(line) for line in lines]
        self.assertTrue(all(seen), lines)
        self.assertEqual({one[2] for one in seen}, {a.endpoint})
        self.assertEqual({one[1] for one in seen}, {"sent", "received"})
        self.assertIn(("sent", "digest"), {(one[1], one[3]) for one in seen})
        self.assertIn(("received", "answer"), {(one[1], one[3]) for one in seen})
        self.assertTrue(any(" delta a g" in line and "[key=value@1]" in line for line in lines))
        self.assertTrue(any(" sent " in line and "[b g" in line for line in lines))

    def test_no_cookie_is_shown(self):
        a = self.node("a")
        b = self.node("b", "--seed", a.endpoint, "--trace")
        b.event("peer_live", peer="a")

        _, lines = self.end(a, b)

        self.assertTrue(any(" gives cookie" in line for line in lines))
        self.assertFalse(any(re.search(r"cookie[ =:]*\d", line) for line in lines))

    def test_a_reader_that_does_not_read_holds_up_nothing(self):
        # Some 500 KiB of lines, where a pipe and the queue hold 320.
        a = self.node("a", "--interval", "10ms", "--trace")
        b = self.node("b", "--seed", a.endpoint, "--interval", "10ms")
        a.event("peer_live", peer="b")
        a.until("stats", lambda s: s["rounds"] > 1000)

        self.assertEqual(a.ask("set key value")["reply"], "set")
        b.event("update", peer="a", key="key")
        a.say("quit")
        self.assertEqual(a.process.wait(timeout=harness.PATIENCE), 0)

    def test_a_closed_standard_error_ends_nothing(self):
        done = subprocess.run(
            ["sh", "-c", '"$0" run --name a --trace --interval 10ms --seconds 1 2>&-',
             harness.PROGRAM], stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=harness.PATIENCE, check=False)

        self.assertEqual(done.returncode, 0)


if __name__ == "__main__":
    harness.main()
