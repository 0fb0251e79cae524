package io.apprxy.auth.policy;

import com.github.benmanes.caffeine.cache.AsyncCache;
import com.github.benmanes.caffeine.cache.Caffeine;
import io.apprxy.AccessPolicy;
import io.apprxy.ErrorCode;
import io.apprxy.Exchange;
import io.apprxy.GatewayException;
import io.apprxy.Identity;
import io.apprxy.Verdict;
import io.apprxy.auth.policy.Decision.Refusal;
import io.apprxy.auth.policy.Policy.DeviceState;
import io.apprxy.auth.policy.Policy.PersistentBrowser;
import io.apprxy.auth.policy.Policy.RiskLevel;
import io.apprxy.auth.policy.SignalSource.Answer;
import io.apprxy.cluster.SharedState;
import io.apprxy.observe.SignInLog;
import io.apprxy.rewrite.IpNetwork;
import java.net.InetAddress;
import java.security.cert.X509Certificate;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Conditional access: lets those pass who are assigned to the application ({@link
 * AssignmentPolicy}), and whom every {@link Policy} lets pass, as things are at each request: an
 * address that changes in the middle of a session counts at once. Thread-safe; never blocks.
 *
 * <p>It fails closed: a block wins over everything else; a signal that is missing, wrong or late
 * never lets anybody out of a policy, and satisfies nothing. The policies are changed at run time
 * by {@link #publish}, and tried without effect by {@link #whatIf}.
 */
public final class ConditionalAccess implements AccessPolicy {
  private static final Logger LOG = LoggerFactory.getLogger("io.apprxy.policy");

  /** How long an answer of the source is good: open requests are asked about again and again. */
  private static final Duration ANSWER_LIFETIME = Duration.ofSeconds(10);

  private static final Answer NOTHING = new Answer(null, null, null);
  private static final CompletableFuture<Told> NOTHING_TOLD =
      CompletableFuture.completedFuture(new Told(false, NOTHING));
  private static final CompletableFuture<Set<String>> NO_TERMS =
      CompletableFuture.completedFuture(Set.of());

  private final Builder settings;
  private final @Nullable AssignmentPolicy assignments;
  private final DeviceCertificates deviceCertificates;
  private final EvaluationEvents events;
  private final AcceptedTerms acceptedTerms;
  private final CompiledPolicies.People people = new Believed();
  private volatile CompiledPolicies published;

  private final AsyncCache<Asked, Told> told =
      Caffeine.newBuilder().maximumSize(100_000).expireAfterWrite(ANSWER_LIFETIME).buildAsync();

  /** What a source was asked. */
  private record Asked(Identity identity, String clientAddress) {}

  /** What a source told, if it did. */
  private record Told(boolean isMissing, Answer answer) {}

  private ConditionalAccess(Builder settings) {
    this.settings = settings;
    this.assignments =
        settings.ignoreAssignments
            ? null
            : AssignmentPolicy.believing(settings.believed.toArray(String[]::new));
    this.deviceCertificates = new DeviceCertificates(settings.deviceAuthorities, settings.clock);
    this.events = new EvaluationEvents(settings.signInLog, settings.clock);
    this.acceptedTerms = new AcceptedTerms(settings.state, settings.clock);
    this.published = compile(settings.policies);
  }

  /** A builder with the defaults. */
  public static Builder builder() {
    return new Builder();
  }

  /**
   * Puts these policies in the place of all that were there, for every request from now on, and for
   * those that are open.
   *
   * @throws IllegalArgumentException if nothing was configured that tells a signal they need; the
   *     policies from before stay
   */
  public void publish(PolicySet policies) {
    published = compile(policies);
    LOG.info("{} policies of conditional access are published", policies.policies().size());
  }

  /** The policies that are published. */
  public PolicySet policies() {
    return published.set();
  }

  /**
   * What the published policies would come to. Nothing is changed, recorded or asked of a {@link
   * SignalSource}; assignments to applications are not part of it.
   */
  public Decision whatIf(Signals hypothetical) {
    return evaluate(published, hypothetical);
  }

  /**
   * What a draft would come to.
   *
   * @throws IllegalArgumentException as {@link #publish} does
   */
  public Decision whatIf(Signals hypothetical, PolicySet draft) {
    return evaluate(compile(draft), hypothetical);
  }

  private Decision evaluate(CompiledPolicies policies, Signals hypothetical) {
    Signals whole =
        hypothetical.country() == null && policies.needCountry()
            ? hypothetical.newBuilder().country(country(hypothetical.clientAddress())).build()
            : hypothetical;
    return policies.evaluate(whole, people);
  }

  @Override
  public Verdict authorize(Exchange exchange) {
    Identity identity = exchange.identity();
    if (identity == null) {
      throw new GatewayException(ErrorCode.SIGN_IN_REQUIRED, "nobody was identified");
    }
    if (assignments != null) {
      assignments.authorize(exchange); // throws unless it lets pass
    }
    CompiledPolicies policies = published;
    CompletableFuture<Set<String>> accepted =
        policies.needTerms().isEmpty()
            ? NO_TERMS
            : acceptedTerms.of(identity, policies.needTerms());
    CompletableFuture<Told> answer =
        settings.source == null || !policies.needSource()
            ? NOTHING_TOLD
            : ask(settings.source, identity, exchange.clientAddress());
    if (accepted.isDone() && answer.isDone()) {
      return decide(
          exchange,
          policies,
          signals(exchange, identity, policies, answer.join(), accepted.join()));
    }
    return Verdict.later(
        answer.thenCombine(
            accepted,
            (late, terms) ->
                decide(exchange, policies, signals(exchange, identity, policies, late, terms))));
  }

  /** {@code /.apprxy/terms}, where users accept terms of use. */
  @Override
  public Verdict page(Exchange exchange) {
    Identity identity = exchange.identity();
    if (!exchange.path().equals(AcceptedTerms.PATH)) {
      return AccessPolicy.super.page(exchange);
    }
    if (identity == null) {
      throw new GatewayException(ErrorCode.SIGN_IN_REQUIRED, "nobody was identified");
    }
    return acceptedTerms.accept(
        exchange,
        identity,
        published.set().termsOfUse(),
        terms -> events.accepted(exchange, identity, terms));
  }

  /**
   * Whether the session cookie of this user may outlive the browser's window: as the policies say
   * ({@link Policy.SessionControls#persistentBrowser()}), else the application. For {@code
   * Sessions.builder().persistentCookie(access::persistsCookie)}.
   */
  public boolean persistsCookie(Exchange exchange, Identity identity) {
    CompiledPolicies policies = published;
    Signals signals =
        signals(exchange, identity, policies, new Told(settings.source != null, NOTHING), Set.of());
    PersistentBrowser mode =
        policies
            .evaluate(signals.newBuilder().path(null).method(null).build(), people)
            .persistentBrowser();
    return mode == null
        ? exchange.application().persistentCookie()
        : mode == PersistentBrowser.ALWAYS;
  }

  private Verdict decide(Exchange exchange, CompiledPolicies policies, Signals signals) {
    Decision decision = policies.evaluate(signals, people);
    events.decided(exchange, signals.identity(), decision);
    if (decision.refusal() != null) {
      Refusal refusal = decision.refusal();
      throw new GatewayException(
          refusal.code(),
          "policy \""
              + refusal.policy()
              + "\" refuses subject "
              + signals.identity().subject()
              + ": "
              + refusal.reason());
    }
    if (decision.termsOfUse() != null) {
      return askToAccept(exchange, policies, decision.termsOfUse());
    }
    return decision.stepUp() == null ? Verdict.proceed() : Verdict.stepUp(decision.stepUp());
  }

  private Verdict askToAccept(Exchange exchange, CompiledPolicies policies, String name) {
    if (!exchange.isNavigation()) {
      throw new GatewayException(
          ErrorCode.TERMS_NOT_ACCEPTED, "the terms of use " + name + " are not accepted");
    }
    return policies.needTerms().stream()
        .filter(terms -> terms.displayName().equals(name))
        .findFirst()
        .map(terms -> Verdict.answer(acceptedTerms.page(exchange, terms)))
        .orElseThrow();
  }

  private CompiledPolicies compile(PolicySet set) {
    CompiledPolicies compiled = new CompiledPolicies(set);
    if (compiled.needCountry() && settings.countries == null) {
      throw new IllegalArgumentException(
          "a named location has countries, which nothing tells: set countries(…)");
    }
    for (Policy policy : set.policies()) {
      if (policy.state() != Policy.State.OFF) {
        refuseUntold(policy);
      }
    }
    return compiled;
  }

  private void refuseUntold(Policy policy) {
    Policy.Conditions conditions = policy.conditions();
    boolean device =
        !conditions.deviceStates().includeStates().isEmpty()
            || !conditions.deviceStates().excludeStates().isEmpty()
            || policy
                .grantControls()
                .builtInControls()
                .contains(Policy.BuiltInControl.COMPLIANT_DEVICE);
    require(
        !device
            || settings.source != null
            || settings.deviceComplianceClaim != null
            || !deviceCertificates.isEmpty(),
        policy,
        "the state of the device, which nothing tells: set deviceComplianceClaim(…), deviceCertificates(…) or signals(…)");
    require(
        conditions.signInRiskLevels().isEmpty()
            || settings.source != null
            || settings.signInRiskClaim != null,
        policy,
        "the risk of the sign-in, which nothing tells: set signInRiskClaim(…) or signals(…)");
    require(
        conditions.userRiskLevels().isEmpty()
            || settings.source != null
            || settings.userRiskClaim != null,
        policy,
        "the risk of the user, which nothing tells: set userRiskClaim(…) or signals(…)");
  }

  private static void require(boolean told, Policy policy, String signal) {
    if (!told) {
      throw new IllegalArgumentException(
          "policy \"" + policy.displayName() + "\" asks for " + signal);
    }
  }

  // ---- signals

  private Signals signals(
      Exchange exchange,
      Identity identity,
      CompiledPolicies policies,
      Told told,
      Set<String> terms) {
    if (!told.isMissing) {
      return signals(exchange, identity, policies, told.answer, terms);
    }
    return signals(exchange, identity, policies, NOTHING, terms)
        .newBuilder()
        .deviceState(null)
        .signInRisk(null)
        .userRisk(null)
        .build();
  }

  private Signals signals(
      Exchange exchange,
      Identity identity,
      CompiledPolicies policies,
      Answer answer,
      Set<String> terms) {
    return new Signals(
        identity,
        exchange.application(),
        exchange.path(),
        RequestFacts.method(exchange),
        exchange.clientAddress(),
        policies.needCountry() ? country(exchange.clientAddress()) : null,
        Platforms.of(exchange),
        RequestFacts.clientAppType(exchange),
        policies.needSource() ? deviceState(exchange, identity, answer.deviceState()) : null,
        answer.signInRisk() != null
            ? answer.signInRisk()
            : risk(identity, settings.signInRiskClaim),
        answer.userRisk() != null ? answer.userRisk() : risk(identity, settings.userRiskClaim),
        terms,
        settings.clock.instant());
  }

  private @Nullable String country(@Nullable String literal) {
    InetAddress address = literal == null ? null : IpNetwork.address(literal);
    if (address == null || settings.countries == null) {
      return null;
    }
    try {
      return settings.countries.country(address);
    } catch (RuntimeException e) {
      LOG.warn("the country of an address cannot be told", e);
      return null;
    }
  }

  /** One that says that the device does not comply is believed before those who say it does. */
  private @Nullable DeviceState deviceState(
      Exchange exchange, Identity identity, @Nullable DeviceState told) {
    Object claim =
        settings.deviceComplianceClaim == null
            ? null
            : identity.claim(settings.deviceComplianceClaim);
    if (told == DeviceState.NON_COMPLIANT || Boolean.FALSE.equals(claim)) {
      return DeviceState.NON_COMPLIANT;
    }
    return told == DeviceState.COMPLIANT
            || Boolean.TRUE.equals(claim)
            || deviceCertificates.vouchFor(exchange.clientCertificates())
        ? DeviceState.COMPLIANT
        : null;
  }

  private static @Nullable RiskLevel risk(Identity identity, @Nullable String claim) {
    if (claim == null || !(identity.claim(claim) instanceof String level)) {
      return null;
    }
    return switch (level.toLowerCase(Locale.ROOT)) {
      case "none" -> RiskLevel.NONE;
      case "low" -> RiskLevel.LOW;
      case "medium" -> RiskLevel.MEDIUM;
      case "high" -> RiskLevel.HIGH;
      default -> null;
    };
  }

  private CompletableFuture<Told> ask(SignalSource source, Identity identity, String address) {
    return told.get(
        new Asked(identity, address),
        (asked, executor) -> {
          CompletableFuture<Answer> answer;
          try {
            answer = source.ask(identity, address).toCompletableFuture().copy();
          } catch (RuntimeException e) {
            answer = CompletableFuture.failedFuture(e);
          }
          return answer
              .orTimeout(settings.signalTimeout.toMillis(), TimeUnit.MILLISECONDS)
              .handle(
                  (given, failed) -> {
                    if (given == null) {
                      LOG.warn("the signals of a user are missing", failed);
                      return new Told(true, NOTHING);
                    }
                    return new Told(false, given);
                  });
        });
  }

  /** The names of a user, as assignments know them. */
  private final class Believed implements CompiledPolicies.People {
    @Override
    public Collection<String> names(Identity identity) {
      List<String> names = new ArrayList<>();
      names.add(identity.subject());
      // Users of some providers may type any address: one that nobody verified proves nothing.
      if (Boolean.TRUE.equals(identity.claim("email_verified"))) {
        names.addAll(identity.values("email"));
      }
      settings.believed.forEach(claim -> names.addAll(identity.values(claim)));
      return names;
    }

    @Override
    public boolean isGuest(Identity identity) {
      return settings.guests.test(identity);
    }
  }

  /** Settings. Not thread-safe. */
  public static final class Builder {
    private PolicySet policies = PolicySet.of();
    private List<String> believed = List.of();
    private boolean ignoreAssignments;
    private Predicate<Identity> guests = Claims::isGuest;
    private @Nullable CountryLookup countries;
    private @Nullable SignalSource source;
    private Duration signalTimeout = Duration.ofSeconds(2);
    private @Nullable String signInRiskClaim;
    private @Nullable String userRiskClaim;
    private @Nullable String deviceComplianceClaim;
    private List<X509Certificate> deviceAuthorities = List.of();
    private SharedState state = SharedState.inMemory();
    private SignInLog signInLog = SignInLog.json();
    private Clock clock = Clock.systemUTC();

    private Builder() {}

    /** The policies to begin with. Default: none. */
    public Builder policies(PolicySet set) {
      policies = Objects.requireNonNull(set, "set");
      return this;
    }

    /**
     * Believes other claims than {@code sub} and a verified {@code email} for the name of a user,
     * in policies and assignments: see {@link AssignmentPolicy#believing}. Default: none.
     */
    public Builder believing(String... claims) {
      believed = List.of(claims);
      return this;
    }

    /**
     * Lets everybody pass whom the policies let pass, assigned to the application or not. Default:
     * they must be assigned, too.
     */
    public Builder ignoringAssignments() {
      ignoreAssignments = true;
      return this;
    }

    /**
     * Who is a guest. Believe only claims that users cannot choose. Default: Entra's {@code acct}
     * is 1.
     */
    public Builder guests(Predicate<Identity> guest) {
      guests = Objects.requireNonNull(guest, "guest");
      return this;
    }

    /** Tells countries, for named locations that have some. Default: none. */
    public Builder countries(CountryLookup lookup) {
      countries = Objects.requireNonNull(lookup, "lookup");
      return this;
    }

    /** Tells risks, and the state of devices. Default: claims and certificates do. */
    public Builder signals(SignalSource from) {
      source = Objects.requireNonNull(from, "from");
      return this;
    }

    /**
     * How long the source may take. Default: 2 s.
     *
     * @throws IllegalArgumentException unless it is from 1 ms to 1 minute
     */
    public Builder signalTimeout(Duration wait) {
      if (wait.toMillis() < 1 || wait.compareTo(Duration.ofMinutes(1)) > 0) {
        throw new IllegalArgumentException("signalTimeout must be from 1 ms to 1 minute: " + wait);
      }
      signalTimeout = wait;
      return this;
    }

    /** The claim with {@code none}, {@code low}, {@code medium} or {@code high}. Default: none. */
    public Builder signInRiskClaim(String name) {
      signInRiskClaim = Objects.requireNonNull(name, "name");
      return this;
    }

    /** The claim with {@code none}, {@code low}, {@code medium} or {@code high}. Default: none. */
    public Builder userRiskClaim(String name) {
      userRiskClaim = Objects.requireNonNull(name, "name");
      return this;
    }

    /** The claim that is true if the device complies, and false if not. Default: none. */
    public Builder deviceComplianceClaim(String name) {
      deviceComplianceClaim = Objects.requireNonNull(name, "name");
      return this;
    }

    /**
     * The authorities that issue certificates to devices that comply, and to no others: a client
     * that proves itself by one in TLS is such a device. Revocation lists are not read. Default:
     * none.
     */
    public Builder deviceCertificates(X509Certificate... authorities) {
      deviceAuthorities = List.of(authorities);
      return this;
    }

    /**
     * Where it is kept who accepted which terms of use. Default: the memory of this process, so
     * that they are accepted anew after a restart.
     */
    public Builder state(SharedState shared) {
      state = Objects.requireNonNull(shared, "shared");
      return this;
    }

    /** Gets the outcomes of policies. Default: {@link SignInLog#json()}. */
    public Builder signInLog(SignInLog log) {
      signInLog = Objects.requireNonNull(log, "log");
      return this;
    }

    /** The time. Default: the system's. */
    public Builder clock(Clock time) {
      clock = Objects.requireNonNull(time, "time");
      return this;
    }

    /**
     * The stage.
     *
     * @throws IllegalArgumentException as {@link ConditionalAccess#publish} does
     */
    public ConditionalAccess build() {
      return new ConditionalAccess(this);
    }
  }
}
