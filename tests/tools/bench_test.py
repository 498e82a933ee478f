"""`gossipmonger bench`: what it refuses, and whether the numbers of a small run fit each other."""

import json
import os
import pty
import resource
import subprocess

import harness


class Bench(harness.ProgramTest):
    def assert_refused(self, arguments, *named, status=2, **how):
        done, output, errors = self.run_program("bench", *arguments, **how)
        self.assertEqual(done, status, errors)
        self.assertEqual(output, "")
        self.assertEqual(errors.count("\n"), 1, errors)
        self.assertTrue(errors.startswith("gossipmonger bench: "), errors)
        for word in named:
            self.assertIn(word, errors)

    def measure(self, *arguments):
        status, output, errors = self.run_program("bench", "--json", *arguments)
        self.assertEqual((status, errors), (0, ""))
        return json.loads(output)

    def test_help_names_every_option_and_the_program_lists_the_command(self):
        status, output, errors = self.run_program("bench", "--help")
        self.assertEqual((status, errors), (0, ""))
        for option in ("--nodes", "--rate", "--interval", "--seconds", "--value-bytes",
                       "--fanout", "--threads", "--crashes", "--json"):
            self.assertIn(option, output)
        self.assertIn("bench", self.run_program("--help")[1])

    def test_a_bad_value_is_named_with_what_is_allowed(self):
        for option, value in (("--nodes", "1"), ("--nodes", "1001"), ("--nodes", "-1"),
                              ("--nodes", "ten"), ("--nodes", ""), ("--rate", "0"),
                              ("--rate", "1000001"), ("--interval", "9ms"),
                              ("--interval", "11s"), ("--interval", "100"),
                              ("--seconds", "0.9"), ("--seconds", "601"), ("--seconds", "nan"),
                              ("--seconds", "-1"), ("--value-bytes", "15"),
                              ("--value-bytes", "1001"), ("--fanout", "0"), ("--fanout", "17"),
                              ("--threads", "65"), ("--crashes", "11")):
            with self.subTest(option=option, value=value):
                self.assert_refused([option, value], option, "allowed: ")

    def test_a_load_that_does_not_fit_into_memory_is_refused(self):
        self.assert_refused(["--nodes", "1000", "--rate", "100000", "--interval", "1s"],
                            "--rate", "copies")

    def test_what_is_not_understood_is_refused_in_one_line(self):
        self.assert_refused(["--node", "3"], "--node", "did you mean --nodes?")
        self.assert_refused(["--colour"], "--colour")
        self.assert_refused(["3"], "3")
        self.assert_refused(["--nodes"], "--nodes", "value")
        self.assert_refused(["--json=yes"], "--json", "value")

    def test_the_limit_of_descriptors_is_named(self):
        def lower():
            resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        self.assert_refused(["--nodes", "100"], "100 nodes", "64", "ulimit -n", status=1,
                            preexec_fn=lower)

    def test_the_numbers_of_a_small_run_fit_each_other(self):
        report = self.measure("--nodes", "5", "--rate", "100", "--interval", "50ms",
                              "--seconds", "2")

        # Each update reaches four others, and each is one entry that a node applied.
        self.assertEqual(report["written"], 200)
        self.assertEqual(report["deliveries_due"], 800)
        self.assertEqual(report["delivered"], 800)
        self.assertEqual(report["delivered_percent"], 100)
        self.assertEqual(report["entries_applied"], 800)
        self.assertEqual(report["declared_dead"], 0)
        self.assertLessEqual(0, report["p50_ms"])
        self.assertLessEqual(report["p50_ms"], report["p99_ms"])
        self.assertLessEqual(report["p99_ms"], report["p999_ms"])
        self.assertAlmostEqual(report["p50_rounds"], report["p50_ms"] / 50, places=2)
        # Two seconds of five nodes with 20 rounds a second; a busy machine runs fewer.
        self.assertLess(report["rounds"], 230)
        self.assertAlmostEqual(report["rounds_percent"],
                               100 * report["rounds"] / (100 * report["seconds"]), delta=0.1)
        self.assertLessEqual(report["rounds_late"], report["rounds"])
        self.assertGreater(report["bytes_a_round"], report["bytes_a_round_at_rest"])
        self.assertGreater(report["datagrams_a_round_at_rest"], 0)
        self.assertGreater(report["cores"], 0)

    def test_a_crash_is_found_by_all_that_live_and_counted_once_each(self):
        report = self.measure("--nodes", "4", "--rate", "10", "--interval", "20ms",
                              "--seconds", "1", "--crashes", "2")
        self.assertEqual((report["detections"], report["detections_due"]), (4, 4))
        # Not before a suspicion of 12 rounds has passed.
        self.assertGreater(report["detection_p50_ms"], 12 * 20 * 0.8)
        self.assertLessEqual(report["detection_p50_ms"], report["detection_max_ms"])
        self.assertEqual(report["declared_dead"], 0)

    def test_keys_that_are_written_again_count_each_time(self):
        # Of 600 updates each node writes 300. Its keys return after 50 rounds, 125 updates.
        report = self.measure("--nodes", "2", "--rate", "250", "--interval", "20ms",
                              "--seconds", "2.4", "--threads", "1", "--value-bytes", "16")
        self.assertEqual(report["threads"], 1)
        self.assertEqual((report["written"], report["delivered"]), (600, 600))
        self.assertEqual(report["entries_applied"], 600)

    def test_progress_is_for_terminals_only(self):
        arguments = ("--nodes", "2", "--rate", "10", "--interval", "20ms", "--seconds", "1")
        status, output, errors = self.run_program("bench", *arguments)
        self.assertEqual((status, errors), (0, ""))
        self.assertRegex(output, r"(?m)^delivered +100\.000 %  10 of 10$")

        controller, terminal = pty.openpty()
        with subprocess.Popen([harness.PROGRAM, "bench", *arguments], stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=terminal) as process:
            os.close(terminal)
            text = b""
            try:
                while part := os.read(controller, 65536):
                    text += part
            except OSError:
                pass  # the last user of the terminal has gone
            os.close(controller)
            self.assertEqual(process.wait(timeout=harness.PATIENCE), 0)
        self.assertIn(b"at rest", text)
        self.assertIn(b"updates", text)
        self.assertTrue(text.endswith(b"\r\x1b[K"))


if __name__ == "__main__":
    harness.main()
