package io.apprxy;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A header that tells the origin something of the user: where the value comes from, and what is
 * done to it on the way. Immutable data, part of {@link Application.SingleSignOn}.
 *
 * <pre>{@code
 * HeaderMapping.of("X-User", "email").transform(new ExtractMailPrefix(), new ToLowercase()).require()
 * HeaderMapping.of("X-Roles", "groups").transform(new Filter(Regex.of("wiki-.*"))).joinedBy(";")
 * }</pre>
 *
 * @param header the name of the header
 * @param source the claim, or the constant, that it begins with
 * @param transformations what is done to the values, one after the other. Default: nothing
 * @param separator what stands between several values; null for a header for each. No value of a
 *     list may contain it, or, where each has a header of its own, a comma, which would be the same
 *     to many (RFC 9110 §5.3): the request is refused. Default: a comma
 * @param required whether a user without any value is refused ({@link ErrorCode#CLAIM_MISSING}).
 *     Default: false: there is no such header
 */
public record HeaderMapping(
    String header,
    ClaimSource source,
    List<ClaimsTransformation> transformations,
    @Nullable String separator,
    boolean required) {
  private static final String COMMA = ",";

  /** What says how a request is read, where it goes and whence it came: never who the user is. */
  private static final Set<String> TAKEN =
      Set.of(
          "host",
          "connection",
          "keep-alive",
          "proxy-connection",
          "proxy-authorization",
          "te",
          "trailer",
          "transfer-encoding",
          "upgrade",
          "expect",
          "content-length",
          "content-type",
          "content-encoding",
          "cookie",
          "authorization",
          "forwarded",
          "x-forwarded-for",
          "x-forwarded-host",
          "x-forwarded-proto",
          "x-forwarded-port",
          "x-request-id");

  /**
   * A mapping.
   *
   * @throws IllegalArgumentException if the header is no token, or has another meaning, or the
   *     separator is empty or not made of visible ASCII and spaces
   */
  public HeaderMapping {
    Objects.requireNonNull(header, "header");
    Objects.requireNonNull(source, "source");
    transformations = List.copyOf(Objects.requireNonNull(transformations, "transformations"));
    if (!HeaderNames.isToken(header)) {
      throw new IllegalArgumentException(
          "the name of an identity header must be a token (RFC 9110 §5.6.2): " + header);
    }
    if (saysSomethingElse(header) || HeaderNames.isInternal(header)) {
      throw new IllegalArgumentException(
          "an identity header must not have a name that says something else to the origin: "
              + header);
    }
    if (separator != null && !isSeparator(separator)) {
      throw new IllegalArgumentException(
          "the separator of header " + header + " must be visible ASCII, or spaces");
    }
  }

  static boolean saysSomethingElse(String header) {
    return TAKEN.contains(HeaderNames.fold(header));
  }

  private static boolean isSeparator(String text) {
    return !text.isEmpty() && text.chars().allMatch(c -> c >= ' ' && c <= '~');
  }

  /** The header tells the claim as it is. */
  public static HeaderMapping of(String header, String claim) {
    return from(header, ClaimSource.claim(claim));
  }

  /** The header says the same of every user. */
  public static HeaderMapping constant(String header, String value) {
    return from(header, ClaimSource.constant(value));
  }

  private static HeaderMapping from(String header, ClaimSource source) {
    return new HeaderMapping(header, source, List.of(), COMMA, false);
  }

  /** The same with these steps after those that it has. */
  public HeaderMapping transform(ClaimsTransformation... steps) {
    List<ClaimsTransformation> all = new ArrayList<>(transformations);
    all.addAll(List.of(steps));
    return new HeaderMapping(header, source, all, separator, required);
  }

  /** The same with several values in one header, this between them. */
  public HeaderMapping joinedBy(String text) {
    return new HeaderMapping(
        header, source, transformations, Objects.requireNonNull(text, "text"), required);
  }

  /** The same with a header for each of several values. */
  public HeaderMapping inSeveralHeaders() {
    return new HeaderMapping(header, source, transformations, null, required);
  }

  /** The same, but that users without a value are refused. */
  public HeaderMapping require() {
    return new HeaderMapping(header, source, transformations, separator, true);
  }

  /**
   * What the header says of a user.
   *
   * @throws GatewayException {@link ErrorCode#CLAIM_MISSING} if there is nothing, and there must
   *     be; {@link ErrorCode#SIGN_ON_FAILED} if a claim of the user cannot be used
   */
  public ClaimValues values(Identity identity) {
    ClaimValues values = source.of(identity);
    for (ClaimsTransformation step : transformations) {
      values = step.apply(values, identity);
    }
    if (required && values.isEmpty()) {
      throw new GatewayException(
          ErrorCode.CLAIM_MISSING, "the user has nothing for the header " + header);
    }
    return values;
  }
}
