"""`gossipmonger members`: who is in a cluster, asked by a program that nobody comes to know."""

import json
import os
import subprocess
import tempfile
import threading

import harness


class Members(harness.ProgramTest):
    def ask(self, *options, seconds="20"):
        status, out, errors = self.run_program("members", "--json", "--seconds", seconds, *options)
        self.assertEqual((status, errors), (0, ""))
        self.assertEqual(out.count("\n"), 1)
        said = json.loads(out)
        self.assertEqual(said["reply"], "members")
        return {one["name"]: one for one in said["members"]}

    def watch(self, node, question):
        """The names that `node` lists while `question` runs, and after."""
        seen = set()
        asking = threading.Thread(target=question)
        asking.start()
        while asking.is_alive():
            seen |= {one["name"] for one in node.ask("members")["members"]}
        asking.join()
        return seen | {one["name"] for one in node.ask("members")["members"]}

    def test_it_prints_the_members_and_none_of_them_comes_to_know_of_it(self):
        a, b = self.pair("--cluster", "blue")
        b.ask("set role web")
        found = []

        seen = self.watch(a, lambda: found.append(
            self.ask("--seed", a.endpoint, "--cluster", "blue")))

        self.assertEqual(seen, {"a", "b"})
        self.assertEqual(sorted(found[0]), ["a", "b"])
        for name, node in (("a", a), ("b", b)):
            self.assertEqual(found[0][name]["status"], "live")
            self.assertEqual(found[0][name]["endpoint"], node.endpoint)
            self.assertEqual(found[0][name]["generation"], node.started["generation"])
        for node in (a, b):
            self.assertEqual([one for one in node.events if one["event"] in (
                "new_peer", "error", "conflict")], [one for one in node.events
                                                    if one["event"] == "new_peer"])
            self.assertEqual(node.ask("stats")["peers_known"], 1)
            self.assertEqual(node.ask("stats")["peers_unwanted"], 0)

    def test_a_sealed_cluster_answers_who_has_its_key(self):
        status, key, _ = self.run_program("keygen")
        if status != 0:
            self.skipTest("built without libsodium")
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        ring = os.path.join(folder.name, "ring")
        with open(ring, "w", encoding="ascii") as file:
            file.write("seal " + key)
        os.chmod(ring, 0o400)
        a, _ = self.pair("--keyring", ring)
        found = []

        seen = self.watch(a, lambda: found.append(self.ask("--seed", a.endpoint,
                                                           "--keyring", ring)))

        self.assertEqual(seen, {"a", "b"})
        self.assertEqual(sorted(found[0]), ["a", "b"])
        status, out, errors = self.run_program("members", "--seed", a.endpoint, "--seconds", "1")
        self.assertEqual((status, out), (1, ""))
        self.assertIn("--keyring", errors)

    def test_nobody_answers_for_another_cluster_or_at_another_port(self):
        a = self.node("a", "--cluster", "blue")
        for options in (("--seed", a.endpoint), ("--seed", "127.0.0.1:9", "--cluster", "blue")):
            with self.subTest(options=options):
                status, out, errors = self.run_program("members", "--seconds", "1", *options)
                self.assertEqual((status, out), (1, ""))
                self.assertIn("nobody answered at " + options[1], errors)
                self.assertIn("--cluster", errors)

    def test_a_dead_member_is_new_to_it_and_was_heard_long_ago(self):
        a, b = self.pair()
        b.process.kill()
        a.event("peer_dead", peer="b")

        found = self.ask("--seed", a.endpoint, seconds="2")

        self.assertEqual(found["a"]["status"], "live")
        self.assertEqual(found["b"]["status"], "new")
        self.assertGreater(found["b"]["silent_ms"], 500)

    def test_people_get_a_table(self):
        a = self.node("a")
        status, out, errors = self.run_program("members", "--seed", a.endpoint)
        self.assertEqual((status, errors), (0, ""))
        self.assertRegex(out, r"^name +status .*\na +live +yes .* 127\.0\.0\.1:\d+ .*\n$")

    def test_a_bad_option_is_named(self):
        for options, named in (((), "--seed"), (("--seed", "nowhere"), "the port is missing"),
                               (("--seed", "a:1", "--seconds", "0"), "--seconds"),
                               (("--seed", "a:1", "--cluster", ""), "--cluster"),
                               (("--seed", "a:1", "--listen", "here"), "--listen"),
                               (("--seed", "a:1", "--keyring", "/none"), "/none"),
                               (("--seed", "a:1", "--clutser", "b"), "did you mean --cluster?")):
            with self.subTest(options=options):
                status, out, errors = self.run_program("members", *options)
                self.assertEqual((status, out, errors.count("\n")), (2, "", 1), errors)
                self.assertIn(named, errors)

    def test_a_closed_output_is_no_success(self):
        a = self.node("a")
        with open("/dev/full", "wb") as full:
            done = subprocess.run([harness.PROGRAM, "members", "--seed", a.endpoint], stdout=full,
                                  stderr=subprocess.PIPE, timeout=harness.PATIENCE, check=False)
        self.assertEqual((done.returncode, done.stderr), (
            1, b"gossipmonger: cannot write the output: No space left on device\n"))




if __name__ == "__main__":
    harness.main()
