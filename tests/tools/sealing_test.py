"""Sealed clusters as their operators see them: keys, keyring files, rotation and migration by
SIGHUP, and strangers at the port."""

import base64
import itertools
import os
import re
import resource
import signal
import socket
import struct
import subprocess
import tempfile
import time
import unittest

import harness

harness.PROGRAM = os.path.abspath(harness.PROGRAM)


def has_seals():
    done = subprocess.run([harness.PROGRAM, "keygen"], capture_output=True, check=False)
    return b"built without libsodium" not in done.stderr


def port_of(node):
    return int(node.endpoint.rsplit(":", 1)[1])


class Recorder:
    """Sees every datagram on loopback."""

    @staticmethod
    def open():
        """None where the system does not let this user record."""
        try:
            tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.ntohs(0x0800))
            tap.bind(("lo", 0x0800))
        except (OSError, AttributeError):
            return None
        return Recorder(tap)

    def __init__(self, tap):
        self.tap = tap
        self.tap.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.close = tap.close
        self.seen = []  # the port of each datagram's destination, and its bytes

    def record(self, seconds, ports):
        """Keeps the datagrams to `ports` that came since it was opened, and in the next seconds."""
        self.tap.settimeout(0.2)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                packet = self.tap.recv(4096)
            except TimeoutError:
                continue
            head = 4 * (packet[0] & 15)
            port = int.from_bytes(packet[head + 2:head + 4], "big")
            if packet[9] == socket.IPPROTO_UDP and port in ports:
                self.seen.append((port, packet[head + 8:]))


class SealingTest(harness.ProgramTest):
    def setUp(self):
        if not has_seals():
            self.skipTest("built without libsodium")
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.keys = []

    def key(self):
        status, out, errors = self.run_program("keygen")
        self.assertEqual((status, errors), (0, ""))
        self.assertRegex(out, r"^gmk1-[A-Za-z0-9_-]{48}\n$")
        self.keys.append(out.strip())
        return out.strip()

    def ring(self, name, *lines, mode=0o400):
        path = os.path.join(self.folder, name)
        if os.path.exists(path):
            os.remove(path)
        with open(path, "w", encoding="ascii") as file:
            file.write("".join(line + "\n" for line in lines))
        os.chmod(path, mode)
        return path

    def id_of(self, key):
        status, out, errors = self.run_program("keyring", self.ring("one", "seal " + key))
        self.assertEqual((status, errors), (0, ""))
        return re.fullmatch(r"seal ([0-9a-f]{8})\n", out).group(1)

    def cluster(self, count, *lines):
        """Sealed nodes with a ring file each, or plain ones where there is no line."""
        nodes = []
        for i in range(count):
            options = ["--seed", nodes[0].endpoint] if nodes else []
            if lines:
                options += ["--keyring", self.ring(f"ring{i}", *lines)]
            nodes.append(self.node(f"n{i}", *options))
        for one in nodes:
            one.until("keys" if lines else "members", lambda said: len(
                said["keys"][0]["not_opened_by"]) == 0 and said["nodes"] == count
                if lines else len(said["members"]) == count)
        return nodes

    def give(self, nodes, *lines):
        """Another ring for each node in turn, by SIGHUP."""
        for i, one in enumerate(nodes):
            before = one.ask("stats")["keyring_reloads"]
            self.ring(f"ring{i}", *lines)
            one.process.send_signal(signal.SIGHUP)
            one.until("stats", lambda said: said["keyring_reloads"] == before + 1)
            self.assertIn("version", one.ask(f"set stage {lines[0][-4:]}"))

    def until_all(self, nodes, key_id, role):
        for one in nodes:
            one.until("keys", lambda said: any(
                key["id"] == key_id and not key["not_" + role] for key in said["keys"]))

    # ------------------------------------------------------------------------------ keys and files

    def test_a_generated_key_is_taken_and_no_two_are_equal(self):
        one, other = self.key(), self.key()
        self.assertNotEqual(one, other)
        path = self.ring("both", "# ours", "open " + other, "seal " + one, "plain accepted")

        status, out, _ = self.run_program("keyring", path)

        self.assertEqual(status, 0)
        ids = self.id_of(one), self.id_of(other)
        self.assertEqual(out, "seal {}\nopen {}\nplain accepted\n".format(*ids))

    def test_a_key_that_goes_to_a_file_of_others_is_advised_against(self):
        for mode, is_told in ((0o644, True), (0o600, False)):
            path = os.path.join(self.folder, "key")
            with open(path, "w", encoding="ascii") as file:
                os.chmod(path, mode)
                done = subprocess.run([harness.PROGRAM, "keygen"], stdout=file,
                                      stderr=subprocess.PIPE, text=True, check=True)
            self.assertEqual("umask 077" in done.stderr, is_told)

    def test_each_fault_of_a_file_is_one_line_and_no_part_of_a_key(self):
        key = self.key()
        flipped = key[:20] + ("A" if key[20] != "A" else "B") + key[21:]
        seal = "seal " + key
        rows = [
            (("seal " + flipped,), 0o400, ": line 1: the key is damaged: its check sum"),
            ((seal, seal), 0o400, ": line 2: a second line begins with seal"),
            (("# none",), 0o400, ": no line begins with seal"),
            ((seal, "shut " + key), 0o400, ": line 2: the line begins with none of"),
            ((seal, "#" + "x" * 70000), 0o400, ": the file is larger than 64 KiB"),
            ((seal,), 0o644, ": the file's mode is 0644"),
        ]
        for lines, mode, cause in rows:
            path = self.ring("bad", *lines, mode=mode)
            for command in (["keyring", path], ["run", "--name", "a", "--keyring", path]):
                status, out, errors = self.run_program(*command)
                self.assertEqual((status, out), (2, ""))
                self.assertIn(f"gossipmonger: keyring {path}{cause}", errors)
                self.assertEqual(errors.count("\n"), 1)
                self.assertNotIn(key[5:15], errors)
        for path, cause in ((self.folder, "a directory"), (self.folder + "/none", "No such file")):
            status, _, errors = self.run_program("keyring", path)
            self.assertEqual(status, 2)
            self.assertIn(cause, errors)

    def test_commands_about_keys_need_a_keyring(self):
        a = self.node("a")
        for line in ("keys", "reload-keys"):
            self.assertEqual(a.ask(line)["message"], "this node runs without --keyring")
        self.assertNotIn("sealed", a.ask("stats"))
        self.assertIn("gossipmonger/", a.ask("set gossipmonger/x 1")["message"])

    # ------------------------------------------------------------------------- counters and clocks

    def test_the_counters_of_the_seal_have_the_names_that_are_promised(self):
        old, new = self.key(), self.key()
        a, _ = self.cluster(2, "seal " + new, "open " + old)
        of_plain_nodes = set(self.node("plain").ask("stats all"))
        old_id, new_id = self.id_of(old), self.id_of(new)
        reasons = ("length", "plain", "format", "key", "reflected", "replayed", "behind", "stale",
                   "forged")
        promised = {
            "sealed", "opened", "plain_sent", "plain_opened", "seal_instances", "seal_evictions",
            "keyring_reloads", "keyring_reload_errors",
            *("drop_seal_" + reason for reason in reasons),
            *(f"{name}{{{key}}}" for name in ("sealed", "opened") for key in (old_id, new_id)),
            f"opened_last{{{new_id}}}",  # with the old key none was opened yet
        }

        counters = a.ask("stats all")

        self.assertEqual(set(counters) - of_plain_nodes, promised)
        self.assertEqual(set(a.ask("stats")), set(counters))
        self.assertGreater(counters["opened"], 0)
        self.assertEqual(counters[f"opened{{{new_id}}}"], counters["opened"])
        self.assertEqual(counters[f"sealed{{{new_id}}}"], counters["sealed"])
        self.assertEqual(counters[f"opened{{{old_id}}}"], 0)
        self.assertLess(counters[f"opened_last{{{new_id}}}"], 10)
        self.assertEqual(counters["seal_instances"], 1)
        ring = self.ring("b", "seal " + new)
        command = [harness.PROGRAM, "run", "--name", "b", "--keyring", ring]
        said = subprocess.run(command, input="stats all\nquit\n", stdout=subprocess.PIPE, text=True,
                              timeout=harness.PATIENCE, check=True).stdout
        names = set(re.findall(r"^ *(\S+) +\d+$", said, re.MULTILINE))
        self.assertEqual(promised - names, {f"opened_last{{{new_id}}}", f"sealed{{{old_id}}}",
                                            f"opened{{{old_id}}}"})

    def test_each_refused_datagram_is_counted_by_its_reason(self):
        key = self.key()
        a = self.node("a", "--keyring", self.ring("a", "seal " + key))
        key_id = struct.pack("<I", int(self.id_of(key), 16))
        now = int(time.time())
        known = b"\x73\x01\x00\x00" + key_id
        rows = [
            ("length", bytes(39)),
            ("plain", b"\x67" + bytes(60)),
            ("format", b"\x73\x02\x00\x00" + bytes(60)),
            ("key", b"\x73\x01\x00\x00" + bytes(60)),
            ("stale", known + struct.pack("<QII", 1, 0, 1) + bytes(40)),
            ("forged", known + struct.pack("<QII", 1, now, 1) + bytes(40)),
        ]
        for reason, datagram in rows:
            before = a.ask("stats")
            self.send(a, datagram)
            after = a.until("stats", lambda said: said["udp_received"] > before["udp_received"])
            self.assertEqual({name for name, count in after.items()
                              if name.startswith("drop_seal_") and count != before[name]},
                             {"drop_seal_" + reason})

    def test_the_tolerance_is_how_far_a_new_senders_clock_may_be_off(self):
        key = self.key()
        hour, day = 3600, 24 * 3600
        # A forged datagram shows it: its date is looked at before its tag.
        for options, taken, refused in (((), 23 * hour, 25 * hour),
                                        (("2h",), hour, 3 * hour),
                                        (("0",), 20000 * day, None)):
            given = [word for one in options for word in ("--seal-clock-tolerance", one)]
            a = self.node("a", "--keyring", self.ring("a", "seal " + key), *given)
            head = b"\x73\x01\x00\x00" + struct.pack("<I", int(self.id_of(key), 16))
            for offset, reason in ((taken, "forged"), (refused, "stale")):
                for sign in (-1, 1):
                    if offset is None or (offset > 1000 * day and sign > 0):
                        continue  # later than a date can say
                    before = a.ask("stats")["drop_seal_" + reason]
                    date = int(time.time()) + sign * offset
                    self.send(a, head + struct.pack("<QII", 7, date, 1) + bytes(40))
                    a.until("stats", lambda said: said["drop_seal_" + reason] == before + 1)
            if refused:
                told = a.event("error")["message"]
                self.assertRegex(told, r"dates its first datagram \d+ h in the (past|future)")
                self.assertTrue(told.endswith(": check both clocks"), told)
            self.assertEqual(a.ask("stats")["drop_seal_stale"], 2 if refused else 0)
        for value in ("1", "999ms", "-1s", "x"):
            status, _, errors = self.run_program("run", "--name", "a", "--seal-clock-tolerance",
                                                 value)
            self.assertEqual(status, 2)
            self.assertIn("--seal-clock-tolerance", errors)

    def send(self, node, datagram):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.sendto(datagram, ("127.0.0.1", port_of(node)))

    # ------------------------------------------------------------------------------------ strangers

    def test_five_processes_stay_as_they_are_whatever_strangers_send(self):
        key, wrong = self.key(), self.key()
        recorder = Recorder.open()
        if recorder:
            self.addCleanup(recorder.close)
        nodes = self.cluster(5, "seal " + key)
        ports = [port_of(one) for one in nodes]
        # The recorder sees the first value of each node under way, and the second.
        for word in ("first", "second"):
            for i, one in enumerate(nodes):
                one.ask(f"set word {word}{i}")
            for one, i in itertools.product(nodes, range(5)):
                one.until(f"get n{i} word", lambda said, i=i, word=word:
                          said.get("value") == f"{word}{i}")
        if recorder:
            recorder.record(2, ports)
            self.assertGreater(len(recorder.seen), 100)
            self.assertEqual({datagram[0] for _, datagram in recorder.seen}, {0x73})
        before = [self.facts(one) for one in nodes]

        seeds = [word for one in nodes for word in ("--seed", one.endpoint)]
        without = self.node("without", *seeds)
        other = self.node("other", *seeds, "--keyring", self.ring("other", "seal " + wrong))
        plain = self.node("plain", *seeds, "--keyring",
                          self.ring("plain", "seal " + key, "plain sent"))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.settimeout(0.5)
            for port, size in itertools.product(ports, (0, 1, 39, 40, 41, 200, 1200)):
                noise = os.urandom(size)
                for head in (b"", b"\x73", b"\x73\x01\x00\x00", b"\x67"):
                    stranger.sendto((head + noise)[:size], ("127.0.0.1", port))
            replayed = recorder.seen if recorder else []
            for port, datagram in replayed:
                stranger.sendto(datagram, ("127.0.0.1", port))
            for one in nodes:
                one.event("error", message=f"{without.endpoint} sends plain datagrams; this node "
                                           "takes sealed ones only")
                one.event("error", message=f"{plain.endpoint} sends plain datagrams; this node "
                                           "takes sealed ones only")
                one.event("error", message=f"{other.endpoint} seals with key "
                                           f"{self.id_of(wrong)}, which is not in this node's "
                                           "keyring")
            with self.assertRaises(TimeoutError):
                stranger.recvfrom(2048)

        self.assertEqual([self.facts(one) for one in nodes], before)
        for one in (without, other, plain):
            self.assertEqual(list(one.ask("state")["statuses"].values()), ["self"])
            self.assertEqual(one.ask("stats")["udp_received"], 0)
        counters = [one.ask("stats") for one in nodes]
        refused = sum(of["drop_seal_replayed"] + of["drop_seal_behind"] for of in counters)
        self.assertGreaterEqual(refused, 0.9 * len(replayed))
        self.assertEqual([of["drop_seal_forged"] for of in counters], 5 * [0])
        if not recorder:
            self.skipTest("only root records datagrams; all else held")

    def facts(self, node):
        """All that a node knows: its state, and of each member what no round changes."""
        return node.ask("state"), [
            (row["name"], row["status"], row["generation"], row["endpoint"], row["sealed_with"])
            for row in node.ask("members")["members"]]

    # -------------------------------------------------------------------------- rotation, migration

    def test_three_processes_rotate_their_key_by_hang_ups(self):
        old, new = self.key(), self.key()
        nodes = self.cluster(3, "seal " + old)
        old_id, new_id = self.id_of(old), self.id_of(new)

        self.give(nodes, "seal " + old, "open " + new)
        self.until_all(nodes, new_id, "opened_by")
        self.give(nodes, "seal " + new, "open " + old)
        self.until_all(nodes, new_id, "sealed_by")
        for one in nodes:
            one.until("members", lambda said: all(
                row["sealed_with"] in (None, new_id) for row in said["members"]))
        self.give(nodes, "seal " + new)

        for one in nodes:
            said = one.until("keys", lambda said: [key["id"] for key in said["keys"]] == [new_id])
            self.assertEqual(said["keys"][0]["not_sealed_by"], [])
            self.assertEqual(said["plain_accepted_by"], [])
            counters = one.ask("stats")
            self.assertEqual([name for name, count in counters.items()
                              if name.startswith("drop_seal_") and count], [])
            self.assertIn(f"opened{{{new_id}}}", counters)
            self.assertNotIn(f"opened{{{old_id}}}", counters)

    def test_a_plain_cluster_becomes_a_sealed_one(self):
        key = self.key()
        nodes = self.cluster(2, "seal " + key, "plain sent")
        plain = self.node("plain", "--seed", nodes[0].endpoint)
        plain.event("peer_live", peer="n1")
        nodes[0].until("keys", lambda said: "plain" in said["keys"][0]["not_opened_by"])
        plain.say("quit")
        plain.wait()
        nodes[0].event("error", message="plain datagrams are sent and accepted: the cluster is not "
                                        "protected yet")

        self.give(nodes, "seal " + key, "plain accepted")
        self.until_all(nodes, self.id_of(key), "sealed_by")
        self.give(nodes, "seal " + key)
        for one in nodes:
            one.until("keys", lambda said: said["plain_accepted_by"] == [])

    def test_a_reload_that_fails_keeps_the_ring_and_names_the_line(self):
        key = self.key()
        a, b = self.cluster(2, "seal " + key)
        for lines, mode, cause in ((("seal gmk1-x",), 0o400, "line 1: the key is damaged"),
                                   (("seal " + key,), 0o644, "the file's mode is 0644")):
            seen = len(a.events)
            path = self.ring("ring0", *lines, mode=mode)
            a.process.send_signal(signal.SIGHUP)
            told = a.event("error", after=seen)["message"]
            self.assertIn(f"keyring {path}: {cause}", told)
            self.assertTrue(told.endswith("; the keys from before stay in use"), told)
            self.assertEqual(a.ask("reload-keys")["message"], told)
        os.remove(path)
        self.assertIn("cannot be opened", a.ask("reload-keys")["message"])
        self.assertEqual(a.ask("stats")["keyring_reload_errors"], 5)

        self.assertIn("version", a.ask("set still works"))
        b.event("update", peer="n0", key="still")
        self.ring("ring0", "seal " + key)
        self.assertEqual(a.ask("reload-keys")["keys"], [self.id_of(key)])

    def test_no_part_of_a_key_is_in_any_output_or_in_the_command_line(self):
        old, new = self.key(), self.key()
        path = self.ring("ring", "seal " + old, "open " + new)
        for options in ((), ("--json",)):
            node = subprocess.Popen([harness.PROGRAM, "run", "--name", "a", "--keyring", path,
                                     "--trace", *options], stdin=subprocess.PIPE, text=True,
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            self.addCleanup(node.kill)
            line = ""
            while path not in line:  # it is empty for a moment after the start
                self.assertIsNone(node.poll())
                with open(f"/proc/{node.pid}/cmdline", encoding="utf-8") as file:
                    line = file.read()
            said, errors = node.communicate(
                "keys\nmembers\nstats all\noptions\nstate\nreload-keys\nhelp\nquit\n",
                timeout=harness.PATIENCE)
            self.assertEqual(node.returncode, 0)
            for key in (old, new):
                for begin in range(5, 45, 8):
                    self.assertNotIn(key[begin:begin + 8], said + errors + line)

    @unittest.skipIf(os.environ.get("SANITIZED") == "1", "a sanitizer maps terabytes")
    def test_no_key_is_in_a_core_dump(self):
        key = self.key()
        secret = base64.urlsafe_b64decode(key[5:])[:32]
        path = self.ring("ring", "seal " + key)
        with open("/proc/sys/kernel/core_pattern", encoding="ascii") as pattern:
            if pattern.read().strip() not in ("core", "core.%p"):
                self.skipTest("the system gives core dumps to a program")

        def allow_cores():
            resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY,) * 2)

        a = self.node("a", "--keyring", path, cwd=self.folder, preexec_fn=allow_cores)
        a.ask("keys")
        time.sleep(0.2)
        # Not SIGQUIT: a shell that runs the tests in the background has them ignore that.
        a.process.send_signal(signal.SIGABRT)
        a.process.wait(timeout=3 * harness.PATIENCE)  # a busy disk takes its time for a core
        cores = [name for name in os.listdir(self.folder) if name.startswith("core")]
        if not cores:
            self.skipTest("no core dump came")
        with open(os.path.join(self.folder, cores[0]), "rb") as core:
            dumped = core.read()
        self.assertIn(b"gossipmonger", dumped)
        self.assertIn(path.encode(), dumped)  # so it holds what the program keeps in memory
        text = key[5:].encode()
        for part in (secret[:16], secret[16:], text[:24], text[24:]):
            self.assertNotIn(part, dumped)


class WithoutLibsodiumTest(harness.ProgramTest):
    """A build without it is whole, and says what it lacks."""

    def setUp(self):
        if has_seals():
            self.skipTest("built with libsodium")

    def test_all_that_needs_a_key_says_built_without_libsodium(self):
        for arguments, cause, wanted in (
                (("keygen",), "keyring: ", 1),
                (("keyring", "/x"), "keyring /x: ", 2),
                (("run", "--name", "a", "--keyring", "/x"), "keyring /x: ", 2),
                (("members", "--seed", "127.0.0.1:1", "--keyring", "/x"), "keyring /x: ", 2)):
            with self.subTest(arguments=arguments):
                status, out, errors = self.run_program(*arguments)
                self.assertEqual((status, out), (wanted, ""))
                self.assertEqual(errors, f"gossipmonger: {cause}built without libsodium\n")

    def test_a_node_without_a_keyring_runs(self):
        a, b = self.pair()
        a.ask("set k v")
        self.assertEqual(b.ask("wait a k 20s")["value"], "v")
        self.assertEqual(a.ask("keys")["message"], "this node runs without --keyring")
        self.assertNotIn("sealed", a.ask("stats"))


if __name__ == "__main__":
    harness.main()
