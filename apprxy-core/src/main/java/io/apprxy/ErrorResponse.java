package io.apprxy;

import java.net.ConnectException;
import java.net.UnknownHostException;
import java.nio.channels.UnresolvedAddressException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.json.JsonMapper;

/**
 * The response to a failure: a page for people, problem details (RFC 9457) for programs. Of the
 * failure, the client sees the code and its texts; message and cause are for the log. For the
 * engine.
 */
public final class ErrorResponse {
  private static final JsonMapper JSON = new JsonMapper();
  private static final String RETRY_AFTER_SECONDS =
      "5"; // about the time in which a connector comes back

  private static final String STYLE =
      """
      :root{color-scheme:light dark;--fg:#1b1f24;--dim:#5c6570;--bg:#f4f5f7;--card:#fff;--line:#e1e4e8;--accent:#0b5cad}
      @media(prefers-color-scheme:dark){:root{--fg:#e8eaed;--dim:#9aa3ad;--bg:#14171a;--card:#1d2125;--line:#32383f;--accent:#7ab8f5}}
      *{box-sizing:border-box}
      body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1.5rem;background:var(--bg);color:var(--fg);
      font:1rem/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
      main{width:100%;max-width:34rem;padding:2.25rem;background:var(--card);border:1px solid var(--line);border-radius:.9rem}
      h1{margin:0 0 .6rem;font-size:1.4rem;line-height:1.3}
      p{margin:0 0 1rem}
      a{display:inline-block;padding:.55rem 1.05rem;border-radius:.5rem;background:var(--accent);color:var(--card);text-decoration:none}
      a:focus-visible{outline:3px solid var(--fg);outline-offset:2px}
      dl{display:grid;grid-template-columns:auto 1fr;gap:.2rem 1rem;margin:1.5rem 0 0;padding-top:1.1rem;
      border-top:1px solid var(--line);color:var(--dim);font-size:.85rem}
      dd{margin:0;font-family:ui-monospace,Menlo,Consolas,monospace;overflow-wrap:anywhere}
      """;

  private static final String POLICY =
      "default-src 'none'; style-src 'sha256-"
          + sha256(STYLE)
          + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

  private ErrorResponse() {}

  /**
   * The response.
   *
   * @param requestId the correlation id
   * @param accept the values of the request's Accept headers: those that name HTML, and like it no
   *     less than JSON, get the page
   */
  public static Response of(GatewayException failure, String requestId, List<String> accept) {
    ErrorCode code = failure.code();
    Response response =
        wantsPage(accept)
            ? Response.of(code.status(), "text/html; charset=utf-8", page(code, requestId))
                .with("Content-Security-Policy", POLICY)
            : Response.of(code.status(), "application/problem+json", problem(code, requestId));
    response =
        response
            .with("Cache-Control", "no-store")
            .with("Vary", "Accept")
            .with("X-Request-Id", requestId)
            .with("X-Content-Type-Options", "nosniff")
            .with("Referrer-Policy", "no-referrer");
    if (code.status() == 503) {
      response = response.with("Retry-After", RETRY_AFTER_SECONDS);
    }
    String error = proxyError(failure);
    // The details are for the operator; the code is no secret, the cause would be.
    return error == null
        ? response
        : response.with(
            "Proxy-Status", "apprxy; error=" + error + "; details=\"" + code.code() + "\"");
  }

  private static String problem(ErrorCode code, String requestId) {
    Map<String, Object> problem = new LinkedHashMap<>();
    problem.put("type", "urn:apprxy:error:" + code.code());
    problem.put("title", code.cause());
    problem.put("status", code.status());
    problem.put("detail", code.cause() + " " + code.remedy());
    problem.put("code", code.code());
    problem.put("request_id", requestId);
    problem.put("remedy", code.remedy());
    return JSON.writeValueAsString(problem);
  }

  private static String page(ErrorCode code, String requestId) {
    return """
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
        <p>%3$s</p>
        %4$s<dl>
        <dt>Code</dt><dd>%5$s</dd>
        <dt>Request</dt><dd>%6$s</dd>
        </dl>
        </main>
        </body>
        </html>
        """
        .formatted(
            escape(code.cause()),
            STYLE,
            escape(code.remedy()),
            link(code),
            escape(code.code()),
            escape(requestId));
  }

  private static String link(ErrorCode code) {
    return switch (code) {
      case NOT_ASSIGNED, REFUSED_BY_POLICY, SESSION_TOO_LARGE, STEP_UP_FAILED ->
          "<p><a href=\"" + Exchange.RESERVED_PREFIX + "sign-out\">Use another account</a></p>\n";
      case SIGN_IN_REQUIRED, SIGN_IN_FAILED, SIGN_IN_REFUSED ->
          "<p><a href=\"/\">Start again</a></p>\n";
      default -> "";
    };
  }

  private static String escape(String text) {
    return text.replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace("\"", "&quot;")
        .replace("'", "&#39;");
  }

  /** The error type of RFC 9209 §2.3 for what failed beyond the gateway, or null. */
  private static @Nullable String proxyError(GatewayException failure) {
    return switch (failure.code()) {
      case NO_CONNECTOR -> "destination_unavailable";
      case CONNECTOR_LOST -> "connection_terminated";
      case CONNECTOR_REFUSED -> "proxy_configuration_error";
      case ASSERTION_REFUSED, SIGN_ON_FAILED -> "proxy_internal_error";
      case ORIGIN_UNREACHABLE -> unreachable(failure);
      case ORIGIN_TIMEOUT -> "http_response_timeout";
      case ORIGIN_CERTIFICATE -> "tls_certificate_error";
      case ORIGIN_BROKEN -> "http_response_incomplete";
      case ORIGIN_OVERLOADED -> "connection_limit_reached";
      case CIRCUIT_OPEN, PINNED_ENDPOINT_GONE -> "destination_unavailable";
      default -> null;
    };
  }

  private static String unreachable(Throwable failure) {
    for (Throwable cause = failure.getCause(); cause != null; cause = cause.getCause()) {
      if (cause instanceof ConnectException) {
        return "connection_refused";
      }
      if (cause instanceof UnknownHostException || cause instanceof UnresolvedAddressException) {
        return "dns_error";
      }
    }
    return "destination_unavailable";
  }

  /**
   * Whether HTML is named, and liked no less than JSON (RFC 9110 §12.5.1). A bare {@code *}{@code
   * /*} is a program.
   */
  static boolean wantsPage(List<String> accept) {
    double html = 0;
    double json = 0;
    for (String line : accept) {
      for (String range : line.split(",", -1)) {
        String[] parts = range.split(";", -1);
        String type = parts[0].strip().toLowerCase(Locale.ROOT);
        if (type.equals("text/html") || type.equals("application/xhtml+xml")) {
          html = Math.max(html, quality(parts));
        } else if (type.equals("application/json") || type.equals("application/problem+json")) {
          json = Math.max(json, quality(parts));
        }
      }
    }
    return html > 0 && html >= json;
  }

  private static double quality(String[] parts) {
    for (int i = 1; i < parts.length; i++) {
      String parameter = parts[i].strip().toLowerCase(Locale.ROOT);
      if (parameter.startsWith("q=")) {
        return parameter.matches("q=(?:0(?:\\.[0-9]{0,3})?|1(?:\\.0{0,3})?)")
            ? Double.parseDouble(parameter.substring(2))
            : 0;
      }
    }
    return 1;
  }

  private static String sha256(String text) {
    try {
      byte[] hash =
          MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8));
      return Base64.getEncoder().encodeToString(hash);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every JDK has SHA-256", e);
    }
  }
}
