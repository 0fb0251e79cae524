package io.apprxy.auth.oidc;

import io.apprxy.Exchange;
import io.apprxy.StepUpRequirement;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * What a sign-in is for. It is in the address of the sign-in page, where anybody can write it, and
 * from there on in the sealed state: nothing in it gives a right. Immutable.
 *
 * @param provider the name of the provider, or null if it is to be chosen
 * @param application the id of the application, if it matters: the provider is still to be chosen,
 *     or knows the gateway by another name there; else null
 * @param returnTo the page to come back to, see {@link ReturnTo}
 * @param restarts how often it began anew because the browser had another secret
 * @param loginHint who wants to sign in ({@code login_hint}), or null
 * @param requirement what the sign-in must prove, or null
 */
record Wish(
    @Nullable String provider,
    @Nullable String application,
    String returnTo,
    int restarts,
    @Nullable String loginHint,
    @Nullable StepUpRequirement requirement) {

  /** Ends the page to come back to where the browser's tab keeps its fragment, or a form for it. */
  static final String KEPT = "#";

  private static final int MAX_TEXT = 320; // an address of RFC 5321 §4.5.3.1: 64, @ and 255

  /** A sign-in to come back to this page with. */
  static Wish of(String returnTo) {
    return new Wish(null, null, returnTo, 0, null, null);
  }

  /** The query of the sign-in page; what makes no sense is left out. */
  static Wish of(Parameters parameters) {
    return new Wish(
        name(parameters.get("provider")),
        name(parameters.get("application")),
        ReturnTo.checked(parameters.get("return")),
        restarts(parameters.get("restart")),
        text(parameters.get("login_hint")),
        requirement(parameters));
  }

  Wish with(OidcProvider chosen, String applicationId) {
    return new Wish(
        chosen.name(),
        chosen.hasClientFor(applicationId) ? applicationId : null,
        returnTo,
        restarts,
        loginHint,
        requirement);
  }

  /** With a provider that is still to be chosen, for this application. */
  Wish at(String applicationId) {
    return new Wish(null, applicationId, returnTo, restarts, loginHint, requirement);
  }

  /** With a form for the page, which the browser keeps. */
  Wish keeping() {
    return new Wish(provider, application, returnTo + KEPT, restarts, loginHint, requirement);
  }

  Wish again() {
    return new Wish(provider, application, returnTo, restarts + 1, loginHint, requirement);
  }

  /** The address of the sign-in page for this wish, on the host of the request. */
  String url(Exchange exchange) {
    return exchange.origin() + path();
  }

  /** As {@link #url}, without scheme and host. */
  String path() {
    StringBuilder url = new StringBuilder(SignIn.PATH).append("?return=").append(encode(returnTo));
    append(url, "provider", provider == null || provider.isEmpty() ? null : provider);
    append(url, "application", application);
    append(url, "login_hint", loginHint);
    append(url, "restart", restarts == 0 ? null : Integer.toString(restarts));
    if (requirement != null) {
      append(
          url,
          "acr_values",
          requirement.acrValues().isEmpty() ? null : String.join(" ", requirement.acrValues()));
      append(url, "amr_values", requirement.methods().isEmpty() ? null : methods(requirement));
      append(url, "authentication_context", requirement.authenticationContext());
      Duration maxAge = requirement.maxAge();
      append(url, "max_age", maxAge == null ? null : Long.toString(maxAge.toSeconds()));
    }
    return url.toString();
  }

  private static void append(StringBuilder url, String name, @Nullable String value) {
    if (value != null) {
      url.append('&').append(name).append('=').append(encode(value));
    }
  }

  private static String encode(String text) {
    return URLEncoder.encode(text, StandardCharsets.UTF_8);
  }

  // ---- in the sealed state

  Map<String, Object> toClaims() {
    Map<String, Object> claims = new HashMap<>();
    put(claims, "provider", provider);
    put(claims, "application", application);
    claims.put("return_to", returnTo);
    claims.put("restarts", restarts);
    put(claims, "login_hint", loginHint);
    if (requirement != null) {
      claims.put("acr_values", requirement.acrValues());
      claims.put("amr_values", methods(requirement));
      put(claims, "authentication_context", requirement.authenticationContext());
      Duration maxAge = requirement.maxAge();
      put(claims, "max_age", maxAge == null ? null : maxAge.toSeconds());
    }
    return claims;
  }

  /** What {@link #toClaims} wrote; null if it is something else. */
  static @Nullable Wish fromClaims(Map<String, Object> claims) {
    if (!(claims.get("return_to") instanceof String returnTo)
        || !(claims.get("restarts") instanceof Number restarts)) {
      return null;
    }
    List<String> acrValues =
        claims.get("acr_values") instanceof List<?> values
            ? values.stream().map(String::valueOf).toList()
            : List.of();
    return new Wish(
        (String) claims.get("provider"),
        (String) claims.get("application"),
        ReturnTo.checked(returnTo),
        restarts.intValue(),
        (String) claims.get("login_hint"),
        requirement(
            acrValues,
            methods((String) claims.get("amr_values")),
            (String) claims.get("authentication_context"),
            claims.get("max_age") instanceof Number seconds
                ? Duration.ofSeconds(seconds.longValue())
                : null));
  }

  /** Sets of authentication methods: {@code hwk pin,fido}. */
  private static String methods(StepUpRequirement requirement) {
    return requirement.methods().stream()
        .map(set -> String.join(" ", set))
        .collect(Collectors.joining(","));
  }

  private static List<List<String>> methods(@Nullable String text) {
    return text == null
        ? List.of()
        : Arrays.stream(text.split(","))
            .map(set -> Arrays.stream(set.split(" ")).filter(value -> !value.isEmpty()).toList())
            .filter(set -> !set.isEmpty())
            .toList();
  }

  private static void put(Map<String, Object> claims, String name, @Nullable Object value) {
    if (value != null) {
      claims.put(name, value);
    }
  }

  // ---- from an address, which anybody may have written

  private static @Nullable String name(@Nullable String text) {
    return text != null && text.matches("[A-Za-z0-9][A-Za-z0-9._-]{0,63}") ? text : null;
  }

  private static @Nullable String text(@Nullable String text) {
    return text != null && !text.isBlank() && text.length() <= MAX_TEXT ? text : null;
  }

  /** A forged count only shortens or renews the forger's own patience. */
  private static int restarts(@Nullable String text) {
    return text != null && text.matches("[0-9]") ? Integer.parseInt(text) : 0;
  }

  private static @Nullable StepUpRequirement requirement(Parameters parameters) {
    String acrValues = text(parameters.get("acr_values"));
    String context = parameters.get("authentication_context");
    String maxAge = parameters.get("max_age");
    return requirement(
        acrValues == null
            ? List.of()
            : Arrays.stream(acrValues.split(" ")).filter(value -> !value.isEmpty()).toList(),
        methods(text(parameters.get("amr_values"))),
        context != null && context.matches("c[1-9][0-9]?") ? context : null,
        maxAge != null && maxAge.matches("[0-9]{1,9}")
            ? Duration.ofSeconds(Long.parseLong(maxAge))
            : null);
  }

  private static @Nullable StepUpRequirement requirement(
      List<String> acrValues,
      List<List<String>> methods,
      @Nullable String context,
      @Nullable Duration maxAge) {
    return acrValues.isEmpty() && context == null && maxAge == null
        ? null
        : new StepUpRequirement(acrValues, context, maxAge, "", methods);
  }
}
