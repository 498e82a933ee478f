"""A process that stands still: it declares nobody dead for it, and comes back."""

import signal
import time

import harness


class Pause(harness.ProgramTest):
    def test_five_seconds_of_standstill_declare_nobody_dead_by_the_stopped_node(self):
        a = self.node("a", "--interval", "100ms")
        others = [self.node(name, "--interval", "100ms", "--seed", a.endpoint)
                  for name in ("b", "c")]
        for one in others:
            a.event("peer_live", peer=one.started["name"])
            one.event("peer_live", peer="a")
        for one, other in ((others[0], "c"), (others[1], "b")):
            one.event("peer_live", peer=other)
        time.sleep(1)
        before = len(a.events)

        a.process.send_signal(signal.SIGSTOP)
        time.sleep(5)
        a.process.send_signal(signal.SIGCONT)
        time.sleep(3)  # more than a suspicion lasts

        stats = a.ask("stats")
        self.assertEqual(stats["declared_dead"], 0)
        self.assertEqual(stats["pauses"], 1)
        self.assertNotIn("peer_dead", [said["event"] for said in a.events[before:]])
        # The others may have declared it dead; then it is live again by now, or soon.
        for one in others:
            one.until("members", lambda answer: {row["name"]: row["status"]
                                                 for row in answer["members"]}["a"] == "live")


if __name__ == "__main__":
    harness.main()
