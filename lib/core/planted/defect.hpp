// Mistakes that this protocol tempts one to make. In the library nobody can make them: `is_on` of
// none/planted.hpp is constant and false. One extra build of the core (tests/planted) chooses one
// of them at run time, and the simulator has to find it: so the harness is itself tested.
#pragma once

#include <cstdint>

namespace gossipmonger::planted {

enum class defect : std::uint8_t {
  none,
  gap_applied,           ///< a delta that begins after what is held is applied
  overlap_applied,       ///< entries that are known already are put again
  stale_generation,      ///< a delta of an older generation is applied
  version_regression,    ///< a delta that ends below the max version sets it back
  self_delta,            ///< deltas about the node itself are applied
  floor_at_once,         ///< a floor takes effect when it comes, not at `top`
  order_moved,           ///< equal bytes move in the change order
  version_skipped,       ///< the sender leaves an entry out of an interval
  outside_range,         ///< who is absent outside the range counts as unknown
  unwanted_ignored,      ///< what the other refuses is sent all the same
  state_kept,            ///< a new generation keeps the entries of the old one
  no_checksum,           ///< the checksum is not compared
  replies_unlimited,     ///< an unproved address gets more than three times what it sent
  graveyard_missing,     ///< who was forgotten comes back as it was
  tombstones_early,      ///< removals go before every reader has seen them
  generation_reused,     ///< a new run takes the generation of the last one
  heartbeat_regression,  ///< an older heartbeat sets a newer one back
  seal_ignored,          ///< datagrams take the seal's room
  stale_identity,        ///< an older incarnation takes a newer one's place
  capacity_ignored,      ///< a peer may have as many keys as it likes
  forgetting_untold,     ///< no event says that a peer was forgotten
  forgotten_unburied,    ///< whom an operator forgets gets no grave
  expiry_missing,        ///< a key stays when its time to live is over
  expiry_kept,           ///< a plain set leaves a key's time to live as it was
  convicted_at_once,     ///< a suspect is dead without the rounds of suspicion
  proof_renewed,         ///< a proof that is relayed counts again, by the same heartbeat
  partial_shown,         ///< the first part of a value is taken for all of it
  version_unread,        ///< everybody is written to in my highest wire version
  version_untried,       ///< who is silent is written to in the same wire version for ever
  verdict_untold,        ///< no event tells of a verdict
  leave_unheard,         ///< of who is known already, nobody hears that it leaves
  peers_unbounded,       ///< however many peers there are, each gets a row
  addresses_unbounded,   ///< the book takes any address
  unproved_unlimited,    ///< any number of addresses that never answered is tried in a round
  parked_unbounded,      ///< deltas are parked beyond the room for them
  partials_unbounded,    ///< values are begun beyond the room for them
  retired_unbounded,     ///< removals are kept for a reader, however far behind it is
  own_capacity_ignored,  ///< a node sets as many keys of its own as it likes
  answers_unbounded,     ///< no answer to a member makes room for another
  strangers_unbounded,   ///< nor one to an address without proof
  exchange_unlimited,    ///< a datagram is answered with all there is
  budget_ignored,        ///< what is sent in an interval has no bound
  answers_restart,       ///< each answer begins the next exchange, at once
  malformed_thrown,      ///< what is no message is an exception that nobody catches
  phi_prior_missing,     ///< a peer of which no interval was seen has a mean of none
  joining_unbounded,     ///< any number of addresses waits for a first exchange
  deadline_kept,         ///< an erased key keeps its deadline
  grave_overwritten,     ///< a refusal takes the place of what lay there
  deaf_believed,         ///< a datagram is a sign of life, however old its entry of me is
  dead_revived,          ///< a peer that was declared dead lives again by a datagram from before
  deaf_vouches,          ///< a node that does not hear me vouches for others
  alone_untold,          ///< no event says that nobody is known
  refusal_untold,        ///< a refused peer is not told the reason
  interval_untold,       ///< no event names a peer of another gossip interval
  equal_run_kept,        ///< another run of the own generation is left as it is
  conflict_endless,      ///< whoever is in conflict stays so when its rival is gone
  displaced_writes,      ///< whoever is in conflict goes on writing, though others hold its rival
  former_counted,        ///< copies of my former generation count as held after a refutation
  put_off_left,          ///< a forgotten peer's refused entries are waited for in its slot
  checksum_kept,         ///< a new run's value goes out with the checksum of the former one's
  floor_stuck,           ///< a floor that waited for a large value does not take effect
  empty_kept,            ///< the removal of a key with an empty value is told to nobody
  route_kept,            ///< a peer that is back at its own address is sent to where it was
};

}  // namespace gossipmonger::planted
