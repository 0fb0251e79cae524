package io.apprxy;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import io.apprxy.Application.LegacyAuthentication;
import io.apprxy.observe.SignInEvent;
import io.apprxy.observe.SignInLog;
import io.apprxy.rewrite.LegacyCredentials;
import io.undertow.util.HeaderMap;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Keeps from clients what origins offer in old ways, and tells that they still do. Thread-safe. */
final class LegacyOffers {
  private static final Logger LOG = LoggerFactory.getLogger("io.apprxy.gateway");
  private static final Duration QUIET = Duration.ofMinutes(10);
  private static final int MAX_TOLD = 10_000;

  private final SignInLog log;
  private final Clock clock;
  private final Cache<Offer, Boolean> told =
      Caffeine.newBuilder().maximumSize(MAX_TOLD).expireAfterWrite(QUIET).build();

  private record Offer(String application, Set<String> schemes) {}

  LegacyOffers(SignInLog log, Clock clock) {
    this.log = log;
    this.clock = clock;
  }

  /** Removes them from a response, if the application says so. */
  void remove(UndertowExchange exchange, HeaderMap headersToClient) {
    Application application = exchange.application();
    if (application.legacyAuthentication() != LegacyAuthentication.REMOVE) {
      return;
    }
    Set<String> schemes = LegacyCredentials.removeFromResponse(headersToClient);
    if (!schemes.isEmpty()
        && told.asMap().putIfAbsent(new Offer(application.id(), schemes), true) == null) {
      tell(exchange, schemes);
    }
  }

  private void tell(UndertowExchange exchange, Set<String> schemes) {
    Identity identity = exchange.identity();
    try {
      log.record(
          new SignInEvent(
              clock.instant(),
              SignInEvent.Kind.LEGACY_AUTHENTICATION_OFFERED,
              exchange.id(),
              exchange.application().id(),
              identity == null ? null : identity.issuer(),
              identity == null ? null : identity.subject(),
              identity == null ? null : identity.name(),
              exchange.clientAddress(),
              null,
              List.of(),
              Map.of("schemes", String.join(", ", schemes))));
    } catch (RuntimeException e) {
      LOG.error("an event could not be recorded", e);
    }
  }
}
