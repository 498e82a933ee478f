#!/usr/bin/env python3
"""Twelve nodes, each in a network namespace of its own, on one bridge: real sockets, an MTU of
1280, and loss, partitions and a cable that is pulled. After each heal all agree.

    tests/tools/namespaces_test.py PROGRAM

Needs root, ip and nft; says what is missing and exits with status 77 where it cannot run. Whatever
happens, it removes what it made; what a killed run left behind, the next one removes.
"""

import atexit
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time
import unittest

import harness

COUNT = 12
HALF = COUNT // 2
MTU = 1280
PREFIX = "gossip-test"
BRIDGE = f"{PREFIX}-{os.getpid()}-br"
SKIPPED = 77
PATIENCE = 90.0


def run(*command):
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True)


def inside(space, *command):
    run("ip", "netns", "exec", space, *command)


def space_of(index):
    return f"{PREFIX}-{os.getpid()}-{index}"


def address_of(index):
    return f"10.77.0.{index + 1}"


def spaces():
    folder = pathlib.Path("/run/netns")
    return sorted(path.name for path in folder.glob(f"{PREFIX}-*")) if folder.is_dir() else []


def remove_spaces():
    """Those of this run, and of runs whose process is gone."""
    for space in spaces():
        owner = int(re.match(PREFIX + r"-(\d+)-", space)[1])
        if owner == os.getpid() or not pathlib.Path(f"/proc/{owner}").exists():
            subprocess.run(["ip", "netns", "del", space], check=False, capture_output=True)


def clean_up():
    for node in Namespaces.nodes:
        node.close()
    remove_spaces()


def interrupt(*_):
    raise KeyboardInterrupt  # the one exception that unittest lets through


def why_not():
    """What this machine lacks; nothing where all is there."""
    if os.geteuid() != 0:
        return "it needs root"
    for tool in ("ip", "nft"):
        if not shutil.which(tool):
            return f"there is no {tool}"
    try:
        build_network()
        inside(BRIDGE, "nft", "add", "table", "inet", "gossip")
    except subprocess.CalledProcessError as refused:
        return f"{' '.join(refused.cmd)}: {refused.stderr.decode().strip()}"
    return None


def build_network():
    run("ip", "netns", "add", BRIDGE)
    inside(BRIDGE, "ip", "link", "add", "br0", "mtu", str(MTU), "type", "bridge")
    inside(BRIDGE, "ip", "link", "set", "br0", "up")
    for index in range(COUNT):
        space = space_of(index)
        run("ip", "netns", "add", space)
        inside(BRIDGE, "ip", "link", "add", f"v{index}", "mtu", str(MTU), "type", "veth",
               "peer", "name", "eth0", "mtu", str(MTU), "netns", space)
        inside(BRIDGE, "ip", "link", "set", f"v{index}", "master", "br0", "up")
        inside(space, "ip", "address", "add", address_of(index) + "/24", "dev", "eth0")
        inside(space, "ip", "link", "set", "eth0", "up")
        inside(space, "ip", "link", "set", "lo", "up")


def filter_input(index, *rules):
    """Replaces what the namespace's firewall does to what comes in."""
    script = "flush ruleset\ntable inet gossip {\n  chain in {\n"
    script += "    type filter hook input priority 0; policy accept;\n"
    script += "".join(f"    {rule}\n" for rule in rules) + "  }\n}\n"
    subprocess.run(["ip", "netns", "exec", space_of(index), "nft", "-f", "-"], check=True,
                   input=script.encode(), capture_output=True)


def drop_from(indices):
    return "ip saddr { " + ", ".join(address_of(one) for one in indices) + " } drop"


class Namespaces(unittest.TestCase):
    nodes = []

    @classmethod
    def setUpClass(cls):
        for index in range(COUNT):
            cls.nodes.append(harness.Node(
                f"n{index}", "--listen", address_of(index) + ":7000", "--interval", "100ms",
                "--seed", address_of(0) + ":7000", "--seed", address_of(HALF) + ":7000",
                "--set", f"name=n{index}", before=["ip", "netns", "exec", space_of(index)]))

    def setUp(self):
        self.heal()

    def heal(self):
        for index in range(COUNT):
            filter_input(index)

    def wait_until(self, holds, what):
        end = time.monotonic() + PATIENCE
        while not holds():
            self.assertLess(time.monotonic(), end, what)
            time.sleep(0.1)

    def statuses(self, index):
        """What a node says of the others: name to status."""
        return {one["name"]: one["status"] for one in self.nodes[index].ask("members")["members"]
                if one["status"] != "self"}

    def has_agreed(self):
        if any(set(self.statuses(index).values()) != {"live"} or
               len(self.statuses(index)) != COUNT - 1 for index in range(COUNT)):
            return False
        states = [node.ask("state")["peers"] for node in self.nodes]
        return all(state == states[0] for state in states)

    def assert_agreement(self):
        self.wait_until(self.has_agreed, "agreement")

    def publish(self, key, indices=range(COUNT)):
        """A value of nearly a datagram from each, so that exchanges take many full ones."""
        for index in indices:
            reply = self.nodes[index].ask(f"set {key} " + f"n{index} " + 900 * "x")
            self.assertEqual(reply["reply"], "set")

    def assert_seen(self, index, others, status):
        def holds():
            seen = self.statuses(index)
            return all(seen[f"n{other}"] == status for other in others)
        self.wait_until(holds, f"n{index} sees {others} as {status}")

    def test_all_agree_and_no_datagram_is_fragmented(self):
        for key in range(10):
            self.publish(f"start{key}")
        self.assert_agreement()

        for index in range(COUNT):
            stats = self.nodes[index].ask("stats")
            self.assertEqual(stats["udp_send_error_message_size"], 0)
            snmp = subprocess.run(["ip", "netns", "exec", space_of(index), "cat",
                                   "/proc/net/snmp"], check=True, capture_output=True, text=True)
            names, values = [line.split() for line in snmp.stdout.splitlines()
                             if line.startswith("Ip:")]
            self.assertEqual(dict(zip(names, values))["FragCreates"], "0")

    def test_loss_of_a_fifth(self):
        for index in range(COUNT):
            filter_input(index, "udp dport 7000 numgen random mod 100 < 20 drop")
        self.publish("under-loss")

        self.assert_agreement()

        self.assertTrue(all("dead" not in self.statuses(index).values()
                            for index in range(COUNT)))

    def test_two_halves(self):
        left, right = range(HALF), range(HALF, COUNT)
        for index in left:
            filter_input(index, drop_from(right))
        for index in right:
            filter_input(index, drop_from(left))
        for index in left:
            self.assert_seen(index, right, "dead")
        for index in right:
            self.assert_seen(index, left, "dead")
            self.assert_seen(index, [one for one in right if one != index], "live")
        self.publish("while-split", left)
        self.publish("while-split-too", right)

        self.heal()

        self.assert_agreement()

    def test_three_parts_and_a_one_way_cut(self):
        parts = [range(0, 4), range(4, 8), range(8, 12)]
        for part in parts:
            others = [one for one in range(COUNT) if one not in part]
            for index in part:
                filter_input(index, drop_from(others))
        self.assert_seen(0, parts[2], "dead")
        self.publish("in-three-parts")
        self.heal()
        self.assert_agreement()

        # n1 hears nobody, and everybody hears n1.
        filter_input(1, drop_from(range(COUNT)))
        self.assert_seen(1, [one for one in range(COUNT) if one != 1], "dead")
        self.publish("one-way", [1])
        self.heal()
        self.assert_agreement()

    def test_an_interface_that_goes_down(self):
        node = self.nodes[3]
        before = node.ask("stats")["udp_send_error_network_unreachable"]
        inside(space_of(3), "ip", "link", "set", "eth0", "down")
        self.assert_seen(0, [3], "dead")
        self.publish("cable-pulled", [3, 5])

        stats = node.ask("stats")
        self.assertGreater(stats["udp_send_error_network_unreachable"], before)
        inside(space_of(3), "ip", "link", "set", "eth0", "up")

        self.assert_agreement()


def main():
    atexit.register(clean_up)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, interrupt)
    remove_spaces()
    missing = why_not()
    if missing:
        print(f"skipped: network namespaces: {missing}")
        sys.exit(SKIPPED)
    harness.main()


if __name__ == "__main__":
    main()
