#include "gossipmonger/storage.hpp"

namespace gossipmonger {

bool is_empty(const storage_ref& entries, std::size_t slots) {
  if (entries.first_changed(0) || entries.retired_count() > 0) return false;
  // An entry that was put without a sequence is in no change order.
  for (std::size_t slot = 0; slot < slots; ++slot) {
    if (entries.usage(static_cast<slot_index>(slot)) != storage_usage()) return false;
  }
  return true;
}

}  // namespace gossipmonger
