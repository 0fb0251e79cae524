package io.apprxy.auth.oidc;

import com.nimbusds.jwt.JWT;
import io.apprxy.ErrorCode;
import io.apprxy.Exchange;
import io.apprxy.GatewayException;
import io.apprxy.Identity;
import io.apprxy.Response;
import io.apprxy.Verdict;
import io.apprxy.auth.session.Sessions;
import java.net.URI;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** Ends the session here, then the provider's own if it can. Thread-safe; never blocks. */
final class SignOut {
  static final String PATH = Exchange.RESERVED_PREFIX + "sign-out";
  static final String DONE = Exchange.RESERVED_PREFIX + "signed-out";

  private static final Duration RECORD_TIMEOUT = Duration.ofSeconds(5);

  private final Sessions sessions;
  private final Logins logins;
  private final Providers providers;
  private final IdTokenHints hints;

  SignOut(Sessions sessions, Logins logins, Providers providers, IdTokenHints hints) {
    this.sessions = sessions;
    this.logins = logins;
    this.providers = providers;
    this.hints = hints;
  }

  /** Another site cannot sign a user out: to its requests the answer is a question. */
  Verdict page(Exchange exchange, @Nullable Identity identity) {
    if (!isOwnWish(exchange)) {
      return Verdict.answer(Pages.askToSignOut());
    }
    JWT token = hints.take(identity); // before the session ends, which has it dropped
    CompletableFuture<Void> ended = sessions.end(exchange).toCompletableFuture();
    logins.forget(exchange);
    Choice.forget(exchange);
    String hint = identity == null ? null : SignIn.hint(identity);
    URI done = URI.create(exchange.origin() + DONE);
    Discovery vouched = whoseSession(exchange, identity);
    if (vouched == null) {
      return Verdict.later(known(ended).thenApply(told -> Verdict.answer(seeOther(done))));
    }
    String client =
        identity != null && identity.claim("aud") instanceof String began
            ? began
            : vouched.settings().client(exchange.application().id()).id().getValue();
    return Verdict.later(
        known(ended)
            .thenCompose(
                told ->
                    vouched
                        .provider()
                        .orTimeout(vouched.settings().timeout().toMillis(), TimeUnit.MILLISECONDS))
            .thenApply(provider -> provider.logoutRequest(client, done, token, hint))
            // The session here has ended; that the provider is down must not look otherwise.
            .exceptionally(SignOut::unlessUnknown)
            .thenApply(logout -> Verdict.answer(seeOther(logout == null ? done : logout))));
  }

  /** Who was told that they are signed out, and are so at one gateway only, would leave. */
  private static CompletableFuture<Void> known(CompletableFuture<Void> ended) {
    return ended
        .copy()
        .orTimeout(RECORD_TIMEOUT.toSeconds(), TimeUnit.SECONDS)
        .exceptionally(
            failed -> {
              throw new GatewayException(
                  ErrorCode.SESSIONS_UNKNOWN, "other gateways could not be told", failed);
            });
  }

  private static @Nullable URI unlessUnknown(Throwable failed) {
    if (failed.getCause() instanceof GatewayException known
        && known.code() == ErrorCode.SESSIONS_UNKNOWN) {
      throw known;
    }
    return null;
  }

  /** Without a session, the provider may have one still, if it is clear which provider. */
  private @Nullable Discovery whoseSession(Exchange exchange, @Nullable Identity identity) {
    if (identity != null) {
      return providers.issuing(identity);
    }
    List<Discovery> candidates = providers.candidates(exchange);
    return candidates.size() == 1 ? candidates.get(0) : null;
  }

  private static boolean isOwnWish(Exchange exchange) {
    String site = exchange.header("Sec-Fetch-Site");
    if (exchange.method().equals("POST")) {
      return "same-origin".equals(site)
          || (site == null && exchange.origin().equals(exchange.header("Origin")));
    }
    // What a page embeds is no wish of the user, also if the page is of this site.
    return exchange.method().equals("GET")
        && ("same-origin".equals(site) || "none".equals(site))
        && "navigate".equals(exchange.header("Sec-Fetch-Mode"))
        && "document".equals(exchange.header("Sec-Fetch-Dest"));
  }

  private static Response seeOther(URI location) {
    return Response.of(303).with("Location", location.toASCIIString());
  }
}
