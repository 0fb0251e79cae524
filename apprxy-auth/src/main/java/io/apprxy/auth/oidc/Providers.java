package io.apprxy.auth.oidc;

import io.apprxy.Application;
import io.apprxy.ErrorCode;
import io.apprxy.Exchange;
import io.apprxy.GatewayException;
import io.apprxy.Identity;
import java.time.Clock;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executor;
import org.jspecify.annotations.Nullable;

/** The providers of a gateway, and which of them count where. Thread-safe. */
final class Providers {
  /** By name, in the order in which users see them. */
  private final Map<String, Discovery> all = new LinkedHashMap<>();

  /**
   * These providers.
   *
   * @throws IllegalArgumentException if two have the same name or issuer
   */
  Providers(Collection<OidcProvider> providers, Clock clock, Executor workers) {
    for (OidcProvider provider : providers) {
      if (all.containsKey(provider.name())) {
        throw new IllegalArgumentException("two providers are named " + provider.name());
      }
      for (Discovery other : all.values()) {
        if (other.settings().issuer().equals(provider.issuer())) {
          throw new IllegalArgumentException(
              "the providers "
                  + other.settings().name()
                  + " and "
                  + provider.name()
                  + " have the same issuer: make them one, with a client(application, …) each");
        }
      }
      all.put(
          provider.name(),
          new Discovery(
              provider, clock, new ProviderHttp(provider.trust(), provider.timeout()), workers));
    }
  }

  Collection<Discovery> all() {
    return all.values();
  }

  /** The one with this issuer, or null. */
  @Nullable Discovery of(@Nullable String issuer) {
    for (Discovery one : all.values()) {
      if (one.settings().isIssuer(issuer)) {
        return one;
      }
    }
    return null;
  }

  /** The one of this name, or null. */
  @Nullable Discovery named(String name) {
    return all.get(name);
  }

  /**
   * Who may sign the user of this request in: those that the application allows; of them, those
   * that are for its host, or if there are none, those that are for no certain host.
   *
   * @throws GatewayException if there are none
   */
  List<Discovery> candidates(Exchange exchange) {
    return candidates(exchange.application(), hostOf(exchange.authority()));
  }

  /**
   * The provider that vouched for an identity; null if it does not count for the application of
   * this request: it is no candidate, or knows the gateway by another name there.
   */
  @Nullable Discovery of(Identity identity, Exchange exchange) {
    Discovery one = issuing(identity);
    return one != null
            && isClient(one.settings(), identity, exchange.application())
            && isCandidate(one.settings(), exchange.application(), hostOf(exchange.authority()))
        ? one
        : null;
  }

  private static boolean isClient(
      OidcProvider provider, Identity identity, Application application) {
    return provider.client(application.id()).id().getValue().equals(identity.claim("aud"));
  }

  /** The provider that vouched for an identity, whatever it counts for; null if it is no more. */
  @Nullable Discovery issuing(Identity identity) {
    return of(identity.issuer());
  }

  /**
   * Refuses an application that nobody could sign in to.
   *
   * @throws IllegalArgumentException with the name that is not known, or the host that no provider
   *     is for
   */
  void check(Application application) {
    for (String name : application.identityProviders()) {
      if (name.isEmpty() || !all.containsKey(name)) {
        throw new IllegalArgumentException(
            "application "
                + application.id()
                + ": identityProviders names "
                + name
                + ", but the providers are "
                + all.keySet());
      }
    }
    try {
      candidates(application, hostOf(application.externalUrl().getRawAuthority()));
    } catch (GatewayException e) {
      throw new IllegalArgumentException(
          "application " + application.id() + ": no provider is for its host", e);
    }
  }

  /**
   * Refuses an application whose origin is to get tokens of users that nobody would keep.
   *
   * @throws IllegalArgumentException with the provider
   */
  void checkTokensAreKept(Application application) {
    String host = hostOf(application.externalUrl().getRawAuthority());
    for (Discovery one : candidates(application, host)) {
      if (!one.settings().client(application.id()).refreshesSessions()) {
        throw new IllegalArgumentException(
            "application "
                + application.id()
                + ": singleSignOn.token needs the tokens of users, which the client of provider "
                + one.settings().name()
                + " forgets: set refreshSessions() on it");
      }
    }
  }

  private List<Discovery> candidates(Application application, String host) {
    List<Discovery> found =
        all.values().stream()
            .filter(one -> isCandidate(one.settings(), application, host))
            .toList();
    if (found.isEmpty()) {
      throw new GatewayException(
          ErrorCode.INTERNAL, "no provider may sign in users of " + application.id());
    }
    return found;
  }

  private boolean isCandidate(OidcProvider provider, Application application, String host) {
    if (!isAllowed(provider, application)) {
      return false;
    }
    if (!provider.hosts().isEmpty()) {
      return provider.hosts().contains(host);
    }
    for (Discovery other : all.values()) {
      if (other.settings().hosts().contains(host) && isAllowed(other.settings(), application)) {
        return false; // that one is for this very host
      }
    }
    return true;
  }

  private static boolean isAllowed(OidcProvider provider, Application application) {
    List<String> names = application.identityProviders();
    return names.isEmpty() || names.contains(provider.name());
  }

  private static String hostOf(String authority) {
    int colon = authority.lastIndexOf(':');
    return colon > authority.lastIndexOf(']') ? authority.substring(0, colon) : authority;
  }
}
