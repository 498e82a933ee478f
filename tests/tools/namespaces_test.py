#!/usr/bin/env python3
"""Tests of nodes in network namespaces of their own: real sockets and real routes. Twelve are on
one bridge with an MTU of 1280, and loss, partitions and a cable that is pulled: after each heal all
agree. Others are on hosts and paths as they are in the field:

- a host with several addresses, or with another than yesterday;
- an address that is only good together with an interface;
- a name that /etc/hosts puts on loopback;
- a path with a small MTU whose ICMP is filtered.

    tests/tools/namespaces_test.py PROGRAM

Needs root, ip and nft; says what is missing and exits with status 77 where it cannot run. It always
removes what it made; the next run removes what a killed run left behind.
"""

import atexit
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
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
    for node in Namespaces.nodes + Hosts.nodes:
        node.close()
    remove_spaces()


def interrupt(*_):
    raise KeyboardInterrupt  # the one exception that unittest lets through


def why_not():
    """The first thing that this machine lacks; None if all is there."""
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


def fragments_made(space):
    snmp = subprocess.run(["ip", "netns", "exec", space, "cat", "/proc/net/snmp"], check=True,
                          capture_output=True, text=True)
    names, values = [line.split() for line in snmp.stdout.splitlines() if line.startswith("Ip:")]
    return int(dict(zip(names, values))["FragCreates"])


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
        """The statuses of the others, by name, as a node tells them."""
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
            self.assertEqual(fragments_made(space_of(index)), 0)

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


class Hosts(unittest.TestCase):
    """A few hosts each, on a bridge or with a router between them; a test makes its own."""

    nodes = []  # of all tests, for the end
    made = 0

    def setUp(self):
        self.here = []
        self.addCleanup(self.remove)
        Hosts.made += 1
        self.prefix = f"{PREFIX}-{os.getpid()}-h{Hosts.made}"
        self.bridge = self.space("br")
        inside(self.bridge, "ip", "link", "add", "br0", "type", "bridge")
        inside(self.bridge, "ip", "link", "set", "br0", "up")

    def remove(self):
        for node in self.here:
            node.close()
            Hosts.nodes.remove(node)
        for space in spaces():
            if space.startswith(self.prefix + "-"):
                run("ip", "netns", "del", space)

    def space(self, name):
        space = f"{self.prefix}-{name}"
        run("ip", "netns", "add", space)
        inside(space, "ip", "link", "set", "lo", "up")
        return space

    def host(self, index, *addresses, interface="eth0", before=0):
        """On the bridge. `before`: so many interfaces come first, which moves its index."""
        space = self.space(index)
        for one in range(before):
            inside(space, "ip", "link", "add", f"before{one}", "type", "bridge")
        inside(self.bridge, "ip", "link", "add", f"v{index}", "type", "veth", "peer", "name",
               interface, "netns", space)
        inside(self.bridge, "ip", "link", "set", f"v{index}", "master", "br0", "up")
        inside(space, "ip", "link", "set", interface, "addrgenmode", "none")
        inside(space, "ip", "link", "set", interface, "up")
        for address in addresses:
            inside(space, "ip", "address", "add", address, "dev", interface,
                   *(["nodad"] if ":" in address else []))
        return space

    def node(self, space, name, *options, before=(), **how):
        node = harness.Node(name, "--interval", "100ms", *options,
                            before=["ip", "netns", "exec", space, *before], **how)
        Hosts.nodes.append(node)
        self.here.append(node)
        return node

    def with_names(self, *lines):
        """Runs a command with these lines as its /etc/hosts."""
        hosts = pathlib.Path(tempfile.mkdtemp()) / "hosts"
        hosts.write_text("\n".join(lines) + "\n")
        self.addCleanup(shutil.rmtree, hosts.parent)
        return ["unshare", "-m", "sh", "-c", f'mount --bind {hosts} /etc/hosts && exec "$@"', "-"]

    def wait_until(self, holds, what):
        end = time.monotonic() + PATIENCE
        while not holds():
            self.assertLess(time.monotonic(), end, what)
            time.sleep(0.02)

    def are_live(self, nodes=None):
        """Whether each sees all the others live, and was answered by each."""
        nodes = nodes or self.here
        for node in nodes:
            members = [one for one in node.ask("members")["members"] if one["status"] != "self"]
            if len(members) != len(nodes) - 1:
                return False
            if not all(one["status"] == "live" and one["reachable"] for one in members):
                return False
        return True

    def test_a_host_with_two_addresses_answers_from_the_one_that_was_asked(self):
        two = self.host(0, "10.78.0.1/24", "10.78.0.2/24")
        self.node(two, "two", "--listen", "0.0.0.0:7000", "--advertise", "10.78.0.2:7000")
        for index, seed in ((3, "10.78.0.1:7000"), (4, "10.78.0.2:7000")):
            space = self.host(index, f"10.78.0.{index}/24")
            self.node(space, f"n{index}", "--listen", "*:7000", "--seed", seed)

        self.wait_until(self.are_live, "all see all")

        time.sleep(1)
        for node in self.here:
            self.assertEqual(node.ask("stats")["drop_unverified"], 0)
        self.assertEqual(self.here[1].member("two")["endpoint"], "10.78.0.2:7000")

    def test_a_host_whose_own_name_is_on_loopback_advertises_another_address(self):
        """As Debian writes /etc/hosts; each node lists itself first among the seeds."""
        names = {f"host{index}": f"10.78.0.{index}" for index in (1, 2, 3)}
        for index, own in enumerate(names, 1):
            space = self.host(index, names[own] + "/24")
            lines = [f"127.0.1.1 {own}"]
            lines += [f"{address} {name}" for name, address in names.items() if name != own]
            seeds = [own] + [name for name in names if name != own]
            self.node(space, own, "--listen", "0.0.0.0:7000",
                      *(word for seed in seeds for word in ("--seed", seed + ":7000")),
                      before=self.with_names(*lines))

        self.wait_until(self.are_live, "all see all")

        for node in self.here:
            for member in node.ask("members")["members"]:
                self.assertEqual(member["endpoint"], names[member["name"]] + ":7000")
            node.event("advertised", message=names[node.started["name"]] + ":7000")

    def test_which_of_the_addresses_of_a_name_is_listened_on_is_said(self):
        names = self.with_names("127.0.0.1 both", "127.0.0.2 both")
        node = self.node(self.space("alone"), "a", "--listen", "both:7000", before=names)
        node.process.terminate()

        self.assertEqual(node.wait(), (0, f'gossipmonger: --listen "both:7000" is {node.endpoint}, '
                                          "the first of 2 addresses\n"))

    def test_a_host_is_renumbered_and_another_takes_its_address(self):
        count = 6
        spaces_of = [self.host(index, f"10.78.0.{index}/24") for index in range(1, count)]
        for index, space in enumerate(spaces_of, 1):
            self.node(space, f"n{index}", "--listen", "0.0.0.0:7000", "--seed", "10.78.0.1:7000",
                      "--seed", "10.78.0.5:7000")
        self.wait_until(self.are_live, "all see all")
        moved = self.here[1]
        rounds = self.here[0].ask("stats")["rounds"]

        inside(spaces_of[1], "ip", "address", "del", "10.78.0.2/24", "dev", "eth0")
        inside(spaces_of[1], "ip", "address", "add", "10.78.0.22/24", "dev", "eth0")
        moved.event("advertised", message="10.78.0.22:7000")
        others = [node for node in self.here if node is not moved]
        self.wait_until(
            lambda: all(node.member("n2")["endpoint"] == "10.78.0.22:7000" for node in others),
            "all follow to the new address")
        rounds = self.here[0].ask("stats")["rounds"] - rounds
        bound = 4 * (count - 1).bit_length() + 10
        self.assertLessEqual(rounds, bound)

        new = self.host(9, "10.78.0.2/24")
        self.node(new, "new", "--listen", "0.0.0.0:7000", "--seed", "10.78.0.1:7000")
        self.wait_until(self.are_live, "both owners of the address are reached by all")
        for node in self.here:
            self.assertEqual(node.member("new")["endpoint"], "10.78.0.2:7000")
            self.assertEqual(node.member("n2")["endpoint"], "10.78.0.22:7000")
            self.assertNotIn("peer_dead", [one["event"] for one in node.events])

    def test_hosts_with_link_local_addresses_alone(self):
        # The index of the interface, and its name, differ from host to host.
        for index in (1, 2, 3):
            interface = f"lan{index}"
            space = self.host(index, f"fe80::{index}/64", interface=interface, before=2 * index)
            listen = "*:7000" if index == 3 else f"[fe80::{index}%{interface}]:7000"
            self.node(space, f"n{index}", "--listen", listen, "--seed",
                      f"[fe80::1%{interface}]:7000")

        self.wait_until(self.are_live, "all see all")

        time.sleep(2)
        self.here[0].close()
        self.wait_until(lambda: all(node.member("n1")["status"] == "dead"
                                    for node in self.here[1:]), "n1 is seen dead")
        self.assertEqual(self.here[1].member("n3")["status"], "live")
        self.assertEqual(self.here[2].member("n2")["status"], "live")

    def routed(self, is_silent=True):
        """Two hosts with a router between them, which may tell nobody what it cannot pass on."""
        spaces_of = [self.space("left"), self.space("right")]
        router = self.space("router")
        for side, space in enumerate(spaces_of, 1):
            inside(router, "ip", "link", "add", f"side{side}", "type", "veth", "peer", "name",
                   "eth0", "netns", space)
            for where, device, last in ((router, f"side{side}", 1), (space, "eth0", 2)):
                inside(where, "ip", "address", "add", f"10.78.{side}.{last}/24", "dev", device)
                inside(where, "ip", "link", "set", device, "up")
            inside(space, "ip", "route", "add", "default", "via", f"10.78.{side}.1")
        inside(router, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
        if is_silent:
            subprocess.run(["ip", "netns", "exec", router, "nft", "-f", "-"], check=True,
                           capture_output=True, input=b"table ip gossip {\n  chain out {\n"
                           b"    type filter hook output priority 0;\n    ip protocol icmp drop\n"
                           b"  }\n}\n")
        return router, *spaces_of

    NARROW = ("ip", "link", "set", "side2", "mtu", "1000")  # in the router

    def test_a_copy_over_a_path_that_begins_to_swallow_large_datagrams_is_told(self):
        router, left, right = self.routed()
        a = self.node(left, "a", "--listen", "10.78.1.2:7000")
        b = self.node(right, "b", "--listen", "10.78.2.2:7000", "--seed", "10.78.1.2:7000")
        self.wait_until(lambda: self.are_live([a, b]), "both are live")
        inside(router, *self.NARROW)
        for key in range(200):
            a.ask(f"set k{key} " + 100 * "x")

        told = a.event("error", peer="b")

        self.assertIn("a path must carry packets of 1228 bytes", told["message"])

    def test_a_path_that_says_what_it_carries_gets_fragments(self):
        router, left, right = self.routed(is_silent=False)
        inside(router, *self.NARROW)
        a = self.node(left, "a", "--listen", "10.78.1.2:7000")
        for key in range(200):
            a.ask(f"set k{key} " + 950 * "x")

        b = self.node(right, "b", "--listen", "10.78.2.2:7000", "--seed", "10.78.1.2:7000")

        self.wait_until(lambda: len(self.keys_of(b, "a")) == 200, "all keys are there")
        self.assertGreater(fragments_made(left), 0)
        self.assertEqual(a.ask("stats")["udp_send_error_message_size"], 0)
        self.assertNotIn("error", [one["event"] for one in a.events + b.events])

    def keys_of(self, node, owner):
        return node.ask("state")["peers"].get(owner, {})

    def assert_told_of_the_path(self, is_from_the_start):
        router, left, right = self.routed()
        a = self.node(left, "a", "--listen", "10.78.1.2:7000")
        if is_from_the_start:
            inside(router, *self.NARROW)
            for key in range(3):
                a.ask(f"set k{key} " + 950 * "x")
        b = self.node(right, "b", "--listen", "10.78.2.2:7000", "--seed", "10.78.1.2:7000")
        self.wait_until(lambda: self.are_live([a, b]), "both are live")
        inside(router, *self.NARROW)
        # Each alone is more than the path carries: many small ones may go as fast as they come.
        for key in range(3):
            a.ask(f"set later{key} " + 950 * "x")

        told = a.event("error", peer="b")

        self.assertIn("a path must carry packets of 1228 bytes", told["message"])
        time.sleep(3)
        self.assertEqual([one["event"] for one in a.events].count("error"), 1)

    def test_a_path_that_begins_to_swallow_large_datagrams_is_told(self):
        self.assert_told_of_the_path(is_from_the_start=False)

    def test_a_path_that_swallowed_large_datagrams_from_the_start_is_told(self):
        self.assert_told_of_the_path(is_from_the_start=True)


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
