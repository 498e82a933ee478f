// Lines for people, with colour where the reader wants it. Values of other nodes are escaped, so
// that none can drive the terminal.
#pragma once

#include "format.hpp"

namespace gossipmonger {

/// "12:00:00.123", of this machine's day.
[[nodiscard]] std::string time_of_day(wall_time at);

/// "2026-11-29 12:00:00.123", of this machine's time zone: a generation is the date of a start, in
/// milliseconds. One that is no date of this century is shown as a number.
[[nodiscard]] std::string generation_text(std::uint64_t generation);

class text_format final : public format {
 public:
  explicit text_format(bool with_colour) : has_colour_(with_colour) {}

  [[nodiscard]] std::string started(const node& of, const endpoint& bound,
                                    wall_time at) const override;
  [[nodiscard]] std::string event(const event_view& what, wall_time at) const override;
  [[nodiscard]] std::string dropped(const refused_count& what, wall_time at) const override;
  [[nodiscard]] std::string set(std::string_view key, std::uint64_t version) const override;
  [[nodiscard]] std::string set_ttl(std::string_view key, std::uint64_t version,
                                    std::chrono::milliseconds ttl) const override;
  [[nodiscard]] std::string erased(std::string_view key,
                                   std::optional<std::uint64_t> version) const override;
  [[nodiscard]] std::string got(std::string_view peer, std::string_view key,
                                const std::optional<entry_view>& entry, const key_age& age,
                                std::optional<peer_status> status) const override;
  [[nodiscard]] std::string members(const std::vector<member>& all) const override;
  [[nodiscard]] std::string forgotten(std::string_view peer) const override;
  [[nodiscard]] std::string joined(const std::vector<endpoint>& addresses) const override;
  [[nodiscard]] std::string has_live(std::size_t live,
                                     std::chrono::milliseconds waited) const override;
  [[nodiscard]] std::string waited_for(std::string_view peer, std::string_view key,
                                       std::string_view value,
                                       std::chrono::milliseconds waited) const override;
  [[nodiscard]] std::string writable(std::chrono::milliseconds waited) const override;
  [[nodiscard]] std::string changed(std::string_view name, std::string_view value,
                                    std::string_view warning) const override;
  [[nodiscard]] std::string options(
      const std::vector<std::pair<std::string, std::string>>& named) const override;
  void begin_state(std::string& to) const override;
  void begin_peer(const peer_state& of, bool is_first, std::string& to) const override;
  void add_entry(const peer_entry& one, bool is_first, std::string& to) const override;
  void end_peer(std::string& to) const override;
  void end_state(const std::vector<peer_state>& all, std::string& to) const override;
  [[nodiscard]] std::string stats(
      const std::vector<std::pair<std::string, std::uint64_t>>& counters,
      bool has_all) const override;
  [[nodiscard]] std::string keys(const key_stages& all) const override;
  [[nodiscard]] std::string reloaded(const seal_counters& ring) const override;
  [[nodiscard]] std::string help(const std::vector<std::string_view>& forms) const override;
  [[nodiscard]] std::string left(command_kind kind, const leave_result& result) const override;
  [[nodiscard]] std::string error(const command_error& what) const override;

 private:
  enum class colour : std::uint8_t { none, dim, bold, red, green, yellow };

  [[nodiscard]] std::string painted(std::string_view text, colour in) const;
  /// "12:00:00.123  word      ": what each event's line begins with.
  [[nodiscard]] std::string opening(wall_time at, std::string_view word, colour in) const;
  [[nodiscard]] static colour colour_of(event_kind kind);
  [[nodiscard]] static colour colour_of(peer_status status);

  bool has_colour_;
};

}  // namespace gossipmonger
