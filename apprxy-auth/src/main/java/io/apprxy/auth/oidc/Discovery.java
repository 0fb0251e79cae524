package io.apprxy.auth.oidc;

import com.nimbusds.oauth2.sdk.GeneralException;
import com.nimbusds.oauth2.sdk.ParseException;
import com.nimbusds.oauth2.sdk.http.HTTPRequest;
import com.nimbusds.oauth2.sdk.http.HTTPResponse;
import com.nimbusds.openid.connect.sdk.op.OIDCProviderMetadata;
import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Finds the provider (OpenID Connect Discovery §4) when it is first needed, and looks again from
 * time to time, once for all who wait. A provider that was found stays known while it cannot be
 * asked again. Thread-safe; never blocks.
 */
final class Discovery {
  private static final Logger LOG = LoggerFactory.getLogger("io.apprxy.auth");
  private static final Duration REFRESH = Duration.ofMinutes(10);

  private final OidcProvider settings;
  private final Clock clock;
  private final ProviderHttp http;
  private final Executor workers;
  private final AtomicBoolean failing = new AtomicBoolean();
  private final AtomicReference<@Nullable CompletableFuture<Provider>> search =
      new AtomicReference<>();
  private volatile @Nullable Found found;

  private record Found(Provider provider, Instant at) {}

  Discovery(OidcProvider settings, Clock clock, ProviderHttp http, Executor workers) {
    this.settings = settings;
    this.clock = clock;
    this.http = http;
    this.workers = workers;
  }

  OidcProvider settings() {
    return settings;
  }

  /** The provider; a failure is a {@link GatewayException}, and not remembered. */
  CompletableFuture<Provider> provider() {
    Found known = found;
    if (known == null) {
      return search(null).copy(); // so that no one's timeout ends the wait of the others
    }
    if (clock.instant().isAfter(known.at().plus(REFRESH))) {
      var unused = search(known); // says itself in the log if it fails
    }
    return CompletableFuture.completedFuture(known.provider());
  }

  /** Searches for something newer than {@code known}, or waits for the search under way. */
  private CompletableFuture<Provider> search(@Nullable Found known) {
    CompletableFuture<Provider> mine = new CompletableFuture<>();
    CompletableFuture<Provider> underWay = search.compareAndExchange(null, mine);
    if (underWay != null) {
      return underWay;
    }
    Found since = found;
    if (since != null
        && !since.equals(known)) { // a search ended between the caller's look and ours
      search.set(null);
      mine.complete(since.provider()); // others may wait for it already
      return mine;
    }
    try {
      workers.execute(() -> end(mine));
    } catch (RejectedExecutionException e) {
      search.set(null);
      mine.completeExceptionally(e);
    }
    return mine;
  }

  private void end(CompletableFuture<Provider> mine) {
    try {
      Found known = found;
      Provider provider = find(known == null ? null : known.provider());
      found = new Found(provider, clock.instant());
      search.set(null);
      mine.complete(provider);
    } catch (RuntimeException e) {
      search.set(null);
      mine.completeExceptionally(e);
    }
  }

  private Provider find(@Nullable Provider before) {
    try {
      Provider provider = Provider.of(settings, clock, metadata(), http, before);
      if (failing.compareAndSet(true, false)) {
        LOG.info("The provider {} answers again", settings.issuer());
      }
      return provider;
    } catch (GatewayException e) {
      if (failing.compareAndSet(false, true)) {
        LOG.warn("The provider {} cannot be used: {}", settings.issuer(), e.getMessage(), e);
      }
      throw e;
    }
  }

  private OIDCProviderMetadata metadata() {
    try {
      HTTPResponse response =
          http.send(new HTTPRequest(HTTPRequest.Method.GET, settings.metadata()));
      response.ensureStatusCode(HTTPResponse.SC_OK);
      // As the name of an issuer for many tenants is written, it is no URI.
      return OIDCProviderMetadata.parse(
          response.getBody().replace("{tenantid}", Provider.TENANT_IN_URI));
    } catch (GeneralException | IllegalArgumentException e) {
      String what = e instanceof ParseException ? "cannot be read" : "cannot be had";
      throw new GatewayException(ErrorCode.PROVIDER_INVALID, "the provider's metadata " + what, e);
    }
  }
}
