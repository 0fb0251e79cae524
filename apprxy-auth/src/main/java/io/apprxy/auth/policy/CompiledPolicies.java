package io.apprxy.auth.policy;

import io.apprxy.Application;
import io.apprxy.Identity;
import io.apprxy.auth.policy.Decision.Outcome;
import io.apprxy.auth.policy.Decision.PolicyResult;
import io.apprxy.auth.policy.Evaluation.CompiledLocation;
import io.apprxy.auth.policy.Policy.BuiltInControl;
import io.apprxy.auth.policy.Policy.GrantControls;
import io.apprxy.auth.policy.Policy.State;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;

/**
 * A set of policies, ready to decide. Immutable; thread-safe.
 *
 * <p>Each policy has a number, and sets of numbers say which policies name a user, a group, a role,
 * an application, a path or an authentication context: so that of many policies only those are
 * asked for their conditions that are about this user and this part of the application.
 */
final class CompiledPolicies {
  private static final BitSet NO_POLICIES = new BitSet(0);

  private final PolicySet set;
  private final List<CompiledPolicy> policies;
  private final List<CompiledLocation> locations;
  private final boolean needCountry;
  private final boolean needSource;
  private final List<TermsOfUse> needTerms;

  private final Named includeUsers = new Named(Folding::name);
  private final Named excludeUsers = new Named(UnaryOperator.identity());
  private final Named includeGroups = new Named(Folding::group);
  private final Named excludeGroups = new Named(Folding::plainGroup);
  private final Named includeRoles = new Named(Folding::name);
  private final Named excludeRoles = new Named(UnaryOperator.identity());
  private final Named includeApplications = new Named(UnaryOperator.identity());
  private final Named excludeApplications = new Named(UnaryOperator.identity());
  private final Named includeContexts = new Named(UnaryOperator.identity());
  private final Named includePaths = new Named(Folding::path);

  /** Apart from the names, since a user may have any. */
  private final BitSet includeAllUsers = new BitSet();

  private final BitSet includeGuests = new BitSet();
  private final BitSet excludeGuests = new BitSet();

  /** The contexts that a policy of any state targets: of the others the provider decides. */
  private final Set<String> targetedContexts = new HashSet<>();

  /** The results of policies that do not apply, by number. */
  private final PolicyResult[] otherUser;

  private final PolicyResult[] excludedUser;
  private final PolicyResult[] otherApplication;
  private final PolicyResult[] otherPath;

  /** Whom the policies may be about. */
  interface People {
    /** All names of a user that can be believed. */
    Collection<String> names(Identity identity);

    /** Whether the user is a guest. */
    boolean isGuest(Identity identity);
  }

  /** Which policies name something. */
  private static final class Named {
    private final UnaryOperator<String> form;
    private final Map<String, BitSet> numbers = new HashMap<>();

    /** All of them together. */
    private final BitSet any = new BitSet();

    private int longest;

    Named(UnaryOperator<String> form) {
      this.form = form;
    }

    void add(Collection<String> names, int policy) {
      for (String name : names) {
        String formed = form.apply(name);
        numbers.computeIfAbsent(formed, unused -> new BitSet()).set(policy);
        any.set(policy);
        longest = Math.max(longest, formed.length());
      }
    }

    boolean isUsed() {
      return !numbers.isEmpty();
    }

    void addTo(BitSet found, String name) {
      if (isUsed()) {
        BitSet more = numbers.get(form.apply(name));
        if (more != null) {
          found.or(more);
        }
      }
    }

    /**
     * Those that name a path, and neither this one nor one above it.
     *
     * @param path folded
     */
    BitSet elsewhere(String path) {
      BitSet elsewhere = (BitSet) any.clone();
      int slash = path.indexOf('/');
      while (slash >= 0 && slash <= longest) { // what is deeper than any is below what came before
        remove(elsewhere, path.substring(0, slash));
        slash = path.indexOf('/', slash + 1);
      }
      remove(elsewhere, path);
      return elsewhere;
    }

    private void remove(BitSet from, String formed) {
      BitSet these = numbers.get(formed);
      if (these != null) {
        from.andNot(these);
      }
    }
  }

  CompiledPolicies(PolicySet set) {
    this.set = set;
    this.locations = set.namedLocations().stream().map(CompiledLocation::of).toList();
    this.needCountry = set.namedLocations().stream().anyMatch(NamedLocation::needsCountry);
    List<Policy> alive =
        set.policies().stream().filter(policy -> policy.state() != State.OFF).toList();
    this.needSource = alive.stream().anyMatch(CompiledPolicies::needsSource);
    this.needTerms =
        set.termsOfUse().stream()
            .filter(
                terms ->
                    alive.stream()
                        .anyMatch(
                            policy ->
                                policy.grantControls().termsOfUse().contains(terms.displayName())))
            .toList();
    this.policies =
        alive.stream()
            .map(policy -> new CompiledPolicy(policy, this::places, strengths(policy)))
            .toList();
    set.policies().stream()
        .filter(policy -> policy.state() == State.ON) // another one demands nothing in its place
        .forEach(
            policy ->
                targetedContexts.addAll(
                    policy.conditions().applications().includeAuthenticationContexts()));
    for (int i = 0; i < alive.size(); i++) {
      index(alive.get(i).conditions(), i);
    }
    this.otherUser = notApplied("it is not about this user");
    this.excludedUser = notApplied("the user is excluded");
    this.otherApplication = notApplied("it is not about this part of the application");
    this.otherPath = notApplied("the path is another");
  }

  private void index(Policy.Conditions conditions, int policy) {
    Policy.Users users = conditions.users();
    includeAllUsers.set(policy, users.includeUsers().contains(Policy.ALL));
    includeGuests.set(policy, users.includeUsers().contains(Policy.GUESTS));
    excludeGuests.set(policy, users.excludeUsers().contains(Policy.GUESTS));
    includeUsers.add(named(users.includeUsers()), policy);
    excludeUsers.add(named(users.excludeUsers()), policy);
    includeGroups.add(users.includeGroups(), policy);
    excludeGroups.add(users.excludeGroups(), policy);
    includeRoles.add(users.includeRoles(), policy);
    excludeRoles.add(users.excludeRoles(), policy);
    Policy.Applications applications = conditions.applications();
    includeApplications.add(applications.includeApplications(), policy);
    excludeApplications.add(applications.excludeApplications(), policy);
    includeContexts.add(applications.includeAuthenticationContexts(), policy);
    includePaths.add(applications.includePaths(), policy);
  }

  private static List<String> named(List<String> users) {
    return users.stream()
        .filter(name -> !name.equals(Policy.ALL) && !name.equals(Policy.GUESTS))
        .toList();
  }

  private PolicyResult[] notApplied(String reason) {
    return policies.stream()
        .map(policy -> policy.result(Outcome.NOT_APPLIED, reason))
        .toArray(PolicyResult[]::new);
  }

  private int[] places(List<String> names) {
    List<NamedLocation> named = set.namedLocations();
    return IntStream.range(0, named.size())
        .filter(
            i ->
                names.contains(named.get(i).displayName())
                    || (names.contains(Policy.ALL_TRUSTED) && named.get(i).trusted()))
        .toArray();
  }

  private List<AuthenticationStrength> strengths(Policy policy) {
    GrantControls controls = policy.grantControls();
    List<AuthenticationStrength> all = new ArrayList<>();
    if (controls.builtInControls().contains(BuiltInControl.MFA)) {
      all.add(strength(AuthenticationStrength.MULTIFACTOR));
    }
    if (controls.authenticationStrength() != null) {
      all.add(strength(controls.authenticationStrength()));
    }
    return all;
  }

  private AuthenticationStrength strength(String name) {
    return set.authenticationStrengths().stream()
        .filter(strength -> strength.displayName().equals(name))
        .findFirst()
        .orElseGet(
            () ->
                name.equals(AuthenticationStrength.MULTIFACTOR)
                    ? AuthenticationStrength.multifactor()
                    : AuthenticationStrength.phishingResistant());
  }

  private static boolean needsSource(Policy policy) {
    Policy.Conditions conditions = policy.conditions();
    return !conditions.signInRiskLevels().isEmpty()
        || !conditions.userRiskLevels().isEmpty()
        || !conditions.deviceStates().includeStates().isEmpty()
        || !conditions.deviceStates().excludeStates().isEmpty()
        || policy.grantControls().builtInControls().contains(BuiltInControl.COMPLIANT_DEVICE);
  }

  PolicySet set() {
    return set;
  }

  /** Whether the country of an address matters. */
  boolean needCountry() {
    return needCountry;
  }

  /** The terms of use that matter. */
  List<TermsOfUse> needTerms() {
    return needTerms;
  }

  /** Whether risk, or the state of the device, matters. */
  boolean needSource() {
    return needSource;
  }

  /** The decision: a function of its arguments. */
  Decision evaluate(Signals signals, People people) {
    Set<String> contexts = contexts(signals);
    BitSet applications = applications(signals.application(), contexts);
    BitSet included = new BitSet(policies.size());
    BitSet excluded = new BitSet(policies.size());
    findUsers(signals.identity(), people, included, excluded);
    Evaluation evaluation = new Evaluation(signals, locations);
    BitSet elsewhere = elsewhere(evaluation);
    Demands demands = new Demands();
    List<PolicyResult> results = new ArrayList<>(policies.size() + contexts.size());
    for (int i = 0; i < policies.size(); i++) {
      CompiledPolicy policy = policies.get(i);
      if (!applications.get(i)) {
        results.add(otherApplication[i]);
      } else if (!included.get(i)) {
        results.add(otherUser[i]);
      } else if (excluded.get(i)) {
        results.add(excludedUser[i]);
      } else if (elsewhere.get(i)) {
        results.add(otherPath[i]);
      } else {
        results.add(policy.evaluate(evaluation, policy.isOn() ? demands : Demands.ignored()));
      }
    }
    for (String context : contexts) {
      if (!targetedContexts.contains(context)) {
        results.add(ofProvider(context, evaluation, demands));
      }
    }
    return demands.decide(results);
  }

  /** What a context comes to that no policy targets: the provider decides. */
  private static PolicyResult ofProvider(String context, Evaluation evaluation, Demands demands) {
    Control control = new Control.Context(context);
    Outcome outcome = control.test(evaluation);
    PolicyResult result =
        new PolicyResult(
            "authentication context " + context,
            State.ON,
            outcome,
            outcome == Outcome.SATISFIED ? "what it demands is there" : control.lacks());
    if (outcome != Outcome.SATISFIED) {
      control.demand(evaluation, demands, result);
    }
    return result;
  }

  /** The contexts that this part of the application demands. */
  private static Set<String> contexts(Signals signals) {
    List<Application.AuthenticationContext> demanded =
        signals.application().authenticationContexts();
    if (demanded.isEmpty()) {
      return Set.of();
    }
    String path = signals.path() == null ? null : Folding.path(signals.path());
    Set<String> contexts = new HashSet<>();
    for (Application.AuthenticationContext one : demanded) {
      if ((path == null || Folding.isBelow(path, Folding.path(one.path())))
          && (signals.method() == null
              || CompiledPolicy.mayBeMethod(signals.method(), one.methods()))) {
        contexts.add(one.id());
      }
    }
    return contexts;
  }

  private BitSet applications(Application application, Set<String> contexts) {
    BitSet found = new BitSet(policies.size());
    includeApplications.addTo(found, application.id());
    includeApplications.addTo(found, Policy.ALL);
    BitSet not = new BitSet(policies.size());
    excludeApplications.addTo(not, application.id());
    found.andNot(not);
    contexts.forEach(context -> includeContexts.addTo(found, context));
    return found;
  }

  /** Those about other paths: none, if the path is not known. */
  private BitSet elsewhere(Evaluation evaluation) {
    return includePaths.isUsed() && evaluation.signals.path() != null
        ? includePaths.elsewhere(evaluation.foldedPath())
        : NO_POLICIES;
  }

  private void findUsers(Identity identity, People people, BitSet included, BitSet excluded) {
    included.or(includeAllUsers);
    if (people.isGuest(identity)) {
      included.or(includeGuests);
      excluded.or(excludeGuests);
    }
    for (String name : people.names(identity)) {
      includeUsers.addTo(included, name);
      excludeUsers.addTo(excluded, name);
    }
    if (includeGroups.isUsed() || excludeGroups.isUsed()) {
      if (Claims.lacksGroups(identity)) {
        included.or(includeGroups.any); // they may be in any
      }
      for (String group : identity.groups()) {
        includeGroups.addTo(included, group);
        excludeGroups.addTo(excluded, group);
      }
    }
    if (includeRoles.isUsed() || excludeRoles.isUsed()) {
      for (String role : Claims.roles(identity)) {
        includeRoles.addTo(included, role);
        excludeRoles.addTo(excluded, role);
      }
    }
  }
}
