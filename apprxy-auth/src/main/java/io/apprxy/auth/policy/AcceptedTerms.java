package io.apprxy.auth.policy;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import io.apprxy.ErrorCode;
import io.apprxy.Exchange;
import io.apprxy.GatewayException;
import io.apprxy.Identity;
import io.apprxy.Response;
import io.apprxy.Verdict;
import io.apprxy.cluster.SharedState;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Clock;
import java.time.Duration;
import java.util.Base64;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Who accepted which terms of use, in which version; and the page where they do. Thread-safe; never
 * blocks.
 */
final class AcceptedTerms {
  static final String PATH = Exchange.RESERVED_PREFIX + "terms";

  private static final Logger LOG = LoggerFactory.getLogger("io.apprxy.policy");

  /** For the shared state; without its answer, nothing is accepted. */
  private static final Duration WAIT = Duration.ofSeconds(5);

  private static final int MAX_FORM = 8 * 1024;

  private static final String STYLE =
      """
      :root{color-scheme:light dark}
      body{margin:0 auto;max-width:40rem;padding:2rem 1.25rem;font:1rem/1.6 system-ui,sans-serif}
      section{max-height:60vh;overflow:auto;padding:0 1rem;border:1px solid;border-radius:.5rem}
      p{white-space:pre-line}
      button{margin-top:1.25rem;padding:.6rem 1.2rem;font:inherit;cursor:pointer}
      """;

  private final SharedState state;
  private final Clock clock;

  /** What was accepted; what was not is asked for each time. */
  private final Cache<String, Boolean> accepted =
      Caffeine.newBuilder().maximumSize(100_000).expireAfterWrite(Duration.ofMinutes(1)).build();

  AcceptedTerms(SharedState state, Clock clock) {
    this.state = state;
    this.clock = clock;
  }

  /** The names of those of the terms that the user accepted in their present version. */
  CompletableFuture<Set<String>> of(Identity identity, List<TermsOfUse> terms) {
    CompletableFuture<Set<String>> names = CompletableFuture.completedFuture(new HashSet<>());
    for (TermsOfUse one : terms) {
      names =
          names.thenCombine(
              isAccepted(key(identity, one)),
              (before, is) -> {
                if (is) {
                  before.add(one.displayName());
                }
                return before;
              });
    }
    return names;
  }

  private CompletableFuture<Boolean> isAccepted(String key) {
    if (accepted.getIfPresent(key) != null) {
      return CompletableFuture.completedFuture(true);
    }
    return state
        .get(key)
        .toCompletableFuture()
        .copy()
        .orTimeout(WAIT.toMillis(), TimeUnit.MILLISECONDS)
        .handle(
            (found, failed) -> {
              if (failed != null) {
                LOG.warn("whether terms of use were accepted cannot be told", failed);
              } else if (found != null) {
                accepted.put(key, true);
              }
              return found != null;
            });
  }

  // ---- the page

  /** In place of the page that the user asked for. */
  Response page(Exchange exchange, TermsOfUse terms) {
    String page = exchange.path() + (exchange.query() == null ? "" : "?" + exchange.query());
    StringBuilder text = new StringBuilder();
    for (String paragraph : terms.text().split("\\n[ \\t]*\\n", -1)) {
      text.append("<p>").append(escape(paragraph)).append("</p>\n");
    }
    String html =
        """
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="robots" content="noindex">
        <title>%1$s</title>
        <style>%2$s</style>
        </head>
        <body>
        <main>
        <h1>%1$s</h1>
        <section tabindex="0">
        %3$s</section>
        <form method="post" action="%4$s">
        <input type="hidden" name="terms" value="%1$s">
        <input type="hidden" name="version" value="%5$s">
        <input type="hidden" name="return" value="%6$s">
        <button>I accept</button>
        </form>
        </main>
        </body>
        </html>
        """
            .formatted(
                escape(terms.displayName()),
                STYLE,
                text,
                PATH,
                escape(terms.version()),
                escape(page));
    return Response.of(403, "text/html; charset=utf-8", html)
        .with(
            "Content-Security-Policy",
            "default-src 'none'; style-src 'sha256-"
                + sha256(STYLE, Base64.getEncoder())
                + "'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'")
        .with("Cache-Control", "no-store")
        .with("X-Content-Type-Options", "nosniff")
        // Not "no-referrer", with which the form would be sent with "Origin: null".
        .with("Referrer-Policy", "same-origin");
  }

  /**
   * The user accepts.
   *
   * @param present the terms that are in force
   * @param told is told what was accepted
   */
  Verdict accept(Exchange exchange, Identity identity, List<TermsOfUse> present, Told told) {
    if (!exchange.method().equals("POST")) {
      return Verdict.answer(Response.of(405).with("Allow", "POST"));
    }
    if (!isOfThisSite(exchange)) {
      throw new GatewayException(
          ErrorCode.TERMS_NOT_ACCEPTED, "another site would accept in the name of the user");
    }
    return Verdict.later(
        exchange
            .readBody(MAX_FORM)
            .thenCompose(
                body -> {
                  Map<String, String> form = form(new String(body, StandardCharsets.UTF_8));
                  TermsOfUse terms = named(form, present);
                  if (terms == null) { // they have changed: the page shows those that are in force
                    return CompletableFuture.completedFuture(back(exchange, form));
                  }
                  String key = key(identity, terms);
                  return state
                      .put(key, clock.instant().toString(), terms.reacceptAfter())
                      .toCompletableFuture()
                      .copy()
                      .orTimeout(WAIT.toMillis(), TimeUnit.MILLISECONDS)
                      .thenApply(
                          unused -> {
                            accepted.put(key, true);
                            told.accepted(terms);
                            return back(exchange, form);
                          });
                }));
  }

  /** See {@link #accept}. */
  interface Told {
    void accepted(TermsOfUse terms);
  }

  private static @Nullable TermsOfUse named(Map<String, String> form, List<TermsOfUse> present) {
    return present.stream()
        .filter(
            one ->
                one.displayName().equals(form.get("terms"))
                    && one.version().equals(form.get("version")))
        .findFirst()
        .orElse(null);
  }

  /** The path is a path whatever it is: it comes after the host of the request. */
  private static Verdict back(Exchange exchange, Map<String, String> form) {
    String wish = form.getOrDefault("return", "/");
    boolean isPath = wish.startsWith("/") && wish.matches("[\\x21-\\x7E]{1,4096}");
    return Verdict.answer(
        Response.of(303).with("Location", exchange.origin() + (isPath ? wish : "/")));
  }

  /** W3C Fetch Metadata; else RFC 6454 §7. */
  private static boolean isOfThisSite(Exchange exchange) {
    String site = exchange.header("Sec-Fetch-Site");
    return site == null
        ? exchange.origin().equals(exchange.header("Origin"))
        : site.equals("same-origin");
  }

  private static Map<String, String> form(String body) {
    Map<String, String> form = new HashMap<>();
    for (String pair : body.split("&", -1)) {
      int is = pair.indexOf('=');
      if (is > 0) {
        try {
          form.put(
              URLDecoder.decode(pair.substring(0, is), StandardCharsets.UTF_8),
              URLDecoder.decode(pair.substring(is + 1), StandardCharsets.UTF_8));
        } catch (IllegalArgumentException e) {
          throw new GatewayException(
              ErrorCode.TERMS_NOT_ACCEPTED, "the form is malformed: nothing was accepted", e);
        }
      }
    }
    return form;
  }

  private static String escape(String text) {
    return text.replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace("\"", "&quot;")
        .replace("'", "&#39;");
  }

  /** Hashed, since keys are bounded, and names are nobody's business. */
  private static String key(Identity identity, TermsOfUse terms) {
    String all =
        String.join(
            "\n", identity.issuer(), identity.subject(), terms.displayName(), terms.version());
    return "terms/" + sha256(all, Base64.getUrlEncoder().withoutPadding());
  }

  private static String sha256(String text, Base64.Encoder encoder) {
    try {
      return encoder.encodeToString(
          MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8)));
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every JDK has SHA-256", e);
    }
  }
}
