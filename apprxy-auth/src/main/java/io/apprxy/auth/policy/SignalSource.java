package io.apprxy.auth.policy;

import io.apprxy.Identity;
import io.apprxy.auth.policy.Policy.DeviceState;
import io.apprxy.auth.policy.Policy.RiskLevel;
import java.util.concurrent.CompletionStage;
import org.jspecify.annotations.Nullable;

/**
 * Tells what no claim does: how risky a sign-in or a user is, and what is known of the device; from
 * a risk engine, or a device management. Its answers are used for ten seconds.
 *
 * <p>Called on an I/O thread by many requests at once: thread-safe, and never blocking; it may
 * complete on any thread. If it throws, completes exceptionally, or takes too long, all that it
 * tells counts as missing, whatever claims say: so it lets nobody out of a policy.
 */
@FunctionalInterface
public interface SignalSource {
  /** What is known of this user at this address now. */
  CompletionStage<Answer> ask(Identity identity, String clientAddress);

  /**
   * What is known. Immutable.
   *
   * @param deviceState of the device; null if that is for claims and certificates to tell
   * @param signInRisk of the sign-in; null if that is for claims to tell
   * @param userRisk of the user; null if that is for claims to tell
   */
  record Answer(
      @Nullable DeviceState deviceState,
      @Nullable RiskLevel signInRisk,
      @Nullable RiskLevel userRisk) {}
}
