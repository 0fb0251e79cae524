package io.apprxy;

import org.jspecify.annotations.Nullable;

/**
 * Whether a request is let in: the stages {@code authenticate} and {@code authorize}, the same in a
 * gateway and in a servlet container. Thread-safe. For the engine.
 *
 * <p>Both fail closed: what they throw refuses the request.
 */
public final class Admission {
  private final @Nullable PreAuthentication preAuthentication;
  private final @Nullable AccessPolicy accessPolicy;

  /**
   * Of these stages.
   *
   * @param preAuthentication null if every application is passthrough
   * @param accessPolicy null if every application is passthrough
   */
  public Admission(
      @Nullable PreAuthentication preAuthentication, @Nullable AccessPolicy accessPolicy) {
    this.preAuthentication = preAuthentication;
    this.accessPolicy = accessPolicy;
  }

  /** Finds out who the request is made for. */
  public Verdict authenticate(Exchange exchange) {
    boolean known = exchange.identity() != null; // by a certificate
    return preAuthentication == null
            || exchange.passesThrough()
            || (known && !exchange.isReserved())
        ? Verdict.proceed()
        : preAuthentication.authenticate(exchange);
  }

  /** Decides whether they may; to be asked after {@link #authenticate} let the request proceed. */
  public Verdict authorize(Exchange exchange) {
    if (exchange.isReserved() && accessPolicy != null) {
      return answered(accessPolicy.page(exchange));
    }
    if (exchange.isReserved() || isMetadata(exchange)) {
      throw new GatewayException(ErrorCode.NO_SUCH_PAGE, "no stage answered this reserved path");
    }
    if (exchange.passesThrough()) {
      return Verdict.proceed();
    }
    if (exchange.identity() == null || accessPolicy == null) {
      throw new GatewayException(ErrorCode.SIGN_IN_REQUIRED, "nobody was identified");
    }
    return accessPolicy.authorize(exchange);
  }

  /**
   * Gets what the origin is to get of the user; to be asked after {@link #authorize} let the
   * request proceed.
   */
  public Verdict tokenForOrigin(Exchange exchange) {
    if (exchange.identity() == null || exchange.application().singleSignOn().token() == null) {
      return Verdict.proceed();
    }
    if (preAuthentication == null) {
      throw new GatewayException(ErrorCode.SIGN_ON_FAILED, "there is nobody to ask for a token");
    }
    return preAuthentication.tokenForOrigin(exchange);
  }

  /** The request has ended with this. */
  void ended(Exchange exchange, ErrorCode error) {
    if (error == ErrorCode.ORIGIN_REFUSED_SIGN_ON
        && preAuthentication != null
        && exchange.application().singleSignOn().token() != null) {
      preAuthentication.tokenWasRefused(exchange);
    }
  }

  /** A reserved path never reaches an origin. */
  private static Verdict answered(Verdict verdict) {
    if (verdict instanceof Verdict.Later later) {
      return Verdict.later(later.outcome().thenApply(Admission::answered));
    }
    if (verdict instanceof Verdict.Answer) {
      return verdict;
    }
    throw new IllegalStateException("a page of the policy is no answer");
  }

  /** What an application tells API clients is the gateway's, too, and may be outside its path. */
  private static boolean isMetadata(Exchange exchange) {
    Application application = exchange.application();
    return application.bearerTokens() != null
        && exchange.path().equals(application.resourceMetadataPath());
  }

  /** What a {@link Verdict.StepUp} becomes: an answer, or one later; never that it proceeds. */
  public Verdict stepUp(Exchange exchange, StepUpRequirement requirement) {
    if (preAuthentication == null) {
      throw new GatewayException(
          ErrorCode.REFUSED_BY_POLICY, "there is nobody to ask for more: " + requirement.reason());
    }
    Verdict verdict = preAuthentication.stepUp(exchange, requirement);
    if (verdict instanceof Verdict.Proceed) {
      throw new IllegalStateException("a step-up let the request proceed");
    }
    return verdict;
  }
}
