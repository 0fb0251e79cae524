package io.apprxy;

import java.net.URI;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Which pages of other origins may use a part of an application by script, as browsers ask it
 * (Fetch standard, CORS protocol; Entra's {@code corsConfiguration}). The gateway answers
 * preflights by it, without sign-in and without the origin, and its headers replace the origin's
 * own. It keeps nobody out who is no browser. Immutable data, part of an {@link Application}.
 *
 * @param resource the part: this path and what is below it, as it stands in the external URL; of
 *     several the longest counts. Default: {@code /}, the whole application
 * @param allowedOrigins the origins, such as {@code https://app.example.com}, as browsers write
 *     them; or {@code *} alone for any, which excludes credentials
 * @param allowedMethods the methods beside GET, HEAD and POST. Default: none
 * @param allowedHeaders the request headers beside those that need no leave; with {@code *} at its
 *     end a name stands for all that begin so. Default: none
 * @param exposedHeaders the response headers that the page may read beside the usual ones, {@code
 *     WWW-Authenticate} and {@code X-Request-Id}. Default: none
 * @param allowCredentials whether requests may carry cookies. Default: false
 * @param maxAge how long a browser may keep the answer to a preflight, at most a day. Default: 10
 *     minutes
 */
public record CorsConfiguration(
    String resource,
    List<String> allowedOrigins,
    List<String> allowedMethods,
    List<String> allowedHeaders,
    List<String> exposedHeaders,
    boolean allowCredentials,
    Duration maxAge) {
  private static final String ANY = "*";
  private static final Pattern TOKEN = Pattern.compile("[A-Za-z0-9!#$%&'*+.^_`|~-]+");
  private static final Pattern NAME = Pattern.compile("[A-Za-z0-9!#$%&'+.^_`|~-]+");

  /** Which no script can send (Fetch §2.2.1). */
  private static final Pattern FORBIDDEN_METHOD = Pattern.compile("(?i)CONNECT|TRACE|TRACK");

  /**
   * A configuration.
   *
   * @throws IllegalArgumentException if a value is none that a browser could send or take, or any
   *     origin or header is allowed together with credentials; the message names setting, value and
   *     rule
   */
  public CorsConfiguration {
    Application.requireCanonical("the resource of a CORS configuration", resource);
    allowedOrigins = List.copyOf(Objects.requireNonNull(allowedOrigins, "allowedOrigins"));
    allowedMethods = List.copyOf(Objects.requireNonNull(allowedMethods, "allowedMethods"));
    allowedHeaders = List.copyOf(Objects.requireNonNull(allowedHeaders, "allowedHeaders"));
    exposedHeaders = List.copyOf(Objects.requireNonNull(exposedHeaders, "exposedHeaders"));
    require(!allowedOrigins.isEmpty(), "allowedOrigins", "must name an origin", "");
    boolean any = allowedOrigins.contains(ANY);
    require(
        !any || allowedOrigins.size() == 1,
        "allowedOrigins",
        "must be * alone, or origins",
        allowedOrigins);
    if (!any) {
      allowedOrigins.forEach(CorsConfiguration::checkOrigin);
    }
    require(
        !allowCredentials || (!any && !allowedHeaders.contains(ANY)),
        "allowCredentials",
        "must not be combined with * as origin or header: every page of the world could act for the user",
        true);
    for (String method : allowedMethods) {
      require(
          TOKEN.matcher(method).matches()
              && !method.equals(ANY)
              && !FORBIDDEN_METHOD.matcher(method).matches(),
          "allowedMethods",
          "must be methods that a script can send, each by its name",
          method);
    }
    for (String name : allowedHeaders) {
      String stem = name.endsWith(ANY) ? name.substring(0, name.length() - 1) : name;
      require(
          name.equals(ANY) || NAME.matcher(stem).matches(),
          "allowedHeaders",
          "must be names of headers, or the beginning of names and *",
          name);
    }
    for (String name : exposedHeaders) {
      require(NAME.matcher(name).matches(), "exposedHeaders", "must be names of headers", name);
    }
    require(
        !maxAge.isNegative() && maxAge.compareTo(Duration.ofDays(1)) <= 0,
        "maxAge",
        "must be from zero to a day",
        maxAge);
  }

  /**
   * RFC 6454 §6.2, as browsers serialise it; {@code null} is no origin that could be told apart.
   */
  private static void checkOrigin(String origin) {
    URI url;
    try {
      url = URI.create(origin);
    } catch (IllegalArgumentException e) {
      url = URI.create("");
    }
    String scheme = url.getScheme();
    String host = url.getHost();
    boolean serialised =
        scheme != null
            && host != null
            && origin.equals(scheme + "://" + host + (url.getPort() < 0 ? "" : ":" + url.getPort()))
            && origin.equals(origin.toLowerCase(Locale.ROOT))
            && !(scheme.equals("https") && url.getPort() == 443)
            && !(scheme.equals("http") && url.getPort() == 80);
    require(
        serialised,
        "allowedOrigins",
        "must be origins as browsers write them (https://app.example.com: lower case, no path, no default port)",
        origin);
  }

  private static void require(boolean met, String setting, String rule, Object value) {
    if (!met) {
      throw new IllegalArgumentException(
          setting + " of a CORS configuration " + rule + ": " + value);
    }
  }

  /** Whether it is for any origin, so that the answer is the same for all. */
  boolean isForAny() {
    return allowedOrigins.contains(ANY);
  }

  /**
   * What a browser is told of this origin, or null if it is not allowed.
   *
   * @param origin as the browser sent it, or null if it sent none
   */
  @Nullable String allows(@Nullable String origin) {
    if (isForAny()) {
      return ANY;
    }
    return origin != null && allowedOrigins.contains(origin) ? origin : null;
  }

  /** Whether a request may have this header. */
  boolean allowsHeader(String name) {
    for (String allowed : allowedHeaders) {
      if (allowed.endsWith(ANY)
          ? name.regionMatches(true, 0, allowed, 0, allowed.length() - 1)
          : name.equalsIgnoreCase(allowed)) {
        return NAME.matcher(name).matches();
      }
    }
    return false;
  }

  /** A builder with the defaults, for these origins or for {@code *}. */
  public static Builder forOrigins(String... origins) {
    return new Builder(List.of(origins));
  }

  /** Builds a {@link CorsConfiguration}. Not thread-safe. */
  public static final class Builder {
    private final List<String> origins;
    private String resource = "/";
    private final List<String> methods = new ArrayList<>();
    private final List<String> headers = new ArrayList<>();
    private final List<String> exposed = new ArrayList<>();
    private boolean credentials;
    private Duration maxAge = Duration.ofMinutes(10);

    private Builder(List<String> origins) {
      this.origins = origins;
    }

    /** See {@link CorsConfiguration#resource()}. Default: {@code /}. */
    public Builder resource(String path) {
      resource = Objects.requireNonNull(path, "path");
      return this;
    }

    /** See {@link CorsConfiguration#allowedMethods()}. Default: none. */
    public Builder methods(String... names) {
      methods.addAll(List.of(names));
      return this;
    }

    /** See {@link CorsConfiguration#allowedHeaders()}. Default: none. */
    public Builder headers(String... names) {
      headers.addAll(List.of(names));
      return this;
    }

    /** See {@link CorsConfiguration#exposedHeaders()}. Default: none. */
    public Builder exposeHeaders(String... names) {
      exposed.addAll(List.of(names));
      return this;
    }

    /** Lets requests carry cookies. Default: they must not. */
    public Builder credentials() {
      credentials = true;
      return this;
    }

    /** See {@link CorsConfiguration#maxAge()}. Default: 10 minutes. */
    public Builder maxAge(Duration age) {
      maxAge = Objects.requireNonNull(age, "age");
      return this;
    }

    /**
     * The configuration.
     *
     * @throws IllegalArgumentException as {@link CorsConfiguration} does
     */
    public CorsConfiguration build() {
      return new CorsConfiguration(
          resource, origins, methods, headers, exposed, credentials, maxAge);
    }
  }
}
