"""Sealed clusters as their operators see them: keys, keyring files, rotation and migration by
SIGHUP, and strangers at the port."""

import base64
import os
import re
import resource
import signal
import socket
import subprocess
import tempfile
import time
import unittest

import harness

harness.PROGRAM = os.path.abspath(harness.PROGRAM)


def has_seals():
    done = subprocess.run([harness.PROGRAM, "keygen"], capture_output=True, check=False)
    return done.returncode == 0


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

    # ------------------------------------------------------------------------------------ strangers

    def test_strangers_change_nothing_and_get_no_byte_back(self):
        key, wrong = self.key(), self.key()
        a, b, c = self.cluster(3, "seal " + key)[:3]
        before = {one["name"] for one in a.ask("members")["members"]}
        plain = self.node("plain", "--seed", a.endpoint)
        ring = self.ring("wrong", "seal " + wrong)
        other = self.node("other", "--seed", a.endpoint, "--keyring", ring)
        host, port = a.endpoint.rsplit(":", 1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.settimeout(0.5)
            for size in (0, 1, 39, 40, 41, 200, 1200):
                stranger.sendto(os.urandom(size), (host, int(port)))
                stranger.sendto((b"\x73\x01\x00\x00" + os.urandom(size))[:size], (host, int(port)))
            with self.assertRaises(TimeoutError):
                stranger.recvfrom(2048)

        a.event("error", message=f"{plain.endpoint} sends plain datagrams; this node takes sealed "
                                 "ones only")
        a.event("error", message=f"{other.endpoint} seals with key {self.id_of(wrong)}, which is "
                                 "not in this node's keyring")
        for one in (plain, other):
            self.assertEqual(len(one.ask("members")["members"]), 1)
            self.assertEqual(one.ask("stats")["udp_received"], 0)
        for one in (a, b, c):
            self.assertEqual({row["name"] for row in one.ask("members")["members"]}, before)

    def test_five_processes_stay_as_they_are_while_a_recorder_replays_all_that_it_saw(self):
        try:
            tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.ntohs(0x0800))
            tap.bind(("lo", 0x0800))
            tap.settimeout(0.2)
        except (OSError, AttributeError):
            self.skipTest("only root records datagrams")
        self.addCleanup(tap.close)
        nodes = self.cluster(5, "seal " + self.key())
        ports = {int(one.endpoint.rsplit(":", 1)[1]): one for one in nodes}
        recorded = []
        end = time.monotonic() + 2
        while time.monotonic() < end:
            try:
                packet = tap.recv(4096)
            except TimeoutError:
                continue
            head = 4 * (packet[0] & 15)
            port = int.from_bytes(packet[head + 2:head + 4], "big")
            if packet[9] == socket.IPPROTO_UDP and port in ports:
                recorded.append((port, packet[head + 8:]))
        self.assertGreater(len(recorded), 50)
        self.assertEqual({datagram[0] for _, datagram in recorded}, {0x73})
        facts = [[(row["name"], row["status"], row["generation"], row["endpoint"])
                  for row in one.ask("members")["members"]] for one in nodes]

        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as replayer:
            replayer.settimeout(0.5)
            for port, datagram in recorded:
                replayer.sendto(datagram, ("127.0.0.1", port))
            with self.assertRaises(TimeoutError):
                replayer.recvfrom(2048)

        refused = 0
        for one, before in zip(nodes, facts):
            self.assertEqual([(row["name"], row["status"], row["generation"], row["endpoint"])
                              for row in one.ask("members")["members"]], before)
            counters = one.ask("stats")
            refused += counters["drop_seal_replayed"] + counters["drop_seal_behind"]
            self.assertEqual(counters["drop_seal_forged"], 0)
        self.assertGreaterEqual(refused, 0.9 * len(recorded))

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
            with open(f"/proc/{node.pid}/cmdline", "rb") as line:
                self.assertNotIn(old[5:15].encode(), line.read())
            said, errors = node.communicate(
                "keys\nmembers\nstats all\noptions\nstate\nreload-keys\nhelp\nquit\n",
                timeout=harness.PATIENCE)
            self.assertEqual(node.returncode, 0)
            for key in (old, new):
                for begin in range(5, 45, 8):
                    self.assertNotIn(key[begin:begin + 8], said + errors)

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
        a.process.send_signal(signal.SIGQUIT)
        a.process.wait(timeout=3 * harness.PATIENCE)  # a busy disk takes its time for a core
        cores = [name for name in os.listdir(self.folder) if name.startswith("core")]
        if not cores:
            self.skipTest("no core dump came")
        with open(os.path.join(self.folder, cores[0]), "rb") as core:
            dumped = core.read()
        self.assertIn(b"gossipmonger", dumped)
        self.assertNotIn(secret, dumped)
        self.assertNotIn(key[5:].encode(), dumped)


if __name__ == "__main__":
    harness.main()
