#include "gossipmonger/error.hpp"

#include <ostream>

namespace gossipmonger {
namespace {

class gossipmonger_category final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "gossipmonger"; }

  [[nodiscard]] std::string message(int code) const override {
    switch (static_cast<errc>(code)) {
      case errc::key_invalid:
        return "key is not 1 to 255 bytes of UTF-8 without control characters";
      case errc::value_too_large:
        return "the value exceeds value_bytes_max";
      case errc::ttl_invalid:
        return "the time to live is not above 0 and up to 365 days";
      case errc::capacity_reached:
        return "a capacity is full: keys_per_peer_max, bytes_per_peer_max or the versions of a run";
      case errc::stopped:
        return "the node or the transport was stopped";
      case errc::has_left:
        return "the node has left, and publishes no more";
      case errc::already_running:
        return "the node runs already";
      case errc::already_waiting:
        return "another coroutine waits on this subscription";
      case errc::timed_out:
        return "the deadline passed first";
      case errc::cancelled:
        return "the operation was cancelled";
      case errc::lost_owner:
        return "self took a new generation during the wait";
      case errc::unknown_peer:
        return "no peer of that name is known";
      case errc::own_name:
        return "the name is this node's own";
      case errc::name_taken:
        return "another node lives under this node's name, and the others hold that one: stop one "
               "of the two, or give this one a name of its own";
      case errc::storage_failed:
        return "the storage refused a write";
      case errc::transport_failed:
        return "the transport could not be opened or used";
      case errc::key_reserved:
        return "keys that begin with gossipmonger/ are the library's own";
    }
    return "unknown gossipmonger error " + std::to_string(code);
  }
};

}  // namespace

const std::error_category& error_category() noexcept {
  static const gossipmonger_category category;
  return category;
}

std::error_code make_error_code(errc code) noexcept {
  return {static_cast<int>(code), error_category()};
}

std::ostream& operator<<(std::ostream& to, errc code) {
  return to << make_error_code(code).message();
}

}  // namespace gossipmonger
