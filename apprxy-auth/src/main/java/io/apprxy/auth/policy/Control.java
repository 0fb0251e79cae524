package io.apprxy.auth.policy;

import io.apprxy.ErrorCode;
import io.apprxy.auth.policy.Decision.Outcome;
import io.apprxy.auth.policy.Decision.PolicyResult;
import java.time.Duration;
import java.util.function.Predicate;

/** Something that a policy demands. Immutable. */
sealed interface Control {
  /** Satisfied; or lacking, and whether a sign-in can help. */
  Outcome test(Evaluation evaluation);

  /** What is missing, for an administrator. */
  String lacks();

  /** Adds what is missing to what is demanded. */
  void demand(Evaluation evaluation, Demands demands, PolicyResult result);

  /** Sees to it that what is there is not lost by a sign-in that somebody else demands. */
  default void hold(Evaluation evaluation, Demands demands, String policy) {}

  /** A way to sign in. */
  record Strength(AuthenticationStrength strength) implements Control {
    @Override
    public Outcome test(Evaluation evaluation) {
      return hasAcr(evaluation) || hasAnother(evaluation) ? Outcome.SATISFIED : Outcome.STEP_UP;
    }

    private boolean hasAcr(Evaluation evaluation) {
      String acr = evaluation.acr();
      return acr != null && strength.acrValues().contains(acr);
    }

    private boolean hasAnother(Evaluation evaluation) {
      String context = strength.authenticationContext();
      return (context != null && evaluation.hasContext(context))
          || strength.allowedCombinations().stream().anyMatch(evaluation::hasMethods);
    }

    @Override
    public String lacks() {
      return "the sign-in is not of the strength " + strength.displayName();
    }

    @Override
    public void demand(Evaluation evaluation, Demands demands, PolicyResult result) {
      String context = strength.authenticationContext();
      if (context != null && (strength.acrValues().isEmpty() || evaluation.isOfEntra())) {
        demands.context(context, result);
      } else {
        demands.acrValues(strength.acrValues(), strength.allowedCombinations(), result);
      }
    }

    /** A sign-in has one {@code acr} only: another one must be as good. */
    @Override
    public void hold(Evaluation evaluation, Demands demands, String policy) {
      if (hasAcr(evaluation) && !hasAnother(evaluation)) {
        demands.keep(strength.acrValues(), policy);
      }
    }
  }

  /** An authentication context of the provider. */
  record Context(String id) implements Control {
    @Override
    public Outcome test(Evaluation evaluation) {
      return evaluation.hasContext(id) ? Outcome.SATISFIED : Outcome.STEP_UP;
    }

    @Override
    public String lacks() {
      return "the sign-in lacks the authentication context " + id;
    }

    @Override
    public void demand(Evaluation evaluation, Demands demands, PolicyResult result) {
      demands.context(id, result);
    }
  }

  /** How old a sign-in may be. */
  record Frequency(Duration longest) implements Control {
    @Override
    public Outcome test(Evaluation evaluation) {
      Duration age =
          Duration.between(
              evaluation.signals.identity().authenticatedAt(), evaluation.signals.time());
      return age.compareTo(longest) <= 0 ? Outcome.SATISFIED : Outcome.STEP_UP;
    }

    @Override
    public String lacks() {
      return "the sign-in is older than " + longest;
    }

    @Override
    public void demand(Evaluation evaluation, Demands demands, PolicyResult result) {
      demands.maxAge(longest, result);
    }
  }

  /** Terms that a user accepts once. */
  record Terms(String name) implements Control {
    @Override
    public Outcome test(Evaluation evaluation) {
      return evaluation.signals.acceptedTerms().contains(name)
          ? Outcome.SATISFIED
          : Outcome.ACCEPT_TERMS;
    }

    @Override
    public String lacks() {
      return "the terms of use " + name + " are not accepted";
    }

    @Override
    public void demand(Evaluation evaluation, Demands demands, PolicyResult result) {
      demands.terms(name);
    }
  }

  /** What no sign-in can bring. */
  record Refusing(ErrorCode code, String lacks, Predicate<Evaluation> isMet) implements Control {
    @Override
    public Outcome test(Evaluation evaluation) {
      return isMet.test(evaluation) ? Outcome.SATISFIED : Outcome.REFUSED;
    }

    @Override
    public void demand(Evaluation evaluation, Demands demands, PolicyResult result) {
      demands.refuse(code, result);
    }
  }
}
