"""Where a node listens and what it says of that; and a system that refuses calls or descriptors."""

import ctypes
import os
import platform
import resource
import socket
import struct
import unittest

import harness

# Of Linux: asm/unistd.h, linux/filter.h, linux/seccomp.h, linux/audit.h.
CALLS = {"x86_64": {"sendmmsg": 307, "recvmmsg": 299},
         "aarch64": {"sendmmsg": 269, "recvmmsg": 243}}
ENOSYS = 38
EPERM = 1


def refuse(call, error):
    """A function that makes that system call fail, in the process that calls it."""
    number = CALLS[platform.machine()][call]
    instructions = [
        struct.pack("HBBI", 0x20, 0, 0, 0),  # load the number of the call
        struct.pack("HBBI", 0x15, 0, 1, number),  # another one: skip the next
        struct.pack("HBBI", 0x06, 0, 0, 0x00050000 | error),  # fail with `error`
        struct.pack("HBBI", 0x06, 0, 0, 0x7FFF0000),  # let it pass
    ]
    code = ctypes.create_string_buffer(b"".join(instructions))
    program = ctypes.create_string_buffer(
        struct.pack("HxxxxxxP", len(instructions), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)

    def install(_kept=code):  # the program points at it
        no_new_privileges, set_filter = 38, 22
        if libc.prctl(no_new_privileges, 1, 0, 0, 0) or libc.prctl(set_filter, 2, program):
            raise OSError(ctypes.get_errno(), "prctl")
    return install


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False


class Addresses(harness.ProgramTest):
    def test_a_star_listens_on_all_addresses_of_both_ip_versions(self):
        a = self.node("a", "--listen", "*:0", "--advertise", "127.0.0.1:1")
        host, port = a.endpoint.rsplit(":", 1)
        self.assertEqual(host, "[::]" if has_ipv6() else "0.0.0.0")
        seeds = ["127.0.0.1", "127.0.0.2"] + (["[::1]"] if has_ipv6() else [])
        for number, seed in enumerate(seeds):
            listen = "[::1]:0" if seed == "[::1]" else "127.0.0.1:0"
            b = self.node(f"b{number}", "--listen", listen, "--seed", f"{seed}:{port}")
            b.event("peer_live", peer="a")

    def test_an_address_of_the_other_ip_version_is_not_advertised(self):
        for listen, advertise in (("127.0.0.1:0", "[::1]:1"), ("localhost:0", "[::1]:1"),
                                  ("[::1]:0", "127.0.0.1:1")):
            with self.subTest(listen=listen):
                status, output, errors = self.run_program(
                    "run", "--name", "a", "--listen", listen, "--advertise", advertise,
                    "--seconds", "1")
                self.assertEqual((status, output, errors.count("\n")), (1, "", 1), errors)
                self.assertIn("no address of the IP version of --listen", errors)

    def test_a_star_is_no_seed_and_no_address_to_advertise(self):
        for option in (("--seed", "*:7000"), ("--advertise", "*:7000"), ("--listen", "*"),
                       ("--listen", "*:x")):
            status, _, said = self.run_program("run", "--name", "a", *option)
            self.assertEqual(status, 2, said)
            self.assertIn(option[0], said)

    @unittest.skipUnless(has_ipv6(), "there is no IPv6")
    def test_a_seed_of_the_other_ip_version_is_named(self):
        a = self.node("a", "--listen", "[::1]:0", "--seed", "127.0.0.1:7000")

        told = a.event("error")

        self.assertIn("seed 127.0.0.1:7000", told["message"])
        self.assertIn("the other IP version", told["message"])

    def test_an_address_of_its_own_is_changed_while_the_node_runs(self):
        a = self.node("a", "--listen", "0.0.0.0:0", "--advertise", "127.0.0.1:1")
        port = a.endpoint.rsplit(":", 1)[1]
        a.ask(f"option advertise 127.0.0.1:{port}")
        b = self.node("b", "--seed", f"127.0.0.1:{port}")
        b.event("peer_live", peer="a")

        reply = a.ask(f"option advertise 127.0.0.2:{port}")

        self.assertEqual(reply["value"], f"127.0.0.2:{port}")
        a.event("advertised", message=f"127.0.0.2:{port}")
        b.event("peer_restarted", peer="a")
        b.until("members", lambda said: any(one["endpoint"] == f"127.0.0.2:{port}"
                                            for one in said["members"]))
        self.assertEqual(a.ask("option advertise none")["reply"], "error")
        self.assertEqual(a.ask("option advertise nowhere")["reply"], "error")


@unittest.skipUnless(platform.system() == "Linux", "this is of Linux")
class Refusals(harness.ProgramTest):
    @unittest.skipUnless(platform.machine() in CALLS, "the numbers of the calls are not known")
    def test_without_the_batch_calls_the_single_ones_do(self):
        for call, error in (("sendmmsg", ENOSYS), ("recvmmsg", ENOSYS), ("sendmmsg", EPERM),
                            ("recvmmsg", EPERM)):
            with self.subTest(call=call, error=error):
                a = self.node("a")
                b = self.node("b", "--seed", a.endpoint, preexec_fn=refuse(call, error))
                a.event("peer_live", peer="b")
                b.event("peer_live", peer="a")
                stats = b.ask("stats")
                self.assertEqual(stats["udp_send_error_not_permitted"], 0)
                self.assertEqual(stats["udp_send_error_other"], 0)
                self.assertEqual(stats["udp_receive_errors"], 0)

    # UBSan reads an object's type through a pipe, and without a descriptor takes it for invalid.
    @unittest.skipIf(os.environ.get("SANITIZED") == "1", "UBSan needs descriptors of its own")
    def test_with_too_few_descriptors_it_runs_or_says_why_not(self):
        statuses = set()
        for limit in range(4, 18):
            def lower(limit=limit):
                resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
            status, _, said = self.run_program("run", "--name", "a", "--seconds", "0.1",
                                               preexec_fn=lower)
            with self.subTest(limit=limit):
                statuses.add(status)
                # Below the first few the program cannot even be loaded.
                self.assertIn(status, (0, 1, 127))
                if status == 1:
                    self.assertEqual(said.count("\n"), 1, said)
                    self.assertTrue(said.startswith("gossipmonger: "), said)
        self.assertIn(0, statuses)
        self.assertIn(1, statuses)


if __name__ == "__main__":
    harness.main()
