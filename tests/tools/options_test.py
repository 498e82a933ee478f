"""The command line: what is refused, how it is said, and the exit status."""

import socket

import harness


class Options(harness.ProgramTest):
    def assert_refused(self, arguments, *named, status=2):
        done, output, errors = self.run_program(*arguments)
        self.assertEqual(done, status, errors)
        self.assertEqual(output, "")
        self.assertEqual(errors.count("\n"), 1, errors)
        self.assertTrue(errors.startswith("gossipmonger: "), errors)
        for word in named:
            self.assertIn(word, errors)

    def test_help_and_version_end_well(self):
        status, output, errors = self.run_program("run", "--help")
        self.assertEqual((status, errors), (0, ""))
        for option in ("--name", "--cluster", "--listen", "--advertise", "--seed", "--set",
                       "--interval", "--fanout", "--value-bytes-max", "--seconds", "--json",
                       "--trace"):
            self.assertIn(option, output)
        status, output, errors = self.run_program("--version")
        self.assertEqual((status, errors), (0, ""))
        self.assertRegex(output, r"^gossipmonger \d+\.\d+\.\d+\n$")

    def test_what_is_not_understood_is_refused_in_one_line(self):
        self.assert_refused([], "run")
        self.assert_refused(["walk"], "run")
        self.assert_refused(["run"], "--name")
        self.assert_refused(["run", "--name", "a", "--colour"], "--colour")
        self.assert_refused(["run", "--name", "a", "b"], "b")

    def test_a_bad_value_is_named_as_the_command_line_spells_it(self):
        for option, value in (("--interval", "1"), ("--interval", "1ms"), ("--interval", "2h"),
                              ("--fanout", "0"), ("--fanout", "17"), ("--fanout", "-1"),
                              ("--fanout", "two"), ("--seed", "nowhere"), ("--seed", "a:70000"),
                              ("--listen", "nowhere"), ("--listen", "dnssrv+a.test"),
                              ("--seed", "dnssrv+"), ("--advertise", "0.0.0.0:1"),
                              ("--advertise", "1.2.3.4:0"), ("--set", "key"), ("--set", "=value"),
                              ("--set", "k=" + 65537 * "v"),
                              ("--value-bytes-max", "1023"), ("--value-bytes-max", "16777216"),
                              ("--value-bytes-max", "-1"), ("--value-bytes-max", "1k"),
                              ("--seconds", "0"), ("--seconds", "x"), ("--seconds", "nan"),
                              ("--cluster", "")):
            with self.subTest(option=option, value=value[:20]):
                self.assert_refused(["run", "--name", "a", option, value], option)
        self.assert_refused(["run", "--name", "a\tb"], "--name", "a\\x09b")
        self.assert_refused(["run", "--name", 256 * "a"], "--name")

    def test_a_mistyped_option_gets_the_nearest_name(self):
        self.assert_refused(["run", "--nmae", "a"], "did you mean --name?")
        self.assert_refused(["run", "--name", "a", "--intervall=1s"], "did you mean --interval?")
        status, _, errors = self.run_program("run", "--name", "a", "--colour")
        self.assertEqual((status, "did you mean" in errors), (2, False))

    def test_a_mistyped_command_gets_the_nearest_name(self):
        for typed, meant in (("membres", "members"), ("rnu", "run"), ("keyrign", "keyring")):
            self.assert_refused([typed], f'"{typed}"', f"did you mean {meant}?", "bench")
        status, _, errors = self.run_program("walk")
        self.assertEqual((status, "did you mean" in errors), (2, False))
        self.assertIn('no such command: "walk"', errors)
        self.assert_refused([300 * "k"], "run")
        self.assertNotIn(100 * "k", self.run_program(300 * "k")[2])

    def test_a_value_that_is_too_large_is_told_the_limit(self):
        self.assert_refused(["run", "--name", "a", "--set", "k=" + 65537 * "v"], "--set", '"k"',
                            "65537 bytes", "value_bytes_max", "65536")

    def test_the_missing_part_of_an_address_is_named(self):
        for option in ("--seed", "--listen", "--advertise"):
            for value, fault in (("nowhere", "the port is missing"),
                                 (":7000", "the host is missing"),
                                 ("a:70000", "not a number from 0 to 65535"),
                                 ("::1:7000", "in brackets")):
                with self.subTest(option=option, value=value):
                    self.assert_refused(["run", "--name", "a", option, value], option, fault)

    def test_a_time_without_a_unit_is_told_how_to_write_one(self):
        self.assert_refused(["run", "--name", "a", "--interval", "5"], "--interval",
                            "a time with a unit, such as 200ms")

    def test_no_long_value_is_repeated_whole(self):
        for option, value in (("--set", 300 * "k"), ("--set", 300 * "k" + "=v"),
                              ("--seed", 300 * "k"), ("--listen", 300 * "k"),
                              ("--interval", 300 * "k"), ("--name", 300 * "k")):
            with self.subTest(option=option):
                status, _, errors = self.run_program("run", "--name", "a", option, value)
                self.assertEqual(status, 2)
                self.assertNotIn(100 * "k", errors)

    def test_a_wildcard_needs_an_address_for_others(self):
        self.assert_refused(["run", "--name", "a", "--listen", "0.0.0.0:0"], "--advertise")

        a = self.node("a", "--listen", "0.0.0.0:0", "--advertise", "127.0.0.1:7")
        self.assertEqual(a.started["advertise"], "127.0.0.1:7")
        self.assertRegex(a.endpoint, r"^0\.0\.0\.0:\d+$")
        self.assertEqual(a.member("a")["endpoint"], "127.0.0.1:7")

    def test_a_port_in_use_is_said_in_one_line(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            self.assert_refused(["run", "--name", "a", "--listen", address], address, "in use",
                                status=1)

    def test_a_localhost_port_in_use_is_said_and_no_other_ip_version_taken(self):
        a = self.node("a", "--listen", "localhost:0")
        port = a.endpoint.rsplit(":", 1)[1]
        self.assert_refused(["run", "--name", "b", "--listen", f"localhost:{port}"],
                            f"localhost:{port}", "in use", status=1)
        b = self.node("b", "--listen", "*:0", "--advertise", "127.0.0.1:1")
        port = b.endpoint.rsplit(":", 1)[1]
        self.assert_refused(["run", "--name", "c", "--advertise", "127.0.0.1:1", "--listen",
                             f"*:{port}"], f"*:{port}", "in use", status=1)

    def test_the_listen_address_may_be_a_name(self):
        a = self.node("a", "--listen", "localhost:0")
        self.assertRegex(a.endpoint, r"^(127\.0\.0\.1|\[::1\]):\d+$")

    def test_a_slow_interval_needs_no_other_option(self):
        status, _, errors = self.run_program("run", "--name", "a", "--interval", "1h", "--seconds",
                                             "0.1")
        self.assertEqual((status, errors), (0, ""))

    def test_options_that_repeat_all_count(self):
        a = self.node("a", "--set", "x=1", "--set", "y=a=b", "--set", "z=")

        state = a.ask("state")

        self.assertEqual(state["peers"], {"a": {"x": "1", "y": "a=b", "z": ""}})


if __name__ == "__main__":
    harness.main()
