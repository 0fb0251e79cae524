package io.apprxy.auth.oidc;

import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.jwk.source.JWKSourceBuilder;
import com.nimbusds.jose.proc.SecurityContext;
import com.nimbusds.jwt.SignedJWT;
import io.apprxy.ErrorCode;
import io.apprxy.Exchange;
import io.apprxy.GatewayException;
import io.apprxy.Response;
import io.apprxy.Verdict;
import io.apprxy.auth.oidc.EventSubject.Aspect;
import io.apprxy.auth.oidc.SecurityEventTokens.Token;
import io.apprxy.auth.session.Sessions;
import io.apprxy.auth.session.SessionsOf;
import java.net.MalformedURLException;
import java.nio.charset.StandardCharsets;
import java.time.Clock;
import java.time.Duration;
import java.util.Collection;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Takes the events that transmitters push (RFC 8935). What they do is said in {@link
 * SecurityEventTransmitter}. Thread-safe; never blocks.
 */
final class SecurityEvents {
  static final String PATH = Exchange.RESERVED_PREFIX + "events";

  private static final Logger LOG = LoggerFactory.getLogger("io.apprxy.auth");
  private static final String CAEP = "https://schemas.openid.net/secevent/caep/event-type/";
  private static final String RISC = "https://schemas.openid.net/secevent/risc/event-type/";
  private static final int MAX_BODY = 64 * 1024;
  private static final Duration KEYS_LIFETIME = Duration.ofMinutes(10);
  private static final Duration KEYS_INTERVAL = Duration.ofSeconds(30);

  /** A gateway may have been out of reach for a long weekend. */
  private static final Duration UNDER_WAY = Duration.ofDays(7);

  /** RFC 8417 §2.3. */
  private static final Set<@Nullable JOSEObjectType> TYPES =
      new HashSet<>( // which can be asked about null
          List.of(
              new JOSEObjectType("secevent+jwt"), new JOSEObjectType("application/secevent+jwt")));

  private final Sessions sessions;
  private final Executor workers;
  private final Map<String, Source> sources = new LinkedHashMap<>();

  private record Source(SecurityEventTransmitter settings, SecurityEventTokens tokens) {}

  /**
   * From these transmitters.
   *
   * @throws IllegalArgumentException if two have the same issuer
   */
  SecurityEvents(
      Collection<SecurityEventTransmitter> transmitters,
      Sessions sessions,
      Executor workers,
      Clock clock) {
    this.sessions = sessions;
    this.workers = workers;
    for (SecurityEventTransmitter one : transmitters) {
      if (sources.put(one.issuer(), new Source(one, tokens(one, clock))) != null) {
        throw new IllegalArgumentException("two transmitters have the issuer " + one.issuer());
      }
    }
  }

  private static SecurityEventTokens tokens(SecurityEventTransmitter of, Clock clock) {
    try {
      return new SecurityEventTokens(
          of.issuer(),
          SecurityEventTransmitter.algorithms(),
          JWKSourceBuilder.<SecurityContext>create(
                  of.jwksUri().toURL(), new ProviderHttp(of.trust(), of.timeout()))
              .cache(KEYS_LIFETIME.toMillis(), of.timeout().toMillis())
              .refreshAheadCache(false) // would start threads of its own
              .rateLimited(KEYS_INTERVAL.toMillis())
              .build(),
          clock,
          of.clockSkew(),
          UNDER_WAY);
    } catch (MalformedURLException e) {
      throw new IllegalArgumentException("jwksUri must be a URL: " + of.jwksUri(), e);
    }
  }

  /** §2.2 to §2.4: 202 if it was taken, also if it had been before. */
  Verdict receive(Exchange exchange) {
    if (sources.isEmpty()) {
      throw new GatewayException(ErrorCode.NO_SUCH_PAGE, "no transmitter is known");
    }
    List<String> authorization = exchange.headers("Authorization");
    if (sources.values().stream().noneMatch(one -> one.settings.isAuthorized(authorization))) {
      // before anything is read of somebody who is nobody
      return Verdict.answer(
          error(new Refusal("authentication_failed", "the transmitter is not authorized")));
    }
    String type = exchange.header("Content-Type");
    if (type == null
        || !type.split(";", 2)[0].strip().equalsIgnoreCase("application/secevent+jwt")) {
      return Verdict.answer(error(Refusal.invalid("it is no application/secevent+jwt")));
    }
    return Verdict.later(
        exchange
            .readBody(MAX_BODY)
            .thenCompose(body -> take(new String(body, StandardCharsets.US_ASCII), authorization))
            .thenApply(done -> Verdict.answer(accepted()))
            .exceptionally(SecurityEvents::refused));
  }

  private CompletionStage<Void> take(String body, List<String> authorization) {
    SignedJWT token = SecurityEventTokens.parse(body);
    Source source = sources.get(String.valueOf(SecurityEventTokens.issuer(token)));
    if (source == null) {
      throw new Refusal("invalid_issuer", "it is of nobody who is known here");
    }
    if (!source.settings.isAuthorized(authorization)) {
      throw new Refusal("authentication_failed", "it is of another transmitter");
    }
    return CompletableFuture.supplyAsync(
            () -> source.tokens.verify(token, TYPES, source.settings.audiences()), workers)
        .thenCompose(event -> act(source, event))
        .orTimeout(source.settings.timeout().toMillis() * 3, TimeUnit.MILLISECONDS);
  }

  private CompletionStage<Void> act(Source source, Token token) {
    Map<SessionsOf, String> ends = new LinkedHashMap<>();
    token
        .events()
        .forEach(
            (kind, event) -> {
              Aspect aspect = aspect(kind, event);
              if (aspect != null) {
                whose(source, token, event, aspect)
                    .forEach(whose -> ends.put(whose, reason(kind, event)));
              } else {
                LOG.info("An event of {}: {}", source.settings.issuer(), Untrusted.text(kind));
              }
            });
    return source.tokens.once(
        sessions.state(),
        token,
        () ->
            CompletableFuture.allOf(
                ends.entrySet().stream()
                    .map(
                        end ->
                            sessions
                                .end(end.getKey(), token.issuedAt(), end.getValue())
                                .toCompletableFuture())
                    .toArray(CompletableFuture[]::new)),
        () -> null);
  }

  private static Set<SessionsOf> whose(
      Source source, Token token, Map<String, Object> event, Aspect aspect) {
    Object subject = token.claims().getClaim("sub_id");
    return new LinkedHashSet<>(
        new EventSubject(source.settings.speaksFor())
            // Drafts before SSF 1.0 have it in the event.
            .of(subject == null ? event.get("subject") : subject, aspect));
  }

  /** What of its subject an event ends the sessions of; null if of nothing. */
  private static @Nullable Aspect aspect(String kind, Map<String, Object> event) {
    if (kind.startsWith(CAEP)) {
      return switch (kind.substring(CAEP.length())) {
        case "session-revoked", "token-claims-change" -> Aspect.SESSION;
        case "credential-change" -> unless(event, "change_type", "create", Aspect.USER);
        case "assurance-level-change" ->
            unless(event, "change_direction", "increase", Aspect.SESSION);
        case "device-compliance-change" ->
            unless(event, "current_status", "compliant", Aspect.DEVICE);
        case "risk-level-change" ->
            "HIGH".equals(text(event, "current_level").toUpperCase(Locale.ROOT))
                ? Aspect.USER
                : null;
        default -> null;
      };
    }
    if (kind.startsWith(RISC)) {
      return switch (kind.substring(RISC.length())) {
        case "account-disabled",
            "account-purged",
            "account-credential-change-required",
            "credential-compromise",
            "sessions-revoked",
            "identifier-changed",
            "identifier-recycled" ->
            Aspect.USER;
        default -> null;
      };
    }
    return null;
  }

  /** What an event does not say is no reason to let anybody stay. */
  private static @Nullable Aspect unless(
      Map<String, Object> event, String member, String harmless, Aspect otherwise) {
    return text(event, member).equals(harmless) ? null : otherwise;
  }

  private static String text(Map<String, Object> event, String member) {
    return event.get(member) instanceof String text ? text : "";
  }

  private static String reason(String kind, Map<String, Object> event) {
    String name = kind.substring(kind.lastIndexOf('/') + 1);
    Object told = event.get("reason_admin");
    return told instanceof String || told instanceof Map<?, ?>
        ? name + ": " + Untrusted.text(told.toString())
        : name;
  }

  private static Response accepted() {
    return Response.of(202).with("Cache-Control", "no-store");
  }

  private static Verdict refused(Throwable failed) {
    Throwable cause = Workers.cause(failed);
    if (cause instanceof Refusal refusal) {
      LOG.warn("A security event is refused: {}", Untrusted.text(refusal.getMessage()));
      return Verdict.answer(error(refusal));
    }
    if (cause instanceof GatewayException known && known.code() == ErrorCode.BODY_TOO_LARGE) {
      return Verdict.answer(error(Refusal.invalid("it is too large")));
    }
    LOG.warn("A security event could not be taken: {}", Untrusted.text(cause.getMessage()));
    return Verdict.answer(
        Response.of(503).with("Cache-Control", "no-store").with("Retry-After", "5"));
  }

  /** §2.3. */
  private static Response error(Refusal refusal) {
    return Pages.setError(refusal.code(), refusal.reason());
  }
}
