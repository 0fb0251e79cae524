package io.apprxy;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The stage {@code cors}: what pages of other origins may do, by the application's own {@link
 * CorsConfiguration}. Thread-safe. For the engine.
 */
public final class CrossOrigin {
  /** What a page needs of the gateway's own answers. */
  private static final List<String> ALWAYS_EXPOSED = List.of("WWW-Authenticate", "X-Request-Id");

  private static final int MAX_HEADERS = 100;

  private CrossOrigin() {}

  /**
   * Answers a preflight (Fetch §4.8), which needs nobody to be signed in. To every other request's
   * response, whatever it will be, it adds what lets the page read it (§3.2.3), and lets it
   * proceed.
   */
  public static Verdict admit(Exchange exchange) {
    CorsConfiguration rules = rules(exchange);
    if (rules == null) {
      return Verdict.proceed();
    }
    if (!rules.isForAny()) {
      exchange.addResponseHeader("Vary", "Origin"); // also for an origin that is not allowed
    }
    List<String> origins = exchange.headers("Origin");
    boolean preflight =
        exchange.method().equals("OPTIONS")
            && !origins.isEmpty()
            && exchange.header("Access-Control-Request-Method") != null;
    String allowed = origins.size() == 1 ? rules.allows(origins.get(0)) : null;
    if (allowed != null) {
      exchange.addResponseHeader("Access-Control-Allow-Origin", allowed);
      if (rules.allowCredentials()) {
        exchange.addResponseHeader("Access-Control-Allow-Credentials", "true");
      }
    }
    if (preflight) {
      return Verdict.answer(allowed == null ? Response.of(204) : preflight(exchange, rules));
    }
    if (allowed != null) {
      List<String> exposed = new ArrayList<>(ALWAYS_EXPOSED);
      exposed.addAll(rules.exposedHeaders());
      exchange.addResponseHeader("Access-Control-Expose-Headers", String.join(", ", exposed));
    }
    return Verdict.proceed();
  }

  /** The configuration that the request falls under, or null. */
  public static @Nullable CorsConfiguration rules(Exchange exchange) {
    return exchange.isReserved() ? null : exchange.application().corsConfiguration(exchange.path());
  }

  /** What is allowed, and not whether it is enough: so the browser can say what is missing. */
  private static Response preflight(Exchange exchange, CorsConfiguration rules) {
    Response answer = Response.of(204);
    if (!rules.allowedMethods().isEmpty()) {
      answer =
          answer.with("Access-Control-Allow-Methods", String.join(", ", rules.allowedMethods()));
    }
    List<String> headers = allowedHeaders(exchange, rules);
    if (!headers.isEmpty()) {
      answer = answer.with("Access-Control-Allow-Headers", String.join(", ", headers));
    }
    return answer.with("Access-Control-Max-Age", Long.toString(rules.maxAge().toSeconds()));
  }

  /**
   * Of those that are asked for: what stands for many is of no use to a browser with credentials.
   */
  private static List<String> allowedHeaders(Exchange exchange, CorsConfiguration rules) {
    List<String> allowed = new ArrayList<>();
    for (String line : exchange.headers("Access-Control-Request-Headers")) {
      for (String part : line.split(",", MAX_HEADERS + 1)) {
        String name = part.strip();
        if (allowed.size() < MAX_HEADERS && rules.allowsHeader(name)) {
          allowed.add(name);
        }
      }
    }
    return allowed;
  }
}
