// The contract between the protocol and a storage of entries. Synchronous: a step of the core never
// suspends. A storage holds entries alone; the peers stand in the peer table.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <type_traits>

#include "gossipmonger/error.hpp"
#include "gossipmonger/types.hpp"

namespace gossipmonger {

/// The room that the entries of one slot take.
struct storage_usage {
  storage_usage() = default;

  friend bool operator==(const storage_usage&, const storage_usage&) = default;

  std::size_t live_keys = 0;   ///< keys that are not erased
  std::size_t tombstones = 0;  ///< received or written ones; retired entries do not count
  std::size_t bytes = 0;       ///< keys and values of both
};

/// One item of the change order.
struct changed_entry {
  changed_entry() = default;

  slot_index slot = 0;  ///< of the owner
  entry_view entry;     ///< retired ones as tombstones
};

/// Chooses the sequence of an entry by what the storage holds of its key; 0: the storage keeps
/// that. A reference to a callable, for the time of one call.
class sequence_choice {
 public:
  /// `choose(held)` returns the sequence; it outlives this.
  template <class Choose>
    requires std::is_invocable_r_v<std::uint64_t, const Choose&, const std::optional<entry_view>&>
  explicit sequence_choice(const Choose& choose)
      : choose_(&choose),
        call_([](const void* of, const std::optional<entry_view>& held) -> std::uint64_t {
          return (*static_cast<const Choose*>(of))(held);
        }) {}

  /// Takes the result of `find` for the key.
  [[nodiscard]] std::uint64_t operator()(const std::optional<entry_view>& held) const {
    return call_(choose_, held);
  }

 private:
  const void* choose_;
  std::uint64_t (*call_)(const void*, const std::optional<entry_view>&);
};

/// A storage keeps, per slot, at most one entry a key, in two orders: by version within the slot,
/// and by change sequence over all slots.
///
/// The caller (the protocol) MUST
///   - begin with an empty storage;
///   - put with a version above every version the slot holds or held since its last `forget`;
///   - put with the sequence that the key already has (the entry keeps its place in the change
///     order), or with one above 0 and above every sequence ever given;
///   - not use a view after the next call of a non-const member.
/// The storage MUST
///   - `put(slot, entry)`: insert or replace the key of `entry`, all or nothing
///     (also with views of the storage's own entries, which a re-version gives it). It copies the
///     bytes: the views in `entry` end with the call. Where it fails, it returns
///     errc::storage_failed or errc::capacity_reached and holds what it held;
///   - `find(slot, key)`: the entry, tombstones included, retired ones not;
///   - `first_above(slot, version)`: the entry of the slot with the lowest version above
///     `version`, tombstones included, retired ones not; amortised O(1) when called with the
///     version it returned last, O(log n) otherwise;
///   - `first_changed(sequence)`: the entry of any slot with the lowest sequence above
///     `sequence`, tombstones and retired ones (as tombstones) included; same cost;
///   - `drop_upto(slot, version, sequence)`: retire every entry of the slot with a version <=
///     `version`, in version order: it leaves `find` and `first_above` and stays in the change
///     order as a local tombstone. A live entry takes the sequence ++sequence; a tombstone keeps
///     its own. Returns the last sequence given (`sequence` where none was). A later `put` of the
///     key replaces what is retired;
///   - `purge(sequence)`: free what is retired with a sequence <= `sequence`;
///   - `retired_count()`: what is retired and not purged;
///   - `forget(slot)`: drop all of the slot, retired entries too; the slot may be used anew;
///   - `usage(slot)`: zeros for a slot never used.
/// Slots are dense from 0; any slot may be used first by a `put`.
///
/// The storage MAY have `put(slot, entry, choose)`, so that a key is looked up once. It calls
/// `choose` once, with the result of `find` for the key. Then it puts the entry at the sequence
/// that `choose` returned. At 0 it changes nothing, and returns false. Before `choose` returns,
/// the storage has changed nothing: `choose` may call const members. Without this member, the
/// protocol calls `find` and `put`.
///
/// Views that a member returns stay valid until the next call of a non-const member: a const member
/// changes no bytes that an earlier one showed.
///
/// Only `put` can fail, and it fails by its result. The node goes on: its own `set` returns the
/// error, and a peer's entries are refused, told in one `error` event, and requested again.
/// No member throws. An exception all the same leaves the call of the node that led to it, or ends
/// `run`, which stops the node and rethrows. The node does not recover: destroy it.
///
/// The storage is moved only while it is empty: into the node, which keeps it in one place from
/// then on. No other thread touches it; `basic_node::entries()` shows it to the node's owner.
template <class S>
concept storage = requires(S s, const S c, slot_index slot, const entry_view& entry,
                           std::string_view key, std::uint64_t number) {
  { s.put(slot, entry) } -> std::same_as<result<void>>;
  { c.find(slot, key) } -> std::same_as<std::optional<entry_view>>;
  { c.first_above(slot, number) } -> std::same_as<std::optional<entry_view>>;
  { c.first_changed(number) } -> std::same_as<std::optional<changed_entry>>;
  { s.drop_upto(slot, number, number) } -> std::same_as<std::uint64_t>;
  { s.purge(number) } -> std::same_as<void>;
  { c.retired_count() } -> std::same_as<std::size_t>;
  { s.forget(slot) } -> std::same_as<void>;
  { c.usage(slot) } -> std::same_as<storage_usage>;
};

/// A storage with the member that it may have.
template <class S>
concept choosing_storage = storage<S> && requires(S s, slot_index slot, const entry_view& entry,
                                                  const sequence_choice& choose) {
  { s.put(slot, entry, choose) } -> std::same_as<result<bool>>;
};

/// A storage of any type, by reference: lets the protocol be compiled once. A value that refers;
/// the storage outlives it.
class storage_ref {
 public:
  /// Refers to `of`, which outlives it.
  template <class S>
    requires(storage<S> && !std::same_as<S, storage_ref>)
  explicit storage_ref(S& of) : object_(&of), calls_(&calls_of<S>) {}

  /// @{
  /// As the concept `storage` says.
  result<void> put(slot_index slot, const entry_view& entry) {
    return calls_->put(object_, slot, entry);
  }
  result<bool> put(slot_index slot, const entry_view& entry, const sequence_choice& choose) {
    return calls_->put_chosen(object_, slot, entry, choose);
  }
  [[nodiscard]] std::optional<entry_view> find(slot_index slot, std::string_view key) const {
    return calls_->find(object_, slot, key);
  }
  [[nodiscard]] std::optional<entry_view> first_above(slot_index slot,
                                                      std::uint64_t version) const {
    return calls_->first_above(object_, slot, version);
  }
  [[nodiscard]] std::optional<changed_entry> first_changed(std::uint64_t sequence) const {
    return calls_->first_changed(object_, sequence);
  }
  std::uint64_t drop_upto(slot_index slot, std::uint64_t version, std::uint64_t sequence) {
    return calls_->drop_upto(object_, slot, version, sequence);
  }
  void purge(std::uint64_t sequence) { calls_->purge(object_, sequence); }
  [[nodiscard]] std::size_t retired_count() const { return calls_->retired_count(object_); }
  void forget(slot_index slot) { calls_->forget(object_, slot); }
  [[nodiscard]] storage_usage usage(slot_index slot) const { return calls_->usage(object_, slot); }
  /// @}

 private:
  struct calls {
    result<void> (*put)(void*, slot_index, const entry_view&);
    result<bool> (*put_chosen)(void*, slot_index, const entry_view&, const sequence_choice&);
    std::optional<entry_view> (*find)(const void*, slot_index, std::string_view);
    std::optional<entry_view> (*first_above)(const void*, slot_index, std::uint64_t);
    std::optional<changed_entry> (*first_changed)(const void*, std::uint64_t);
    std::uint64_t (*drop_upto)(void*, slot_index, std::uint64_t, std::uint64_t);
    void (*purge)(void*, std::uint64_t);
    std::size_t (*retired_count)(const void*);
    void (*forget)(void*, slot_index);
    storage_usage (*usage)(const void*, slot_index);
  };

  template <class S>
  static result<bool> put_chosen(S& to, slot_index slot, const entry_view& entry,
                                 const sequence_choice& choose) {
    if constexpr (choosing_storage<S>) {
      return to.put(slot, entry, choose);
    } else {
      entry_view placed = entry;
      placed.sequence = choose(to.find(slot, entry.key));
      if (placed.sequence == 0) return false;
      return to.put(slot, placed).map([] { return true; });
    }
  }

  template <class S>
  static constexpr calls calls_of = {
      [](void* s, slot_index slot, const entry_view& entry) {
        return static_cast<S*>(s)->put(slot, entry);
      },
      [](void* s, slot_index slot, const entry_view& entry, const sequence_choice& choose) {
        return put_chosen(*static_cast<S*>(s), slot, entry, choose);
      },
      [](const void* s, slot_index slot, std::string_view key) {
        return static_cast<const S*>(s)->find(slot, key);
      },
      [](const void* s, slot_index slot, std::uint64_t version) {
        return static_cast<const S*>(s)->first_above(slot, version);
      },
      [](const void* s, std::uint64_t sequence) {
        return static_cast<const S*>(s)->first_changed(sequence);
      },
      [](void* s, slot_index slot, std::uint64_t version, std::uint64_t sequence) {
        return static_cast<S*>(s)->drop_upto(slot, version, sequence);
      },
      [](void* s, std::uint64_t sequence) { static_cast<S*>(s)->purge(sequence); },
      [](const void* s) { return static_cast<const S*>(s)->retired_count(); },
      [](void* s, slot_index slot) { static_cast<S*>(s)->forget(slot); },
      [](const void* s, slot_index slot) { return static_cast<const S*>(s)->usage(slot); },
  };

  void* object_;
  const calls* calls_;
};

/// Whether `entries` holds nothing: no change, nothing retired, no usage in the slots below
/// `slots`.
[[nodiscard]] bool is_empty(const storage_ref& entries, std::size_t slots);

}  // namespace gossipmonger
