package io.apprxy.auth.policy;

import io.apprxy.ErrorCode;
import io.apprxy.StepUpRequirement;
import io.apprxy.auth.policy.Policy.PersistentBrowser;
import io.apprxy.auth.policy.Policy.State;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What all policies together come to, and what each of them does. Immutable.
 *
 * @param effect what happens
 * @param stepUp what a sign-in has to bring; null unless the effect is {@link Effect#STEP_UP}
 * @param refusal why; null unless the effect is {@link Effect#REFUSE}
 * @param termsOfUse the name of terms that the user must accept; null unless the effect is {@link
 *     Effect#ACCEPT_TERMS}
 * @param persistentBrowser whether the session cookie may outlive the browser's window; null if no
 *     policy decides
 * @param policies the result of each policy that is on or report-only
 */
public record Decision(
    Effect effect,
    @Nullable StepUpRequirement stepUp,
    @Nullable Refusal refusal,
    @Nullable String termsOfUse,
    @Nullable PersistentBrowser persistentBrowser,
    List<PolicyResult> policies) {
  public Decision {
    policies = List.copyOf(policies);
  }

  /** What happens. */
  public enum Effect {
    /** The request goes on. */
    GRANT,
    /** The user must accept terms of use. */
    ACCEPT_TERMS,
    /** The user must sign in again, with more. */
    STEP_UP,
    /** The request ends here. */
    REFUSE
  }

  /**
   * Why a request ends. Immutable.
   *
   * @param code what the client is told
   * @param policy the policy that refuses
   * @param reason why, for an administrator
   */
  public record Refusal(ErrorCode code, String policy, String reason) {}

  /** What a policy comes to, from the mildest on. */
  public enum Outcome {
    /** A condition does not hold. */
    NOT_APPLIED("not-applied"),
    /** All that it demands is there. */
    SATISFIED("satisfied"),
    /** It lacks that the user accepts terms of use. */
    ACCEPT_TERMS("accept-terms"),
    /** It lacks something that a sign-in can bring. */
    STEP_UP("step-up"),
    /** It lacks something that no sign-in can bring. */
    REFUSED("refused"),
    /** It blocks. */
    BLOCK("block");

    private final String text;

    Outcome(String text) {
      this.text = text;
    }

    /** As in events. */
    @Override
    public String toString() {
      return text;
    }
  }

  /**
   * What one policy comes to: if it is report-only, what it would come to if it were on. Immutable.
   *
   * @param policy its name
   * @param state on or report-only
   * @param outcome what it comes to
   * @param reason why: the condition that does not hold, or what is missing
   */
  public record PolicyResult(String policy, State state, Outcome outcome, String reason) {
    /** Quick, since it is asked for all policies at each request. */
    @Override
    public int hashCode() {
      return policy.hashCode() * 31 + outcome.toString().hashCode();
    }
  }

  /** The result of a policy, or null if there is none of that name that is on or report-only. */
  public @Nullable PolicyResult of(String policy) {
    return policies.stream()
        .filter(result -> result.policy().equals(policy))
        .findFirst()
        .orElse(null);
  }
}
