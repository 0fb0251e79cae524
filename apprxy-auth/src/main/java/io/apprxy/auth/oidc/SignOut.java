package io.apprxy.auth.oidc;

import com.nimbusds.jwt.JWT;
import io.apprxy.Exchange;
import io.apprxy.Identity;
import io.apprxy.Response;
import io.apprxy.Verdict;
import io.apprxy.auth.session.Sessions;
import java.net.URI;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** Ends the session here, then the provider's own if it can. Thread-safe; never blocks. */
final class SignOut {
  static final String PATH = Exchange.RESERVED_PREFIX + "sign-out";
  static final String DONE = Exchange.RESERVED_PREFIX + "signed-out";

  private final RelyingParty self;
  private final Sessions sessions;
  private final Logins logins;
  private final Discovery discovery;
  private final IdTokenHints hints;

  SignOut(
      RelyingParty self,
      Sessions sessions,
      Logins logins,
      Discovery discovery,
      IdTokenHints hints) {
    this.self = self;
    this.sessions = sessions;
    this.logins = logins;
    this.discovery = discovery;
    this.hints = hints;
  }

  /** Another site cannot sign a user out: to its requests the answer is a question. */
  Verdict page(Exchange exchange, @Nullable Identity identity) {
    if (!isOwnWish(exchange)) {
      return Verdict.answer(Pages.askToSignOut());
    }
    sessions.end(exchange);
    logins.forget(exchange);
    JWT token = hints.take(identity);
    URI done = URI.create(exchange.origin() + DONE);
    return Verdict.later(
        discovery
            .provider()
            .orTimeout(self.timeout().toMillis(), TimeUnit.MILLISECONDS)
            .thenApply(provider -> provider.logoutRequest(done, token, user(identity)))
            // The session here has ended; that the provider is down must not look otherwise.
            .exceptionally(failed -> null)
            .thenApply(logout -> Verdict.answer(seeOther(logout == null ? done : logout))));
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

  /** What tells the provider whose session to end: its own hint if it gave one, else the name. */
  private static @Nullable String user(@Nullable Identity identity) {
    if (identity == null) {
      return null;
    }
    return identity.claim("login_hint") instanceof String hint ? hint : identity.name();
  }

  private static Response seeOther(URI location) {
    return Response.of(303).with("Location", location.toASCIIString());
  }
}
