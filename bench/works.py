"""The works that bench/run measures: for each group a function that returns its rows."""

import json
import math
import os
import statistics
import subprocess

UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}


class Failed(Exception):
    """A program ended with an error; the text says which, and its last lines."""


class Row:
    """One work: samples of ours, of the limit and of peers, taken in the same turns.

    `bar` is (subject, sign, value): ("ratio", ">=", 0.4) or ("ours", "<=", 15). The ratio is that
    of ours to the limit, or to the first peer where there is no limit.
    """

    def __init__(self, group, work, unit, ours, *, limit=None, peers=None, bar=None,
                 is_more_better=False):
        self.group, self.work, self.unit = group, work, unit
        self.ours = statistics.median(ours)
        self.spread = None
        if len(ours) > 1 and self.ours:
            self.spread = (max(ours) - min(ours)) / 2 / self.ours
        self.limit = statistics.median(limit) if limit else None
        peers = {name: values for name, values in (peers or {}).items() if values}
        self.peers = {name: statistics.median(values) for name, values in peers.items()}
        self.is_more_better = is_more_better
        # A ratio to a limit is CPU time beside CPU time; one to a peer depends on the machine's
        # load, too.
        self.is_checked = limit is not None
        beside = limit or next(iter(peers.values()), None)
        pairs = [mine / other for mine, other in zip(ours, beside or []) if other]
        self.ratio = statistics.median(pairs) if pairs else None
        self.bar, self.is_met = "", None
        if bar:
            subject, sign, value = bar
            self.bar = ("" if subject == "ours" else subject + " ") + f"{sign} {value:g}"
            seen = self.ours if subject == "ours" else self.ratio
            if seen is not None:
                self.is_met = seen >= value if sign == ">=" else seen <= value

    def peer_text(self, number):
        return ", ".join(f"{name} {number(value)}" for name, value in self.peers.items()) or "–"

    def as_dict(self):
        return dict(vars(self))


class Bench:
    """The programs, the peers, and how thoroughly to measure."""

    def __init__(self, folder, memberlist, ancestor, is_quick, say):
        self.folder, self.memberlist, self.ancestor = folder, memberlist, ancestor
        self.is_quick, self.say = is_quick, say
        self.ancestor_exchanges = []  # of each turn

    def turns(self, full, quick):
        return range(quick if self.is_quick else full)

    def run(self, what, command, **how):
        self.say(what, end="")
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                              check=False, timeout=600, **how)
        if done.returncode != 0:
            raise Failed(f"{what}: {done.stderr[-2000:]}")
        return done.stdout

    def google(self, program, pattern, seconds):
        """The benchmarks of one program: name -> its figures; `s` is the time in seconds."""
        if self.is_quick:
            seconds /= 4
        said = self.run(f"{program} {pattern}",
                        [self.folder / program, f"--benchmark_filter={pattern}",
                         f"--benchmark_min_time={seconds}", "--benchmark_format=json"])
        runs = {}
        for run in json.loads(said)["benchmarks"]:
            if run.get("error_occurred"):
                raise Failed(f"{program}: {run['name']}: {run.get('error_message')}")
            # The programs that time a part of their loop themselves read the CPU clock, too.
            clock = "real_time" if "manual_time" in run["name"] else "cpu_time"
            run["s"] = run[clock] * UNITS[run["time_unit"]]
            runs[run["name"].removesuffix("/manual_time").removesuffix("/iterations:1")] = run
        return runs

    def node(self, script, *arguments):
        """A script of the ancestor's: its JSON, or None where the ancestor is left out."""
        if not self.ancestor:
            return None
        path = os.path.join(os.path.dirname(__file__), "peers", script)
        said = self.run(script, ["node", "--expose-gc", path, *arguments],
                        env={**os.environ, "NODE_PATH": str(self.ancestor)})
        return json.loads(said)

    def ancestor_exchange(self):
        if not self.ancestor_exchanges:
            self.ancestor_exchanges = [self.node("ancestor_exchange.js")
                                       for _ in self.turns(3, 1)]
        return self.ancestor_exchanges

    def member(self, *arguments):
        if not self.memberlist:
            return None
        return json.loads(self.run("memberlist", [self.memberlist, *arguments]))

    def cluster(self, *arguments):
        return json.loads(self.run("cluster", [self.folder / "cluster", "--json", *arguments]))


def column(dicts, name, factor=1.0):
    """That figure of each turn; empty where a peer was left out."""
    return [one[name] * factor for one in dicts if one and one.get(name) is not None]


def slope(points):
    """Of the straight line through the logarithms of (x, y), by least squares."""
    xs = [math.log(x) for x, _ in points]
    ys = [math.log(y) for _, y in points]
    x, y = statistics.fmean(xs), statistics.fmean(ys)
    return (sum((a - x) * (b - y) for a, b in zip(xs, ys)) / sum((a - x) ** 2 for a in xs))


# ---- series: what the slopes of the table and the pictures of plot.py are made of ------------

TEN_FRESH = "^ten_fresh"  # of reconcile_bench
TEN_FRESH_KEYS = (10**3, 10**4, 10**5, 10**6)
IDLE_EXCHANGES = "^idle_exchange/32000/"  # of reconcile_bench
IDLE_PEERS = (100, 300, 1000, 3000)
MEMORY_KEYS = (1000, 10000, 100000)
MEMORY_OF_KEYS = f"memory_per_key/({'|'.join(map(str, MEMORY_KEYS))})/"  # of storage_bench


def ten_fresh_seconds(run):
    return [(keys, run[f"ten_fresh/{keys}"]["s"]) for keys in TEN_FRESH_KEYS]


def idle_exchange_seconds(run):
    return [(peers, run[f"idle_exchange/32000/{peers}"]["s"]) for peers in IDLE_PEERS]


def bytes_of_keys(run):
    return [(keys, keys * run[f"memory_per_key/{keys}"]["bytes_per_key"]) for keys in MEMORY_KEYS]


def scale_table(said):
    """The lines that the program `scale` prints, behind its title."""
    table = []
    for line in said.splitlines()[1:]:
        words = [float(word) for word in line.split()]
        table.append({"nodes": int(words[0]), "bytes": words[1], "datagrams": words[2],
                      "write_bytes": words[3], "p50": words[4], "p99": words[5],
                      "worst": words[6]})
    return table


# ---- groups ---------------------------------------------------------------------------------

def exchange(bench, group):
    runs = [bench.google("reconcile_bench",
                         "full_sync|ten_fresh/100000/|bare_idle|"
                         "idle_exchange(_rows)?/1200/1000/", 0.3) for _ in bench.turns(5, 3)]
    ancestor = bench.ancestor_exchange()

    def of(name, field="s", factor=1.0):
        return [run[name][field] * factor for run in runs]

    return [
        Row(group, "full sync of 10,000 keys, datagrams of 1400 B", "M kv/s",
            of("full_sync/1400", "kv_per_second", 1e-6),
            limit=of("bare_full_sync", "kv_per_second", 1e-6),
            peers={"ancestor": column(ancestor, "full_sync_kv_per_second", 1e-6)},
            bar=("ratio", ">=", 0.40), is_more_better=True),
        Row(group, "wire bytes a payload byte, datagrams of 1200 B", "",
            of("full_sync/1200", "wire_bytes_per_payload_byte"), limit=[73 / 70] * len(runs),
            peers={"ancestor": column(ancestor, "wire_bytes_per_payload_byte")},
            bar=("ours", "<=", 1.20)),
        Row(group, "10 fresh of 100,000 keys", "us", of("ten_fresh/100000", factor=1e6),
            limit=of("bare_ten_fresh/100000", factor=1e6),
            peers={"ancestor": column(ancestor, "ten_fresh_seconds", 1e6)},
            bar=("ratio", "<=", 4)),
        Row(group, "idle exchange, 1,000 peers", "us",
            of("idle_exchange/1200/1000", factor=1e6), limit=of("bare_idle", factor=1e6),
            peers={"ancestor": column(ancestor, "idle_exchange_seconds", 1e6)}),
        Row(group, "idle exchange, 1,000 peers, of one that tells rows", "us",
            of("idle_exchange/1200/1000", factor=1e6),
            limit=of("idle_exchange_rows/1200/1000", factor=1e6), bar=("ratio", "<=", 0.36)),
        Row(group, "datagrams of an idle exchange", "",
            of("idle_exchange/1200/1000", "datagrams"), bar=("ours", "<=", 4)),
    ]


def datagrams(bench, group):
    turns = []
    for _ in bench.turns(5, 3):
        lines = bench.run("udp_bench", [bench.folder / "udp_bench", "1000"]).splitlines()
        turns.append({line.split("\t")[0]: [float(x) for x in line.split("\t")[1:]]
                      for line in lines})

    def row(what, bar):
        # Each turn is a median of 1,000 bursts, and so is its ratio to the bare calls beside.
        return Row(group, f"{what} a datagram of 1200 B", "ns", [t[what][0] for t in turns],
                   limit=[t[what][1] for t in turns], bar=bar)

    options = ["--quick"] if bench.is_quick else []
    copies = []
    for _ in bench.turns(3, 1):
        said = bench.run("throughput", [bench.folder / "throughput", *options])
        copies.append({key: float(value) for key, value, _ in
                       (line.split("\t") for line in said.splitlines())})
    keys = "5,000" if bench.is_quick else "100,000"
    name = "joiner, default budget: updates delivered"
    return [row("receive", ("ratio", "<=", 1.15)), row("send", ("ratio", "<=", 0.35)),
            Row(group, f"a joiner copies {keys} keys, rounds of 10 ms", "k keys/s",
                column(copies, name, 1e-3), is_more_better=True),
            Row(group, "the same with 1 MiB an exchange", "k keys/s",
                column(copies, "joiner, 1 MiB an exchange: updates delivered", 1e-3),
                is_more_better=True)]


def sealed(bench, group):
    """Sealed and plain take turns within the program."""
    options = ["--quick"] if bench.is_quick else []
    said = bench.run("seal", [bench.folder / "seal", *options])
    figures = {what: float(figure) for what, figure, *_ in
               (line.split("\t") for line in said.splitlines())}

    def row(work, unit, what, **how):
        return Row(group, work, unit, [figures[what]], **how)

    opened = [figures["sealed: opened"]]
    return [
        row("two nodes, CPU a datagram; the limit: plain", "ns",
            "sealed: CPU of both nodes a datagram",
            limit=[figures["plain: CPU of both nodes a datagram"]]),
        row("the same, of plain, by turns", "times", "sealed: of plain",
            bar=("ours", "<=", 1.30)),
        row("a datagram is opened", "ns", "sealed: opened"),
        row("a forgery is refused; the limit: opened", "ns", "sealed: a forgery refused",
            limit=opened, bar=("ratio", "<=", 0.60)),
        row("a replay is refused; the limit: opened", "ns", "sealed: a replay refused",
            limit=opened, bar=("ratio", "<=", 0.05)),
        row("windows of 4,096 senders", "MiB", "sealed: windows of 4,096 senders",
            bar=("ours", "<=", 1)),
    ]


def events(bench, group):
    runs = [bench.google("event_bench", ".", 0.1) for _ in bench.turns(5, 3)]

    def of(name, field="seconds_per_event", factor=1e9):
        return [run[name][field] * factor for run in runs]

    limit = of("bare_vector")
    return [
        Row(group, "event to a coroutine, by view, in bursts", "ns", of("by_view_drained"),
            limit=limit, bar=("ratio", "<=", 4.5)),
        # Beside the bursts: what a `co_await` for each event adds.
        Row(group, "event to a coroutine, each awaited", "ns", of("by_view_awaited"),
            limit=of("by_view_drained"), bar=("ratio", "<=", 2.4)),
        Row(group, "allocations an event, in bursts", "",
            of("by_view_drained", "allocations", 1), bar=("ours", "<=", 0)),
    ]


def memory(bench, group):
    keys = bytes_of_keys(bench.google("storage_bench", MEMORY_OF_KEYS, 0.01))
    peer = bench.google("reconcile_bench", "memory_per_peer", 0.01)
    ancestor = bench.ancestor_exchange()
    most, bytes_of_most = keys[-1]
    return [
        Row(group, "memory a key of 20 + 50 bytes, 100,000 keys", "B", [bytes_of_most / most],
            peers={"ancestor": column(ancestor, "bytes_per_key_of_both", 0.5)},
            bar=("ours", "<=", 176)),
        Row(group, "memory a known peer without keys", "B",
            [peer["memory_per_peer/3000"]["bytes_per_peer"]], bar=("ours", "<=", 1000)),
        Row(group, "slope: memory against keys, 1,000 to 100,000", "",
            [slope(keys)], bar=("ours", "<=", 1.05)),
    ]


def cluster(bench, group):
    ours, lists, ancestor = [], [], []
    seconds = "3" if bench.is_quick else "5"
    for _ in bench.turns(3, 1):
        ours.append(bench.cluster("--nodes", "20", "--rate", "500", "--interval", "100ms",
                                  "--seconds", seconds))
        lists.append(bench.member("--nodes", "20", "--rate", "500", "--interval-ms", "100",
                                  "--seconds", seconds))
        ancestor.append(bench.node("ancestor_cluster.js", "--nodes", "20", "--rate", "500",
                                   "--interval-ms", "100", "--seconds", seconds))
    for one in ours:  # ten rounds a second
        one["bytes_a_node_second"] = one["bytes_a_round"] * 10
        one["bytes_a_node_second_at_rest"] = one["bytes_a_round_at_rest"] * 10

    def row(work, unit, field, **how):
        return Row(group, work, unit, column(ours, field),
                   peers={"memberlist": column(lists, field), "ancestor": column(ancestor, field)},
                   **how)

    return [
        row("delivery, p50", "ms", "p50_ms"),
        row("delivery, p99", "ms", "p99_ms"),
        row("delivered in time", "%", "delivered_percent", bar=("ours", ">=", 100),
            is_more_better=True),
        row("CPU a delivery", "us", "cpu_us_a_delivery"),
        row("bytes a node and second", "B", "bytes_a_node_second"),
        row("at rest: bytes a node and second", "B", "bytes_a_node_second_at_rest"),
        row("at rest: cores for all 20", "", "cores_at_rest"),
    ]


def crash(bench, group):
    """Too long for a smoke run."""
    if bench.is_quick:
        return []
    rows = []
    for name, interval in (("rounds of 1 s, the default", "1s"), ("rounds of 200 ms", "200ms")):
        ours = bench.cluster("--nodes", "10", "--rate", "10", "--interval", interval,
                             "--seconds", "1", "--crashes", "2")
        lists = bench.member("--nodes", "10", "--rate", "10", "--seconds", "1", "--crashes",
                             "2") if interval == "1s" else None
        rows.append(Row(group, f"found, median of the 16 pairs, {name}", "s",
                        [ours["detection_p50_ms"] / 1000],
                        peers={"memberlist": column([lists], "detection_p50_s")}))
        rows.append(Row(group, f"found by the last, {name}", "s",
                        [ours["detection_max_ms"] / 1000],
                        peers={"memberlist": column([lists], "detection_max_s")}))
    return rows


def scaling(bench, group):
    runs = [bench.google("reconcile_bench", f"{TEN_FRESH}|{IDLE_EXCHANGES}", 0.2)
            for _ in bench.turns(3, 1)]
    sizes = "10,30,100,300" if bench.is_quick else "10,30,100,300,1000"
    said = bench.run("scale", [bench.folder / "scale", "--nodes", sizes, "--rounds",
                               "20" if bench.is_quick else "50"])
    table = scale_table(said)
    largest = table[-1]
    small = [line for line in table if line["nodes"] <= 300]

    def against_nodes(what, lines, field, bar):
        name = f"slope: {what} against nodes, 10 to {lines[-1]['nodes']:,}"
        return Row(group, name, "", [slope([(line["nodes"], line[field]) for line in lines])],
                   bar=("ours", "<=", bar))

    rows = [
        Row(group, "slope: exchange of 10 fresh against keys, 10^3 to 10^6", "",
            [slope(ten_fresh_seconds(run)) for run in runs], bar=("ours", "<=", 0.55)),
        Row(group, "slope: idle exchange against peers, 100 to 3,000", "",
            [slope(idle_exchange_seconds(run)) for run in runs], bar=("ours", "<=", 1.1)),
        against_nodes("bytes at rest", small, "bytes", 0.2),
        against_nodes("datagrams at rest", small, "datagrams", 0.2),
        # A logarithm has 0.24 from 10 to 1,000.
        against_nodes("rounds until everywhere, p99,", table, "p99", 0.25),
        Row(group, "rounds until everywhere, p99, a log2 of the nodes, worst", "",
            [max(line["p99"] / math.ceil(math.log2(line["nodes"])) for line in table)]),
    ]
    for line in table:
        nodes = f"{line['nodes']:,} nodes"
        is_largest = line is largest
        rows.append(Row(group, f"{nodes} at rest: bytes a node and round", "B", [line["bytes"]],
                        bar=("ours", "<=", 700) if is_largest else None))
        rows.append(Row(group, f"{nodes} at rest: datagrams a node and round", "",
                        [line["datagrams"]]))
        rows.append(Row(group, f"{nodes} with a write a round: bytes a node and round", "B",
                        [line["write_bytes"]],
                        bar=("ours", "<=", 1600) if is_largest else None))
        rounds = 8 if line["nodes"] == 1000 else math.ceil(math.log2(line["nodes"])) + 2
        rows.append(Row(group, f"{nodes}: rounds until everywhere, p99", "", [line["p99"]],
                        bar=("ours", "<=", rounds)))
    return rows


def parts(bench, group):
    rows = []
    codec = [bench.google("codec_bench", ".", 0.1) for _ in bench.turns(3, 1)]
    for name in codec[0]:
        is_of_items = "per_item" in codec[0][name]
        field = "per_item" if is_of_items else "s"
        what = name.replace("_", " ") + (", per entry" if is_of_items else "")
        rows.append(Row(group, what, "ns", [run[name][field] * 1e9 for run in codec]))
    sizes = "1000" if bench.is_quick else "1000|100000"
    storage = [bench.google("storage_bench", f"(put|find|walk|seek).*/({sizes})(/|$)", 0.1)
               for _ in bench.turns(3, 1)]
    for name in storage[0]:
        what, keys = name.split("/")[:2]
        rows.append(Row(group, f"{what.replace('_', ' ')}, {int(keys):,} keys", "ns",
                        [run[name]["per_key"] * 1e9 for run in storage]))
    return rows


GROUPS = {
    "exchange of two nodes, CPU time": exchange,
    "UDP on loopback, CPU time": datagrams,
    "sealed datagrams of 1200 B, CPU time": sealed,
    "events, CPU time": events,
    "memory": memory,
    "cluster of 20 on loopback, rounds of 100 ms, 500 updates/s": cluster,
    "crash of two of ten nodes on loopback": crash,
    "scaling laws": scaling,
    "parts: codec and storage": parts,
}
