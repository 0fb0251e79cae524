package io.apprxy.auth.oidc;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import io.apprxy.ErrorCode;
import io.apprxy.Exchange;
import io.apprxy.GatewayException;
import io.apprxy.Identity;
import io.apprxy.Response;
import io.apprxy.Verdict;
import io.apprxy.auth.oidc.Logins.Browser;
import io.apprxy.auth.session.Seal;
import io.apprxy.auth.session.Sessions;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * The forms that users send whose session has ended: each waits for the sign-in in the tab of its
 * browser, sealed, so that nobody can fill a gateway with forms, and any gateway can open it. Its
 * user is asked before it is sent, as the one who is signed in by then. Thread-safe; never blocks.
 */
final class PostedForms {
  static final String PATH = Exchange.RESERVED_PREFIX + "form";

  /** More than people write, and less than a tab keeps. */
  private static final int MAX_BODY = 64 * 1024;

  /** With what stands beside it, and in Base64. */
  private static final int MAX_SEALED = (MAX_BODY + 4 * 1024) * 4 / 3 + 1024;

  private static final Duration TIMEOUT = Duration.ofSeconds(15);

  private static final int MAX_USED = 100_000;

  private final Logins logins;
  private final Seal seal;
  private final Cache<String, Boolean> used;

  PostedForms(Sessions sessions, Logins logins) {
    this.logins = logins;
    this.seal = new Seal(sessions.keys(), "form", sessions.clock(), MAX_SEALED);
    this.used =
        Caffeine.newBuilder()
            .maximumSize(MAX_USED)
            .expireAfterWrite(Logins.LIFETIME.plusMinutes(1))
            .ticker(() -> TimeUnit.MILLISECONDS.toNanos(sessions.clock().millis()))
            .build();
  }

  /**
   * Whether a person sent a form of this very origin, and looks at its answer. Forms of other sites
   * never wait: no {@code SameSite} would keep the session from them once they were sent from here.
   */
  static boolean isPosted(Exchange exchange) {
    if (!exchange.method().equals("POST") || !isOfThisOrigin(exchange)) {
      return false;
    }
    String mode = exchange.header("Sec-Fetch-Mode");
    String accept = exchange.header("Accept");
    return mode == null
        ? exchange.header("X-Requested-With") == null
            && accept != null
            && accept.contains("text/html")
        : mode.equals("navigate") && "document".equals(exchange.header("Sec-Fetch-Dest"));
  }

  private static boolean isOfThisOrigin(Exchange exchange) {
    String site = exchange.header("Sec-Fetch-Site");
    return site == null
        ? exchange.origin().equals(exchange.header("Origin"))
        : site.equals("same-origin");
  }

  /**
   * A page that keeps the form of a request, and on which its user goes on to sign in; where the
   * form cannot be kept, one that says so, and how it gets there nevertheless.
   *
   * @param wish what to sign in for, and the page that the form is for
   * @param providers who can sign the user in
   */
  CompletionStage<Response> keep(Exchange exchange, Wish wish, List<OidcProvider> providers) {
    String id = exchange.application().id();
    if (!isForm(exchange)) {
      return CompletableFuture.completedFuture(Pages.formNotKept(providers, wish, id));
    }
    Browser browser = logins.remember(exchange);
    return body(exchange, MAX_BODY)
        .<@Nullable String>handle(
            (body, failed) -> failed == null ? sealed(exchange, wish, browser, body) : null)
        .thenApply(
            kept ->
                kept == null
                    ? Pages.formNotKept(providers, wish, id)
                    : Pages.keepForm(providers, wish, id, kept));
  }

  private static CompletableFuture<byte[]> body(Exchange exchange, int maxBytes) {
    return exchange
        .readBody(maxBytes)
        .toCompletableFuture()
        .orTimeout(TIMEOUT.toSeconds(), TimeUnit.SECONDS);
  }

  /** A file cannot be sent but by the user who chose it, so other encodings are not read. */
  private static boolean isForm(Exchange exchange) {
    String type = exchange.header("Content-Type");
    return type != null
        && type.split(";", 2)[0].strip().equalsIgnoreCase("application/x-www-form-urlencoded");
  }

  /** Null if the body is not what a browser makes of the fields that are in it. */
  private @Nullable String sealed(Exchange exchange, Wish wish, Browser browser, byte[] body) {
    String fields = new String(body, StandardCharsets.ISO_8859_1);
    String length = exchange.header("Content-Length");
    boolean isWhole = length == null || length.equals(Integer.toString(body.length));
    boolean isItsPage =
        wish.returnTo()
            .equals(exchange.path() + (exchange.query() == null ? "" : "?" + exchange.query()));
    return isWhole && isItsPage && FormFields.parse(fields) != null
        ? seal.seal(
            Map.of(
                "id", UUID.randomUUID().toString(),
                "browser", browser.hash(),
                "authority", exchange.authority(),
                "action", wish.returnTo(),
                "fields", fields),
            Logins.LIFETIME)
        : null;
  }

  /**
   * Asks whether to send the form that the browser kept. Each can be asked for once.
   *
   * @param identity who is signed in, or null
   */
  Verdict ask(Exchange exchange, @Nullable Identity identity) {
    if (!isPosted(exchange)) {
      throw gone("the request comes from elsewhere");
    }
    if (identity == null) {
      return Verdict.answer(Pages.signInRequired(exchange, Wish.of("/")));
    }
    return Verdict.later(
        body(exchange, MAX_SEALED + 16)
            .thenApply(body -> Verdict.answer(question(exchange, identity, body))));
  }

  private Response question(Exchange exchange, Identity identity, byte[] body) {
    List<FormFields.Field> sent = FormFields.parse(new String(body, StandardCharsets.ISO_8859_1));
    Map<String, Object> kept =
        sent != null && sent.size() == 1 && sent.get(0).name().equals("form")
            ? seal.open(sent.get(0).value())
            : null;
    Browser browser = logins.browser(exchange);
    if (kept == null
        || browser == null
        || !(kept.get("id") instanceof String id)
        || !(kept.get("browser") instanceof String of)
        || !(kept.get("action") instanceof String action)
        || !(kept.get("fields") instanceof String text)
        || !browser.is(of)
        || !exchange.authority().equals(kept.get("authority"))) {
      throw gone("it is expired, or not of this browser and host");
    }
    List<FormFields.Field> fields = FormFields.parse(text);
    if (fields == null || used.asMap().putIfAbsent(id, Boolean.TRUE) != null) {
      throw gone("it was asked for before");
    }
    return Pages.askToSend(identity, ReturnTo.checked(action), fields);
  }

  private static GatewayException gone(String why) {
    return new GatewayException(ErrorCode.FORM_GONE, why);
  }
}
