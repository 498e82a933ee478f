"""Runs the program under test (the last argument of the command line) and speaks --json with it."""

import json
import queue
import signal
import subprocess
import sys
import threading
import time
import unittest

PROGRAM = sys.argv.pop()
# Generous, since sanitizers and neighbours are slow; what is awaited comes much sooner.
PATIENCE = 30.0
INTERVAL = "50ms"


class Node:
    """A running node, started by the command `before` if given. Its output is read at once, unless
    `is_read` is false."""

    def __init__(self, name, *options, is_read=True, before=(), **how):
        command = [*before, PROGRAM, "run", "--json", "--name", name, *options]
        if "--interval" not in options:
            command += ["--interval", INTERVAL]
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        # Tests under nohup ignore hang-ups, and a node would inherit that.
        how = {**pipes, "preexec_fn": lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL), **how}
        self.process = subprocess.Popen(command, **how)
        self.events = []  # all so far, for `event`
        self.replies = queue.Queue()
        self.is_at_end = False
        self.changed = threading.Condition()
        self.endpoint = None
        self.reader = None
        if is_read:
            self.read()

    def read(self):
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        self.started = self.event("started")
        self.endpoint = self.started["endpoint"]

    def _read(self):
        for line in self.process.stdout:
            said = json.loads(line)
            if "reply" in said:
                self.replies.put(said)
            with self.changed:
                if "event" in said:
                    self.events.append(said)
                self.changed.notify_all()
        with self.changed:
            self.is_at_end = True
            self.changed.notify_all()

    def event(self, kind, after=0, **fields):
        """The first event of this kind with these fields, from the `after`th on; awaited."""
        wanted = {"event": kind, **fields}
        end = time.monotonic() + PATIENCE
        with self.changed:
            while True:
                for said in self.events[after:]:
                    if all(said.get(name) == value for name, value in wanted.items()):
                        return said
                if self.is_at_end or not self.changed.wait(end - time.monotonic()):
                    raise AssertionError(f"no {wanted} among {self.events[after:]}")

    def say(self, *lines):
        for line in lines:
            self.process.stdin.write((line if isinstance(line, bytes) else line.encode()) + b"\n")
        self.process.stdin.flush()

    def reply(self):
        return self.replies.get(timeout=PATIENCE)

    def ask(self, line):
        self.say(line)
        return self.reply()

    def member(self, name):
        return {one["name"]: one for one in self.ask("members")["members"]}.get(name)

    def until(self, line, is_wanted):
        """Asks again and again; some things happen without an event."""
        end = time.monotonic() + PATIENCE
        while not is_wanted(answer := self.ask(line)):
            if time.monotonic() > end:
                raise AssertionError(f"{line}: {answer}")
            time.sleep(0.02)
        return answer

    def wait(self):
        """Its exit status, and what it said on standard error."""
        status = self.process.wait(timeout=PATIENCE)
        return status, self.process.stderr.read().decode() if self.process.stderr else ""

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self.reader:
            self.reader.join(PATIENCE)  # it reads to the end of what is closed below
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            try:
                if stream:
                    stream.close()
            except OSError:
                pass


class ProgramTest(unittest.TestCase):
    def node(self, name, *options, **how):
        node = Node(name, *options, **how)
        self.addCleanup(node.close)
        return node

    def pair(self, *options):
        """Two nodes that see each other live."""
        a = self.node("a", *options)
        b = self.node("b", "--seed", a.endpoint, *options)
        a.event("peer_live", peer="b")
        b.event("peer_live", peer="a")
        return a, b

    def run_program(self, *arguments, **how):
        """To its end: status, output, errors."""
        done = subprocess.run([PROGRAM, *arguments], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=PATIENCE, check=False, **how)
        return done.returncode, done.stdout, done.stderr


main = unittest.main
