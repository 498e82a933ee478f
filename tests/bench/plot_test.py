"""The pictures of bench/plot.py: slopes, series that are missing, and what the repository holds."""

import contextlib
import importlib.util
import io
import json
import pathlib
import sys
import tempfile
import unittest

PATH = pathlib.Path(sys.argv.pop())
PICTURES = PATH.parent / "pictures"

SPEC = importlib.util.spec_from_file_location("plot", PATH)
plot = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(plot)


def draw(found):
    """The pictures by name, those that are missing, and what was printed."""
    with tempfile.TemporaryDirectory() as folder:
        plot.PICTURES = pathlib.Path(folder)
        plot.FIGURES = plot.PICTURES / "figures.json"
        plot.FIGURES.write_text(json.dumps(found))
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            missing = plot.draw()
        drawn = {path.name: path.read_text() for path in plot.PICTURES.glob("*.svg")}
    return drawn, missing, said.getvalue()


class Pictures(unittest.TestCase):
    def test_the_repository_holds_what_its_figures_give(self):
        drawn, _, _ = draw(json.loads((PICTURES / "figures.json").read_text()))
        self.assertEqual(sorted(drawn), sorted(path.name for path in PICTURES.glob("*.svg")))
        for name, picture in drawn.items():
            self.assertEqual(picture, (PICTURES / name).read_text(), name)

    def test_a_law_says_its_slope(self):
        # By hand: four times the peers take twice the time, and so on: the power is 1/2.
        rows = [{"peers": 100, "us": 3.0}, {"peers": 400, "us": 6.0}, {"peers": 1600, "us": 12.0}]
        drawn, missing, said = draw({"idle": rows})
        self.assertIn("slope 0.50<", drawn["idle.svg"])
        self.assertIn("idle.svg: slope 0.50, from 100 to 1,600\n", said)
        self.assertNotIn("idle.svg", missing)

    def test_rounds_bytes_and_datagrams_have_slopes_of_their_own(self):
        rows = [{"nodes": nodes, "bytes": 500.0 * nodes / 10, "datagrams": 2.0, "p50": 3.0,
                 "p99": 4.0 * (nodes / 10)**0.25} for nodes in (10, 100, 1000)]
        drawn, _, _ = draw({"scale": rows})
        self.assertIn("slope 1.00<", drawn["bytes.svg"])
        self.assertIn("slope 0.00<", drawn["datagrams.svg"])
        self.assertIn("slope 0.25<", drawn["rounds.svg"])

    def test_a_series_that_is_missing_is_named_in_its_picture(self):
        drawn, missing, said = draw({})
        self.assertEqual(sorted(missing), sorted(drawn))
        self.assertIn("bench/plot.py --measure memory", drawn["memory.svg"])
        self.assertNotIn("slope", drawn["memory.svg"])
        self.assertIn("memory.svg: not measured", said)

    def test_each_series_is_drawn_and_measured_under_the_same_name(self):
        self.assertEqual(list(plot.DRAWN), list(plot.SERIES))

    def test_rows_are_medians_over_the_turns(self):
        turns = [[(10, 1e-6), (20, 5e-6)], [(10, 3e-6), (20, 4e-6)], [(10, 2e-6), (20, 9e-6)]]
        self.assertEqual(plot.rows_of_medians(turns, "keys", "us", 1e6),
                         [{"keys": 10, "us": 2.0}, {"keys": 20, "us": 5.0}])

    def test_ticks_enclose_the_values(self):
        self.assertEqual(plot.powers_of_ten([0.15, 15]), [0.1, 1, 10, 100])
        self.assertEqual(plot.powers_of_ten([10, 10]), [10, 100])


if __name__ == "__main__":
    unittest.main()
