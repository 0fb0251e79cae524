package io.apprxy.auth.session;

import io.apprxy.EndedSessions;
import io.apprxy.Identity;

/**
 * A session, as its cookie tells it. Immutable; compared by identity only.
 *
 * @param authority the host that it is for
 * @param proven when the provider said who the user is, by the provider's clock
 * @param begun by the gateway's clock, like {@code seen}; all in milliseconds since the epoch
 * @param marks what may end it: see {@link EndedSessions}
 */
@SuppressWarnings("ArrayRecordComponent") // nobody compares them, and 100,000 are in memory
record Session(
    Identity identity,
    String authority,
    boolean persistent,
    long proven,
    long begun,
    long seen,
    long[] marks) {

  Session seenAt(long now, boolean persists) {
    return new Session(identity, authority, persists, proven, begun, now, marks);
  }
}
