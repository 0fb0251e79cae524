package io.apprxy.auth.policy;

import io.apprxy.ErrorCode;
import io.apprxy.auth.policy.Decision.Outcome;
import io.apprxy.auth.policy.Decision.PolicyResult;
import io.apprxy.auth.policy.Policy.BuiltInControl;
import io.apprxy.auth.policy.Policy.Conditions;
import io.apprxy.auth.policy.Policy.DeviceState;
import io.apprxy.auth.policy.Policy.GrantControls;
import io.apprxy.auth.policy.Policy.Operator;
import io.apprxy.auth.policy.Policy.PersistentBrowser;
import io.apprxy.auth.policy.Policy.State;
import io.apprxy.auth.policy.Policy.TimeWindow;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * One policy, ready to be asked. Whom it is about, which application, and that it is about the path
 * if that is known, was found out before: {@link CompiledPolicies}. Immutable.
 */
final class CompiledPolicy {
  private static final Set<String> SAFE_METHODS = Set.of("GET", "HEAD", "OPTIONS", "TRACE");

  private final Policy policy;
  private final List<Condition> conditions;
  private final List<Control> grantControls;
  private final List<Control> sessionControls;
  private final PolicyResult satisfied;
  private final PolicyResult blocks;

  /** Holds, or is why the policy does not apply. */
  private record Condition(Predicate<Evaluation> holds, PolicyResult otherwise) {}

  CompiledPolicy(
      Policy policy, LocationPlaces locations, List<AuthenticationStrength> controlStrengths) {
    this.policy = policy;
    this.conditions = conditions(policy.conditions(), locations);
    this.grantControls = grantControls(policy.grantControls(), controlStrengths);
    this.sessionControls = sessionControls(policy.sessionControls());
    this.satisfied = result(Outcome.SATISFIED, "what it demands is there");
    this.blocks = result(Outcome.BLOCK, "it blocks");
  }

  /** The places of named locations in the list that evaluations know them by. */
  interface LocationPlaces {
    int[] of(List<String> names);
  }

  Policy policy() {
    return policy;
  }

  boolean isOn() {
    return policy.state() == State.ON;
  }

  PolicyResult result(Outcome outcome, String reason) {
    return new PolicyResult(policy.displayName(), policy.state(), outcome, reason);
  }

  // ---- when it applies

  private List<Condition> conditions(Conditions of, LocationPlaces places) {
    List<Condition> all = new ArrayList<>();
    add(all, "the method is another", methods(of.applications()));
    add(all, "the path is excluded", paths(of.applications()));
    add(
        all,
        "the client app is of another type",
        mayBe(of.clientAppTypes(), evaluation -> evaluation.signals.clientAppType()));
    add(
        all,
        "the platform is another",
        mayBe(of.platforms().includePlatforms(), evaluation -> evaluation.signals.platform()));
    add(
        all,
        "the platform is excluded",
        isNot(of.platforms().excludePlatforms(), evaluation -> evaluation.signals.platform()));
    add(
        all,
        "the device is in another state",
        mayBe(of.deviceStates().includeStates(), evaluation -> evaluation.signals.deviceState()));
    add(
        all,
        "the state of the device is excluded",
        isNot(of.deviceStates().excludeStates(), evaluation -> evaluation.signals.deviceState()));
    add(
        all,
        "the risk of the sign-in is another",
        mayBe(of.signInRiskLevels(), evaluation -> evaluation.signals.signInRisk()));
    add(
        all,
        "the risk of the user is another",
        mayBe(of.userRiskLevels(), evaluation -> evaluation.signals.userRisk()));
    add(all, "the location is another", locations(of.locations(), places));
    add(all, "the location is excluded", noLocation(of.locations(), places));
    add(all, "the time is another", times(of));
    return List.copyOf(all);
  }

  /** Null is a condition that always holds. */
  private void add(
      List<Condition> all, String otherwise, @Nullable Predicate<Evaluation> condition) {
    if (condition != null) {
      all.add(new Condition(condition, result(Outcome.NOT_APPLIED, otherwise)));
    }
  }

  /** What is not known may be any. */
  private static <E extends Enum<E>> @Nullable Predicate<Evaluation> mayBe(
      List<E> included, Signal<E> signal) {
    if (included.isEmpty()) {
      return null;
    }
    Set<E> any = EnumSet.copyOf(included);
    return evaluation -> {
      E value = signal.of(evaluation);
      return value == null ? inDoubt(evaluation) : any.contains(value);
    };
  }

  /** What is not known is not excluded. */
  private static <E extends Enum<E>> @Nullable Predicate<Evaluation> isNot(
      List<E> excluded, Signal<E> signal) {
    if (excluded.isEmpty()) {
      return null;
    }
    Set<E> none = EnumSet.copyOf(excluded);
    return evaluation -> {
      E value = signal.of(evaluation);
      return value == null ? inDoubt(evaluation) : !none.contains(value);
    };
  }

  private static boolean inDoubt(Evaluation evaluation) {
    evaluation.doubt();
    return true;
  }

  private interface Signal<E> {
    @Nullable E of(Evaluation evaluation);
  }

  private static @Nullable Predicate<Evaluation> methods(Policy.Applications of) {
    if (of.includeMethods().isEmpty() && of.excludeMethods().isEmpty()) {
      return null;
    }
    Set<String> excluded = Set.copyOf(of.excludeMethods());
    return evaluation -> {
      String method = evaluation.signals.method();
      return method == null
          ? inDoubt(evaluation)
          : mayBeMethod(method, of.includeMethods()) && !excluded.contains(method);
    };
  }

  /** Whatever the case; and HEAD is answered by what answers GET. */
  static boolean mayBeMethod(String method, List<String> included) {
    return included.isEmpty()
        || included.stream()
            .anyMatch(
                one ->
                    one.equalsIgnoreCase(method)
                        || (one.equalsIgnoreCase("GET") && method.equalsIgnoreCase("HEAD")));
  }

  private static @Nullable Predicate<Evaluation> paths(Policy.Applications of) {
    if (of.includePaths().isEmpty() && of.excludePaths().isEmpty()) {
      return null;
    }
    List<String> excluded =
        of.excludePaths().stream()
            .map(path -> path.endsWith("/") ? path.substring(0, path.length() - 1) : path)
            .toList();
    return evaluation -> {
      String path = evaluation.signals.path();
      return path == null ? inDoubt(evaluation) : !isBelowAny(path, excluded);
    };
  }

  private static boolean isBelowAny(String path, List<String> tops) {
    for (String top : tops) {
      if (Folding.isBelow(path, top)) {
        return true;
      }
    }
    return false;
  }

  private static @Nullable Predicate<Evaluation> locations(
      Policy.Locations of, LocationPlaces places) {
    if (of.includeLocations().isEmpty() || of.includeLocations().contains(Policy.ALL)) {
      return null;
    }
    int[] included = places.of(of.includeLocations());
    return evaluation -> evaluation.mayBeIn(included);
  }

  private static @Nullable Predicate<Evaluation> noLocation(
      Policy.Locations of, LocationPlaces places) {
    if (of.excludeLocations().isEmpty()) {
      return null;
    }
    int[] excluded = places.of(of.excludeLocations());
    return evaluation -> !evaluation.isIn(excluded);
  }

  private static @Nullable Predicate<Evaluation> times(Conditions of) {
    List<TimeWindow> included = of.times().includeTimes();
    List<TimeWindow> excluded = of.times().excludeTimes();
    if (included.isEmpty() && excluded.isEmpty()) {
      return null;
    }
    return evaluation ->
        (included.isEmpty() || included.stream().anyMatch(evaluation::isWithin))
            && excluded.stream().noneMatch(evaluation::isWithin);
  }

  // ---- what it demands

  private List<Control> grantControls(
      GrantControls of, List<AuthenticationStrength> controlStrengths) {
    List<Control> all = new ArrayList<>();
    for (AuthenticationStrength strength : controlStrengths) {
      all.add(new Control.Strength(strength));
    }
    of.authenticationContexts().forEach(context -> all.add(new Control.Context(context)));
    of.termsOfUse().forEach(terms -> all.add(new Control.Terms(terms)));
    if (of.builtInControls().contains(BuiltInControl.COMPLIANT_DEVICE)) {
      all.add(
          new Control.Refusing(
              ErrorCode.DEVICE_NOT_COMPLIANT,
              "the device is not known to be compliant",
              evaluation -> evaluation.signals.deviceState() == DeviceState.COMPLIANT));
    }
    return List.copyOf(all);
  }

  private static List<Control> sessionControls(Policy.SessionControls of) {
    Duration frequency = of.signInFrequency();
    return Stream.<Control>concat(
            frequency == null ? Stream.of() : Stream.of(new Control.Frequency(frequency)),
            of.readOnly()
                ? Stream.of(
                    new Control.Refusing(
                        ErrorCode.READ_ONLY,
                        "only safe methods are let through",
                        evaluation -> {
                          String method = evaluation.signals.method();
                          return method != null && SAFE_METHODS.contains(method);
                        }))
                : Stream.of())
        .toList();
  }

  /** What the policy comes to, for somebody and something that it is about. */
  PolicyResult evaluate(Evaluation evaluation, Demands demands) {
    evaluation.wasInDoubt();
    for (Condition condition : conditions) {
      if (!condition.holds.test(evaluation)) {
        return condition.otherwise;
      }
    }
    boolean inDoubt = evaluation.wasInDoubt() || evaluation.lacksGroups();
    if (policy.grantControls().builtInControls().contains(BuiltInControl.BLOCK)) {
      demands.refuse(ErrorCode.REFUSED_BY_POLICY, blocks);
      return blocks;
    }
    PersistentBrowser mode = policy.sessionControls().persistentBrowser();
    if (mode == PersistentBrowser.NEVER || !inDoubt) {
      demands.persistentBrowser(mode); // always is the one control that gives: never in doubt
    }
    PolicyResult granted =
        policy.grantControls().operator() == Operator.OR
            ? any(evaluation, demands)
            : all(grantControls, evaluation, demands);
    PolicyResult kept = all(sessionControls, evaluation, demands);
    return kept.outcome().compareTo(granted.outcome()) > 0 ? kept : granted;
  }

  private PolicyResult all(List<Control> controls, Evaluation evaluation, Demands demands) {
    PolicyResult worst = satisfied;
    for (Control control : controls) {
      Outcome outcome = control.test(evaluation);
      if (outcome != Outcome.SATISFIED) {
        PolicyResult result = result(outcome, control.lacks());
        control.demand(evaluation, demands, result);
        worst = outcome.compareTo(worst.outcome()) > 0 ? result : worst;
      } else {
        control.hold(evaluation, demands, policy.displayName());
      }
    }
    return worst;
  }

  /** One is enough; if none is there, the one is demanded that a sign-in can bring. */
  private PolicyResult any(Evaluation evaluation, Demands demands) {
    Control best = null;
    Outcome mildest = Outcome.BLOCK;
    for (Control control : grantControls) {
      Outcome outcome = control.test(evaluation);
      if (outcome == Outcome.SATISFIED) {
        return satisfied;
      }
      if (outcome.compareTo(mildest) < 0) {
        best = control;
        mildest = outcome;
      }
    }
    if (best == null) {
      return satisfied; // there are session controls only
    }
    PolicyResult result = result(mildest, best.lacks());
    best.demand(evaluation, demands, result);
    return result;
  }
}
