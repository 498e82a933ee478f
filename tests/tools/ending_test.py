"""How a node ends, and what does not end it."""

import os
import pathlib
import platform
import signal
import subprocess
import tempfile
import time
import unittest

import harness

# The number of the system call `read`.
READ = 63 if platform.machine() == "aarch64" else 0


class Ending(harness.ProgramTest):
    def test_a_signal_ends_it_gracefully(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with self.subTest(signal=number.name):
                a, b = self.pair()

                b.process.send_signal(number)

                self.assertEqual(b.wait(), (0, ""))
                a.event("peer_left", peer="b")

    def test_a_hangup_that_was_ignored_before_stays_ignored(self):
        a = self.node("a", before=("nohup",))

        a.process.send_signal(signal.SIGHUP)

        self.assertEqual(a.ask("set k v")["reply"], "set")
        a.process.terminate()
        self.assertEqual(a.wait()[0], 0)

    def test_it_ends_where_another_process_took_its_input(self):
        # A thief takes what the program was woken for, so that its reader hangs in `read`.
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "input")
            os.mkfifo(path)
            thief = os.open(path, os.O_RDWR | os.O_NONBLOCK)
            with open(path, "rb+", buffering=0) as pipe, subprocess.Popen(
                    [harness.PROGRAM, "run", "--name", "a", "--listen", "127.0.0.1:0"],
                    stdin=pipe, stdout=subprocess.DEVNULL) as process:
                try:
                    if not self.rob(process.pid, thief):
                        self.skipTest("the program was always faster, or slower, than the thief")

                    process.terminate()

                    self.assertEqual(process.wait(timeout=harness.PATIENCE), 0)
                finally:
                    process.kill()
                    os.close(thief)

    @staticmethod
    def rob(pid, thief):
        """Takes the program's input until a thread of it hangs in `read`, for 20 s at most."""
        end = time.monotonic() + 20
        delay = 0.0
        while time.monotonic() < end:
            os.write(thief, b"x")
            delay = (delay + 0.7e-6) % 150e-6
            begin = time.perf_counter()
            while time.perf_counter() - begin < delay:
                pass
            try:
                os.read(thief, 64)
            except BlockingIOError:
                continue  # the program was faster
            time.sleep(0.0002)
            for thread in os.listdir(f"/proc/{pid}/task"):
                try:
                    call = pathlib.Path(f"/proc/{pid}/task/{thread}/syscall").read_text()
                except OSError:
                    return False  # the system does not show it
                if call.startswith(f"{READ} 0x0 "):
                    return True
        return False

    def test_seconds_end_it_gracefully(self):
        a = self.node("a")
        begin = time.monotonic()
        b = self.node("b", "--seed", a.endpoint, "--seconds", "1.5")
        a.event("peer_live", peer="b")

        self.assertEqual(b.wait(), (0, ""))

        self.assertGreaterEqual(time.monotonic() - begin, 1.5)
        a.event("peer_left", peer="b")

    def test_leaving_takes_a_bounded_time_where_nobody_answers(self):
        a, b = self.pair()
        b.process.kill()
        b.process.wait()
        begin = time.monotonic()

        a.process.terminate()

        self.assertEqual(a.wait(), (0, ""))
        self.assertLess(time.monotonic() - begin, 10)

    def test_a_second_signal_ends_it_without_waiting(self):
        a, b = self.pair("--interval", "1s")
        b.process.kill()
        b.process.wait()
        begin = time.monotonic()

        a.process.terminate()
        time.sleep(0.3)
        a.process.terminate()

        self.assertEqual(a.wait(), (0, ""))
        self.assertLess(time.monotonic() - begin, 2)  # alone, leaving takes 3 s here

    def test_a_signal_while_it_ends_does_not_keep_it(self):
        for attempt in range(20):
            with self.subTest(attempt=attempt):
                a = self.node("a")
                a.process.terminate()
                time.sleep(0.0004)  # so that the second one comes in the midst of the end
                a.process.terminate()
                self.assertIn(a.wait()[0], (0, -signal.SIGTERM))

    @unittest.skipUnless(os.environ.get("HANGING_NAMES"), "no look-up can be made to hang")
    def test_a_look_up_that_hangs_does_not_keep_it(self):
        names = {**os.environ, "LD_PRELOAD": os.environ["HANGING_NAMES"]}
        for signals in (1, 2):
            with self.subTest(signals=signals):
                a = self.node("a", env=names)
                a.say("join hang.test:7000")
                time.sleep(1)  # nothing tells that it hangs
                self.assertTrue(a.replies.empty())

                for _ in range(signals):
                    a.process.terminate()

                status, errors = a.wait()
                # The last of several signals may come when the program handles none any more.
                self.assertIn(status, (0,) if signals == 1 else (0, -signal.SIGTERM))
                self.assertEqual(errors, "")
                self.assertIn("hang.test", a.reply()["message"])

    def test_the_end_of_input_does_not_end_it(self):
        with tempfile.TemporaryFile() as commands, open(os.devnull, "rb") as nothing:
            commands.write(b"set k v\nget a k")  # the last line has no end
            commands.seek(0)
            for kind, stdin in (("file", commands), ("/dev/null", nothing),
                                ("pipe", subprocess.PIPE)):
                with self.subTest(input=kind):
                    a = self.node("a", stdin=stdin)
                    if kind == "file":
                        self.assertEqual(a.reply()["reply"], "set")
                        self.assertEqual(a.reply()["value"], "v")
                    if kind == "pipe":
                        a.process.stdin.close()
                    b = self.node("b", "--seed", a.endpoint)
                    b.event("peer_live", peer="a")
                    self.assertIsNone(a.process.poll())
                    a.process.terminate()
                    self.assertEqual(a.wait(), (0, ""))

    def test_closed_streams_are_not_mistaken_for_the_socket(self):
        a = self.node("a")
        for streams in ("<&-", "<&- >&-", "<&- >&- 2>&-", ">&-"):
            with self.subTest(streams=streams):
                name = f"b{len(streams)}"
                command = (f'exec "{harness.PROGRAM}" run --name {name} --interval 50ms '
                           f"--seed {a.endpoint} --seconds 1 {streams}")
                with subprocess.Popen(["sh", "-c", command], stdin=subprocess.PIPE,
                                      stdout=subprocess.DEVNULL) as other:
                    a.event("peer_live", peer=name)
                    self.assertEqual(other.wait(timeout=harness.PATIENCE), 0)
                a.event("peer_left", peer=name)
        self.assertEqual(a.ask("stats")["drop_magic"], 0)
        self.assertEqual(a.ask("stats")["drop_length"], 0)

    def test_a_reader_that_goes_away_ends_it_gracefully(self):
        a = self.node("a")
        b = self.node("b", "--seed", a.endpoint, is_read=False)
        a.event("peer_live", peer="b")

        b.process.stdout.close()

        self.assertEqual(b.wait(), (0, ""))
        a.event("peer_left", peer="b")

    @unittest.skipUnless(os.path.exists("/dev/full"), "no /dev/full here")
    def test_a_full_disk_is_said_and_ends_it_with_status_1(self):
        with open("/dev/full", "wb") as full:
            a = self.node("a", stdout=full, is_read=False)
            status, errors = a.wait()
        self.assertEqual(status, 1)
        self.assertIn("No space left", errors)


if __name__ == "__main__":
    harness.main()
