"""The table of bench/run: ratios, bars and slopes, and the comparison with a baseline."""

import contextlib
import importlib.machinery
import importlib.util
import io
import json
import pathlib
import sys
import tempfile
import unittest

PATH = pathlib.Path(sys.argv.pop())


def load():
    loader = importlib.machinery.SourceFileLoader("bench_run", str(PATH))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("bench_run", loader))
    loader.exec_module(module)
    return module


bench_run = load()
Row, slope = bench_run.works.Row, bench_run.works.slope


class Table(unittest.TestCase):
    def test_a_ratio_is_that_of_one_turn(self):
        # A slow turn slows both: the ratios are 2, 2 and 3, whatever the medians are.
        row = Row("g", "w", "us", [10, 40, 30], limit=[5, 20, 10], bar=("ratio", "<=", 2))
        self.assertEqual((row.ours, row.limit, row.ratio), (30, 10, 2))
        self.assertTrue(row.is_met)
        self.assertEqual(row.spread, 0.5)

    def test_without_a_limit_the_ratio_is_to_the_first_peer(self):
        row = Row("g", "w", "us", [10], peers={"missing": [], "a": [20], "b": [1]})
        self.assertEqual(row.ratio, 0.5)
        self.assertEqual(list(row.peers), ["a", "b"])
        self.assertIsNone(Row("g", "w", "us", [10], peers={"missing": []}).ratio)

    def test_a_bar_that_is_not_met_says_so(self):
        for sign, value, is_met in ((">=", 10, True), (">=", 11, False), ("<=", 10, True),
                                    ("<=", 9, False)):
            row = Row("g", "w", "us", [10], bar=("ours", sign, value))
            self.assertEqual(row.is_met, is_met, (sign, value))
            self.assertEqual(bench_run.cells(row)[-1], "yes" if is_met else "NO")

    def test_a_slope_is_the_power(self):
        self.assertAlmostEqual(slope([(x, 7 * x**1.5) for x in (1, 10, 100)]), 1.5)

    def test_the_table_of_scale_is_read_by_column(self):
        said = ("nodes  bytes  datagrams  with a write  p50 p99 max missing  us\n"
                "  300    694       3.03          1143    6   7   9       0  28.4\n")
        self.assertEqual(bench_run.works.scale_table(said), [
            {"nodes": 300, "bytes": 694, "datagrams": 3.03, "write_bytes": 1143, "p50": 6,
             "p99": 7, "worst": 9}])


class Check(unittest.TestCase):
    def check(self, baseline, rows, only=""):
        with tempfile.TemporaryDirectory() as folder:
            bench_run.BASELINE = pathlib.Path(folder) / "baseline.json"
            bench_run.BASELINE.write_text(json.dumps(baseline))
            said = io.StringIO()
            with contextlib.redirect_stdout(said):
                status = bench_run.check(rows, only)
        return status, said.getvalue()

    def test_what_fell_by_more_than_a_fifth_is_named(self):
        rows = [Row("g", "time", "us", [13], limit=[10]),  # ratio 1.3, good ratio 1 / 1.3
                Row("g", "rate", "1/s", [7], limit=[10], is_more_better=True)]
        status, said = self.check({"g: time": 1.0, "g: rate": 0.85}, rows)
        self.assertEqual(status, 1)
        self.assertIn("fell by 23 %: g: time", said)
        self.assertNotIn("g: rate", said)
        self.assertIn("2 ratios compared, 1 fell", said)

        status, said = self.check({"g: time": 0.8, "g: rate": 0.7}, rows)
        self.assertEqual((status, said), (
            0, "2 ratios compared, 0 fell by more than 20 %, 0 not measured\n"))

    def test_a_work_that_was_not_measured_is_named_and_fails(self):
        rows = [Row("g", "w", "us", [1], limit=[1])]
        status, said = self.check({"g: gone": 1.0, "g: w": 1.0}, rows)
        self.assertEqual(status, 1)
        self.assertIn("not measured: g: gone", said)
        self.assertIn("1 ratios compared, 0 fell by more than 20 %, 1 not measured", said)

    def test_a_check_that_compares_nothing_fails(self):
        self.assertEqual(self.check({}, [Row("g", "w", "us", [1], limit=[1])])[0], 1)

    def test_groups_that_were_not_chosen_are_not_missed(self):
        rows = [Row("fast, CPU", "w", "us", [1], limit=[1])]
        baseline = {"fast, CPU: w": 1.0, "slow: fast": 1.0}
        self.assertEqual(self.check(baseline, rows, only="fast")[0], 0)
        self.assertEqual(self.check(baseline, rows)[0], 1)

    def test_a_peer_that_is_left_out_fails_nothing(self):
        measured = [Row("g", "w", "us", [1], limit=[1]), Row("g", "p", "us", [1], peers={"a": [2]})]
        baseline = bench_run.good_ratios(measured)
        without = [measured[0], Row("g", "p", "us", [1], peers={"a": []})]
        self.assertEqual(self.check(baseline, without)[0], 0)

    def test_ratios_to_peers_are_not_compared(self):
        rows = [Row("g", "w", "us", [1], peers={"a": [2]})]
        self.assertEqual(bench_run.good_ratios(rows), {})


if __name__ == "__main__":
    unittest.main()
