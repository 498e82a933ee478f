"""The demo without a terminal: its steps, its time limit, its exit status."""

import os
import pathlib
import subprocess
import sys
import tempfile

import harness

DEMO = pathlib.Path(__file__).resolve().parents[2] / "tools/demo"


class Demo(harness.ProgramTest):
    def demo(self, *options, program=harness.PROGRAM):
        done = subprocess.run([sys.executable, DEMO, "--program", program, *options],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=100, check=False)
        self.assertNotIn("\x1b", done.stdout)
        return done

    def test_all_steps_are_agreed_on(self):
        done = self.demo("--seconds", "80")

        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        for number in range(1, 5):
            self.assertRegex(done.stdout, rf"\nStep {number}: .*: \d+ rounds?, \d+\.\d s\n")
        self.assertEqual(done.stderr, "")

    def test_sealed_processes_rotate_their_key_in_three_steps_more(self):
        if self.run_program("keygen")[0] != 0:
            self.skipTest("built without libsodium")
        done = self.demo("--sealed", "--seconds", "90")

        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        for number, stage in ((2, "install: all can open key"), (3, "use: all seal with key"),
                              (4, "remove: no node has key")):
            self.assertRegex(done.stdout, rf"\nStep {number}: {stage} .*: \d+ rounds?, \d+\.\d s\n")
        self.assertIn("\nStep 7: ", done.stdout)
        self.assertNotIn("gmk1-", done.stdout + done.stderr)

    def test_a_step_that_is_not_agreed_on_in_time_is_named(self):
        done = self.demo("--seconds", "5")  # SIGKILL comes after 3 s and takes longer to be seen

        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("\nStep 2 failed: 'charlie killed", done.stdout)

    def test_a_program_that_does_not_run_fails_the_first_step(self):
        with tempfile.TemporaryDirectory() as folder:
            broken = os.path.join(folder, "broken")
            with open(broken, "w", encoding="utf-8") as script:
                script.write("#!/bin/sh\necho out of order >&2\nexit 3\n")
            os.chmod(broken, 0o755)
            done = self.demo(program=broken)
        self.assertEqual(done.returncode, 1)
        self.assertIn("Step 1 failed", done.stdout)
        self.assertIn("out of order", done.stdout)

        done = self.demo(program="/nowhere")
        self.assertEqual(done.returncode, 1)
        self.assertIn("Step 1 failed", done.stdout)


if __name__ == "__main__":
    harness.main()
