// Whether the system may cut a datagram into fragments on its way. Linux: its default forbids that
// to routers only if a packet fits the path as far as that is known. A run of datagrams does not
// fit as a whole, so it would be cut where a single datagram is lost. Elsewhere, nothing is done.
#pragma once

namespace gossipmonger {

/// Forbids fragments of what that socket sends by IPv4, where the system's default leaves it open.
/// A datagram beyond what the path is known to carry is then refused with EMSGSIZE.
void forbid_fragments(int socket);

/// While it lives, a socket of `forbid_fragments` sends as by the system's default: in fragments
/// where the path is known to carry less. A resource.
class fragments_allowed {
 public:
  explicit fragments_allowed(int socket);
  fragments_allowed(const fragments_allowed&) = delete;
  fragments_allowed& operator=(const fragments_allowed&) = delete;
  /// Leaves `errno` as it is.
  ~fragments_allowed();

  /// False: they were allowed before, or the system does not say.
  [[nodiscard]] bool is_changed() const { return is_changed_; }

 private:
  int socket_;
  bool is_changed_ = false;
};

}  // namespace gossipmonger
