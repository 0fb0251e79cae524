package io.apprxy.auth.policy;

import com.fasterxml.jackson.annotation.JsonProperty;
import java.time.DayOfWeek;
import java.time.Duration;
import java.time.LocalTime;
import java.time.ZoneId;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * A policy of conditional access: whom it is about, when it applies, and what it demands then.
 * Immutable data; {@link #toJson()} and {@link #fromJson(String)} carry it. Its parts are named as
 * in Microsoft Graph ({@code conditionalAccessPolicy}).
 *
 * <p>A policy only ever takes away. What it includes therefore holds in doubt, too, and what it
 * excludes does not: a signal that is missing never lets anybody out of a policy, and never
 * satisfies what it demands.
 *
 * @param displayName its name, unique in a set: in events, and in what-if
 * @param state whether it is enforced. Default: {@link State#ON}
 * @param conditions when it applies: all of them must hold
 * @param grantControls what it demands before it lets pass
 * @param sessionControls what it demands as long as it lets pass
 */
public record Policy(
    String displayName,
    State state,
    Conditions conditions,
    GrantControls grantControls,
    SessionControls sessionControls) {

  /** Means all users, applications or locations, where names are listed. */
  public static final String ALL = "All";

  /** Means all guests, where users are listed. */
  public static final String GUESTS = "GuestsOrExternalUsers";

  /** Means all named locations that are trusted, where locations are listed. */
  public static final String ALL_TRUSTED = "AllTrusted";

  private static final Pattern CONTEXT = Pattern.compile("c[1-9][0-9]?");

  /** RFC 9110 §5.6.2. */
  private static final Pattern TOKEN = Pattern.compile("[A-Za-z0-9!#$%&'*+.^_`|~-]+");

  private static final Duration SHORTEST_FREQUENCY = Duration.ofMinutes(2);

  /**
   * A policy.
   *
   * @throws IllegalArgumentException if it has no name, is about nobody or nothing, demands
   *     nothing, or its parts contradict each other; the message names the policy and the rule
   */
  public Policy {
    Objects.requireNonNull(state, "state");
    Objects.requireNonNull(conditions, "conditions");
    Objects.requireNonNull(grantControls, "grantControls");
    Objects.requireNonNull(sessionControls, "sessionControls");
    if (displayName.isBlank() || displayName.length() > 256) {
      throw new IllegalArgumentException(
          "the displayName of a policy must have 1 to 256 characters: " + displayName);
    }
    require(
        !conditions.users.isEmpty(),
        displayName,
        "is about nobody: include users, groups, roles, guests or all");
    boolean contexts = !conditions.applications.includeAuthenticationContexts.isEmpty();
    require(
        contexts == conditions.applications.includeApplications.isEmpty(),
        displayName,
        "must target either applications or authentication contexts");
    require(
        !grantControls.isEmpty() || !sessionControls.isEmpty(),
        displayName,
        "demands nothing: add a grant control or a session control");
  }

  private static void require(boolean rule, String policy, String message) {
    if (!rule) {
      throw new IllegalArgumentException("policy \"" + policy + "\" " + message);
    }
  }

  /** Whether a policy is enforced. */
  public enum State {
    /** It is. */
    @JsonProperty("enabled")
    ON,
    /** It is evaluated and reported in the sign-in events, and changes nothing. */
    @JsonProperty("enabledForReportingButNotEnforced")
    REPORT_ONLY,
    /** It is not even evaluated. */
    @JsonProperty("disabled")
    OFF
  }

  /** The platform of a device. What a client says of it can be forged: it is no proof. */
  public enum DevicePlatform {
    @JsonProperty("android")
    ANDROID,
    @JsonProperty("iOS")
    IOS,
    @JsonProperty("windows")
    WINDOWS,
    @JsonProperty("macOS")
    MACOS,
    @JsonProperty("linux")
    LINUX
  }

  /** By what a user comes. */
  public enum ClientAppType {
    /** With a session, in a browser. */
    @JsonProperty("browser")
    BROWSER,
    /** With a token: an app on a device, or a service. */
    @JsonProperty("mobileAppsAndDesktopClients")
    MOBILE_APPS_AND_DESKTOP_CLIENTS
  }

  /** What is known of a device. */
  public enum DeviceState {
    @JsonProperty("compliant")
    COMPLIANT,
    @JsonProperty("nonCompliant")
    NON_COMPLIANT
  }

  /** How likely it is that a user, or a sign-in, is not who it seems. */
  public enum RiskLevel {
    @JsonProperty("none")
    NONE,
    @JsonProperty("low")
    LOW,
    @JsonProperty("medium")
    MEDIUM,
    @JsonProperty("high")
    HIGH
  }

  /** Whether the session cookie outlives the browser's window. */
  public enum PersistentBrowser {
    @JsonProperty("always")
    ALWAYS,
    @JsonProperty("never")
    NEVER
  }

  /** How several grant controls go together. */
  public enum Operator {
    /** All are needed. */
    AND,
    /** One is enough. */
    OR
  }

  /** A control that needs no further name. */
  public enum BuiltInControl {
    /** Nobody gets through. */
    @JsonProperty("block")
    BLOCK,
    /** The sign-in was made with several factors: {@link AuthenticationStrength#multifactor()}. */
    @JsonProperty("mfa")
    MFA,
    /** The device is known to be compliant. */
    @JsonProperty("compliantDevice")
    COMPLIANT_DEVICE
  }

  /**
   * When a policy applies. Immutable.
   *
   * @param users whom it is about
   * @param applications what it is about
   * @param locations where the client is. Default: anywhere
   * @param platforms on what the client runs. Default: any
   * @param clientAppTypes by what the user comes; empty if by any. Default: empty
   * @param deviceStates what is known of the device. Default: any
   * @param signInRiskLevels how risky the sign-in is; empty if that does not matter. Default: empty
   * @param userRiskLevels how likely the account is compromised; empty if that does not matter.
   *     Default: empty
   * @param times when. Default: always
   */
  public record Conditions(
      Users users,
      Applications applications,
      Locations locations,
      Platforms platforms,
      List<ClientAppType> clientAppTypes,
      DeviceStates deviceStates,
      List<RiskLevel> signInRiskLevels,
      List<RiskLevel> userRiskLevels,
      Times times) {
    public Conditions {
      Objects.requireNonNull(users, "users");
      Objects.requireNonNull(applications, "applications");
      Objects.requireNonNull(locations, "locations");
      Objects.requireNonNull(platforms, "platforms");
      Objects.requireNonNull(deviceStates, "deviceStates");
      Objects.requireNonNull(times, "times");
      clientAppTypes = List.copyOf(clientAppTypes);
      signInRiskLevels = List.copyOf(signInRiskLevels);
      userRiskLevels = List.copyOf(userRiskLevels);
    }
  }

  /**
   * Whom a policy is about: who is included by one of the lists and excluded by none. Immutable.
   *
   * @param includeUsers users by {@code sub} and verified {@code email}, and by the claims that the
   *     gateway believes; {@link #ALL}; {@link #GUESTS}
   * @param excludeUsers as above, without {@link #ALL}
   * @param includeGroups as in the {@code groups} claim
   * @param excludeGroups as in the {@code groups} claim
   * @param includeRoles as in the {@code roles} or {@code wids} claim
   * @param excludeRoles as in the {@code roles} or {@code wids} claim
   */
  public record Users(
      List<String> includeUsers,
      List<String> excludeUsers,
      List<String> includeGroups,
      List<String> excludeGroups,
      List<String> includeRoles,
      List<String> excludeRoles) {
    public Users {
      includeUsers = names("includeUsers", includeUsers);
      excludeUsers = names("excludeUsers", excludeUsers);
      includeGroups = names("includeGroups", includeGroups);
      excludeGroups = names("excludeGroups", excludeGroups);
      includeRoles = names("includeRoles", includeRoles);
      excludeRoles = names("excludeRoles", excludeRoles);
      refuseAll("excludeUsers", excludeUsers);
    }

    boolean isEmpty() {
      return includeUsers.isEmpty() && includeGroups.isEmpty() && includeRoles.isEmpty();
    }
  }

  /**
   * What a policy is about: either applications, or authentication contexts; and of those, perhaps
   * only some paths and methods. Immutable.
   *
   * <p>A path stands for itself and all below it. What is included is compared as the most careless
   * origin would: decoded, and whatever its case. What is excluded is compared exactly.
   *
   * @param includeApplications ids of applications, or {@link #ALL}
   * @param excludeApplications ids of applications
   * @param includeAuthenticationContexts {@code c1} to {@code c99}, as the parts of applications
   *     demand them ({@code includeAuthenticationContextClassReferences})
   * @param includePaths paths such as {@code /admin}; empty if all. Default: empty
   * @param excludePaths paths. Default: empty
   * @param includeMethods methods such as {@code DELETE}; empty if all. Default: empty
   * @param excludeMethods methods. Default: empty
   */
  public record Applications(
      List<String> includeApplications,
      List<String> excludeApplications,
      List<String> includeAuthenticationContexts,
      List<String> includePaths,
      List<String> excludePaths,
      List<String> includeMethods,
      List<String> excludeMethods) {
    public Applications {
      includeApplications = names("includeApplications", includeApplications);
      excludeApplications = names("excludeApplications", excludeApplications);
      includeAuthenticationContexts =
          contexts("includeAuthenticationContexts", includeAuthenticationContexts);
      includePaths = paths("includePaths", includePaths);
      excludePaths = paths("excludePaths", excludePaths);
      includeMethods = methods("includeMethods", includeMethods);
      excludeMethods = methods("excludeMethods", excludeMethods);
      refuseAll("excludeApplications", excludeApplications);
    }

    private static List<String> paths(String setting, List<String> paths) {
      for (String path : names(setting, paths)) {
        if (!path.startsWith("/")) {
          throw new IllegalArgumentException(setting + " must begin with a slash: " + path);
        }
      }
      return List.copyOf(paths);
    }

    private static List<String> methods(String setting, List<String> methods) {
      for (String method : methods) {
        if (!TOKEN.matcher(method).matches()) {
          throw new IllegalArgumentException(setting + " must be tokens: " + method);
        }
      }
      return List.copyOf(methods);
    }
  }

  /**
   * Where the client is, by its address. Immutable.
   *
   * @param includeLocations names of {@link NamedLocation}s, {@link #ALL}, {@link #ALL_TRUSTED};
   *     empty if anywhere. Default: empty
   * @param excludeLocations names of {@link NamedLocation}s, {@link #ALL_TRUSTED}. Default: empty
   */
  public record Locations(List<String> includeLocations, List<String> excludeLocations) {
    public Locations {
      includeLocations = names("includeLocations", includeLocations);
      excludeLocations = names("excludeLocations", excludeLocations);
      refuseAll("excludeLocations", excludeLocations);
    }
  }

  /**
   * On what the client runs, by its own words. Immutable.
   *
   * @param includePlatforms empty if on any. Default: empty
   * @param excludePlatforms a client whose platform is not known is never excluded. Default: empty
   */
  public record Platforms(
      List<DevicePlatform> includePlatforms, List<DevicePlatform> excludePlatforms) {
    public Platforms {
      includePlatforms = List.copyOf(includePlatforms);
      excludePlatforms = List.copyOf(excludePlatforms);
    }
  }

  /**
   * What is known of the device. Immutable.
   *
   * @param includeStates empty if that does not matter. Default: empty
   * @param excludeStates a device of which nothing is known is never excluded. Default: empty
   */
  public record DeviceStates(List<DeviceState> includeStates, List<DeviceState> excludeStates) {
    public DeviceStates {
      includeStates = List.copyOf(includeStates);
      excludeStates = List.copyOf(excludeStates);
    }
  }

  /**
   * When. Immutable.
   *
   * @param includeTimes empty if always. Default: empty
   * @param excludeTimes such as the hours of work. Default: empty
   */
  public record Times(List<TimeWindow> includeTimes, List<TimeWindow> excludeTimes) {
    public Times {
      includeTimes = List.copyOf(includeTimes);
      excludeTimes = List.copyOf(excludeTimes);
    }
  }

  /**
   * Hours of some days, on the clocks of a zone. Immutable.
   *
   * @param days the days on which it begins
   * @param from its first instant
   * @param to its end, which is not part of it: on the next day if it is not after {@code from}
   * @param zone whose clocks
   */
  public record TimeWindow(List<DayOfWeek> days, LocalTime from, LocalTime to, ZoneId zone) {
    /**
     * A window.
     *
     * @throws IllegalArgumentException if it has no day
     */
    public TimeWindow {
      days = List.copyOf(days);
      Objects.requireNonNull(from, "from");
      Objects.requireNonNull(to, "to");
      Objects.requireNonNull(zone, "zone");
      if (days.isEmpty()) {
        throw new IllegalArgumentException("a time window must have a day");
      }
    }
  }

  /**
   * What a policy demands before it lets pass. Immutable.
   *
   * @param operator whether all of them are needed, or any. Default: {@link Operator#AND}
   * @param builtInControls block, MFA, compliant device
   * @param authenticationStrength the name of an {@link AuthenticationStrength}, or null
   * @param authenticationContexts {@code c1} to {@code c99}, which the provider's {@code acrs}
   *     claim must name: whatever it demands for it
   * @param termsOfUse the names of {@link TermsOfUse} that the user must have accepted
   */
  public record GrantControls(
      Operator operator,
      List<BuiltInControl> builtInControls,
      @Nullable String authenticationStrength,
      List<String> authenticationContexts,
      List<String> termsOfUse) {
    /**
     * Controls.
     *
     * @throws IllegalArgumentException if it blocks and demands something else, too
     */
    public GrantControls {
      Objects.requireNonNull(operator, "operator");
      builtInControls = List.copyOf(builtInControls);
      authenticationContexts = contexts("authenticationContexts", authenticationContexts);
      termsOfUse = names("termsOfUse", termsOfUse);
      if (builtInControls.contains(BuiltInControl.BLOCK)
          && (builtInControls.size() > 1
              || authenticationStrength != null
              || !authenticationContexts.isEmpty()
              || !termsOfUse.isEmpty())) {
        throw new IllegalArgumentException("block must be the only grant control");
      }
    }

    boolean isEmpty() {
      return builtInControls.isEmpty()
          && authenticationStrength == null
          && authenticationContexts.isEmpty()
          && termsOfUse.isEmpty();
    }
  }

  /**
   * What a policy demands as long as it lets pass: always all of it. Immutable.
   *
   * @param signInFrequency how old a sign-in may be, at least 2 minutes; null if any age will do
   * @param persistentBrowser whether the session cookie outlives the browser's window; null if the
   *     application's own setting decides
   * @param readOnly whether nothing but safe methods is let through (RFC 9110 §9.2.1), and no
   *     upgraded connection, whose content nobody sees. Default: false
   */
  public record SessionControls(
      @Nullable Duration signInFrequency,
      @Nullable PersistentBrowser persistentBrowser,
      boolean readOnly) {
    /**
     * Controls.
     *
     * @throws IllegalArgumentException if the frequency is shorter than 2 minutes: clocks differ,
     *     and a sign-in takes its time
     */
    public SessionControls {
      if (signInFrequency != null && signInFrequency.compareTo(SHORTEST_FREQUENCY) < 0) {
        throw new IllegalArgumentException(
            "signInFrequency must be at least 2 minutes: " + signInFrequency);
      }
    }

    boolean isEmpty() {
      return signInFrequency == null && persistentBrowser == null && !readOnly;
    }
  }

  private static List<String> names(String setting, List<String> names) {
    for (String name : names) {
      if (name.isBlank()) {
        throw new IllegalArgumentException(setting + " must name nothing blank");
      }
    }
    return List.copyOf(names);
  }

  private static void refuseAll(String setting, List<String> names) {
    if (names.contains(ALL)) {
      throw new IllegalArgumentException(
          setting + " must not be All, or the policy would never apply: turn it off instead");
    }
  }

  private static List<String> contexts(String setting, List<String> contexts) {
    for (String context : contexts) {
      if (!CONTEXT.matcher(context).matches()) {
        throw new IllegalArgumentException(setting + " must be of c1 to c99: " + context);
      }
    }
    return List.copyOf(contexts);
  }

  /** A builder of a policy that is on. */
  public static Builder builder(String displayName) {
    return new Builder(displayName);
  }

  /**
   * Reads what {@link #toJson()} wrote. Absent settings take their default.
   *
   * @throws IllegalArgumentException if the text is no JSON of a policy, names an unknown setting,
   *     or holds a bad value
   */
  public static Policy fromJson(String json) {
    return PolicyJson.readPolicy(json);
  }

  /** This policy as a JSON object, with all settings. */
  public String toJson() {
    return PolicyJson.write(this);
  }

  /**
   * Builds a {@link Policy}. Each {@code include…} and {@code exclude…} adds to what was named
   * before. Not thread-safe.
   */
  public static final class Builder {
    private final String displayName;
    private State state = State.ON;
    private final List<String> includeUsers = new ArrayList<>();
    private final List<String> excludeUsers = new ArrayList<>();
    private final List<String> includeGroups = new ArrayList<>();
    private final List<String> excludeGroups = new ArrayList<>();
    private final List<String> includeRoles = new ArrayList<>();
    private final List<String> excludeRoles = new ArrayList<>();
    private final List<String> includeApplications = new ArrayList<>();
    private final List<String> excludeApplications = new ArrayList<>();
    private final List<String> includeContexts = new ArrayList<>();
    private final List<String> includePaths = new ArrayList<>();
    private final List<String> excludePaths = new ArrayList<>();
    private final List<String> includeMethods = new ArrayList<>();
    private final List<String> excludeMethods = new ArrayList<>();
    private final List<String> includeLocations = new ArrayList<>();
    private final List<String> excludeLocations = new ArrayList<>();
    private final List<DevicePlatform> includePlatforms = new ArrayList<>();
    private final List<DevicePlatform> excludePlatforms = new ArrayList<>();
    private final List<ClientAppType> clientAppTypes = new ArrayList<>();
    private final List<DeviceState> includeDeviceStates = new ArrayList<>();
    private final List<DeviceState> excludeDeviceStates = new ArrayList<>();
    private final List<RiskLevel> signInRiskLevels = new ArrayList<>();
    private final List<RiskLevel> userRiskLevels = new ArrayList<>();
    private final List<TimeWindow> includeTimes = new ArrayList<>();
    private final List<TimeWindow> excludeTimes = new ArrayList<>();
    private Operator operator = Operator.AND;
    private final List<BuiltInControl> builtInControls = new ArrayList<>();
    private @Nullable String authenticationStrength;
    private final List<String> authenticationContexts = new ArrayList<>();
    private final List<String> termsOfUse = new ArrayList<>();
    private @Nullable Duration signInFrequency;
    private @Nullable PersistentBrowser persistentBrowser;
    private boolean readOnly;

    private Builder(String displayName) {
      this.displayName = Objects.requireNonNull(displayName, "displayName");
    }

    /** Reports what it would do, and does nothing. Default: the policy is on. */
    public Builder reportOnly() {
      state = State.REPORT_ONLY;
      return this;
    }

    /** Turns the policy off. Default: it is on. */
    public Builder off() {
      state = State.OFF;
      return this;
    }

    /** It is about everybody. */
    public Builder includeAllUsers() {
      return includeUsers(ALL);
    }

    /** It is about guests. */
    public Builder includeGuests() {
      return includeUsers(GUESTS);
    }

    /** It is not about guests. */
    public Builder excludeGuests() {
      return excludeUsers(GUESTS);
    }

    /** It is about these users: see {@link Users#includeUsers()}. */
    public Builder includeUsers(String... names) {
      includeUsers.addAll(List.of(names));
      return this;
    }

    /** It is not about these users: see {@link Users#includeUsers()}. */
    public Builder excludeUsers(String... names) {
      excludeUsers.addAll(List.of(names));
      return this;
    }

    /** It is about members of these groups. */
    public Builder includeGroups(String... names) {
      includeGroups.addAll(List.of(names));
      return this;
    }

    /** It is not about members of these groups. */
    public Builder excludeGroups(String... names) {
      excludeGroups.addAll(List.of(names));
      return this;
    }

    /** It is about users of these roles. */
    public Builder includeRoles(String... names) {
      includeRoles.addAll(List.of(names));
      return this;
    }

    /** It is not about users of these roles. */
    public Builder excludeRoles(String... names) {
      excludeRoles.addAll(List.of(names));
      return this;
    }

    /** It is about all applications. */
    public Builder includeAllApplications() {
      return includeApplications(ALL);
    }

    /** It is about these applications. */
    public Builder includeApplications(String... ids) {
      includeApplications.addAll(List.of(ids));
      return this;
    }

    /** It is not about these applications. */
    public Builder excludeApplications(String... ids) {
      excludeApplications.addAll(List.of(ids));
      return this;
    }

    /** It is about the parts of applications that demand these authentication contexts. */
    public Builder includeAuthenticationContexts(String... contexts) {
      includeContexts.addAll(List.of(contexts));
      return this;
    }

    /** It is about these paths, and what is below them. Default: all paths. */
    public Builder includePaths(String... paths) {
      includePaths.addAll(List.of(paths));
      return this;
    }

    /** It is not about these paths, and what is below them. Default: none. */
    public Builder excludePaths(String... paths) {
      excludePaths.addAll(List.of(paths));
      return this;
    }

    /** It is about these methods. Default: all methods. */
    public Builder includeMethods(String... methods) {
      includeMethods.addAll(List.of(methods));
      return this;
    }

    /** It is not about these methods. Default: none. */
    public Builder excludeMethods(String... methods) {
      excludeMethods.addAll(List.of(methods));
      return this;
    }

    /** It applies in these locations. Default: anywhere. */
    public Builder includeLocations(String... names) {
      includeLocations.addAll(List.of(names));
      return this;
    }

    /** It does not apply in these locations. Default: none. */
    public Builder excludeLocations(String... names) {
      excludeLocations.addAll(List.of(names));
      return this;
    }

    /** It does not apply in locations that are trusted. */
    public Builder excludeTrustedLocations() {
      return excludeLocations(ALL_TRUSTED);
    }

    /** It applies on these platforms, and on those that are not known. Default: any. */
    public Builder includePlatforms(DevicePlatform... platforms) {
      includePlatforms.addAll(List.of(platforms));
      return this;
    }

    /** It does not apply on these platforms. Default: none. */
    public Builder excludePlatforms(DevicePlatform... platforms) {
      excludePlatforms.addAll(List.of(platforms));
      return this;
    }

    /** It applies to these kinds of clients. Default: any. */
    public Builder clientAppTypes(ClientAppType... types) {
      clientAppTypes.addAll(List.of(types));
      return this;
    }

    /** It applies to these devices, and to those of which nothing is known. Default: any. */
    public Builder includeDeviceStates(DeviceState... states) {
      includeDeviceStates.addAll(List.of(states));
      return this;
    }

    /** It does not apply to these devices. Default: none. */
    public Builder excludeDeviceStates(DeviceState... states) {
      excludeDeviceStates.addAll(List.of(states));
      return this;
    }

    /** It applies to sign-ins of these risks, and of an unknown one. Default: any. */
    public Builder signInRiskLevels(RiskLevel... levels) {
      signInRiskLevels.addAll(List.of(levels));
      return this;
    }

    /** It applies to users of these risks, and of an unknown one. Default: any. */
    public Builder userRiskLevels(RiskLevel... levels) {
      userRiskLevels.addAll(List.of(levels));
      return this;
    }

    /** It applies at these times. Default: always. */
    public Builder includeTimes(TimeWindow... windows) {
      includeTimes.addAll(List.of(windows));
      return this;
    }

    /** It does not apply at these times. Default: none. */
    public Builder excludeTimes(TimeWindow... windows) {
      excludeTimes.addAll(List.of(windows));
      return this;
    }

    /** Refuses. */
    public Builder block() {
      builtInControls.add(BuiltInControl.BLOCK);
      return this;
    }

    /** Demands a sign-in with several factors. */
    public Builder requireMultifactor() {
      builtInControls.add(BuiltInControl.MFA);
      return this;
    }

    /** Demands a device that is known to be compliant. */
    public Builder requireCompliantDevice() {
      builtInControls.add(BuiltInControl.COMPLIANT_DEVICE);
      return this;
    }

    /** Demands a sign-in of this {@link AuthenticationStrength}. */
    public Builder requireAuthenticationStrength(String name) {
      authenticationStrength = Objects.requireNonNull(name, "name");
      return this;
    }

    /** Demands that the provider's {@code acrs} claim names this: {@code c1} to {@code c99}. */
    public Builder requireAuthenticationContext(String context) {
      authenticationContexts.add(Objects.requireNonNull(context, "context"));
      return this;
    }

    /** Demands that the user has accepted these {@link TermsOfUse}. */
    public Builder requireTermsOfUse(String name) {
      termsOfUse.add(Objects.requireNonNull(name, "name"));
      return this;
    }

    /** One of the grant controls is enough. Default: all are needed. */
    public Builder anyControlIsEnough() {
      operator = Operator.OR;
      return this;
    }

    /** Demands a sign-in that is not older than this. Default: any age will do. */
    public Builder signInFrequency(Duration longest) {
      signInFrequency = Objects.requireNonNull(longest, "longest");
      return this;
    }

    /** See {@link SessionControls#persistentBrowser()}. Default: as the application says. */
    public Builder persistentBrowser(PersistentBrowser mode) {
      persistentBrowser = Objects.requireNonNull(mode, "mode");
      return this;
    }

    /** Lets only those requests through that change nothing. Default: all. */
    public Builder readOnly() {
      readOnly = true;
      return this;
    }

    /**
     * The policy.
     *
     * @throws IllegalArgumentException as {@link Policy} does
     */
    public Policy build() {
      return new Policy(
          displayName,
          state,
          new Conditions(
              new Users(
                  includeUsers,
                  excludeUsers,
                  includeGroups,
                  excludeGroups,
                  includeRoles,
                  excludeRoles),
              new Applications(
                  includeApplications,
                  excludeApplications,
                  includeContexts,
                  includePaths,
                  excludePaths,
                  includeMethods,
                  excludeMethods),
              new Locations(includeLocations, excludeLocations),
              new Platforms(includePlatforms, excludePlatforms),
              clientAppTypes,
              new DeviceStates(includeDeviceStates, excludeDeviceStates),
              signInRiskLevels,
              userRiskLevels,
              new Times(includeTimes, excludeTimes)),
          new GrantControls(
              operator,
              builtInControls,
              authenticationStrength,
              authenticationContexts,
              termsOfUse),
          new SessionControls(signInFrequency, persistentBrowser, readOnly));
    }
  }
}
