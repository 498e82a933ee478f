"""Tests of a node's notices: it is alone, of another cluster, refused, of another interval."""

import subprocess

import harness


class Notices(harness.ProgramTest):
    def errors(self, node):
        return [one["message"] for one in node.events if one["event"] == "error"]

    def test_a_mistyped_cluster_is_named_on_both_sides_once(self):
        seed = self.node("seed", "--cluster", "prod")
        alone = self.node("alone", "--cluster", "pord", "--seed", seed.endpoint)

        told = alone.event("error")
        seen = seed.event("error")

        self.assertIsNone(told["peer"])
        self.assertIn("nobody is known after 16 rounds", told["message"])
        self.assertIn('cluster "pord"', told["message"])
        self.assertIn(seed.endpoint, told["message"])
        self.assertIn(f"the node at {alone.endpoint} belongs to another cluster", seen["message"])
        self.assertIn('"prod"', seen["message"])
        rounds = alone.ask("stats")["rounds"]
        alone.until("stats", lambda s: s["rounds"] > rounds + 100)
        self.assertEqual(len(self.errors(alone)), 1)
        self.assertEqual(len(self.errors(seed)), 1)

    def test_a_seed_that_comes_late_ends_it(self):
        first = self.node("first")
        endpoint = first.endpoint
        first.close()
        alone = self.node("alone", "--seed", endpoint)
        alone.event("error")

        self.node("seed", "--listen", endpoint)

        ended = alone.event("error", peer="seed")
        self.assertIn("alone no more", ended["message"])
        self.assertEqual(len(self.errors(alone)), 2)

    def test_a_peer_of_another_interval_is_named_by_both(self):
        fast = self.node("fast")
        slow = self.node("slow", "--seed", fast.endpoint, "--interval", "200ms")

        told = fast.event("error", peer="slow")
        seen = slow.event("error", peer="fast")

        self.assertIn("every 192 ms, this node every 50 ms", told["message"])
        self.assertIn("every 48 ms, this node every 200 ms", seen["message"])
        rounds = fast.ask("stats")["rounds"]
        fast.until("stats", lambda s: s["rounds"] > rounds + 50)
        self.assertEqual(len(self.errors(fast)), 1)

    def test_people_are_told_too(self):
        done = subprocess.run(
            [harness.PROGRAM, "run", "--name", "a", "--seed", "127.0.0.1:1", "--interval", "10ms",
             "--seconds", "1"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=harness.PATIENCE, check=False)

        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r"\n\d\d:\d\d:\d\d\.\d{3}  error .*nobody is known")
        self.assertIn("127.0.0.1:1", done.stdout)


if __name__ == "__main__":
    harness.main()
