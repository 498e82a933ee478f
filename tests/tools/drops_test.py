"""Datagrams that are refused: told of once a second and reason, however many there are."""

import socket
import time

import harness


class Drops(harness.ProgramTest):
    def dropped(self, node, counter):
        return [one for one in node.events
                if one["event"] == "dropped" and one["counter"] == counter]

    def test_a_flood_of_each_kind_makes_one_line_a_second(self):
        a, b = self.pair()
        host, port = a.endpoint.rsplit(":", 1)
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(sender.close)
        count = 0
        end = time.monotonic() + 3
        while time.monotonic() < end:
            sender.sendto(b"short", (host, int(port)))
            sender.sendto(b"no gossip at all" * 4, (host, int(port)))
            count += 1
            time.sleep(0.002)

        stats = a.until("stats", lambda s: s["drop_length"] == count)
        self.assertEqual(stats["drop_magic"], count)
        for counter in ("drop_length", "drop_magic"):
            a.event("dropped", counter=counter, total=count)
            told = self.dropped(a, counter)
            self.assertEqual(sum(one["count"] for one in told), count)
            self.assertGreaterEqual(len(told), 2)
            times = [one["time_ms"] for one in told]
            for before, after in zip(times, times[1:]):
                self.assertGreaterEqual(after - before, 990)
        self.assertEqual(self.dropped(b, "drop_magic"), [])
        self.assertEqual(b.member("a")["status"], "live")

    def test_people_are_told_too(self):
        status, output, _ = self.run_program("run", "--name", "a", "--seconds", "2.5", "--interval",
                                             "50ms", "--seed", "[::1]:7000")
        self.assertEqual(status, 0)
        self.assertRegex(output, r"\n\d\d:\d\d:\d\d\.\d{3}  dropped +udp_send_error_address_family"
                                 r"  \d+  \d+ in all\n")

    def test_what_the_system_refuses_to_send_is_told(self):
        node = self.node("a", "--seed", "[::1]:7000")  # from a socket of IPv4

        told = node.event("dropped", counter="udp_send_error_address_family")

        self.assertGreaterEqual(told["count"], 1)


if __name__ == "__main__":
    harness.main()
