package io.apprxy.auth.oidc;

import com.github.benmanes.caffeine.cache.AsyncCacheLoader;
import com.github.benmanes.caffeine.cache.AsyncLoadingCache;
import com.github.benmanes.caffeine.cache.Caffeine;
import com.nimbusds.oauth2.sdk.GeneralException;
import com.nimbusds.oauth2.sdk.ParseException;
import com.nimbusds.oauth2.sdk.http.HTTPRequest;
import com.nimbusds.oauth2.sdk.http.HTTPResponse;
import com.nimbusds.oauth2.sdk.id.Issuer;
import com.nimbusds.openid.connect.sdk.op.OIDCProviderMetadata;
import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
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

  private final RelyingParty self;
  private final ProviderHttp http;
  private final Executor workers;
  private final AtomicBoolean failing = new AtomicBoolean();
  private final AsyncLoadingCache<Issuer, Provider> found;

  Discovery(RelyingParty self, ProviderHttp http, Executor workers) {
    this.self = self;
    this.http = http;
    this.workers = workers;
    this.found =
        Caffeine.newBuilder()
            .maximumSize(1)
            .refreshAfterWrite(REFRESH)
            .ticker(() -> TimeUnit.MILLISECONDS.toNanos(self.clock().millis()))
            .executor(Runnable::run)
            .buildAsync(new Loader());
  }

  /** The provider; a failure is a {@link GatewayException}, and not remembered. */
  CompletableFuture<Provider> provider() {
    try {
      return found
          .get(self.issuer())
          .copy(); // a copy, so that no one's timeout ends the wait of the others
    } catch (RuntimeException e) {
      return CompletableFuture.failedFuture(e);
    }
  }

  private final class Loader implements AsyncCacheLoader<Issuer, Provider> {
    @Override
    public CompletableFuture<Provider> asyncLoad(Issuer issuer, Executor unused) {
      return CompletableFuture.supplyAsync(() -> find(null), workers);
    }

    @Override
    public CompletableFuture<Provider> asyncReload(
        Issuer issuer, Provider before, Executor unused) {
      try {
        return CompletableFuture.supplyAsync(() -> find(before), workers)
            .exceptionally(failed -> before);
      } catch (RuntimeException e) {
        return CompletableFuture.completedFuture(before);
      }
    }
  }

  private Provider find(@Nullable Provider before) {
    try {
      Provider provider = Provider.of(self, metadata(), http, before);
      if (failing.compareAndSet(true, false)) {
        LOG.info("The provider {} answers again", self.issuer());
      }
      return provider;
    } catch (GatewayException e) {
      if (failing.compareAndSet(false, true)) {
        LOG.warn("The provider {} cannot be used: {}", self.issuer(), e.getMessage(), e);
      }
      throw e;
    }
  }

  private OIDCProviderMetadata metadata() {
    try {
      HTTPResponse response =
          http.send(
              new HTTPRequest(
                  HTTPRequest.Method.GET, OIDCProviderMetadata.resolveURL(self.issuer())));
      response.ensureStatusCode(HTTPResponse.SC_OK);
      return OIDCProviderMetadata.parse(response.getBody());
    } catch (GeneralException | IllegalArgumentException e) {
      String what = e instanceof ParseException ? "cannot be read" : "cannot be had";
      throw new GatewayException(ErrorCode.PROVIDER_INVALID, "the provider's metadata " + what, e);
    }
  }
}
