"""Several processes: each event under its promised name, through death and restart."""

import time

import harness


class Cluster(harness.ProgramTest):
    def test_started_comes_first_and_names_the_bound_port(self):
        a = self.node("a", "--set", "k=v")

        a.event("update", peer="a", key="k")

        self.assertEqual(a.events[0]["event"], "started")
        self.assertEqual(
            set(a.started), {"event", "time_ms", "name", "generation", "endpoint", "advertise"})
        self.assertEqual(a.started["name"], "a")
        self.assertRegex(a.endpoint, r"^127\.0\.0\.1:[1-9]\d*$")
        # A generation is the time of the start, in milliseconds.
        self.assertLess(abs(a.started["time_ms"] - a.started["generation"]), 10_000)

    def test_two_processes_exchange_keys(self):
        a, b = self.pair("--set", "role=web")
        generation = a.started["generation"]

        seen = b.event("update", peer="a", key="role")
        self.assertEqual(set(seen), {"event", "time_ms", "peer", "generation", "key", "value",
                                     "version"})
        self.assertEqual((seen["value"], seen["version"], seen["generation"]),
                         ("web", 1, generation))

        a.ask("erase role")
        gone = b.event("removed", peer="a", key="role")
        self.assertEqual(set(gone), {"event", "time_ms", "peer", "generation", "key", "version"})
        self.assertEqual(gone["version"], 2)
        self.assertEqual(b.ask("state")["peers"], {"b": {"role": "web"}, "a": {}})

    def test_new_peer_comes_before_live(self):
        a, _ = self.pair()

        kinds = [said["event"] for said in a.events if said.get("peer") == "b"]

        self.assertEqual(kinds[:2], ["new_peer", "peer_live"])

    def test_a_killed_process_is_dead_and_comes_back_restarted(self):
        a, b = self.pair("--set", "k=old")
        a.event("update", peer="b", key="k")
        b.process.kill()
        self.assertEqual(a.event("peer_dead", peer="b")["generation"], b.started["generation"])
        self.assertEqual(a.member("b")["status"], "dead")

        before = len(a.events)
        again = self.node("b", "--seed", a.endpoint, "--set", "k=new")

        restarted = a.event("peer_restarted", before, peer="b")
        self.assertEqual(restarted["generation"], again.started["generation"])
        a.event("peer_live", before, peer="b", generation=again.started["generation"])
        a.event("update", before, peer="b", key="k", value="new", version=1)
        self.assertEqual(a.ask("get b k")["value"], "new")

    def test_another_cluster_is_not_heard(self):
        a = self.node("a", "--cluster", "one")
        self.node("b", "--cluster", "two", "--seed", a.endpoint)

        a.until("stats", lambda s: s["drop_cluster"] > 0)

        self.assertIsNone(a.member("b"))

    def test_who_leaves_tells_all_within_two_rounds(self):
        nodes = [self.node("n0", "--interval", "1s")]
        nodes += [self.node(f"n{i}", "--interval", "1s", "--seed", nodes[0].endpoint)
                  for i in range(1, 5)]
        for node in nodes:
            node.until("members", lambda m: [one["status"] for one in m["members"]].count("live")
                       == 4)

        begin = time.monotonic()
        left = nodes[3].ask("leave")

        self.assertEqual(left, {"reply": "leave", "acknowledged": 4, "live": 4})
        # At once, and in the next round those whom it had never met itself. One a round would take
        # 3 s, which is also when it gives up.
        self.assertLess(time.monotonic() - begin, 2.0)

    def test_five_processes_agree_on_every_key(self):
        nodes = [self.node("n0", "--set", "of=n0")]
        nodes += [self.node(f"n{i}", "--set", f"of=n{i}", "--seed", nodes[0].endpoint)
                  for i in range(1, 5)]
        truth = {f"n{i}": {"of": f"n{i}"} for i in range(5)}

        for node in nodes:
            node.until("state", lambda s: s["peers"] == truth)


if __name__ == "__main__":
    harness.main()
