package io.apprxy;

import java.util.concurrent.CompletionStage;

/**
 * What a stage decides about a request. A stage that throws refuses: a {@link GatewayException}
 * with its own status and code, anything else with 500; nothing reaches an origin.
 */
public sealed interface Verdict {

  /** The request goes on to the next stage. */
  static Verdict proceed() {
    return Proceed.INSTANCE;
  }

  /** The request ends here, with this response. */
  static Verdict answer(Response response) {
    return new Answer(response);
  }

  /**
   * The stage must wait. An exceptional completion refuses the request. The stage that answers this
   * bounds the wait; the completing thread may be any.
   */
  static Verdict later(CompletionStage<Verdict> outcome) {
    return new Later(outcome);
  }

  /**
   * The user may go on once they proved more: sent on by {@link PreAuthentication#stepUp}, to the
   * provider or with a challenge. Only for the stage that authorizes.
   */
  static Verdict stepUp(StepUpRequirement requirement) {
    return new StepUp(requirement);
  }

  /** See {@link #proceed()}. */
  record Proceed() implements Verdict {
    private static final Proceed INSTANCE = new Proceed();
  }

  /** See {@link #answer(Response)}. */
  record Answer(Response response) implements Verdict {}

  /** See {@link #later(CompletionStage)}. */
  record Later(CompletionStage<Verdict> outcome) implements Verdict {}

  /** See {@link #stepUp(StepUpRequirement)}. */
  record StepUp(StepUpRequirement requirement) implements Verdict {}
}
