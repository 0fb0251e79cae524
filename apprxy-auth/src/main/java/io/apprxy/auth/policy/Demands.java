package io.apprxy.auth.policy;

import io.apprxy.ErrorCode;
import io.apprxy.StepUpRequirement;
import io.apprxy.auth.policy.Decision.Effect;
import io.apprxy.auth.policy.Decision.Outcome;
import io.apprxy.auth.policy.Decision.PolicyResult;
import io.apprxy.auth.policy.Decision.Refusal;
import io.apprxy.auth.policy.Policy.PersistentBrowser;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What the policies that are on demand together: all of it. A block wins, then what no sign-in can
 * bring, then one sign-in that brings the rest. Not thread-safe.
 */
class Demands {
  private static final Demands NOBODY = new Ignored();

  private @Nullable Refusal refusal;
  private boolean blocked;
  private @Nullable List<String> acrValues;
  private List<List<String>> methods = List.of();
  private @Nullable String acrPolicy;
  private @Nullable List<String> kept;
  private @Nullable String keptPolicy;
  private @Nullable String context;
  private @Nullable Duration maxAge;
  private @Nullable String terms;
  private @Nullable PersistentBrowser persistentBrowser;

  /** Takes the demands of policies that are reported only. */
  static Demands ignored() {
    return NOBODY;
  }

  void refuse(ErrorCode code, PolicyResult result) {
    boolean blocks = result.outcome() == Outcome.BLOCK;
    if (refusal == null || (blocks && !blocked)) {
      refusal = new Refusal(code, result.policy(), result.reason());
      blocked = blocks;
    }
  }

  /**
   * One of these values, or one of these sets of methods. Where two policies demand different ones,
   * only a value proves both.
   */
  void acrValues(List<String> values, List<List<String>> orMethods, PolicyResult result) {
    methods = acrValues == null || methods.equals(orMethods) ? orMethods : List.of();
    List<String> common = acrValues == null ? values : common(acrValues, values);
    if (common.isEmpty()) {
      contradict(acrPolicy, result.policy());
    } else {
      acrValues = common;
      acrPolicy = result.policy();
    }
  }

  /** Of these values one is there, and must not be lost. */
  void keep(List<String> values, String policy) {
    kept = kept == null ? values : common(kept, values);
    keptPolicy = policy;
  }

  /** One at a time: the next sign-in asks for the next. */
  void context(String id, PolicyResult result) {
    if (context == null) {
      context = id;
    }
  }

  void maxAge(Duration longest, PolicyResult result) {
    maxAge = maxAge == null || longest.compareTo(maxAge) < 0 ? longest : maxAge;
  }

  /** One after the other. */
  void terms(String name) {
    if (terms == null) {
      terms = name;
    }
  }

  /** Never wins over always. */
  void persistentBrowser(@Nullable PersistentBrowser mode) {
    if (mode != null && persistentBrowser != PersistentBrowser.NEVER) {
      persistentBrowser = mode;
    }
  }

  Decision decide(List<PolicyResult> results) {
    if (acrValues != null && kept != null) {
      List<String> common = common(acrValues, kept);
      if (common.isEmpty()) {
        contradict(acrPolicy, keptPolicy);
      } else {
        acrValues = common;
      }
    }
    if (refusal != null) {
      return new Decision(Effect.REFUSE, null, refusal, null, persistentBrowser, results);
    }
    if (acrValues == null && context == null && maxAge == null) {
      return new Decision(
          terms == null ? Effect.GRANT : Effect.ACCEPT_TERMS,
          null,
          null,
          terms,
          persistentBrowser,
          results);
    }
    StepUpRequirement requirement =
        new StepUpRequirement(
            acrValues == null ? List.of() : acrValues,
            context,
            maxAge,
            acrValues == null && context == null
                ? "Your sign-in is too old for this."
                : "This needs a stronger sign-in.",
            methods);
    return new Decision(Effect.STEP_UP, requirement, null, null, persistentBrowser, results);
  }

  /** To ask for one would lose the other, for ever. */
  private void contradict(@Nullable String one, @Nullable String other) {
    if (refusal == null) {
      refusal =
          new Refusal(
              ErrorCode.REFUSED_BY_POLICY,
              String.valueOf(one),
              "no acr value is strong enough both for it and for the policy \""
                  + other
                  + "\": an authentication strength should list the stronger values, too");
    }
  }

  private static List<String> common(List<String> some, List<String> others) {
    return some.stream().filter(others::contains).toList();
  }

  private static final class Ignored extends Demands {
    @Override
    void refuse(ErrorCode code, PolicyResult result) {}

    @Override
    void acrValues(List<String> values, List<List<String>> orMethods, PolicyResult result) {}

    @Override
    void keep(List<String> values, String policy) {}

    @Override
    void context(String id, PolicyResult result) {}

    @Override
    void maxAge(Duration longest, PolicyResult result) {}

    @Override
    void terms(String name) {}

    @Override
    void persistentBrowser(@Nullable PersistentBrowser mode) {}
  }
}
