package io.apprxy.auth.policy;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import io.apprxy.Exchange;
import io.apprxy.Identity;
import io.apprxy.auth.policy.Decision.Effect;
import io.apprxy.auth.policy.Decision.Outcome;
import io.apprxy.auth.policy.Decision.PolicyResult;
import io.apprxy.auth.policy.Policy.State;
import io.apprxy.observe.SignInEvent;
import io.apprxy.observe.SignInEvent.Kind;
import io.apprxy.observe.SignInEvent.PolicyOutcome;
import io.apprxy.observe.SignInLog;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Records what policies come to: at the first request of a session to an application, and when it
 * is another outcome than any in the last ten minutes. Thread-safe.
 */
final class EvaluationEvents {
  private static final Logger LOG = LoggerFactory.getLogger("io.apprxy.policy");

  private final SignInLog log;
  private final Clock clock;
  private final Cache<Seen, Boolean> seen =
      Caffeine.newBuilder()
          .maximumSize(200_000)
          .expireAfterAccess(Duration.ofMinutes(10))
          .executor(Runnable::run) // to wake another thread costs more than the work
          .build();

  /** An outcome is remembered by a number, since there may be many policies. */
  private record Seen(String sessionId, String application, int outcome) {}

  EvaluationEvents(SignInLog log, Clock clock) {
    this.log = log;
    this.clock = clock;
  }

  void decided(Exchange exchange, Identity identity, Decision decision) {
    Seen now =
        new Seen(identity.sessionId(), exchange.application().id(), decision.policies().hashCode());
    if (seen.getIfPresent(now) == null && seen.asMap().putIfAbsent(now, true) == null) {
      record(Kind.POLICY_EVALUATED, exchange, identity, decision);
      if (decision.effect() == Effect.STEP_UP) {
        record(Kind.STEP_UP_REQUIRED, exchange, identity, decision);
      }
    }
  }

  /** A user accepted terms of use. */
  void accepted(Exchange exchange, Identity identity, TermsOfUse terms) {
    record(
        new SignInEvent(
            clock.instant(),
            Kind.TERMS_ACCEPTED,
            exchange.id(),
            exchange.application().id(),
            identity.issuer(),
            identity.subject(),
            identity.name(),
            exchange.clientAddress(),
            null,
            List.of(),
            Map.of("terms", terms.displayName(), "version", terms.version())));
  }

  private void record(Kind kind, Exchange exchange, Identity identity, Decision decision) {
    record(
        new SignInEvent(
            clock.instant(),
            kind,
            exchange.id(),
            exchange.application().id(),
            identity.issuer(),
            identity.subject(),
            identity.name(),
            exchange.clientAddress(),
            decision.refusal() == null ? null : decision.refusal().code().code(),
            kind == Kind.POLICY_EVALUATED ? outcomes(decision) : List.of(),
            details(decision)));
  }

  private void record(SignInEvent event) {
    try {
      log.record(event);
    } catch (RuntimeException e) {
      LOG.error("a sign-in event could not be recorded", e);
    }
  }

  private static Map<String, String> details(Decision decision) {
    String effect = decision.effect().name().toLowerCase(Locale.ROOT).replace('_', '-');
    if (decision.refusal() != null) {
      return Map.of(
          "effect", effect,
          "policy", decision.refusal().policy(),
          "reason", decision.refusal().reason());
    }
    return decision.stepUp() == null
        ? Map.of("effect", effect)
        : Map.of("effect", effect, "reason", decision.stepUp().reason());
  }

  /** Those that apply, and all that are on trial. */
  private static List<PolicyOutcome> outcomes(Decision decision) {
    return decision.policies().stream()
        .filter(
            result ->
                result.outcome() != Outcome.NOT_APPLIED || result.state() == State.REPORT_ONLY)
        .map(EvaluationEvents::outcome)
        .toList();
  }

  private static PolicyOutcome outcome(PolicyResult result) {
    return new PolicyOutcome(
        result.policy(),
        result.state() == State.ON ? "on" : "report-only",
        result.outcome().toString(),
        result.reason());
  }
}
