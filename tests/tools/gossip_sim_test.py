"""gossip_sim as a script sees it: what it prints where, its exit status, and what is refused."""

import pathlib
import re
import resource
import tempfile

import harness

# Two nodes that are no seed of each other: they cannot agree.
NOT_MET = """node n0
node n1
at 0s start n0
at 0s start n1
at 1s set n0 key value
at 5s heal
"""


def limits(**most):
    """For a child process: limits of resources, by name."""
    def set_limits():
        for name, value in most.items():
            resource.setrlimit(getattr(resource, name), (value, value))
    return set_limits


class GossipSim(harness.ProgramTest):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def file(self, name, text=None):
        path = self.folder / name
        if text is not None:
            path.write_text(text)
        return str(path)

    def assert_refused(self, *arguments, named):
        status, output, errors = self.run_program(*arguments)
        self.assertEqual((status, output), (2, ""), errors)
        self.assertEqual(errors.count("\n"), 1, errors)
        self.assertTrue(errors.startswith("gossip_sim: "), errors)
        self.assertIn(named, errors)

    def trace_hash(self, *arguments):
        status, output, errors = self.run_program(*arguments)
        self.assertEqual((status, errors), (0, ""))
        return re.fullmatch(r"seed \d+: all held; trace ([0-9a-f]{16})\n", output)[1]

    def test_a_seed_gives_one_trace(self):
        first = self.trace_hash("--seed", "3")

        self.assertEqual(self.trace_hash("--seed", "3"), first)
        self.assertNotEqual(self.trace_hash("--seed", "4"), first)

    def test_every_seed_of_a_range_is_run_and_counted(self):
        status, output, errors = self.run_program("--seeds", "3..8", "--jobs", "2")

        self.assertEqual((status, errors), (0, ""))
        self.assertRegex(output, r"^6 seeds, 0 failed; ")
        self.assertEqual(output.count("\n"), 4, output)

    def test_that_seeds_were_not_run_is_a_failure(self):
        # Of two processes one gets no pipe to write to. (Where UBSan is in it, the other fails, for
        # want of the pipe by which it looks at memory.)
        status, output, errors = self.run_program(
            "--seeds", "1..6", "--jobs", "2", preexec_fn=limits(RLIMIT_NOFILE=5))

        self.assertEqual(status, 1, errors)
        self.assertRegex(output, r"^3 seeds, ")
        self.assertTrue(errors.endswith("gossip_sim: only 3 of 6 seeds were run\n"), errors)

    def test_a_time_budget_may_end_a_range(self):
        status, output, errors = self.run_program("--seeds", "1..1000000", "--time-budget", "3s")

        self.assertEqual((status, errors), (0, ""))
        self.assertRegex(output, r"^\d{1,5} seeds, 0 failed; ")

    def test_hashes_are_those_of_single_seeds_and_the_same_each_time(self):
        def hashes(*how):
            status, output, errors = self.run_program("--seeds", "1..6", "--hashes", *how)
            self.assertEqual((status, errors), (0, ""))
            return re.findall(r"^(\d+) ([0-9a-f]{16})$", output, re.MULTILINE)

        first = hashes()

        self.assertEqual([seed for seed, _ in first], list("123456"))
        self.assertEqual(hashes("--jobs", "2"), first)
        self.assertEqual(self.trace_hash("--seed", "3"), first[2][1])

    def test_what_is_printed_replays_to_the_same_trace(self):
        status, output, errors = self.run_program("--seed", "3", "--print")
        self.assertEqual((status, errors), (0, ""))

        replayed = self.trace_hash("--replay", self.file("printed.txt", output))

        self.assertEqual(replayed, self.trace_hash("--seed", "3"))

    def test_a_trace_has_each_step_and_is_the_same_each_time(self):
        path = pathlib.Path(self.file("trace.txt"))
        traced = self.trace_hash("--seed", "3", "--trace", str(path))
        first = path.read_text()

        self.assertEqual(self.trace_hash("--seed", "3", "--trace", str(path)), traced)

        self.assertEqual(path.read_text(), first)
        self.assertEqual(self.trace_hash("--seed", "3"), traced)
        self.assertIn(" at 0ms start n0\n", first)
        self.assertIn(" heal\n", first)

    def test_a_failure_says_rule_and_replay_on_standard_error(self):
        path = self.file("not_met.txt", NOT_MET)
        trace = pathlib.Path(self.file("trace.txt"))

        for how in ((), ("--trace", str(trace))):
            with self.subTest(how=how):
                status, output, errors = self.run_program("--replay", path, *how)

                self.assertEqual((status, output), (1, ""))
                self.assertRegex(errors, r"^seed 1: progress at \d+ ms: n1 of n0: unknown, .*\n"
                                         rf"  replay: gossip_sim --replay {re.escape(path)}\n$")
        self.assertRegex(trace.read_text(), r"\nprogress: n1 of n0: unknown, .*\n$")

    def test_whatever_ends_a_traced_run_its_replay_is_named(self):
        # A file that may not grow ends the process that writes it, as an assertion would.
        trace = pathlib.Path(self.file("trace.txt"))

        status, output, errors = self.run_program(
            "--seed", "3", "--trace", str(trace),
            preexec_fn=limits(RLIMIT_FSIZE=10_000, RLIMIT_CORE=0))

        self.assertEqual((status, output), (1, ""))
        self.assertEqual(errors, "seed 3: crash at 0 ms: the process ended\n"
                                 "  replay: gossip_sim --seed 3\n")
        self.assertGreater(len(trace.read_text()), 9_000)  # the trace before the end is there

    def test_what_shrink_prints_is_a_scenario_file(self):
        path = self.file("not_met.txt", NOT_MET)
        status, output, _ = self.run_program("--replay", path, "--shrink")
        self.assertEqual(status, 1)
        self.assertRegex(output, r"^# seed 1: progress at ")
        self.assertNotIn("set n0 key value", output)

        small = self.file("small.txt", output)
        status, again, errors = self.run_program("--replay", small)

        self.assertEqual((status, again), (1, ""))
        self.assertRegex(errors, r"^seed 1: progress at ")

    def test_a_bad_option_is_named(self):
        for option, value in (("--seed", "x"), ("--seed", "5x"), ("--seed", "-1"), ("--seed", ""),
                              ("--seed", "18446744073709551616"), ("--seeds", "1..2x"),
                              ("--seeds", "5..4"), ("--seeds", "-1"), ("--seeds", "..3"),
                              ("--seeds", "1.."), ("--jobs", "0"), ("--jobs", "2x"),
                              ("--time-budget", "240"), ("--time-budget", "4q"),
                              ("--time-budget", "0s"), ("--time-budget", "soon"),
                              ("--colour", "red"), ("--replay", "nowhere.txt")):
            with self.subTest(option=option, value=value):
                self.assert_refused(option, value, named=option)
        self.assert_refused("--seed", "1", "--trace", self.file("none/trace.txt"), named="--trace")
        self.assert_refused("--replay", self.file("bad.txt", "seed 1\nnonsense\n"), named="line 2")

    def test_options_that_do_not_go_together_are_named(self):
        self.assert_refused("--seed", "1", "--seeds", "1..2", named="--seeds")
        self.assert_refused("--seed", "1", "--replay", "file.txt", named="--replay")
        for option in (("--trace", "file.txt"), ("--shrink",), ("--print",)):
            self.assert_refused("--seeds", "1..2", *option, named=option[0])
        self.assert_refused("--rewrite", named="--rewrite")


if __name__ == "__main__":
    harness.main()
