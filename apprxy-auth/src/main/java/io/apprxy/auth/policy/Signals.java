package io.apprxy.auth.policy;

import io.apprxy.Application;
import io.apprxy.Identity;
import io.apprxy.auth.policy.Policy.ClientAppType;
import io.apprxy.auth.policy.Policy.DevicePlatform;
import io.apprxy.auth.policy.Policy.DeviceState;
import io.apprxy.auth.policy.Policy.RiskLevel;
import java.time.Instant;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * All that a decision is made from: of a request, or of one that somebody wonders about ({@link
 * ConditionalAccess#whatIf}). What is null is not known. Immutable.
 *
 * @param identity who the request is made for
 * @param application what it is for
 * @param path the canonical path, percent-encoded; null if the decision is not about one
 * @param method the method; null if the origin may take it for another, or for any, as that of an
 *     upgraded connection
 * @param clientAddress the literal address of the client, of IPv4 or IPv6
 * @param country the country of the address, or {@link CountryLookup#UNKNOWN}
 * @param platform on what the client says that it runs
 * @param clientAppType by what the user comes
 * @param deviceState what is known of the device
 * @param signInRisk how risky the sign-in is
 * @param userRisk how likely the account is compromised
 * @param acceptedTerms the names of the terms of use that the user has accepted in their present
 *     version
 * @param time when the request is made
 */
public record Signals(
    Identity identity,
    Application application,
    @Nullable String path,
    @Nullable String method,
    @Nullable String clientAddress,
    @Nullable String country,
    @Nullable DevicePlatform platform,
    @Nullable ClientAppType clientAppType,
    @Nullable DeviceState deviceState,
    @Nullable RiskLevel signInRisk,
    @Nullable RiskLevel userRisk,
    Set<String> acceptedTerms,
    Instant time) {

  public Signals {
    Objects.requireNonNull(identity, "identity");
    Objects.requireNonNull(application, "application");
    Objects.requireNonNull(time, "time");
    acceptedTerms = Set.copyOf(acceptedTerms);
  }

  /**
   * A GET of {@code /} in a browser, now, by this user, of whom nothing else is known but what the
   * identity says.
   */
  public static Builder builder(Identity identity, Application application) {
    return new Builder(identity, application);
  }

  /** A builder that begins with these. */
  public Builder newBuilder() {
    Builder builder = new Builder(identity, application);
    builder.path = path;
    builder.method = method;
    builder.clientAddress = clientAddress;
    builder.country = country;
    builder.platform = platform;
    builder.clientAppType = clientAppType;
    builder.deviceState = deviceState;
    builder.signInRisk = signInRisk;
    builder.userRisk = userRisk;
    builder.acceptedTerms = acceptedTerms;
    builder.time = time;
    return builder;
  }

  /** Builds {@link Signals}. Not thread-safe. */
  public static final class Builder {
    private final Identity identity;
    private final Application application;
    private @Nullable String path = "/";
    private @Nullable String method = "GET";
    private @Nullable String clientAddress;
    private @Nullable String country;
    private @Nullable DevicePlatform platform;
    private @Nullable ClientAppType clientAppType = ClientAppType.BROWSER;
    private @Nullable DeviceState deviceState;
    private @Nullable RiskLevel signInRisk;
    private @Nullable RiskLevel userRisk;
    private Set<String> acceptedTerms = Set.of();
    private Instant time = Instant.now();

    private Builder(Identity identity, Application application) {
      this.identity = Objects.requireNonNull(identity, "identity");
      this.application = Objects.requireNonNull(application, "application");
    }

    /** See {@link Signals#path()}. Default: {@code /}. */
    public Builder path(@Nullable String canonical) {
      path = canonical;
      return this;
    }

    /** See {@link Signals#method()}. Default: GET. */
    public Builder method(@Nullable String name) {
      method = name;
      return this;
    }

    /** See {@link Signals#clientAddress()}. Default: not known. */
    public Builder clientAddress(@Nullable String literal) {
      clientAddress = literal;
      return this;
    }

    /**
     * See {@link Signals#country()}. Default: not known; what-if looks it up if there is an
     * address.
     */
    public Builder country(@Nullable String code) {
      country = code;
      return this;
    }

    /** See {@link Signals#platform()}. Default: not known. */
    public Builder platform(@Nullable DevicePlatform told) {
      platform = told;
      return this;
    }

    /** See {@link Signals#clientAppType()}. Default: {@link ClientAppType#BROWSER}. */
    public Builder clientAppType(@Nullable ClientAppType type) {
      clientAppType = type;
      return this;
    }

    /** See {@link Signals#deviceState()}. Default: not known. */
    public Builder deviceState(@Nullable DeviceState state) {
      deviceState = state;
      return this;
    }

    /** See {@link Signals#signInRisk()}. Default: not known. */
    public Builder signInRisk(@Nullable RiskLevel level) {
      signInRisk = level;
      return this;
    }

    /** See {@link Signals#userRisk()}. Default: not known. */
    public Builder userRisk(@Nullable RiskLevel level) {
      userRisk = level;
      return this;
    }

    /** See {@link Signals#acceptedTerms()}. Default: none. */
    public Builder acceptedTerms(String... names) {
      acceptedTerms = Set.of(names);
      return this;
    }

    /** See {@link Signals#time()}. Default: when the builder was made. */
    public Builder time(Instant when) {
      time = Objects.requireNonNull(when, "when");
      return this;
    }

    /** The signals. */
    public Signals build() {
      return new Signals(
          identity,
          application,
          path,
          method,
          clientAddress,
          country,
          platform,
          clientAppType,
          deviceState,
          signInRisk,
          userRisk,
          acceptedTerms,
          time);
    }
  }
}
