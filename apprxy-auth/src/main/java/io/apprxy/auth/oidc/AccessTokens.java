package io.apprxy.auth.oidc;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import com.nimbusds.jwt.SignedJWT;
import io.apprxy.Application;
import io.apprxy.BearerTokens;
import io.apprxy.ErrorCode;
import io.apprxy.Exchange;
import io.apprxy.GatewayException;
import io.apprxy.Identity;
import io.apprxy.StepUpRequirement;
import io.apprxy.Verdict;
import io.apprxy.auth.oidc.PresentedToken.Scheme;
import io.apprxy.auth.policy.SignInAttempts;
import io.apprxy.auth.session.Sessions;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.security.cert.CertificateEncodingException;
import java.security.cert.X509Certificate;
import java.text.ParseException;
import java.time.Clock;
import java.time.Duration;
import java.util.Base64;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Authenticates requests by the access tokens of native and service clients. Who sends one is
 * judged by it alone: if it is bad, a session does not help. Thread-safe; never blocks.
 */
final class AccessTokens {
  /** Three parts of base64url (RFC 7515 §3.1), the first an object. */
  private static final Pattern SIGNED =
      Pattern.compile("eyJ[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]*");

  /** Then it is verified again, in case that its key was withdrawn. */
  private static final Duration BELIEVED = Duration.ofMinutes(5);

  private final Providers providers;
  private final Executor workers;
  private final Clock clock;
  private final Sessions sessions;
  private final SignInAttempts attempts;
  private final DpopNonces nonces;
  private final Introspection introspection;
  private final Cache<String, Genuine> verified;

  /**
   * A token that its issuer vouches for, as long as it does.
   *
   * @param issuer the name of its provider
   */
  private record Genuine(AccessToken token, String issuer, BooleanSupplier stands) {}

  AccessTokens(
      Providers providers,
      Executor workers,
      Clock clock,
      Sessions sessions,
      SignInAttempts attempts,
      DpopNonces nonces) {
    this.providers = providers;
    this.workers = workers;
    this.clock = clock;
    this.sessions = sessions;
    this.attempts = attempts;
    this.nonces = nonces;
    this.introspection = new Introspection(workers, clock);
    this.verified =
        Caffeine.newBuilder()
            .maximumSize(10_000)
            .expireAfterWrite(BELIEVED)
            .ticker(() -> TimeUnit.MILLISECONDS.toNanos(clock.millis()))
            .build();
  }

  /**
   * Refuses an application with opaque tokens of which nobody could say whose they are.
   *
   * @throws IllegalArgumentException with the rule
   */
  void check(Application application) {
    if (application.bearerTokens() != null
        && providers.all().stream()
                .map(Discovery::settings)
                .filter(OidcProvider::introspectsTokens)
                .filter(
                    one ->
                        application.identityProviders().isEmpty()
                            || application.identityProviders().contains(one.name()))
                .count()
            > 1) {
      throw new IllegalArgumentException(
          "application "
              + application.id()
              + ": bearerTokens must be those of one provider with introspectTokens(): name it in"
              + " identityProviders");
    }
  }

  /**
   * Authenticates a request by its token.
   *
   * @return null if it has none
   */
  @Nullable Verdict authenticate(Exchange exchange) {
    PresentedToken presented;
    try {
      presented = PresentedToken.of(exchange);
    } catch (GatewayException e) {
      throw refuse(exchange, Scheme.BEARER, e);
    }
    if (presented == null) {
      return null;
    }
    String digest = digest(presented.token().getBytes(StandardCharsets.US_ASCII));
    Genuine known = verified.getIfPresent(digest);
    if (known != null) {
      return accept(exchange, presented, digest, known);
    }
    CompletableFuture<Genuine> asked =
        attempts
            .check(exchange, null)
            .thenCompose(free -> find(exchange, presented, digest))
            .toCompletableFuture();
    return Workers.verdict(
        asked.handle(
            (found, failed) -> {
              if (failed != null) {
                throw notGenuine(exchange, presented.scheme(), Workers.cause(failed));
              }
              return accept(exchange, presented, digest, found);
            }));
  }

  /**
   * A token that nobody vouches for looks like guessing; one that is too old, or another's, not.
   */
  private GatewayException notGenuine(Exchange exchange, Scheme scheme, Throwable cause) {
    GatewayException refusal = refuse(exchange, scheme, cause);
    if (refusal.code() == ErrorCode.ACCESS_TOKEN_REFUSED) {
      attempts.failed(exchange, null, refusal);
    }
    return refusal;
  }

  private CompletableFuture<Genuine> find(
      Exchange exchange, PresentedToken presented, String digest) {
    try {
      return SIGNED.matcher(presented.token()).matches()
          ? verify(exchange, presented.token(), digest)
          : introspect(exchange, presented.token(), digest);
    } catch (ParseException e) {
      return CompletableFuture.failedFuture(e);
    }
  }

  private CompletableFuture<Genuine> verify(Exchange exchange, String text, String digest)
      throws ParseException {
    SignedJWT token = parse(text);
    Discovery issuer = issuer(exchange, token.getJWTClaimsSet().getIssuer());
    return issuer
        .provider()
        .thenApplyAsync(provider -> provider.verify(token, digest), workers)
        .orTimeout(issuer.settings().timeout().toMillis() * 3, TimeUnit.MILLISECONDS)
        .thenApply(
            found -> {
              Genuine genuine = new Genuine(found, found.identity().issuer(), () -> true);
              verified.put(digest, genuine);
              return genuine;
            });
  }

  private CompletableFuture<Genuine> introspect(Exchange exchange, String text, String digest) {
    Discovery issuer =
        providers.candidates(exchange).stream()
            .filter(one -> one.settings().introspectsTokens())
            .findFirst()
            .orElseThrow(
                () -> new GatewayException(ErrorCode.ACCESS_TOKEN_REFUSED, "it is no signed JWT"));
    OidcClient client = issuer.settings().client(exchange.application().id());
    return introspection
        .ask(issuer, client, text, digest)
        .thenApply(
            found ->
                new Genuine(
                    found,
                    found.identity().issuer(),
                    introspection.watch(issuer, client, text, digest)));
  }

  private static SignedJWT parse(String token) throws ParseException {
    SignedJWT parsed = SignedJWT.parse(token);
    if (parsed.getJWTClaimsSet() == null) {
      throw new GatewayException(ErrorCode.ACCESS_TOKEN_REFUSED, "it has no claims");
    }
    return parsed;
  }

  /** Of those who may vouch for users of this application, the one that the token names. */
  private Discovery issuer(Exchange exchange, @Nullable String name) {
    return providers.candidates(exchange).stream()
        .filter(one -> one.settings().isIssuer(name))
        .findFirst()
        .orElseThrow(
            () ->
                new GatewayException(
                    ErrorCode.ACCESS_TOKEN_REFUSED,
                    "its issuer does not count here: " + Untrusted.text(name)));
  }

  // ---- a genuine token: whether it is for this application, and this client's

  private Verdict accept(
      Exchange exchange, PresentedToken presented, String digest, Genuine genuine) {
    AccessToken token = genuine.token();
    BooleanSupplier stands;
    DpopProof proof;
    try {
      Discovery issuer = issuer(exchange, genuine.issuer());
      stands = () -> isCurrent(token, issuer) && genuine.stands().getAsBoolean();
      if (!stands.getAsBoolean()) {
        throw new GatewayException(
            ErrorCode.ACCESS_TOKEN_REFUSED, "it has expired, or its user was signed out");
      }
      BearerTokens accepted = Objects.requireNonNull(exchange.application().bearerTokens());
      if (Collections.disjoint(token.audiences(), accepted.audiences())) {
        throw new GatewayException(ErrorCode.ACCESS_TOKEN_REFUSED, "it is for somebody else");
      }
      checkCertificate(exchange, token);
      proof = proof(exchange, presented, digest, token);
      checkScopes(token, accepted);
    } catch (GatewayException e) {
      throw refuse(exchange, presented.scheme(), e);
    }
    return proof == null
        ? identify(exchange, token, stands)
        : onceOnly(exchange, presented.scheme(), token, proof, stands);
  }

  private Verdict identify(Exchange exchange, AccessToken token, BooleanSupplier stands) {
    attempts.proven(exchange, token.identity());
    exchange.identify(token.identity(), stands);
    return Verdict.proceed();
  }

  /** Lets the first request with a proof pass, at any of the gateways (RFC 9449 §11.1). */
  private Verdict onceOnly(
      Exchange exchange,
      Scheme scheme,
      AccessToken token,
      DpopProof proof,
      BooleanSupplier stands) {
    if (!nonces.accept(proof.nonce())) {
      exchange.addResponseHeader("DPoP-Nonce", nonces.next());
      throw ProtectedResource.refuse(
          exchange,
          scheme,
          ErrorCode.ACCESS_TOKEN_REFUSED,
          "use_dpop_nonce",
          "the proof must have the nonce of this response",
          null);
    }
    String key =
        "dpop/" + digest((proof.jkt() + "." + proof.jti()).getBytes(StandardCharsets.UTF_8));
    return Verdict.later(
        sessions
            .state()
            .putIfAbsent(key, "1", DpopProof.LIFETIME)
            .thenApply(
                before -> {
                  if (before == null) {
                    return identify(exchange, token, stands);
                  }
                  GatewayException refusal =
                      refuse(
                          exchange,
                          scheme,
                          new GatewayException(
                              ErrorCode.ACCESS_TOKEN_REFUSED, "the proof was used before"));
                  String user = SignInAttempts.user(token.identity());
                  attempts.failed(exchange, user, refusal);
                  attempts.replayed(exchange, user);
                  throw refusal;
                }));
  }

  private boolean isCurrent(AccessToken token, Discovery issuer) {
    return clock.instant().isBefore(token.expires().plus(issuer.settings().clockSkew()))
        && !sessions.hasEnded(token.identity(), token.issued());
  }

  /** RFC 8705 §3. */
  private static void checkCertificate(Exchange exchange, AccessToken token) {
    String expected = token.x5t();
    if (expected == null) {
      return;
    }
    List<X509Certificate> chain = exchange.clientCertificates();
    try {
      if (!chain.isEmpty() && DpopProof.isEqual(expected, digest(chain.get(0).getEncoded()))) {
        return;
      }
    } catch (CertificateEncodingException e) {
      throw new GatewayException(
          ErrorCode.ACCESS_TOKEN_REFUSED, "the client's certificate cannot be read", e);
    }
    throw new GatewayException(
        ErrorCode.ACCESS_TOKEN_REFUSED, "it is bound to a certificate that the client has not");
  }

  /**
   * RFC 9449 §7.1: a token that is bound to a key comes with a proof of it, and only such a one.
   *
   * @return null for a token that is not bound to a key
   */
  private @Nullable DpopProof proof(
      Exchange exchange, PresentedToken presented, String digest, AccessToken token) {
    String jkt = token.jkt();
    if ((jkt == null) != (presented.scheme() == Scheme.BEARER)) {
      throw new GatewayException(
          ErrorCode.ACCESS_TOKEN_REFUSED,
          jkt == null
              ? "it is bound to no key"
              : "it is bound to a key, of which there is no proof");
    }
    if (jkt == null) {
      return null;
    }
    return DpopProof.of(exchange, digest, jkt, clock.instant());
  }

  private static void checkScopes(AccessToken token, BearerTokens accepted) {
    boolean byRole =
        token.service()
            && !Collections.disjoint(token.identity().values("roles"), accepted.roles());
    if (!byRole && !token.scopes().containsAll(accepted.scopes())) {
      throw new GatewayException(
          ErrorCode.SCOPE_MISSING, "it has not the scopes " + accepted.scopes());
    }
  }

  // ---- what clients are told

  private static GatewayException refuse(Exchange exchange, Scheme scheme, Throwable cause) {
    GatewayException known =
        cause instanceof GatewayException one
            ? one
            : cause instanceof ParseException
                ? new GatewayException(ErrorCode.ACCESS_TOKEN_REFUSED, "it cannot be read", cause)
                : null;
    if (known == null) {
      return new GatewayException(ErrorCode.INTERNAL, "a token could not be verified", cause);
    }
    return switch (known.code()) {
      case CREDENTIALS_AMBIGUOUS ->
          ProtectedResource.refuse(
              exchange,
              scheme,
              known.code(),
              "invalid_request",
              "send one token, in one Authorization header, and not in the query",
              known);
      case SCOPE_MISSING ->
          ProtectedResource.refuse(
              exchange,
              scheme,
              known.code(),
              "insufficient_scope",
              "the token lacks a scope",
              known);
      case ACCESS_TOKEN_REFUSED ->
          ProtectedResource.refuse(
              exchange,
              scheme,
              known.code(),
              "invalid_token",
              "the token is not valid here, or its client did not prove that it is its own",
              known);
      default -> known;
    };
  }

  /** Tells a client that sent no token, and has no session, how to get one. */
  static void invite(Exchange exchange) {
    if (exchange.application().bearerTokens() == null) {
      return;
    }
    if (PresentedToken.isInQuery(exchange)) {
      throw refuse(
          exchange,
          Scheme.BEARER,
          new GatewayException(ErrorCode.CREDENTIALS_AMBIGUOUS, "a token in the query"));
    }
    ProtectedResource.invite(exchange);
  }

  /** Whether the request was judged by a token. */
  boolean isPresented(Exchange exchange) {
    return exchange.application().bearerTokens() != null && PresentedToken.of(exchange) != null;
  }

  /** The challenge for a client whose token is good, but not good enough. */
  Verdict stepUp(Exchange exchange, StepUpRequirement requirement) {
    PresentedToken presented = Objects.requireNonNull(PresentedToken.of(exchange));
    Identity identity = Objects.requireNonNull(exchange.identity());
    if (StepUp.missing(identity, requirement, clock.instant()) == null) {
      throw new GatewayException(
          ErrorCode.STEP_UP_FAILED,
          "the policy demands what the token has: " + requirement.reason());
    }
    throw ProtectedResource.stepUp(exchange, presented.scheme(), requirement);
  }

  static String digest(byte[] bytes) {
    try {
      return Base64.getUrlEncoder()
          .withoutPadding()
          .encodeToString(MessageDigest.getInstance("SHA-256").digest(bytes));
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every JDK has SHA-256", e);
    }
  }
}
