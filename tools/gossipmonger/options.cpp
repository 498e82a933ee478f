#include "options.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <random>
#include <string_view>
#include <system_error>

#include <CLI/CLI.hpp>

#include "../text/duration.hpp"
#include "../text/nearest.hpp"
#include "address_text.hpp"
#include "bytes.hpp"

namespace gossipmonger {

namespace {

using std::chrono::milliseconds;

constexpr const char* commands_help =
    R"(Commands on standard input, one a line (its end does not stop the node):
  set KEY VALUE           publish; VALUE is the rest of the line, and may be empty
  set-ttl TIME KEY VALUE  the same for TIME (5s, 10m, 24h, 7d): then it is erased
  erase KEY               take it back
  get PEER KEY            what PEER publishes under KEY, as far as this node knows
  members                 the nodes, and the status of each at this one
  forget PEER             let go of a dead PEER, on this node; a live one is back soon
  join HOST:PORT          gossip with whoever is there, once: a seed that is not kept
  wait-live N TIME        wait until N peers are live, for TIME at most
  wait PEER KEY TIME      wait until PEER publishes KEY, for TIME at most
  writable TIME           wait until the cluster keeps up with what is set, for TIME at most
  option NAME VALUE       change an option while the node runs
  options                 the options that can change, with their values
  state                   every key of every node
  stats [all]             the counters that are not 0, by name; all: every counter
  keys                    the keys of a sealed cluster, and how far each has come
  reload-keys             read the file of --keyring again, as SIGHUP does
  leave                   tell the cluster that this node goes; it then publishes no more
  quit                    leave, and end
  help                    how each command is written

An argument with blanks in it stands in quotation marks: get "my node" KEY. There, \" \\ \n \t and
\xHH stand for a quotation mark, a backslash, a line end, a tabulator and any byte.

With --json, each event and each answer is one JSON object a line.
Without --keyring, gossip trusts whoever reaches the port: bind to a trusted network.)";

constexpr const char* keygen_help =
    R"(The key goes into the keyring file of every node, by your own means:

  # gossipmonger keyring
  seal gmk1-...        the key that seals
  open gmk1-...        a key that opens too
  plain accepted       only while a plain cluster becomes a sealed one; also: plain sent

The file belongs to the node's user with mode 0400 or 0600, or to root with mode 0440 or less.
To rotate a key, go on when `keys` says "all" of a stage; SIGHUP makes a node read its file again:
  install   add `open NEW` everywhere        "can be opened by all"
  use       `seal NEW`, `open OLD` everywhere "sealed with by all"; OLD is opened no more
  remove    drop OLD everywhere
To seal a plain cluster: `seal K` and `plain sent` everywhere, then `plain accepted` everywhere,
then without that line everywhere.)";

/// The options as CLI11 fills them in, before they are checked.
struct raw_options {
  std::string interval = "1s";
  std::int64_t fanout = 1;
  std::int64_t value_bytes_max = 0;
  std::vector<std::string> pairs;
  std::optional<std::string> seconds;
  std::string tolerance = "1d";
  std::string asking_listen = "*:0";
};

void declare(CLI::App& run, options& to, raw_options& raw) {
  run.footer(commands_help);
  run.add_option("--name", to.settings.name, "Who this node is; unique in the cluster")
      ->required()
      ->type_name("NAME");
  run.add_option("--cluster", to.settings.cluster_name, "Nodes of another cluster are not heard")
      ->type_name("NAME")
      ->capture_default_str();
  run.add_option("--listen", to.listen, "UDP address; host *: all; port 0: the system chooses one")
      ->type_name("HOST:PORT")
      ->capture_default_str();
  run.add_option("--advertise", to.advertise,
                 "The address that peers send to, if it is not --listen")
      ->type_name("HOST:PORT");
  run.add_option("--seed", to.settings.seeds, "Where to find the cluster; may be repeated")
      ->type_name("HOST:PORT|dnssrv+SERVICE")
      ->allow_extra_args(false);
  run.add_option("--set", raw.pairs, "Publish this from the start; may be repeated")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  run.add_option("--interval", raw.interval, "Time between rounds, equal on all nodes: 200ms, 1s")
      ->type_name("TIME")
      ->capture_default_str();
  run.add_option("--fanout", raw.fanout, "Live peers to gossip with in each round")
      ->type_name("N")
      ->capture_default_str();
  run.add_option("--value-bytes-max", raw.value_bytes_max,
                 "The largest value that is published or taken, equal on all nodes")
      ->type_name("N")
      ->capture_default_str();
  run.add_option("--keyring", to.keyring, "The file of the keys that seal every datagram")
      ->type_name("FILE");
  run.add_option("--seal-clock-tolerance", raw.tolerance,
                 "How far the clock of a new sender may be from this one's; 0: any")
      ->type_name("TIME")
      ->capture_default_str();
  run.add_option("--seconds", raw.seconds, "Leave and end after so many; else run until a signal")
      ->type_name("N");
  run.add_flag("--json", to.is_json, "One JSON object a line");
  run.add_flag("--trace", to.is_traced,
               "Show each message, sent or received, as a line on standard error");
}

constexpr const char* members_help =
    R"(The members as the nodes at the seeds know them. Nobody comes to know of this program: it
asks, and answers nothing. It ends when all that were named are seen to live, or after --seconds.
`new` is a member that made no progress meanwhile; `heard` says when the cluster last saw it make
some.)";

void declare_members(CLI::App& members, options& to, raw_options& raw) {
  members.footer(members_help);
  members.add_option("--seed", to.settings.seeds, "A node to ask; may be repeated")
      ->required()
      ->type_name("HOST:PORT|dnssrv+SERVICE")
      ->allow_extra_args(false);
  members.add_option("--cluster", to.settings.cluster_name, "The name of its cluster")
      ->type_name("NAME")
      ->capture_default_str();
  members.add_option("--listen", raw.asking_listen, "UDP address to ask from, in numbers")
      ->type_name("ADDRESS:PORT")
      ->capture_default_str();
  members.add_option("--keyring", to.keyring, "The file of the keys of a sealed cluster")
      ->type_name("FILE");
  members
      .add_option("--seal-clock-tolerance", raw.tolerance,
                  "How far the clock of a node may be from this one's; 0: any")
      ->type_name("TIME")
      ->capture_default_str();
  members.add_option("--seconds", raw.seconds, "Ask for so long at most; 5 if it is not given")
      ->type_name("N");
  members.add_flag("--json", to.is_json, "One JSON object");
}

/// A name that nobody else has: peers are told a hash of it only.
std::string asking_name() {
  std::random_device draw;
  std::string name = "members";
  for (int i = 0; i < 4; ++i) name += "-" + std::to_string(draw());
  return name;
}

/// The settings of a node that asks for the members.
void set_asking(options& to) {
  config& settings = to.settings;
  settings.name = asking_name();
  settings.is_observer = true;
  settings.gossip_interval = milliseconds(200);
  settings.seed_every_rounds = 1;
  settings.suspicion_rounds = 0;
  settings.peers_max = 65'535;
}

/// Adds `raw` to `to`; what CLI11 cannot know is checked here.
tl::expected<void, config_error> take(const raw_options& raw, options& to) {
  const std::optional<milliseconds> interval = parse_duration(raw.interval);
  if (!interval) {
    return tl::unexpected<config_error>(
        config_error("gossip_interval", in_quotes(raw.interval), std::string(duration_form)));
  }
  if (!to.settings.is_observer) to.settings.gossip_interval = *interval;
  if (raw.fanout < 0) {
    return tl::unexpected<config_error>(
        config_error("fanout", std::to_string(raw.fanout), "1 to 16"));
  }
  to.settings.fanout = static_cast<std::size_t>(raw.fanout);
  if (raw.value_bytes_max < 0) {
    return tl::unexpected<config_error>(
        config_error("value_bytes_max", std::to_string(raw.value_bytes_max), "1024 to 16777215"));
  }
  to.settings.value_bytes_max = static_cast<std::size_t>(raw.value_bytes_max);
  // A grace shorter than this is not allowed, and there is no option to say so.
  to.settings.dead_peer_grace = std::max(to.settings.dead_peer_grace, 10 * *interval);

  for (const std::string& pair : raw.pairs) {
    const std::size_t equals = pair.find('=');
    if (equals == std::string::npos) {
      return tl::unexpected<config_error>(config_error("set", in_quotes(pair), "KEY=VALUE"));
    }
    to.pairs.emplace_back(pair.substr(0, equals), pair.substr(equals + 1));
  }

  if (raw.tolerance != "0") {
    const std::optional<milliseconds> tolerance = parse_duration(raw.tolerance);
    if (!tolerance || *tolerance < milliseconds(1000)) {
      return tl::unexpected<config_error>(
          config_error("seal-clock-tolerance", in_quotes(raw.tolerance),
                       "0 for any date, or 1s and more: " + std::string(duration_form)));
    }
    to.seal_clock_tolerance = std::chrono::duration_cast<std::chrono::seconds>(*tolerance);
  } else {
    to.seal_clock_tolerance = std::chrono::seconds(0);
  }
  if (raw.seconds) {
    to.lifetime = parse_seconds(*raw.seconds);
    if (!to.lifetime || to.lifetime->count() == 0) {
      return tl::unexpected<config_error>(
          config_error("seconds", in_quotes(*raw.seconds), "more than 0, up to 1000000000"));
    }
  }
  return {};
}

/// The list of commands, and the one that the first argument was meant to be.
std::string meant_command(const CLI::App& app, int argc, const char* const* argv) {
  std::vector<std::string> names;
  for (const CLI::App* one : app.get_subcommands(nullptr)) names.push_back(one->get_name());
  const std::vector<std::string_view> words(names.begin(), names.end());
  std::string text;
  const std::string_view typed = argc > 1 ? std::string_view(argv[1]) : std::string_view();
  if (!typed.empty() && !typed.starts_with('-')) {
    text = "no such command: " + in_quotes(typed);
    const std::optional<std::string_view> nearest = nearest_word(typed, words);
    if (nearest) text += ": did you mean " + std::string(*nearest) + "?";
    text += "; ";
  }
  return text + "there are the commands run, members, bench, keygen and keyring";
}

/// "; --nmae: did you mean --name?" of the first argument that is no option but like one.
std::string meant_option(const CLI::App& run, int argc, const char* const* argv) {
  std::vector<std::string> names;
  for (const CLI::Option* one : run.get_options()) names.push_back(one->get_name());
  const std::vector<std::string_view> words(names.begin(), names.end());
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument(argv[i]);
    const std::string_view typed = argument.substr(0, argument.find('='));
    const bool is_option = std::find(words.begin(), words.end(), typed) != words.end();
    if (!typed.starts_with("--") || is_option) continue;
    if (const auto nearest = nearest_word(typed, words)) {
      return "; " + std::string(typed) + ": did you mean " + std::string(*nearest) + "?";
    }
  }
  return {};
}

}  // namespace

early_exit bad_option(const config_error& error) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 5> others{{
      {"cluster_name", "cluster"},
      {"seeds", "seed"},
      {"gossip_interval", "interval"},
      {"dead_peer_grace", "interval"},
      {"value_bytes_max", "value-bytes-max"},
  }};
  constexpr std::size_t value_bytes_max = 100;
  config_error spelled = error;
  if (spelled.value.size() > value_bytes_max) spelled.value = in_quotes(spelled.value);
  if (error.option == "seeds") {
    std::string_view seed = error.value;  // in quotation marks
    if (seed.starts_with('"')) seed.remove_prefix(1);
    if (seed.ends_with('"')) seed.remove_suffix(1);
    const std::string fault = service_of(seed) ? "" : address_fault(seed);
    if (!fault.empty()) spelled.value += " (" + fault + ")";
  }
  for (const auto& [option, on_command_line] : others) {
    if (error.option == option) spelled.option = on_command_line;
  }
  return early_exit(2, escaped("--" + spelled.message()));
}

tl::expected<options, early_exit> parse_options(int argc, const char* const* argv) {
  options parsed;
  raw_options raw;
  raw.fanout = static_cast<std::int64_t>(parsed.settings.fanout);
  raw.value_bytes_max = static_cast<std::int64_t>(parsed.settings.value_bytes_max);
  CLI::App app("A node of a gossip cluster: who is there, who is alive, and what each publishes.",
               "gossipmonger");
  app.set_version_flag("--version", "gossipmonger " + std::string(version()));
  app.require_subcommand(1);
  CLI::App& run = *app.add_subcommand("run", "Run one node until a signal, quit or --seconds");
  declare(run, parsed, raw);
  CLI::App& members = *app.add_subcommand("members", "Ask a node who is in its cluster");
  declare_members(members, parsed, raw);
  // Listed in the help only: the benchmark reads its command line itself.
  app.add_subcommand("bench", "Measure a cluster in this process under a load of updates");
  CLI::App& keygen = *app.add_subcommand("keygen", "Print a new key for a keyring file");
  keygen.footer(keygen_help);
  CLI::App& ring = *app.add_subcommand("keyring", "Check a keyring file; print ids and roles");
  ring.add_option("FILE", parsed.file, "The file")->required();

  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    return tl::unexpected<early_exit>(early_exit(0, app.help()));
  } catch (const CLI::CallForVersion& version) {
    return tl::unexpected<early_exit>(early_exit(0, std::string(version.what()) + "\n"));
  } catch (const CLI::ParseError& error) {
    const bool has_command = !app.get_subcommands().empty();
    std::string text = has_command ? error.what() : meant_command(app, argc, argv);
    if (run.parsed()) text += meant_option(run, argc, argv);
    if (members.parsed()) text += meant_option(members, argc, argv);
    return tl::unexpected<early_exit>(early_exit(2, escaped(text) + "; see --help"));
  }

  if (keygen.parsed()) parsed.command = program_command::keygen;
  if (ring.parsed()) parsed.command = program_command::keyring;
  if (members.parsed()) {
    parsed.command = program_command::members;
    parsed.listen = raw.asking_listen;
    set_asking(parsed);
  }
  const bool is_node =
      parsed.command == program_command::run || parsed.command == program_command::members;
  if (!is_node) return parsed;
  if (const auto taken = take(raw, parsed); !taken) {
    return tl::unexpected<early_exit>(bad_option(taken.error()));
  }
  tl::expected<config, config_error> checked = validated(std::move(parsed.settings));
  if (!checked) return tl::unexpected<early_exit>(bad_option(checked.error()));
  parsed.settings = std::move(*checked);
  return parsed;
}

}  // namespace gossipmonger
