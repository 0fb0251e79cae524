package io.apprxy.auth.servlet;

import io.apprxy.Application.SignedAssertion;
import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.apprxy.Identity;
import io.apprxy.Response;
import io.apprxy.auth.sso.AssertionVerifier;
import jakarta.servlet.DispatcherType;
import jakarta.servlet.Filter;
import jakarta.servlet.FilterChain;
import jakarta.servlet.FilterConfig;
import jakarta.servlet.ServletContext;
import jakarta.servlet.ServletException;
import jakarta.servlet.ServletRequest;
import jakarta.servlet.ServletResponse;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * For an application behind a gateway: takes the identity that the gateway signed (see {@link
 * SignedAssertion}), and refuses every request without. {@code getUserPrincipal} is an {@link
 * IdentityPrincipal}; {@code getRemoteUser} and {@code isUserInRole} tell the same; the {@link
 * Identity} is in the request attribute {@link #IDENTITY}. No other header is believed.
 * Thread-safe.
 *
 * <p>{@link #register} puts it where it belongs. In a {@code web.xml} it is configured by the
 * parameters {@code keys}, {@code issuer} and {@code audience}, and may have {@code header}, {@code
 * user-name} and {@code roles} (claims, separated by commas); it must be mapped to {@code /*}, for
 * every {@code dispatcher}, before all other filters, and with {@code async-supported}.
 */
public final class VerifiedIdentityFilter implements Filter {
  /** The request attribute that holds the {@link Identity}. */
  public static final String IDENTITY = "io.apprxy.Identity";

  private static final String BEARER = "Bearer ";
  private static final String PRINCIPAL = IdentityPrincipal.class.getName();

  private @Nullable AssertionVerifier verifier;
  private String header;
  private IdentityPrincipal.Claims claims;

  /** For a {@code web.xml}; {@link #init} takes its parameters. */
  public VerifiedIdentityFilter() {
    this(null, SignedAssertion.defaults().header(), IdentityPrincipal.Claims.DEFAULT);
  }

  private VerifiedIdentityFilter(
      @Nullable AssertionVerifier verifier, String header, IdentityPrincipal.Claims claims) {
    this.verifier = verifier;
    this.header = header;
    this.claims = claims;
  }

  public static Builder builder() {
    return new Builder();
  }

  /**
   * Has every request of the context go through this filter first; to be called before the context
   * has started, by a {@code ServletContextListener} or {@code ServletContainerInitializer}.
   */
  public void register(ServletContext context) {
    Registration.add(context, "apprxy-verified-identity", this);
  }

  /**
   * Takes the parameters of a {@code web.xml}.
   *
   * @throws ServletException if one is missing or wrong, so that the application does not start
   */
  @Override
  public void init(FilterConfig config) throws ServletException {
    if (verifier != null) {
      return; // built
    }
    try {
      header = parameter(config, "header", header);
      claims =
          new IdentityPrincipal.Claims(
              parameter(config, "user-name", claims.name()),
              List.of(
                  parameter(config, "roles", String.join(",", claims.roles()))
                      .strip()
                      .split("\\s*,\\s*")));
      verifier =
          AssertionVerifier.builder()
              .keys(required(config, "keys"))
              .issuer(required(config, "issuer"))
              .audience(required(config, "audience"))
              .build();
    } catch (RuntimeException e) {
      throw new ServletException("VerifiedIdentityFilter: " + e.getMessage(), e);
    }
  }

  private static String required(FilterConfig config, String name) {
    return Objects.requireNonNull(
        config.getInitParameter(name), "the init-param " + name + " is missing");
  }

  private static String parameter(FilterConfig config, String name, String otherwise) {
    String value = config.getInitParameter(name);
    return value == null ? otherwise : value.strip();
  }

  @Override
  public void doFilter(ServletRequest request, ServletResponse response, FilterChain chain)
      throws IOException, ServletException {
    HttpServletRequest http = (HttpServletRequest) request;
    if (request.getAttribute(PRINCIPAL) instanceof IdentityPrincipal known) {
      // Dispatched again: forwarded, included, asynchronous, or to an error page.
      chain.doFilter(new IdentifiedRequest(http, (HttpServletResponse) response, known), response);
      return;
    }
    if (request.getDispatcherType() == DispatcherType.ERROR) {
      return; // The container refused before anybody was known: the status alone is told.
    }
    IdentityPrincipal principal;
    try {
      principal = verified(http);
    } catch (RuntimeException e) {
      Response refusal = Answers.refusal(e, Answers.newId(), http);
      Answers.send((HttpServletResponse) response, refusal);
      return;
    }
    request.setAttribute(PRINCIPAL, principal);
    request.setAttribute(IDENTITY, principal.identity());
    chain.doFilter(
        new IdentifiedRequest(http, (HttpServletResponse) response, principal), response);
  }

  private IdentityPrincipal verified(HttpServletRequest request) {
    if (verifier == null) {
      throw new IllegalStateException("the filter was not initialised");
    }
    List<String> assertions = Collections.list(request.getHeaders(header));
    if (assertions.size() != 1) {
      throw new GatewayException(
          ErrorCode.NOT_VOUCHED_FOR, "one assertion must be there, and not " + assertions.size());
    }
    String assertion = assertions.get(0);
    if (header.equalsIgnoreCase("Authorization")) {
      if (!assertion.regionMatches(true, 0, BEARER, 0, BEARER.length())) {
        throw new GatewayException(ErrorCode.NOT_VOUCHED_FOR, "other credentials are there");
      }
      assertion = assertion.substring(BEARER.length());
    }
    return claims.principal(verifier.verify(assertion), () -> true);
  }

  /** Settings. Not thread-safe. */
  public static final class Builder {
    private @Nullable AssertionVerifier verifier;
    private String header = SignedAssertion.defaults().header();
    private IdentityPrincipal.Claims claims = IdentityPrincipal.Claims.DEFAULT;

    private Builder() {}

    /** Verifies the assertions. Required. */
    public Builder verifier(AssertionVerifier with) {
      verifier = Objects.requireNonNull(with, "with");
      return this;
    }

    /**
     * The header that they are in: by themselves, or, in {@code Authorization}, as Bearer tokens.
     * Default: {@code X-Apprxy-Assertion}.
     */
    public Builder header(String name) {
      header = SignedAssertion.defaults().inHeader(name).header(); // checks it
      return this;
    }

    /**
     * The claim that is the user's name; who has none, or several, is refused. Default: {@code
     * sub}, which is never given to another user. Several providers could use the same.
     */
    public Builder userName(String claim) {
      claims = new IdentityPrincipal.Claims(claim, claims.roles());
      return this;
    }

    /** The claims whose values are the user's roles. Default: {@code groups}. */
    public Builder roles(String... names) {
      claims = new IdentityPrincipal.Claims(claims.name(), List.of(names));
      return this;
    }

    /**
     * The filter.
     *
     * @throws IllegalStateException if the verifier is missing
     */
    public VerifiedIdentityFilter build() {
      if (verifier == null) {
        throw new IllegalStateException("verifier is missing: it is required");
      }
      return new VerifiedIdentityFilter(verifier, header, claims);
    }
  }
}
