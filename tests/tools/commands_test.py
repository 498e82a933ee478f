"""Commands on standard input: exactly one answer each, in order, under the promised names."""

import base64
import re
import subprocess
import threading
import time

import harness

# Scripts may rely on these counters; tools/gossipmonger/README.md lists the same.
COUNTERS = """
    rounds digests_sent digests_received replies_sent replies_received deltas_sent deltas_received
    entries_sent entries_applied entries_skipped deltas_parked fragments_sent
    fragments_applied replies_cut answers_dropped
    compactions refutations pauses rounds_late declared_dead probes_unanswered suspicions_raised
    suspicions_refuted
    sends_delayed probes_delayed windows_halved entries_spared writes_slowed
    peers_known peers_live peers_reachable peers_suspect
    peers_unwanted parked_bytes partial_bytes retired_entries backlog_max write_bytes_per_interval
    membership_bytes_per_interval
    drop_length drop_magic drop_wire_version drop_cluster drop_checksum drop_kind drop_malformed
    drop_field drop_reflected drop_not_for_me drop_unverified drop_about_self drop_unknown_peer
    drop_gap drop_stale drop_name_conflict drop_far_future drop_endpoint drop_refused
    drop_capacity drop_storage drop_fragment
    udp_received udp_received_bytes udp_truncated udp_receive_errors udp_kernel_drops udp_sent
    udp_sent_bytes
    udp_send_error_no_buffers udp_send_error_connection_refused udp_send_error_message_size
    udp_send_error_network_unreachable udp_send_error_host_unreachable udp_send_error_access_denied
    udp_send_error_not_permitted udp_send_error_address_family udp_send_error_invalid
    udp_send_error_other
""".split()


class Commands(harness.ProgramTest):
    def test_set_get_and_erase(self):
        a = self.node("a")

        self.assertEqual(a.ask("set k one two"), {"reply": "set", "key": "k", "version": 1})
        got = a.ask("get a k")
        self.assertLess(got.pop("age_ms"), 1000 * harness.PATIENCE)
        self.assertEqual(got, {"reply": "get", "peer": "a", "key": "k", "value": "one two",
                               "version": 1, "status": "self", "ttl_ms": None})
        self.assertEqual(a.ask("set k one two")["version"], 1)  # the same bytes: nothing written
        self.assertEqual(a.ask("erase k"), {"reply": "erase", "key": "k", "version": 2})
        self.assertEqual(a.ask("erase k"), {"reply": "erase", "key": "k", "version": None})
        self.assertEqual(a.ask("get a k"), {"reply": "get", "peer": "a", "key": "k", "value": None,
                                            "version": None, "status": "self", "age_ms": None,
                                            "ttl_ms": None})
        self.assertEqual(a.ask("get nobody k")["value"], None)
        self.assertIsNone(a.ask("get nobody k")["status"])

    def test_a_value_is_the_rest_of_the_line_as_it_stands(self):
        a = self.node("a")
        for line, value in (("set k  x ", " x "), ("set k", ""), ("set k ", ""), ("set k \t", "\t"),
                            ("set  k v", "v"), ("set k a\rb", "a\rb"), ("set k é", "é")):
            with self.subTest(line=line[:99]):
                self.assertEqual(a.ask(line)["reply"], "set")
                self.assertEqual(a.ask("get a k")["value"], value)

    def test_any_argument_may_stand_in_quotation_marks(self):
        a = self.node("my node")
        for line, key, value in (('set "my key" v w', "my key", "v w"),
                                 ('set "k" "v"', "k", "v"),
                                 ('set k ""', "k", ""),
                                 ('set k " v "', "k", " v "),
                                 ('set k "v"  ', "k", "v"),
                                 ('set k {"x": "y"}', "k", '{"x": "y"}'),
                                 ('set k v "w"', "k", 'v "w"'),
                                 (r'set k "\"\\\n\t\x7e"', "k", '"\\\n\t~'),
                                 ('set-ttl 1h "my key" "v"', "my key", "v")):
            with self.subTest(line=line[:99]):
                self.assertEqual(a.ask(line)["key"], key)
                reply = a.ask(f'get "my node" "{key}"')
                self.assertEqual((reply["peer"], reply["value"]), ("my node", value))
        self.assertEqual(a.ask('get "my node" my key')["value"], "v")
        self.assertGreater(a.ask('erase "my key"')["version"], 0)

    def test_a_key_with_a_time_to_live_goes_by_itself(self):
        a, b = self.pair()

        self.assertEqual(a.ask("set-ttl 700ms k some value"),
                         {"reply": "set-ttl", "key": "k", "version": 1, "ttl_ms": 700})

        b.event("update", peer="a", key="k", value="some value")
        a.event("removed", peer="a", key="k", version=2)
        b.event("removed", peer="a", key="k", version=2)
        self.assertEqual(a.ask("set-ttl 1h k v")["version"], 3)
        self.assertEqual(a.ask("set-ttl 700ms k v")["version"], 3)
        self.assertEqual(a.ask("set k v")["version"], 3)

    def test_the_age_of_a_value_and_the_time_that_it_has_left_are_told(self):
        a, b = self.pair()
        a.ask("set-ttl 1h k v")
        b.event("update", peer="a", key="k")
        time.sleep(0.5)  # an age counts from when the event was read, maybe after it was printed

        here, there = a.ask("get a k"), b.ask("get a k")

        self.assertGreaterEqual(here["age_ms"], 300)
        self.assertTrue(3_500_000 < here["ttl_ms"] <= 3_599_700, here)
        self.assertGreaterEqual(there["age_ms"], 300)
        self.assertIsNone(there["ttl_ms"])  # its owner alone counts
        a.ask("set k v")
        self.assertIsNone(a.ask("get a k")["ttl_ms"])
        self.assertGreaterEqual(a.ask("get a k")["age_ms"], here["age_ms"])  # the same bytes
        a.ask("set k w")
        a.event("update", peer="a", key="k", value="w")
        self.assertLess(a.until("get a k", lambda r: r["age_ms"] < here["age_ms"])["age_ms"], 300)

    def test_keys_of_a_peer_that_is_not_live_are_marked(self):
        a, b = self.pair("--set", "k=v")
        self.assertEqual(a.until("get b k", lambda r: r["value"])["status"], "live")
        b.process.kill()
        a.event("peer_dead", peer="b")

        self.assertEqual(a.ask("get b k")["status"], "dead")
        self.assertEqual(a.ask("state")["statuses"], {"a": "self", "b": "dead"})

    def test_people_see_which_keys_are_of_a_peer_that_is_not_live(self):
        a = self.node("a")
        b = self.node("b", "--seed", a.endpoint, "--set", "k=v")
        text = subprocess.Popen(
            [harness.PROGRAM, "run", "--name", "c", "--interval", harness.INTERVAL, "--seed",
             a.endpoint], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(text.stdout.close)
        self.addCleanup(text.wait)
        self.addCleanup(text.kill)
        end = threading.Timer(harness.PATIENCE, text.kill)  # then the next line is none
        end.start()
        self.addCleanup(end.cancel)

        def ask(line):
            text.stdin.write(line + "\n")
            text.stdin.flush()

        def read_until(pattern):
            for line in text.stdout:
                if re.search(pattern, line):
                    return line
            raise AssertionError(f"no {pattern}")
        read_until(r"  complete +b$")
        ask("state")
        read_until(r"^b$")
        ask("get b k")
        self.assertNotIn("dead", read_until(r"^v\b"))
        b.process.kill()
        read_until(r"  dead +b$")

        ask("state")
        read_until(r"^b  \(dead\)$")
        ask("get b k")
        read_until(r"^v  \(.* old; b is dead\)$")
        text.stdin.write("quit\n")
        text.stdin.close()

    def test_an_interval_far_from_that_of_the_peers_is_set_with_a_warning(self):
        a, _ = self.pair()
        # Each digest of a peer says how often it gossips: 50 ms, rounded down.
        a.until("members", lambda m: m["members"][1]["interval_ms"] == 48)
        self.assertNotIn("warning", a.ask("option gossip_interval 60ms"))
        self.assertNotIn("warning", a.ask("option fanout 2"))

        told = a.ask("option gossip_interval 1s")

        self.assertEqual((told["reply"], told["value"]), ("option", "1s"))
        self.assertIn("1 of 1 live peers", told["warning"])
        self.assertEqual(a.ask("options")["gossip_interval"], "1000ms")
        self.assertNotIn("warning", a.ask("option gossip_interval 50ms"))

    def test_a_peer_is_complete_after_its_keys(self):
        a = self.node("a", *[word for i in range(50) for word in ("--set", f"k{i}=v")])
        b = self.node("b", "--seed", a.endpoint)

        b.event("peer_complete", peer="a")

        kinds = [one["event"] for one in b.events if one.get("peer") == "a"]
        self.assertEqual(kinds[:kinds.index("peer_complete")].count("update"), 50)
        self.assertEqual(kinds.count("peer_complete"), 1)
        self.assertEqual(b.member("a")["lacks"], 0)
        self.assertGreaterEqual(b.until("members", lambda m: [
            one for one in m["members"] if one["rtt_ms"] is not None])["members"][1]["rtt_ms"], 0)

    def test_options_are_changed_while_the_node_runs(self):
        a = self.node("a")
        before = a.ask("options")
        self.assertEqual(before["gossip_interval"], harness.INTERVAL)
        self.assertEqual((before["fanout"], before["seeds"]), ("1", ""))

        self.assertEqual(a.ask("option fanout 3"),
                         {"reply": "option", "name": "fanout", "value": "3"})
        self.assertEqual(a.ask("option gossip_interval 1h")["reply"], "error")  # above the grace
        self.assertEqual(a.ask("option gossip_interval 20ms")["reply"], "option")
        self.assertEqual(a.ask("options"), before | {"fanout": "3", "gossip_interval": "20ms"})

        b = self.node("b")
        self.assertEqual(a.ask("option seeds " + b.endpoint)["reply"], "option")
        a.event("peer_live", peer="b")
        b.event("peer_live", peer="a")

    def test_a_script_that_writes_much_waits_until_the_cluster_keeps_up(self):
        a, b = self.pair()
        a.ask("option send_bytes_per_interval 12000")
        self.assertEqual(a.ask("writable 1ms"), {"reply": "writable", "waited_ms": 0})

        for number in range(30):
            a.ask(f"set key{number} " + 1000 * "x")
        refused = a.ask("writable 1ms")
        self.assertEqual((refused["reply"], refused["command"]), ("error", "writable"))
        self.assertIn("deadline", refused["message"])
        self.assertGreater(a.ask("writable 60s")["waited_ms"], 0)

        b.event("update", peer="a", key="key29", value=1000 * "x")

    def test_join_asks_an_address_once(self):
        a = self.node("a")
        b = self.node("b")

        self.assertEqual(a.ask("join " + b.endpoint), {"reply": "join", "addresses": [b.endpoint]})

        a.event("peer_live", peer="b")
        self.assertEqual(a.ask("options")["seeds"], "")

    def test_a_script_waits_for_peers_and_for_a_key(self):
        a = self.node("a")
        b = self.node("b", "--seed", a.endpoint)

        self.assertEqual(a.ask("wait-live 1 30s")["live"], 1)
        a.say("wait b role 30s")
        b.ask("set role web")

        reply = a.reply()
        self.assertGreaterEqual(reply.pop("waited_ms"), 0)
        self.assertEqual(reply, {"reply": "wait", "peer": "b", "key": "role", "value": "web"})
        self.assertEqual(a.ask("wait b role 1d")["value"], "web")  # at once

    def test_a_wait_ends_with_the_node(self):
        a = self.node("a")
        a.say("wait-live 1 1d")
        a.process.terminate()
        self.assertEqual(a.wait(), (0, ""))

    def test_a_day_is_a_unit_of_time(self):
        a = self.node("a")
        self.assertEqual(a.ask("set-ttl 2d k v")["ttl_ms"], 2 * 86_400_000)

    def test_no_message_repeats_a_long_argument_whole(self):
        a = self.node("a")
        for line in ("set {} v", "erase {}", "get {} k", "option {} 1", "option fanout {}",
                     "join {}", "wait-live {} 1s", "wait-live 1 {}", "forget {}", "{}"):
            with self.subTest(line=line[:99]):
                self.assertNotIn(100 * "k", a.ask(line.format(300 * "k")).get("message", ""))

    def as_text(self, *lines, options=()):
        """The lines for people, without the times of its events."""
        done = subprocess.run([harness.PROGRAM, "run", "--name", "a", *options], check=False,
                              input="\n".join([*lines, "quit"]) + "\n", capture_output=True,
                              text=True, timeout=harness.PATIENCE)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def test_people_are_told_which_of_peer_and_key_is_unknown(self):
        text = self.as_text("get nobody k", "get a k")
        self.assertIn('no node "nobody" is known\n', text)
        self.assertIn('"a" publishes no key "k"\n', text)

    def test_people_see_counters_that_are_not_0_and_all_of_them_when_they_ask(self):
        some = self.as_text("set k v", "wait-live 1 300ms", "stats")
        self.assertRegex(some, r"\nrounds +[1-9]")
        self.assertNotIn("\npauses ", some)
        self.assertNotRegex(some, r"(?m)^\w+ +0$")
        self.assertRegex(self.as_text("stats all"), r"\npauses +0\n")

    def test_people_see_the_age_of_a_key_and_what_it_has_left(self):
        text = self.as_text("set k v", "set-ttl 1h l w", "wait-live 1 300ms", "get a k", "get a l",
                            "state")
        self.assertRegex(text, r"(?m)^v  \(\d+ ms old\)$")
        self.assertRegex(text, r"(?m)^w  \(\d+ ms old, 59 min left\)$")
        self.assertRegex(text, r"(?m)^  k = v  \(\d+ ms old\)$")

    def test_people_see_a_generation_as_a_date(self):
        dates = [time.strftime("%Y-%m-%d")]
        text = self.as_text("members")
        dates.append(time.strftime("%Y-%m-%d"))  # another one if midnight came between
        date = f"({'|'.join(dates)})"
        self.assertRegex(text, rf"started .* generation {date} \d\d:\d\d:\d\d\.\d\d\d\n")
        self.assertRegex(text, rf"\na +self .* {date} \d\d:\d\d:\d\d\.\d\d\d\n")

    def test_a_dead_peer_is_forgotten_and_a_live_one_comes_back(self):
        a, b = self.pair("--set", "k=v")

        self.assertEqual(a.ask("forget b"), {"reply": "forget", "peer": "b"})
        a.event("peer_forgotten", peer="b")
        a.until("members", lambda m: len(m["members"]) == 2)

        b.process.kill()
        a.event("peer_dead", peer="b")
        count = len(a.events)
        self.assertEqual(a.ask("forget b")["reply"], "forget")
        a.event("peer_forgotten", after=count, peer="b")
        self.assertIsNone(a.member("b"))

    def test_a_value_that_is_not_utf8_is_base64(self):
        a, b = self.pair()
        for value in (b"\xff", b"\xc0\x80", b"a\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82"):
            with self.subTest(value=value):
                wanted = {"base64": base64.b64encode(value).decode()}
                self.assertEqual(a.ask(b"set k " + value)["reply"], "set")
                self.assertEqual(a.ask("get a k")["value"], wanted)
                self.assertEqual(a.ask("state")["peers"]["a"], {"k": wanted})
                b.event("update", peer="a", key="k", value=wanted)

    def test_what_cannot_be_done_is_an_error_that_says_why(self):
        a = self.node("a")
        for line, word, why in (("frobnicate x", "frobnicate", "no such command"),
                                ("set", "set", "set KEY VALUE"),
                                ("set k " + 65537 * "v", "set", "65537 bytes"),
                                ("set k " + 65537 * "v", "set", "value_bytes_max allows up to"),
                                ("set-ttl 5s k " + 65537 * "v", "set-ttl", "65537 bytes"),
                                ("erase", "erase", "erase KEY"),
                                ("get a", "get", "get PEER KEY"),
                                ("set-ttl", "set-ttl", "set-ttl TIME KEY VALUE"),
                                ("set-ttl k v", "set-ttl", "set-ttl TIME KEY VALUE"),
                                ("set-ttl 5s", "set-ttl", "set-ttl TIME KEY VALUE"),
                                ("set-ttl 5 k v", "set-ttl", "set-ttl TIME KEY VALUE"),
                                ("set-ttl -5s k v", "set-ttl", "set-ttl TIME KEY VALUE"),
                                ("set-ttl 0s k v", "set-ttl", "365 days"),
                                ("set-ttl 8761h k v", "set-ttl", "365 days"),
                                ("set-ttl 4294967295h k v", "set-ttl", "365 days"),
                                ("writable", "writable", "writable TIME"),
                                ("writable soon", "writable", "writable TIME"),
                                ("writable 1s now", "writable", "writable TIME"),
                                ("option", "option", "option NAME VALUE"),
                                ("option size 1", "option", "gossip_interval"),
                                ("option fanout 17", "option", "1 to 16"),
                                ("option fanout two", "option", "a whole number"),
                                ("option fanout -1", "option", "a whole number"),
                                ("option jitter much", "option", "a number"),
                                ("option gossip_interval 5", "option", "a time"),
                                ("option gossip_interval 1ms", "option", "10 ms to 1 h"),
                                ("option seeds nowhere", "option", "HOST:PORT"),
                                ("set-ttl 5 k v", "set-ttl", '"5" has no unit: write a time with'),
                                ("set-ttl soon k v", "set-ttl", '"soon" is not a time'),
                                ("join", "join", "join HOST:PORT"),
                                ("join nowhere", "join", '"nowhere": the port is missing'),
                                ("join nowhere:", "join", "the port is missing"),
                                ("join :7000", "join", "the host is missing"),
                                ("join a:70000", "join", "not a number from 0 to 65535"),
                                ("join a:http", "join", "not a number from 0 to 65535"),
                                ("join ::1:7000", "join", "in brackets"),
                                ("join [::1:7000", "join", "the closing ]"),
                                ("wait-live", "wait-live", "wait-live N TIME"),
                                ("wait-live 1", "wait-live", "wait-live N TIME"),
                                ("wait-live one 1s", "wait-live", '"one" is no whole number'),
                                ("wait-live 1 5", "wait-live", '"5" has no unit'),
                                ("wait-live 1 1ms", "wait-live", "deadline"),
                                ("wait a k", "wait", "wait PEER KEY TIME"),
                                ("wait a k 1ms", "wait", "deadline"),
                                ("stats now", "stats", "stats [all]"),
                                ("mebmers", "mebmers", "did you mean members?"),
                                ("stat", "stat", "did you mean state?"),
                                ("option fanuot 3", "option", "fanout (did you mean that?)"),
                                ("forget", "forget", "forget PEER"),
                                ("forget nobody", "forget", "no peer of that name"),
                                ("forget a", "forget", "own"),
                                ('get "a k', "get", "quotation mark"),
                                ('get "a"k', "get", "quotation mark"),
                                ('get "a\\" k', "get", "quotation mark"),
                                ('set "a\\z" v', "set", "quotation mark"),
                                ('set "a\\x1" v', "set", "quotation mark"),
                                ('set k "v" w', "set", "set KEY VALUE"),
                                ('set "" v', "set", "255 bytes"),
                                ("members now", "members", "members"),
                                ("set " + 256 * "k" + " v", "set", "255 bytes"),
                                (b"set \xff v", "set", "UTF-8"),
                                ("set k " + 65537 * "v", "set", "value_bytes_max"),
                                (b"\xffx", "\ufffdx", "no such command"),
                                (100 * "x", 64 * "x", "no such command")):
            with self.subTest(line=line[:99]):
                reply = a.ask(line)
                self.assertEqual((reply["reply"], reply["command"]), ("error", word))
                self.assertIn(why, reply["message"])
        self.assertEqual(a.ask("state")["peers"], {"a": {}})

    def test_a_line_without_end_is_refused_and_the_next_is_obeyed(self):
        a = self.node("a")

        a.say("set k " + 3 * 2**20 * "v", "set k v")

        reply = a.reply()
        self.assertEqual((reply["reply"], reply["command"]), ("error", "set"))
        self.assertIn("longer", reply["message"])
        self.assertEqual(a.reply(), {"reply": "set", "key": "k", "version": 1})

    def test_a_value_of_many_datagrams_reaches_the_other_node_unchanged(self):
        option = ("--value-bytes-max", str(2 * 2**20))
        a = self.node("a", *option)
        b = self.node("b", "--seed", a.endpoint, *option)
        b.event("peer_live", peer="a")
        value = "".join(chr(ord("a") + i * i % 26) for i in range(2 * 2**20))

        self.assertEqual(a.ask("set k " + value), {"reply": "set", "key": "k", "version": 1})
        got = b.until("get a k", lambda got: got["value"] is not None)

        self.assertEqual(got["value"], value)
        self.assertGreater(b.ask("stats")["fragments_applied"], 1000)
        self.assertIn("value_bytes_max", a.ask("set k " + value + "v")["message"])

    def test_state_of_100_000_keys_takes_seconds_and_gossip_goes_on(self):
        a = self.node("a", "--interval", "1s")
        count = 100_000
        a.say(*(f"set key{i} {i}" for i in range(count)))
        for _ in range(count):
            a.reply()

        began = time.monotonic()
        keys = a.ask("state")["peers"]["a"]
        took = time.monotonic() - began

        self.assertEqual(len(keys), count)
        self.assertEqual(keys["key77777"], "77777")
        self.assertLess(took, 15)
        self.assertEqual(a.ask("stats")["pauses"], 0)

    def test_nor_does_it_stop_gossip_as_text(self):
        count = 100_000
        lines = [f"set key{i} {i}" for i in range(count)]
        done = subprocess.run([harness.PROGRAM, "run", "--name", "a"], check=False, text=True,
                              input="\n".join([*lines, "state", "stats all", "quit"]) + "\n",
                              capture_output=True, timeout=2 * harness.PATIENCE)

        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("\n  key77777 = 77777  (", done.stdout)
        self.assertRegex(done.stdout, r"\npauses +0\n")

    def test_a_carriage_return_before_the_line_end_is_part_of_that(self):
        a = self.node("a")
        a.say("\r")  # blank
        self.assertEqual(a.ask("set k v\r")["reply"], "set")
        self.assertEqual(a.ask("get a k\r")["value"], "v")
        a.ask("set k v\r\r")
        self.assertEqual(a.ask("get a k")["value"], "v\r")
        self.assertEqual(a.ask("quit\r")["reply"], "quit")

    def test_help_names_each_command(self):
        a = self.node("a")
        reply = a.ask("help")
        self.assertEqual(reply["reply"], "help")
        self.assertIn("set-ttl TIME KEY VALUE", reply["commands"])
        for form in reply["commands"]:
            self.assertIn(form, a.ask("frobnicate")["message"])

    def test_blank_lines_get_no_answer(self):
        a = self.node("a")
        a.say("", "  ", "\t")
        self.assertEqual(a.ask("state")["reply"], "state")

    def test_many_commands_at_once_are_answered_in_order(self):
        a = self.node("a")
        count = 3000

        a.say(*(f"set k{i} {i}" if i % 3 else f"get a k{i - 1}" for i in range(count)))

        for i in range(count):
            reply = a.reply()
            if i % 3:
                self.assertEqual((reply["reply"], reply["key"]), ("set", f"k{i}"))
            else:
                self.assertEqual((reply["reply"], reply["key"]), ("get", f"k{i - 1}"))
                self.assertEqual(reply["value"], str(i - 1) if i else None)

    def test_members_have_all_their_fields(self):
        a, b = self.pair("--set", "k=v")
        b.event("update", peer="a", key="k")

        me, other = b.until("members", lambda m: m["members"][1]["interval_ms"])["members"]

        self.assertEqual(set(me), {"name", "generation", "endpoint", "status", "reachable",
                                   "suspect", "max_version", "lacks", "heartbeat", "phi",
                                   "silent_ms", "rtt_ms", "interval_ms", "backlog",
                                   "wire_versions", "sealed_with"})
        self.assertEqual((me["silent_ms"], me["rtt_ms"], me["interval_ms"]), (None, None, None))
        self.assertEqual((other["lacks"], other["interval_ms"]), (0, 48))  # 50, rounded down
        self.assertGreaterEqual(other["silent_ms"], 0)
        self.assertEqual((me["sealed_with"], other["sealed_with"]), (None, None))
        self.assertEqual(other["wire_versions"], [1, 1])
        self.assertEqual((me["name"], me["status"], me["phi"]), ("b", "self", None))
        self.assertEqual((other["name"], other["status"], other["reachable"]), ("a", "live", True))
        self.assertEqual(other["endpoint"], a.endpoint)
        self.assertEqual(other["generation"], a.started["generation"])
        self.assertEqual(other["max_version"], 1)
        self.assertGreater(other["heartbeat"], 0)
        self.assertIsInstance(other["phi"], float)

    def test_stats_has_every_counter_by_name(self):
        a, _ = self.pair()

        stats = a.until("stats", lambda s: s["replies_received"] > 0)

        self.assertEqual(stats.pop("reply"), "stats")
        self.assertEqual(list(stats), COUNTERS)
        self.assertEqual((stats["peers_known"], stats["peers_live"]), (1, 1))
        self.assertGreater(stats["udp_received"], 0)

    def test_a_foreign_datagram_is_counted(self):
        a = self.node("a")
        self.assertEqual(a.ask("stats")["drop_magic"], 0)

        import socket
        host, port = a.endpoint.rsplit(":", 1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.sendto(bytes(400), (host, int(port)))

        a.until("stats", lambda s: s["drop_magic"] == 1)

    def test_leave_is_answered_and_ends_publishing_but_not_the_node(self):
        a, b = self.pair()

        self.assertEqual(a.ask("leave"), {"reply": "leave", "acknowledged": 1, "live": 1})

        b.event("peer_left", peer="a")
        self.assertEqual(b.member("a")["status"], "left")
        self.assertEqual(a.ask("set k v")["reply"], "error")
        self.assertEqual(a.ask("leave")["reply"], "leave")
        self.assertEqual(a.member("a")["status"], "self")

    def test_quit_is_answered_and_ends_the_node(self):
        a, b = self.pair()

        self.assertEqual(a.ask("quit"), {"reply": "quit", "acknowledged": 1, "live": 1})

        self.assertEqual(a.wait(), (0, ""))
        b.event("peer_left", peer="a")


if __name__ == "__main__":
    harness.main()
